/** The axial slices: as the file numbers them, and as the viewer does, which shows some of them, from the feet up. */
import type { Order, Steps } from './protocol.ts';

export interface Slices {
  /** In the file. */
  count: number;
  /** In the viewer. */
  shown: number;
  step: number;
  /** The file goes from the head down. */
  downwards: boolean;
  /** The slices of the report, which counts along the file's third axis, are these. */
  reported: boolean;
}

export function axialSlices(dims: readonly [number, number, number], steps: Steps, order: Order): Slices {
  const axis = (Math.abs(order[2]) - 1) as 0 | 1 | 2;
  const [count, step] = [dims[axis], steps[axis]];
  return { count, step, shown: Math.ceil(count / step), downwards: order[2] < 0, reported: axis === 2 };
}

/** The file's number, from 0, of the viewer's slice. */
export function inFile(slices: Slices, shown: number): number {
  return (slices.downwards ? slices.shown - 1 - shown : shown) * slices.step;
}

/** The viewer's number of the file's slice, or of the nearest one that is shown. */
export function inViewer(slices: Slices, slice: number): number {
  const at = Math.min(Math.floor(slice / slices.step), slices.shown - 1);
  return slices.downwards ? slices.shown - 1 - at : at;
}
