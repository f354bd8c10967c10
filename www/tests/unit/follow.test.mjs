import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from '../lib/load.mjs';

const { apart, areReports } = await load('follow/apart.ts');
const { dateOf, Dates, heldBy, MOST_DATES, MOST_HELD, packed } = await load('follow/dates.ts');
const { heightOf, linked, stepsBetween } = await load('follow/heights.ts');
const { fullestSlice, lungSlices, Slices } = await load('follow/slices.ts');
const { sentences, signed } = await load('follow/table.ts');
const { ofEachDate } = await load('series-choices.ts');

const opened = (...names) => ({ name: names[0], files: names.map((name) => ({ name, file: new Blob() })) });
const noMask = async () => undefined;

test('scans that were opened together are told apart, a scan with its mask or a series is not', async () => {
  const names = async (scan, findMask = noMask) => (await apart(scan, findMask)).map(({ name, files }) => `${name}:${files.length}`);
  assert.deepEqual(await names(opened('a/b.nii.gz', 'c.nii.gz')), ['b.nii.gz:1', 'c.nii.gz:1']);
  assert.deepEqual(await names(opened('a.zip', 'b.nrrd', 'c.MHA')), ['a.zip:1', 'b.nrrd:1', 'c.MHA:1']);
  assert.deepEqual(await names(opened('a.nii')), ['a.nii:1']);
  assert.deepEqual(await names(opened('IM1', 'IM2')), ['IM1:2']);
  assert.deepEqual(await names(opened('a.nii', 'IM2')), ['a.nii:2']);
  assert.deepEqual(await names({ ...opened('a.nii', 'b.nii'), truth: {} }), ['a.nii:2']);
  // Whose mask is it?
  assert.deepEqual(await names(opened('a.nii', 'b.nii', 'c.nii'), async (files) => files[2]), ['a.nii:3']);
  assert.deepEqual(await names(opened('a.nii', 'b.nii', 'c.nii')), ['a.nii:1', 'b.nii:1', 'c.nii:1']);
  assert.ok(areReports(opened('a_report.json', 'x/b.JSON')));
  assert.ok(!areReports(opened('a_report.json', 'scan.nii')));
});

test('of each date the series with most slices is taken, the earliest first', () => {
  const series = [['c', '2026-02-01'], ['b', '2026-01-11'], ['a', '2026-02-01'], ['d', null]].map(([uid, date]) => ({ uid, date }));
  assert.deepEqual(ofEachDate(series), ['b', 'c']);
  assert.deepEqual(ofEachDate(series.slice(3)), []);
});

const entry = (name, { date, typed, picture } = {}) => ({
  of: { name },
  name,
  report: new Uint8Array(),
  found: date === undefined ? null : { date, date_from: 'report' },
  typed,
  picture,
  crowded: false,
});

test('entries go by date, what has none behind them, and a new result takes the place of the old', () => {
  const dates = new Dates();
  const [late, none, early] = [entry('late', { date: '2026-02-01' }), entry('none'), entry('early', { date: '2026-03-01', typed: '2025-12-31' })];
  for (const each of [late, none, early]) dates.add(each);
  const names = () => dates.entries.map(({ name }) => name);
  assert.deepEqual(names(), ['early', 'late', 'none']);
  none.typed = '2026-01-01';
  assert.deepEqual(names(), ['early', 'none', 'late']);
  // The date that was typed stays.
  dates.add({ ...entry('again'), of: none.of });
  assert.deepEqual(names(), ['early', 'again', 'late']);
  assert.equal(dateOf(dates.entries[1]), '2026-01-01');
  dates.remove(late);
  for (let i = 0; i < 2 * MOST_DATES; i += 1) dates.add(entry(String(i)));
  assert.equal(dates.entries.length, MOST_DATES);
  assert.ok(dates.full);
});

test('pictures in memory are counted, files on the disk are not', async () => {
  const held = (scan) => heldBy({ scan, masks: [{ name: 'm', file: new Blob(['12']) }] });
  assert.equal(held(new Blob(['1234'])), 6);
  assert.equal(held(new File(['1234'], 'a.nii')), 2);
  const dates = new Dates();
  const large = entry('a', { picture: { scan: { size: MOST_HELD - 5 }, masks: [] } });
  dates.add(large);
  assert.ok(dates.hasRoom(5, {}));
  assert.ok(!dates.hasRoom(6, {}));
  assert.ok(dates.hasRoom(6, large.of), 'it takes its own place');
  const flat = new Blob([new Uint8Array(100_000)]);
  const small = await packed(flat);
  assert.ok(small.size < 1000);
  assert.equal(await packed(small), small);
});

test('slices are linked from base to apex of each date', () => {
  const [short, long] = [{ lungs: [10, 30] }, { lungs: [0, 100] }];
  assert.equal(stepsBetween([short, long]), 100);
  assert.equal(stepsBetween([]), 0);
  assert.deepEqual([0, 0.5, 1].map((at) => [linked(short, at), linked(long, at)]), [[10, 0], [20, 50], [30, 100]]);
  assert.deepEqual(lungSlices(Uint8Array.of(0, 3, 1, 0, 5, 12, 0, 6), 2, 4), [1, 2]);
  assert.deepEqual(lungSlices(new Uint8Array(8), 2, 4), [0, 3]);
  assert.equal(fullestSlice(Uint8Array.of(0, 3, 1, 0, 5, 12, 0, 6), 2, 4), 2);
  assert.equal(fullestSlice(Uint8Array.of(0, 1, 2, 0), 2, 2), null);
  assert.deepEqual([5, 10, 20, 99].map((slice) => heightOf(short, slice)), [0, 0, 0.5, 1]);
  assert.equal(heightOf({ lungs: [3, 3] }, 3), 0);
});

/** A file of 3 × 2 × 4 voxels along L, P and S; int16 or uint8. */
function file(bits, value) {
  const raw = new Uint8Array(352 + (24 * bits) / 8);
  const view = new DataView(raw.buffer);
  view.setInt32(0, 348, true);
  [3, 3, 2, 4, 1, 1, 1, 1].forEach((n, i) => view.setInt16(40 + 2 * i, n, true));
  view.setInt16(70, bits === 8 ? 2 : 4, true);
  view.setInt16(72, bits, true);
  [2, 3, 5].forEach((mm, i) => view.setFloat32(80 + 4 * i, mm, true));
  view.setFloat32(108, 352, true);
  view.setInt16(254, 1, true);
  [-2, -3, 5].forEach((mm, i) => view.setFloat32(280 + 20 * i, mm, true));
  raw.set([0x6e, 0x2b, 0x31], 344);
  for (let at = 0; at < 24; at += 1) {
    const v = value(at % 3, Math.floor(at / 3) % 2, Math.floor(at / 6));
    if (bits === 8) raw[352 + at] = v;
    else view.setInt16(352 + 2 * at, v, true);
  }
  return raw;
}

test('a slice is drawn on the radiological display, with its masks over it', () => {
  // Bright in the patient's right front corner of the second slice.
  const scan = file(16, (i, j, k) => (i === 0 && j === 0 && k === 1 ? 150 : -1350));
  const lungs = file(8, (i, j, k) => (k === 0 ? 0 : i === 0 ? 1 : 2));
  const infnet = file(8, (i, j, k) => (k === 1 && i === 2 && j === 1 ? 2 : 0));
  const slices = Slices.of(scan, { lungs, infnet });
  assert.deepEqual(slices.about, { slices: 4, lungs: [1, 3], fullest: 1, width: 3, height: 2, aspect: 1, thinned: false });
  const view = { lungs: true, normnet: true, ggo: true, consolidation: true, difference: false };
  const lung = { width: 1500, level: -600 };
  const pixel = ({ pixels }, x, y) => [...pixels.subarray(4 * (x + 3 * y), 4 * (x + 3 * y) + 3)];
  const bare = slices.draw(1, lung, view, 0);
  assert.deepEqual([pixel(bare, 0, 0), pixel(bare, 1, 0), pixel(bare, 0, 1)], [[255, 255, 255], [0, 0, 0], [0, 0, 0]]);
  const full = slices.draw(1, lung, view, 1);
  // Consolidation behind on the patient's left, at the picture's lower right; the lung is faint.
  assert.deepEqual(pixel(full, 2, 1), [204, 121, 167]);
  assert.ok(pixel(full, 2, 0)[1] > 0 && pixel(full, 2, 0)[1] < 50);
  assert.deepEqual(pixel(slices.draw(1, lung, { ...view, lungs: false, consolidation: false }, 1), 2, 1), [0, 0, 0]);
  assert.deepEqual(pixel(slices.draw(0, lung, view, 1), 2, 1), [0, 0, 0]);
  const other = file(8, () => 1);
  other[42] = 2;
  assert.throws(() => Slices.of(scan, { lungs: other }), /not on the grid/);
  assert.throws(() => Slices.of(new Uint8Array(10), {}), /no whole NIfTI/);
});

test('changes are said with their sign', () => {
  assert.deepEqual([-4.2, 0, 0.001, -0.001, 12.345].map(signed), ['−4.20', '0.00', '0.00', '0.00', '+12.35']);
  const value = (percent, first) => ({ lung_ml: 1, ml: 1, percent, from_first: first, from_previous: first });
  const row = (lung, ...values) => ({ network: 'infnet', lung, part: 'whole', values });
  const compared = {
    scans: [{ days_from_first: 0 }, { days_from_first: 21 }],
    rows: [row('right', value(12.3, null), value(8.1, -4.2)), row('left', value(null, null), value(1, null))],
  };
  assert.deepEqual(sentences(compared), ['Inf-Net, right lung: 12.30 % → 8.10 %, −4.20 points in 21 days']);
});
