/** A mask of the true lesions beside a scan: known by its values, fit by its grid, compared voxel by voxel. */
import { HEADER_BYTES, affineOf, layoutOf, voxelReader, type Layout } from './preview.ts';

/** 0 is healthy, 1 to 3 are kinds of lesion; some masks tell them apart. */
const MOST_LABEL = 3;
/** Of an affine's entries in mm: files round them. */
const SAME_MM = 0.01;

/** Voxels by what truth and network say of them. */
export interface Overlap {
  both: number;
  /** The network alone. */
  found: number;
  /** The truth alone. */
  missed: number;
}

export interface Scores {
  dice: number;
  sensitivity: number;
  precision: number;
}

export type Comparison = Partial<Record<'normnet' | 'infnet', Overlap>>;

/** Whether all values, scaled, are whole numbers from 0 to 3, and not all are 0. */
export function isMask(raw: Uint8Array, layout: Layout): boolean {
  const read = voxelReader(raw, layout);
  if (read === undefined || layout.frames !== 1) return false;
  const count = layout.dims[0] * layout.dims[1] * layout.dims[2];
  let any = false;
  for (let i = 0; i < count; i += 1) {
    const value = read(layout.offset + i * layout.bytesPerVoxel);
    if (!Number.isInteger(value) || value < 0 || value > MOST_LABEL) return false;
    any ||= value > 0;
  }
  return any;
}

export function sameGrid(a: Uint8Array, b: Uint8Array): boolean {
  const [layoutA, layoutB] = [layoutOf(a, Infinity), layoutOf(b, Infinity)];
  if (layoutA === undefined || layoutB === undefined) return false;
  if (layoutA.dims.some((size, axis) => size !== layoutB.dims[axis])) return false;
  const other = affineOf(b, layoutB);
  return affineOf(a, layoutA).every((value, i) => Math.abs(value - (other[i] ?? Infinity)) <= SAME_MM);
}

/** The part of a file that `sameGrid` reads. */
export function headerOf(raw: Uint8Array): Uint8Array {
  return raw.slice(0, HEADER_BYTES + 4);
}

/** One byte a voxel: 1 where there is a lesion of any kind. */
export function truthOf(raw: Uint8Array, layout: Layout): Uint8Array {
  const read = voxelReader(raw, layout);
  const count = layout.dims[0] * layout.dims[1] * layout.dims[2];
  return Uint8Array.from({ length: count }, (_, i) => ((read?.(layout.offset + i * layout.bytesPerVoxel) ?? 0) > 0 ? 1 : 0));
}

export function overlap(truth: Uint8Array, found: Uint8Array): Overlap {
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < truth.length; i += 1) {
    const at = (truth[i] as number) + ((found[i] as number) > 0 ? 2 : 0);
    counts[at] = (counts[at] as number) + 1;
  }
  const [, missed = 0, alone = 0, both = 0] = counts;
  return { both, found: alone, missed };
}

/** Where there is nothing to divide by, a score has no value. */
export function scores({ both, found, missed }: Overlap): Scores {
  return {
    dice: (2 * both) / (2 * both + found + missed),
    sensitivity: both / (both + missed),
    precision: both / (both + found),
  };
}
