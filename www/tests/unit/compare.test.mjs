import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from '../lib/load.mjs';

const { compare, LARGEST, RECLASSIFIED } = await load('engine/compare.ts');

const filled = (length, value) => new Uint8Array(length).fill(value);

test('probabilities may differ by rounding and no more', () => {
  const expected = filled(1000, 100);
  const most = Math.floor(LARGEST * 255);
  const same = compare('normnet', expected, expected);
  assert.deepEqual(same, { network: 'normnet', largest: 0, reclassified: undefined, passed: true });
  for (const sign of [1, -1]) {
    const near = expected.slice();
    near[999] += sign * most;
    assert.equal(compare('normnet', near, expected).passed, true);
    near[0] += sign * (most + 1);
    const far = compare('normnet', near, expected);
    assert.equal(far.passed, false);
    assert.equal(far.largest, (most + 1) / 255);
  }
});

test('a class may be another where both are as likely, which is rare', () => {
  const half = 10_000;
  const expected = Uint8Array.from({ length: 2 * half }, (_, i) => (i < half ? 80 : 1));
  const found = expected.slice();
  const few = Math.floor(RECLASSIFIED * half);
  found.fill(2, half, half + few);
  const agreed = compare('infnet', found, expected);
  assert.deepEqual([agreed.largest, agreed.reclassified, agreed.passed], [0, few / half, true]);
  found[half + few] = 2;
  assert.equal(compare('infnet', found, expected).passed, false);
});

test('a slice without infection has no classes', () => {
  const clean = filled(100 * 100, 3);
  assert.equal(compare('infnet', clean, clean).reclassified, undefined);
});

test('an answer of another length is no answer', () => {
  assert.equal(compare('normnet', filled(9, 1), filled(10, 1)).passed, false);
  assert.equal(compare('normnet', filled(11, 1), filled(10, 1)).passed, false);
  assert.equal(compare('normnet', filled(0, 0), filled(10, 0)).passed, false);
});
