import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from '../lib/load.mjs';

const { Progress } = await load('progress.ts');
const LABELS = ['NormNet slab 1/2', 'NormNet slab 2/2', 'Inf-Net slices 1-8', 'Inf-Net slices 9-16'];

function inTiles() {
  const progress = new Progress(0);
  progress.prepare(1, 1);
  progress.plan(LABELS, [], 2);
  return progress;
}

test('the bar never goes back and ends full', () => {
  const progress = new Progress(0);
  const seen = [];
  const look = (now) => seen.push(progress.view(now).fraction);
  look(0);
  look(5);
  progress.weights(1, 10, 6);
  look(6);
  progress.weights(10, 10, 7);
  look(7);
  progress.prepare(0.5, 8);
  look(8);
  progress.plan(LABELS, [], 9);
  LABELS.forEach((_, index) => {
    progress.tileStarted(index, 10 + index);
    look(10.5 + index);
    progress.tileDone(index, 1);
    look(11 + index);
  });
  progress.restarted(20, true);
  look(20);
  progress.plan(LABELS, [0, 1, 2, 3], 21);
  progress.finishing(22);
  look(200);
  assert.deepEqual(seen, [...seen].sort((a, b) => a - b));
  assert.ok(seen.at(-1) > 0.97 && seen.at(-1) <= 1);
});

test('the bar moves within a step of which nothing is heard', () => {
  const progress = inTiles();
  progress.tileStarted(0, 2);
  const fractions = [2.5, 3, 3.5, 30, 60].map((now) => progress.view(now).fraction);
  for (let i = 1; i < fractions.length; i += 1) assert.ok(fractions[i] > fractions[i - 1]);
  assert.ok(fractions.at(-1) < 0.5, 'one tile of four is not half of the work');
});

test('time left is unknown before the first tile and counts down after it', () => {
  const progress = inTiles();
  progress.tileStarted(0, 2);
  assert.equal(progress.view(3).secondsLeft, undefined);
  progress.tileDone(0, 10);
  progress.tileStarted(1, 12);
  // Nothing is known of the other network yet: it counts like this one.
  assert.equal(progress.view(12).secondsLeft, 30);
  assert.equal(progress.view(16).secondsLeft, 26);
});

test('each network has a time of its own', () => {
  const progress = inTiles();
  progress.tileDone(0, 10);
  progress.tileDone(2, 2);
  assert.equal(progress.view(20).secondsLeft, 12);
});

test('kept tiles count as done after a restart, times only on the same device', () => {
  const progress = inTiles();
  progress.tileDone(0, 10);
  progress.restarted(20, true);
  progress.plan(LABELS, [0], 21);
  assert.equal(progress.view(21).secondsLeft, 30);
  progress.restarted(22, false);
  progress.plan(LABELS, [0], 23);
  assert.equal(progress.view(23).secondsLeft, undefined);
});
