import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from '../lib/load.mjs';

const { isMask, overlap, sameGrid, scores, truthOf } = await load('truth.ts');
const { layoutOf } = await load('preview.ts');
const { lesionCsv } = await load('csv.ts');
const { markPlace } = await load('ruler.ts');

/** A NIfTI file of uint8 (2) or float32 (16) voxels. */
function nifti(values, { datatype = 2, dims = [values.length, 1, 1], origin = 5, rows = 1 } = {}) {
  const bytes = datatype === 2 ? 1 : 4;
  const raw = new Uint8Array(352 + bytes * values.length);
  const view = new DataView(raw.buffer);
  view.setInt32(0, 348, true);
  [3, ...dims].forEach((value, i) => view.setInt16(40 + 2 * i, value, true));
  view.setInt16(70, datatype, true);
  view.setInt16(72, 8 * bytes, true);
  [1, 2, 3].forEach((value, i) => view.setFloat32(80 + 4 * i, value, true));
  view.setFloat32(108, 352, true);
  view.setInt16(254, 1, true);
  [1, 2, 3].forEach((value, i) => view.setFloat32(280 + 20 * i, value, true));
  view.setFloat32(292, origin, true);
  // Rows from the front to the back begin at the other end.
  view.setFloat32(300, 2 * rows, true);
  if (rows < 0) view.setFloat32(308, 2 * (dims[1] - 1), true);
  raw.set([0x6e, 0x2b, 0x31], 344);
  values.forEach((value, i) => (datatype === 2 ? view.setUint8(352 + i, value) : view.setFloat32(352 + 4 * i, value, true)));
  return raw;
}

test('a mask is known by its values', () => {
  const is = (values, options) => {
    const raw = nifti(values, options);
    return isMask(raw, layoutOf(raw));
  };
  assert.ok(is([0, 1, 2, 3]));
  assert.ok(is([0, 1, 0, 0], { datatype: 16 }));
  assert.ok(!is([0, 4]), 'a label too many');
  assert.ok(!is([0, 0.5], { datatype: 16 }), 'a probability');
  assert.ok(!is([-1000, 1], { datatype: 16 }), 'a scan');
  assert.ok(!is([0, 0]), 'nothing is marked');
});

test('grids are the same where size and affine are', () => {
  const scan = nifti([-1000, 40], { datatype: 16 });
  assert.ok(sameGrid(nifti([0, 1]), scan));
  assert.ok(sameGrid(nifti([0, 1], { origin: 5.004 }), scan), 'rounded');
  assert.ok(!sameGrid(nifti([0, 1], { origin: 6 }), scan), 'elsewhere');
  assert.ok(!sameGrid(nifti([0, 1, 1]), scan), 'another size');
  assert.ok(!sameGrid(new Uint8Array(10), scan));
  const dims = [1, 3, 1];
  assert.ok(sameGrid(nifti([0, 0, 1], { dims }), nifti([1, 0, 0], { dims, rows: -1 })), 'with its rows turned');
  assert.ok(!sameGrid(nifti([0, 1], { dims: [1, 2, 1] }), nifti([1, 0, 0], { dims, rows: -1 })));
});

test('scores count voxels', () => {
  const raw = nifti([0, 1, 2, 3, 0, 0]);
  const truth = truthOf(raw, layoutOf(raw));
  const counted = overlap(truth, Uint8Array.of(0, 1, 2, 0, 1, 0));
  assert.deepEqual(counted, { both: 2, found: 1, missed: 1 });
  assert.deepEqual(scores(counted), { dice: 4 / 6, sensitivity: 2 / 3, precision: 2 / 3 });
  assert.ok(Number.isNaN(scores({ both: 0, found: 0, missed: 5 }).precision));
});

test('the lesion table is CSV that any program reads', () => {
  const lesion = { ml: 1.25, side: 'left', slices: [3, 7], centroid_mm: [-60.5, 10, 99], mean_hu: -421.5, class: 'ground-glass' };
  const list = (listed) => ({ listed, smaller: 0, smaller_ml: 0 });
  const report = { normnet: list([{ ...lesion, class: null }]), infnet: list([lesion, { ...lesion, ml: 0.5 }]) };
  const rows = (of) => lesionCsv(of).split('\r\n');
  const present = [
    'normnet,1,,left,4,8,-60.5,10,99,-421.5,1.25,no',
    'infnet,1,ground-glass,left,4,8,-60.5,10,99,-421.5,1.25,no',
    'infnet,2,ground-glass,left,4,8,-60.5,10,99,-421.5,0.5,no',
  ];
  assert.deepEqual(rows(report).slice(1), [...present, '']);
  assert.equal(rows(report)[0].split(',').length, present[0].split(',').length);
  // What a person took away stands behind the rest, and has no number.
  const removed = [{ network: 'infnet', lesion: { ...lesion, ml: 7 } }];
  assert.deepEqual(rows({ ...report, removed }).slice(1), [...present, 'infnet,,ground-glass,left,4,8,-60.5,10,99,-421.5,7,yes', '']);
});

test('marks lie on the ruler as the slices in the chest', () => {
  const up = { count: 100, shown: 100, step: 1, downwards: false, reported: true };
  assert.deepEqual(markPlace(up, [0, 9]), { top: 90, height: 10 });
  assert.deepEqual(markPlace({ ...up, downwards: true }, [0, 9]), { top: 0, height: 10 });
  assert.deepEqual(markPlace({ ...up, count: 400, shown: 400 }, [0, 0]), { top: 99.2, height: 0.8 });
});
