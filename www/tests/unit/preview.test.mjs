import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from '../lib/load.mjs';

const { layoutOf, stepsFor, thin } = await load('preview.ts');

/** An int16 file whose voxel (i, j, k) holds i + 10 j + 100 k. */
function nifti(dims, spacing, { littleEndian = true, frames = 1 } = {}) {
  const voxels = dims[0] * dims[1] * dims[2];
  const raw = new Uint8Array(352 + 2 * voxels * frames);
  const view = new DataView(raw.buffer);
  view.setInt32(0, 348, littleEndian);
  [frames > 1 ? 4 : 3, ...dims, frames, 1, 1, 1].forEach((value, i) => view.setInt16(40 + 2 * i, value, littleEndian));
  view.setInt16(70, 4, littleEndian);
  view.setInt16(72, 16, littleEndian);
  spacing.forEach((value, i) => view.setFloat32(80 + 4 * i, value, littleEndian));
  view.setFloat32(108, 352, littleEndian);
  spacing.forEach((value, i) => view.setFloat32(280 + 20 * i, value, littleEndian));
  view.setFloat32(292, -7, littleEndian);
  raw.set([0x6e, 0x2b, 0x31], 344);
  for (let at = 0; at < voxels; at += 1) {
    const [i, j, k] = [at % dims[0], Math.floor(at / dims[0]) % dims[1], Math.floor(at / dims[0] / dims[1])];
    view.setInt16(352 + 2 * at, i + 10 * j + 100 * k, littleEndian);
  }
  return raw;
}

const values = (raw, layout) => {
  const view = new DataView(raw.buffer);
  const count = layout.dims[0] * layout.dims[1] * layout.dims[2];
  return Array.from({ length: count }, (_, at) => view.getInt16(layout.offset + 2 * at, layout.littleEndian));
};

test('reads the layout in either byte order', () => {
  for (const littleEndian of [true, false]) {
    const layout = layoutOf(nifti([4, 3, 2], [1, 2, 3], { littleEndian }));
    assert.deepEqual(layout, { littleEndian, dims: [4, 3, 2], spacing: [1, 2, 3], bytesPerVoxel: 2, offset: 352, frames: 1 });
  }
});

test('what is not whole has no layout', () => {
  const raw = nifti([4, 3, 2], [1, 1, 1]);
  assert.equal(layoutOf(raw.subarray(0, raw.length - 1)), undefined);
  assert.equal(layoutOf(raw.subarray(0, 100)), undefined);
  const edits = { magic: [344, 0], dims: [42, 0xff], huge: [43, 0x7f], axes: [40, 9], header: [0, 0], bits: [72, 1] };
  for (const [name, [at, value]] of Object.entries(edits)) {
    const broken = raw.slice();
    broken[at] = value;
    if (name === 'dims') broken[at + 1] = 0xff;
    assert.equal(layoutOf(broken), undefined, name);
  }
});

test('a small scan stays as it is', () => {
  const raw = nifti([4, 3, 2], [1, 1, 1]);
  const layout = layoutOf(raw);
  assert.deepEqual(stepsFor(layout, 24), [1, 1, 1]);
  assert.equal(thin(raw, layout, [1, 1, 1]), raw);
});

test('the finest axis is thinned first', () => {
  const layout = (dims, spacing) => ({ dims, spacing });
  assert.deepEqual(stepsFor(layout([512, 512, 600], [0.7, 0.7, 0.6]), 80e6), [1, 1, 2]);
  assert.deepEqual(stepsFor(layout([512, 512, 300], [0.7, 0.7, 2.5]), 20e6), [2, 2, 1]);
  assert.deepEqual(stepsFor(layout([1, 1, 100], [1, 1, 9]), 30), [1, 1, 4]);
});

test('a thinned scan holds its voxels where they were', () => {
  for (const littleEndian of [true, false]) {
    const raw = nifti([5, 2, 3], [1, 2, 3], { littleEndian });
    const small = thin(raw, layoutOf(raw), [2, 1, 2]);
    const layout = layoutOf(small);
    assert.deepEqual(layout.dims, [3, 2, 2]);
    assert.deepEqual(layout.spacing, [2, 2, 6]);
    assert.deepEqual(values(small, layout), [0, 2, 4, 10, 12, 14, 200, 202, 204, 210, 212, 214]);
    const view = new DataView(small.buffer);
    const affine = [280, 292, 300, 320].map((at) => view.getFloat32(at, littleEndian));
    assert.deepEqual(affine, [2, -7, 2, 6]);
  }
});

test('of several frames the first is shown', () => {
  const raw = nifti([2, 2, 1], [1, 1, 1], { frames: 3 });
  const first = thin(raw, layoutOf(raw), [1, 1, 1]);
  assert.equal(first.length, 352 + 8);
  assert.equal(layoutOf(first).frames, 1);
});
