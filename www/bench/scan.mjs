// The phantom on as many slices of 512 × 512 as are asked for: a scan as big as a clinical one.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';

const SIDE = 512;
const AIR_HU = -1000;
// NIfTI-1: dim[8] as int16, pixdim[8] as float32, the data's offset, and the rows of the sform.
const DIM = 40;
const PIXDIM = 76;
const OFFSET = 108;
const SFORM = 280;
const AXES = [0, 1, 2];

/** The bytes of a .nii.gz with so many slices over the phantom's whole height. */
export function bigScan(slices) {
  const folder = mkdtempSync(join(tmpdir(), 'pleura-'));
  try {
    const path = join(folder, 'phantom.nii.gz');
    execFileSync(process.env.PLEURA_BIN, ['phantom', '--out', path]);
    return enlarge(gunzipSync(readFileSync(path)), slices);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function enlarge(bytes, slices) {
  const [width, height, depth] = AXES.map((a) => bytes.readInt16LE(DIM + 2 * (a + 1)));
  const offset = bytes.readFloatLE(OFFSET);
  const voxels = new Int16Array(bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + bytes.length));
  const [left, top] = [Math.floor((SIDE - width) / 2), Math.floor((SIDE - height) / 2)];
  const out = new Int16Array(SIDE * SIDE * slices).fill(AIR_HU);
  for (let k = 0; k < slices; k += 1) {
    const from = Math.floor((k * depth) / slices);
    for (let j = 0; j < height; j += 1) {
      const row = (from * height + j) * width;
      out.set(voxels.subarray(row, row + width), (k * SIDE + top + j) * SIDE + left);
    }
  }
  const header = Buffer.from(bytes.subarray(0, offset));
  [SIDE, SIDE, slices].forEach((extent, a) => header.writeInt16LE(extent, DIM + 2 * (a + 1)));
  const thinner = depth / slices;
  const scale = (at) => header.writeFloatLE(header.readFloatLE(at) * thinner, at);
  scale(PIXDIM + 4 * 3);
  AXES.forEach((row) => scale(SFORM + 16 * row + 4 * 2));
  return gzipSync(Buffer.concat([header, Buffer.from(out.buffer)]), { level: 1 });
}
