import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from '../lib/load.mjs';

const { CODES, compose, overlayLut, readLabels } = await load('masks.ts');
const ALL = { lungs: true, normnet: true, ggo: true, consolidation: true, difference: false };

function nifti(dims, labels) {
  const bytes = new Uint8Array(352 + labels.length);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, 348, true);
  [3, ...dims].forEach((value, i) => view.setInt16(40 + 2 * i, value, true));
  view.setInt16(70, 2, true);
  view.setFloat32(108, 352, true);
  bytes.set(labels, 352);
  return bytes;
}

test('reads a label file', () => {
  const volume = readLabels(nifti([2, 1, 2], [0, 1, 2, 1]));
  assert.deepEqual(volume.dims, [2, 1, 2]);
  assert.deepEqual([...volume.labels], [0, 1, 2, 1]);
});

test('refuses what is not a label file', () => {
  assert.throws(() => readLabels(new Uint8Array(10)), /shorter/);
  assert.throws(() => readLabels(new Uint8Array(400)), /not a uint8 NIfTI/);
  assert.throws(() => readLabels(nifti([2, 2, 2], [0, 1])), /fewer voxels/);
});

test('every combination of layers has a code of its own', () => {
  const lungs = [];
  const normnet = [];
  const infnet = [];
  for (let code = 0; code < CODES; code += 1) {
    lungs.push(code % 3);
    normnet.push(Math.floor(code / 3) % 2);
    infnet.push(Math.floor(code / 6));
  }
  const layers = { lungs: Uint8Array.from(lungs), normnet: Uint8Array.from(normnet), infnet: Uint8Array.from(infnet) };
  assert.deepEqual([...compose(layers, ALL, CODES)], [...Array(CODES).keys()]);
});

test('hidden layers and missing ones leave no trace', () => {
  const layers = { lungs: Uint8Array.of(1, 2, 1), infnet: Uint8Array.of(0, 1, 2) };
  assert.deepEqual([...compose(layers, ALL, 3)], [1, 8, 13]);
  assert.deepEqual([...compose(layers, { ...ALL, lungs: false }, 3)], [0, 6, 12]);
  assert.deepEqual([...compose(layers, { ...ALL, ggo: false }, 3)], [1, 2, 13]);
  assert.deepEqual([...compose(layers, { ...ALL, consolidation: false }, 3)], [1, 8, 1]);
});

test('the difference leaves what one network alone marks', () => {
  const layers = { lungs: Uint8Array.of(1, 1, 2, 2), normnet: Uint8Array.of(1, 0, 1, 1), infnet: Uint8Array.of(0, 1, 2, 0) };
  assert.deepEqual([...compose(layers, { ...ALL, difference: true }, 4)], [4, 7, 2, 5]);
});

test('the table colours lesions over lungs and leaves the rest clear', () => {
  const lut = overlayLut();
  const colour = (code) => [lut.R[code], lut.G[code], lut.B[code]];
  assert.equal(lut.I.length, CODES);
  assert.equal(lut.A[0], 0);
  assert.ok(lut.A[1] > 0 && lut.A[1] < lut.A[3], 'lungs are fainter than lesions');
  assert.deepEqual(colour(3), colour(4), 'a lesion has one colour in either lung');
  assert.deepEqual(colour(6), [240, 228, 66]);
  assert.deepEqual(colour(9), [235, 163, 33], 'where the networks agree, their colours mix');
});
