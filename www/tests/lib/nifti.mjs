// Enough of NIfTI-1 to compare masks: uint8, little endian, gzip or not.
import { gunzipSync } from 'node:zlib';

const DT_UINT8 = 2;

export function readMask(bytes) {
  const raw = bytes[0] === 0x1f ? gunzipSync(bytes) : bytes;
  if (raw.readInt32LE(0) !== 348 || raw.readInt16LE(70) !== DT_UINT8) throw new Error('not a uint8 NIfTI-1 file');
  const dims = [raw.readInt16LE(42), raw.readInt16LE(44), raw.readInt16LE(46)];
  const offset = raw.readFloatLE(108);
  const labels = raw.subarray(offset, offset + dims[0] * dims[1] * dims[2]);
  const affine = [280, 296, 312].map((at) => [0, 4, 8, 12].map((step) => raw.readFloatLE(at + step)));
  return { dims, affine, labels, qform: raw.readInt16LE(252), sform: raw.readInt16LE(254) };
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
