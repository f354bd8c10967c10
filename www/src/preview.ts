/** A NIfTI file made fit for the graphics card: checked, one frame, and not larger than it can take. */

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

export type Steps = [number, number, number];

/** The viewer keeps four bytes a voxel twice, and a third time while it loads. */
const VOXELS_DESKTOP = 80e6;
const VOXELS_PHONE = 20e6;
const HEADER_BYTES = 348;
/** Where things stand in a NIfTI-1 header. */
const AT = { dim: 40, bitpix: 72, pixdim: 76, voxOffset: 108, srow: 280, magic: 344 } as const;

/** The file's layout; undefined for what is no whole single-file NIfTI-1. */
export function layoutOf(raw: Uint8Array): Layout | undefined {
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
  return isWhole(layout, raw.length) ? layout : undefined;
}

function isWhole(layout: Layout, length: number): boolean {
  const { dims, bytesPerVoxel, offset, frames } = layout;
  const counts = [...dims, bytesPerVoxel, frames];
  if (!counts.every((count) => Number.isInteger(count) && count > 0) || !Number.isInteger(offset)) return false;
  return offset >= HEADER_BYTES && offset + dims[0] * dims[1] * dims[2] * bytesPerVoxel <= length;
}

export function voxelBudget(): number {
  const memory = (navigator as { deviceMemory?: number }).deviceMemory ?? 8;
  return memory <= 4 || matchMedia('(pointer: coarse)').matches ? VOXELS_PHONE : VOXELS_DESKTOP;
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
