/** How slices of two scans are linked: by height in the lungs of each, from base to apex. Lungs differ in size with each breath. */
import type { Loaded } from './protocol.ts';

type Lungs = Pick<Loaded, 'lungs'>;

/** Steps from base to apex: slices of the scan that has most of them in the lungs. */
export function stepsBetween(scans: readonly Lungs[]): number {
  return Math.max(0, ...scans.map(({ lungs: [first, last] }) => last - first));
}

/** The slice at this height, 0 at the base and 1 at the apex. */
export function linked({ lungs: [first, last] }: Lungs, height: number): number {
  return first + Math.round(height * (last - first));
}

/** Height of a slice, likewise; that of the nearer end where it lies beyond the lungs. */
export function heightOf({ lungs: [first, last] }: Lungs, slice: number): number {
  return last > first ? Math.min(Math.max((slice - first) / (last - first), 0), 1) : 0;
}
