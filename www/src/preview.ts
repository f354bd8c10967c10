/** A NIfTI file made fit for the graphics card: checked, one frame, and not larger than it can take. */
import type { Order, Steps } from './protocol.ts';

export interface Layout {
  littleEndian: boolean;
  dims: [number, number, number];
  /** mm along the file's own axes. */
  spacing: [number, number, number];
  bytesPerVoxel: number;
  /** Where the voxels begin. */
  offset: number;
  frames: number;
}

export const HEADER_BYTES = 348;
/** Where things stand in a NIfTI-1 header. */
const AT = {
  dim: 40,
  datatype: 70,
  slope: 112,
  inter: 116,
  qoffset: 268,
  bitpix: 72,
  pixdim: 76,
  voxOffset: 108,
  qformCode: 252,
  sformCode: 254,
  quaternion: 256,
  srow: 280,
  magic: 344,
} as const;

/** The file's layout; undefined for what is no whole single-file NIfTI-1. `length` is how long it is once all of it is there. */
export function layoutOf(raw: Uint8Array, length = raw.length): Layout | undefined {
  if (raw.length < HEADER_BYTES + 4) return undefined;
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const littleEndian = view.getInt32(0, true) === HEADER_BYTES;
  if (!littleEndian && view.getInt32(0, false) !== HEADER_BYTES) return undefined;
  if (String.fromCharCode(...raw.subarray(AT.magic, AT.magic + 3)) !== 'n+1') return undefined;

  const dim = (i: number): number => view.getInt16(AT.dim + 2 * i, littleEndian);
  const axes = dim(0);
  if (axes < 2 || axes > 7) return undefined;
  const size = (i: number): number => (i <= axes ? dim(i) : 1);
  const dims: Layout['dims'] = [size(1), size(2), size(3)];
  const frames = [4, 5, 6, 7].reduce((product, i) => product * size(i), 1);
  const pixdim = (i: number): number => Math.abs(view.getFloat32(AT.pixdim + 4 * i, littleEndian)) || 1;
  const layout: Layout = {
    littleEndian,
    dims,
    spacing: [pixdim(1), pixdim(2), pixdim(3)],
    bytesPerVoxel: view.getInt16(AT.bitpix, littleEndian) / 8,
    offset: view.getFloat32(AT.voxOffset, littleEndian),
    frames,
  };
  return isWhole(layout, length) ? layout : undefined;
}

function isWhole(layout: Layout, length: number): boolean {
  const { dims, bytesPerVoxel, offset, frames } = layout;
  const counts = [...dims, bytesPerVoxel, frames];
  if (!counts.every((count) => Number.isInteger(count) && count > 0) || !Number.isInteger(offset)) return false;
  return offset >= HEADER_BYTES && offset + dims[0] * dims[1] * dims[2] * bytesPerVoxel <= length;
}

/** Which axis of the file runs along each of R, A and S, by its affine; along the axes themselves where it has none. */
export function axesOf(raw: Uint8Array, layout: Layout): Order {
  const columns = columnsOf(raw, layout.littleEndian);
  const free = new Set([0, 1, 2]);
  const order: Order = [1, 2, 3];
  for (const axis of [0, 1, 2] as const) {
    const size = (row: number): number => Math.abs(columns[axis]?.[row] ?? 0);
    const row = [...free].reduce((best, each) => (size(each) > size(best) ? each : best));
    free.delete(row);
    order[row as 0 | 1 | 2] = (columns[axis]?.[row] ?? 0) < 0 ? -(axis + 1) : axis + 1;
  }
  return order;
}

/** The first three rows of the affine in mm, column by column. */
export function affineOf(raw: Uint8Array, layout: Layout): number[] {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const float = (at: number): number => view.getFloat32(at, layout.littleEndian);
  const bySform = view.getInt16(AT.sformCode, layout.littleEndian) > 0;
  const columns = columnsOf(raw, layout.littleEndian);
  const scaled = bySform ? columns : columns.map((column, axis) => column.map((value) => value * (layout.spacing[axis] ?? 1)));
  const origin = [0, 1, 2].map((row) => float(bySform ? AT.srow + 16 * row + 12 : AT.qoffset + 4 * row));
  return [...scaled, origin].flat();
}

/** Reads the scaled voxel at a byte of the file; nothing for what is no plain number. */
export function voxelReader(raw: Uint8Array, layout: Layout): ((at: number) => number) | undefined {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const little = layout.littleEndian;
  const slope = view.getFloat32(AT.slope, little) || 1;
  const inter = view.getFloat32(AT.inter, little) || 0;
  const readers: Record<number, (at: number) => number> = {
    2: (at) => view.getUint8(at),
    4: (at) => view.getInt16(at, little),
    8: (at) => view.getInt32(at, little),
    16: (at) => view.getFloat32(at, little),
    64: (at) => view.getFloat64(at, little),
    256: (at) => view.getInt8(at),
    512: (at) => view.getUint16(at, little),
  };
  const read = readers[view.getInt16(AT.datatype, little)];
  return read && ((at) => read(at) * slope + inter);
}

/** The directions of the file's axes in RAS; their lengths say nothing. */
function columnsOf(raw: Uint8Array, littleEndian: boolean): number[][] {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const float = (at: number): number => view.getFloat32(at, littleEndian);
  const short = (at: number): number => view.getInt16(at, littleEndian);
  if (short(AT.sformCode) > 0) return [0, 1, 2].map((axis) => [0, 1, 2].map((row) => float(AT.srow + 16 * row + 4 * axis)));
  if (short(AT.qformCode) <= 0) return [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  const [b, c, d] = [float(AT.quaternion), float(AT.quaternion + 4), float(AT.quaternion + 8)];
  const a = Math.sqrt(Math.max(0, 1 - b * b - c * c - d * d));
  const turn = float(AT.pixdim) < 0 ? -1 : 1;
  return [
    [a * a + b * b - c * c - d * d, 2 * (b * c + a * d), 2 * (b * d - a * c)],
    [2 * (b * c - a * d), a * a + c * c - b * b - d * d, 2 * (c * d + a * b)],
    [turn * 2 * (b * d + a * c), turn * 2 * (c * d - a * b), turn * (a * a + d * d - b * b - c * c)],
  ];
}

/** Of how many voxels along each axis one is shown: the finest axis is thinned first. */
export function stepsFor(layout: Layout, budget: number): Steps {
  const steps: Steps = [1, 1, 1];
  const shown = (axis: 0 | 1 | 2): number => Math.ceil(layout.dims[axis] / steps[axis]);
  while (shown(0) * shown(1) * shown(2) > budget) {
    const axes = ([0, 1, 2] as const).filter((axis) => shown(axis) > 1);
    const fineness = (axis: 0 | 1 | 2): number => layout.spacing[axis] * steps[axis];
    const finest = axes.reduce((best, axis) => (fineness(axis) < fineness(best) ? axis : best), axes[0] ?? 0);
    steps[finest] *= 2;
  }
  return steps;
}

/** The first frame, thinned; the file itself where nothing has to go. */
export function thin(raw: Uint8Array<ArrayBuffer>, layout: Layout, steps: Steps): Uint8Array<ArrayBuffer> {
  if (layout.frames === 1 && steps.every((step) => step === 1)) return raw;
  const { dims, bytesPerVoxel, offset } = layout;
  const shown = dims.map((size, axis) => Math.ceil(size / (steps[axis] ?? 1))) as Layout['dims'];
  const out = new Uint8Array(offset + shown[0] * shown[1] * shown[2] * bytesPerVoxel);
  out.set(raw.subarray(0, offset));
  rewriteHeader(out, layout, shown, steps);
  let to = offset;
  for (let k = 0; k < dims[2]; k += steps[2]) {
    for (let j = 0; j < dims[1]; j += steps[1]) {
      const row = offset + (j + dims[1] * k) * dims[0] * bytesPerVoxel;
      to = copyRow(raw, row, out, to, layout, steps[0]);
    }
  }
  return out;
}

function copyRow(raw: Uint8Array, row: number, out: Uint8Array, to: number, layout: Layout, step: number): number {
  const { dims, bytesPerVoxel } = layout;
  if (step === 1) {
    out.set(raw.subarray(row, row + dims[0] * bytesPerVoxel), to);
    return to + dims[0] * bytesPerVoxel;
  }
  let next = to;
  for (let i = 0; i < dims[0]; i += step) {
    for (let byte = 0; byte < bytesPerVoxel; byte += 1) {
      out[next] = raw[row + i * bytesPerVoxel + byte] as number;
      next += 1;
    }
  }
  return next;
}

/** The first voxel stays where it is, so that only the columns of the affine grow. */
function rewriteHeader(out: Uint8Array<ArrayBuffer>, layout: Layout, shown: Layout['dims'], steps: Steps): void {
  const view = new DataView(out.buffer);
  const { littleEndian } = layout;
  const dim = [3, ...shown, 1, 1, 1, 1];
  dim.forEach((value, i) => view.setInt16(AT.dim + 2 * i, value, littleEndian));
  const scale = (at: number, step: number): void =>
    view.setFloat32(at, view.getFloat32(at, littleEndian) * step, littleEndian);
  steps.forEach((step, axis) => {
    scale(AT.pixdim + 4 * (axis + 1), step);
    for (let row = 0; row < 3; row += 1) scale(AT.srow + 16 * row + 4 * axis, step);
  });
}

/** One byte a voxel, brought from the file's order into the viewer's: along R first, then A, then S. */
export function toRas(values: Uint8Array, dims: Layout['dims'], order: Order): Uint8Array<ArrayBuffer> {
  const strides: Layout['dims'] = [1, 1, 1];
  let start = 0;
  let stride = 1;
  for (const axis of order) {
    const from = (Math.abs(axis) - 1) as 0 | 1 | 2;
    strides[from] = axis < 0 ? -stride : stride;
    if (axis < 0) start += stride * (dims[from] - 1);
    stride *= dims[from];
  }
  const out = new Uint8Array(values.length);
  let at = 0;
  for (let k = 0; k < dims[2]; k += 1) {
    for (let j = 0; j < dims[1]; j += 1) {
      let to = start + j * strides[1] + k * strides[2];
      for (let i = 0; i < dims[0]; i += 1) {
        out[to] = values[at] as number;
        at += 1;
        to += strides[0];
      }
    }
  }
  return out;
}
