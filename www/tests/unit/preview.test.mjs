import assert from 'node:assert/strict';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { load } from '../lib/load.mjs';

const { axesOf, layoutOf, stepsFor, thin, toRas } = await load('preview.ts');
const { gunzip, gunzipScan } = await load('unpack.ts');
const { firstSlice } = await load('first-slice.ts');
const { axialSlices, inFile, inViewer } = await load('slices.ts');
const { isSoftware } = await load('budget.ts');

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

/** Gives the file an sform with these columns. */
function turned(raw, columns) {
  const view = new DataView(raw.buffer);
  view.setInt16(254, 1, true);
  columns.forEach((column, axis) => column.forEach((value, row) => view.setFloat32(280 + 16 * row + 4 * axis, value, true)));
  return raw;
}

const LPS = [[-1, 0, 0], [0, -1, 0], [0, 0, 1]];
/** Slices from the head down, rows from left to right. */
const MIXED = [[0, -1, 0], [1, 0, 0], [0, 0, -2]];

test('a packed scan streams, and its first half is told early', async () => {
  const raw = nifti([60, 50, 40], [1, 1, 1]);
  for (const file of [new Blob([raw]), new Blob([gzipSync(raw)])]) {
    const told = [];
    const whole = await gunzipScan(file, (half, layout) => told.push([half.length >= 352 + 60 * 50 * 21 * 2, layout.dims]));
    assert.deepEqual(told, [[true, [60, 50, 40]]]);
    assert.deepEqual(whole, raw);
    assert.deepEqual(await gunzip(file), raw);
  }
  const noise = new Uint8Array(1000).fill(7);
  assert.deepEqual(await gunzipScan(new Blob([gzipSync(noise)]), () => assert.fail('there is no header')), noise);
});

test('the axes are those of the affine', () => {
  const raw = nifti([4, 3, 2], [1, 2, 3]);
  const layout = layoutOf(raw);
  assert.deepEqual(axesOf(raw, layout), [1, 2, 3], 'without one, those of the file');
  assert.deepEqual(axesOf(turned(raw.slice(), LPS), layout), [-1, -2, 3]);
  assert.deepEqual(axesOf(turned(raw.slice(), MIXED), layout), [2, -1, -3]);
  const view = new DataView(raw.buffer);
  view.setInt16(252, 1, true);
  // A half turn about the third axis, which is LPS.
  view.setFloat32(264, 1, true);
  assert.deepEqual(axesOf(raw, layout), [-1, -2, 3]);
});

test('values are brought into the order of R, A and S', () => {
  const values = Uint8Array.from({ length: 24 }, (_, i) => i);
  const dims = [4, 3, 2];
  assert.deepEqual(toRas(values, dims, [1, 2, 3]), values);
  assert.deepEqual([...toRas(values, dims, [-1, -2, 3]).subarray(0, 4)], [11, 10, 9, 8]);
  // Along R runs the second axis, along A the first one backwards, along S the third one backwards.
  assert.deepEqual([...toRas(values, dims, [2, -1, -3]).subarray(0, 4)], [15, 19, 23, 14]);
});

test('the first slice lies as on the radiological display', () => {
  for (const [columns, corner] of [[LPS, [0, 0]], [MIXED, [0, 2]]]) {
    const raw = turned(nifti([4, 3, 3], [1, 1, 1]), columns);
    const layout = layoutOf(raw);
    // One bright voxel at the patient's right front corner of the middle slice.
    const view = new DataView(raw.buffer);
    for (let at = 352; at < raw.length; at += 2) view.setInt16(at, -2000, true);
    view.setInt16(352 + 2 * (corner[0] + 4 * (corner[1] + 3)), 1000, true);
    const slice = firstSlice(raw, layout);
    assert.deepEqual([slice.width, slice.height], columns === LPS ? [4, 3] : [3, 4]);
    assert.deepEqual([...slice.pixels.subarray(0, 5)], [255, 255, 255, 255, 0], 'it is the first pixel');
  }
  const coronal = turned(nifti([4, 3, 3], [1, 1, 1]), [[1, 0, 0], [0, 0, 1], [0, 1, 0]]);
  assert.equal(firstSlice(coronal, layoutOf(coronal)), undefined);
});

test('slices keep the numbers of the file', () => {
  const up = axialSlices([512, 512, 301], [2, 2, 2], [-1, -2, 3]);
  assert.deepEqual([up.count, up.shown, up.reported], [301, 151, true]);
  assert.deepEqual([inFile(up, 0), inFile(up, 150), inViewer(up, 0), inViewer(up, 300)], [0, 300, 0, 150]);
  const down = axialSlices([512, 512, 300], [1, 1, 1], [1, 2, -3]);
  assert.deepEqual([inFile(down, 299), inViewer(down, 0)], [0, 299]);
  assert.equal(axialSlices([10, 20, 30], [1, 1, 1], [1, 3, 2]).reported, false);
});

test('drawing by the processor is known by its name', () => {
  assert.ok(isSoftware('ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero)), SwiftShader driver)'));
  assert.ok(isSoftware('llvmpipe (LLVM 15.0.6, 256 bits)'));
  assert.ok(!isSoftware('ANGLE (NVIDIA, NVIDIA GeForce RTX 4070 Direct3D11)'));
});
