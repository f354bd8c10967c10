/** A mask of the true lesions beside a scan: known by its values, fit by its grid, compared voxel by voxel. */
import { HEADER_BYTES, affineOf, axesOf, layoutOf, voxelReader, type Layout } from './preview.ts';

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

/** Whether voxels lie in the same places, in whatever order: programs that make NIfTI of DICOM turn its rows. */
export function sameGrid(a: Uint8Array, b: Uint8Array): boolean {
  const [gridA, gridB] = [gridOf(a), gridOf(b)];
  if (gridA === undefined || gridB === undefined) return false;
  return gridA.dims.join() === gridB.dims.join() && gridA.affine.every((mm, i) => Math.abs(mm - (gridB.affine[i] ?? Infinity)) <= SAME_MM);
}

/** Dims and affine of a file as they are once its voxels are in the order of R, A and S. */
function gridOf(raw: Uint8Array): { dims: number[]; affine: number[] } | undefined {
  const layout = layoutOf(raw, Infinity);
  if (layout === undefined) return undefined;
  const affine = affineOf(raw, layout);
  const [origin, ...columns] = [3, 0, 1, 2].map((column) => affine.slice(3 * column, 3 * column + 3)) as [number[], ...number[][]];
  const turned = axesOf(raw, layout).map((axis) => {
    const at = Math.abs(axis) - 1;
    return { size: layout.dims[at as 0 | 1 | 2], column: columns[at] ?? [], back: axis < 0 };
  });
  const first = origin.map((mm, row) => turned.reduce((sum, { size, column, back }) => sum + (back ? (size - 1) * (column[row] ?? 0) : 0), mm));
  return { dims: turned.map(({ size }) => size), affine: [...turned.flatMap(({ column, back }) => column.map((mm) => (back ? -mm : mm))), ...first] };
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
