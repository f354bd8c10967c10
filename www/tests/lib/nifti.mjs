// Enough of NIfTI-1 to compare masks and to turn them: uint8 and int16, little endian, gzip or not.
import { gunzipSync } from 'node:zlib';

const DT_UINT8 = 2;
const DT_INT16 = 4;

function open(bytes, datatype) {
  const raw = bytes[0] === 0x1f ? gunzipSync(bytes) : bytes;
  if (raw.readInt32LE(0) !== 348 || raw.readInt16LE(70) !== datatype) throw new Error(`not a NIfTI-1 file of type ${datatype}`);
  const dims = [raw.readInt16LE(42), raw.readInt16LE(44), raw.readInt16LE(46)];
  const affine = [280, 296, 312].map((at) => [0, 4, 8, 12].map((step) => raw.readFloatLE(at + step)));
  const offset = raw.readFloatLE(108);
  return { raw, dims, affine, offset, voxels: dims[0] * dims[1] * dims[2] };
}

export function readMask(bytes) {
  const { raw, dims, affine, offset, voxels } = open(bytes, DT_UINT8);
  const labels = raw.subarray(offset, offset + voxels);
  return { dims, affine, labels, qform: raw.readInt16LE(252), sform: raw.readInt16LE(254) };
}

export function readScan(bytes) {
  const { raw, dims, affine, offset, voxels } = open(bytes, DT_INT16);
  return { dims, affine, hu: Int16Array.from({ length: voxels }, (_, i) => raw.readInt16LE(offset + 2 * i)) };
}

/** The same mask with its rows in the other order, as programs that make NIfTI of DICOM store them. */
export function turnRows(bytes) {
  const { raw, dims, affine, offset } = open(bytes, DT_UINT8);
  const [columns, rows, slices] = dims;
  const turned = Buffer.from(raw);
  for (let row = 0; row < rows * slices; row += 1) {
    const from = offset + columns * (row + rows - 1 - 2 * (row % rows));
    raw.copy(turned, offset + columns * row, from, from + columns);
  }
  affine.forEach(([, step, , start], axis) => {
    turned.writeFloatLE(-step, 284 + 16 * axis);
    turned.writeFloatLE(start + (rows - 1) * step, 292 + 16 * axis);
  });
  return turned;
}

/** Voxels that are not 0. */
export function volume(mask) {
  return mask.labels.reduce((count, label) => count + (label !== 0 ? 1 : 0), 0);
}

/** Dice of one label; 1 where neither mask has it. */
export function dice(a, b, label) {
  let both = 0;
  let either = 0;
  for (let i = 0; i < a.labels.length; i += 1) {
    const inA = a.labels[i] === label;
    const inB = b.labels[i] === label;
    if (inA && inB) both += 1;
    either += Number(inA) + Number(inB);
  }
  return either === 0 ? 1 : (2 * both) / either;
}
