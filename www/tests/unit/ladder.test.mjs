import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from '../lib/load.mjs';

const { Ladder, rungs, workersFor } = await load('engine/ladder.ts');
const SETTINGS = { device: 'auto', maxBufferMb: 0, workers: 0 };
const CPU = { device: 'cpu', reason: { code: 'asked' } };
const brief = (list) => list.map((rung) => [rung.device, rung.maxBufferMb, rung.workers]);

test('as many workers as cores, up to four; the address overrides it', () => {
  assert.deepEqual([1, 2, 3, 4, 16, 0, undefined].map((cores) => workersFor(cores, 0)), [1, 2, 3, 4, 4, 1, 1]);
  assert.equal(workersFor(2, 8), 8);
});

test('from the GPU by way of half its buffer to the CPU, and there to one worker', () => {
  assert.deepEqual(brief(rungs({ device: 'gpu' }, SETTINGS, 4)), [
    ['gpu', 0, 1],
    ['gpu', 64, 1],
    ['cpu', 0, 4],
    ['cpu', 0, 2],
    ['cpu', 0, 1],
  ]);
  assert.equal(rungs({ device: 'gpu' }, { ...SETTINGS, maxBufferMb: 96 }, 4)[1].maxBufferMb, 48);
  assert.deepEqual(brief(rungs(CPU, SETTINGS, 3)), [
    ['cpu', 0, 3],
    ['cpu', 0, 1],
  ]);
});

test('two failures in a row take the next rung; a tile in between does not count', () => {
  const ladder = new Ladder(rungs({ device: 'gpu' }, SETTINGS, 2));
  assert.equal(ladder.failed(), 'again');
  ladder.succeeded();
  assert.equal(ladder.failed(), 'again');
  assert.equal(ladder.rung.maxBufferMb, 0);
  const said = Array.from({ length: 7 }, () => ladder.failed());
  assert.deepEqual(said, ['smaller', 'again', 'cpu', 'again', 'fewer', 'again', 'stop']);
  assert.deepEqual(ladder.rung.reason, { code: 'gave-up' });
});

test('a new task begins at the top, but what has fallen to the CPU stays there', () => {
  const ladder = new Ladder(rungs({ device: 'gpu' }, SETTINGS, 2));
  ladder.failed();
  ladder.failed();
  ladder.restart();
  assert.equal(ladder.rung.maxBufferMb, 0);
  for (let i = 0; i < 6; i += 1) ladder.failed();
  assert.deepEqual(brief([ladder.rung]), [['cpu', 0, 1]]);
  ladder.restart();
  assert.deepEqual(brief([ladder.rung]), [['cpu', 0, 2]]);
});

test('a GPU that refuses is not tried again, and the reason is told', () => {
  const ladder = new Ladder(rungs({ device: 'gpu' }, SETTINGS, 2));
  ladder.refused('no');
  assert.deepEqual(ladder.rung, { device: 'cpu', maxBufferMb: 0, workers: 2, reason: { code: 'failed', name: 'no' } });
});
