import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from '../lib/load.mjs';

const { Progress } = await load('progress.ts');
const LABELS = ['NormNet slab 1/2', 'NormNet slab 2/2', 'Inf-Net slices 1-8', 'Inf-Net slices 9-16'];

function inTiles(workers = 1) {
  const progress = new Progress(0);
  progress.crew('cpu', workers);
  progress.reading(0.5);
  progress.prepare(1, 1);
  progress.plan(LABELS, [], 2);
  return progress;
}

/** Runs a tile from one time to another. */
function run(progress, index, from, to) {
  progress.tileStarted(index, from);
  progress.tileDone(index, to);
}

test('the bar never goes back and ends full', () => {
  const progress = new Progress(0);
  const seen = [];
  const look = (now) => seen.push(progress.view(now).fraction);
  look(0);
  look(5);
  progress.reading(5);
  look(5);
  progress.weights(1, 10, 6);
  look(6);
  progress.prepare(0.5, 6.5);
  look(6.5);
  progress.weights(10, 10, 7);
  look(7);
  progress.plan(LABELS, [], 9);
  LABELS.forEach((_, index) => {
    progress.tileStarted(index, 10 + index);
    look(10.5 + index);
    progress.tileDone(index, 11 + index);
    look(11 + index);
  });
  progress.restarted(20);
  look(20);
  progress.plan(LABELS, [0, 1, 2, 3], 21);
  progress.finishing(22);
  look(200);
  assert.deepEqual(seen, [...seen].sort((a, b) => a - b));
  assert.ok(seen.at(-1) > 0.97 && seen.at(-1) <= 1);
});

test('of what happens side by side, the title names what is waited for', () => {
  const progress = new Progress(0);
  const step = (now) => progress.view(now).step;
  assert.equal(step(0), 'engine');
  progress.reading(1);
  assert.equal(step(1), 'open');
  progress.weights(3, 10, 2);
  assert.equal(step(2), 'weights');
  progress.prepare(0, 3);
  assert.equal(step(3), 'prepare');
  progress.plan(LABELS, [], 4);
  assert.equal(step(4), 'weights');
  progress.weights(10, 10, 5);
  assert.equal(step(5), 'tiles');
  progress.finishing(6);
  assert.equal(step(6), 'finish');
});

test('the bar moves within a step of which nothing is heard', () => {
  const progress = inTiles();
  progress.tileStarted(0, 2);
  const fractions = [2.5, 3, 3.5, 30, 60].map((now) => progress.view(now).fraction);
  for (let i = 1; i < fractions.length; i += 1) assert.ok(fractions[i] > fractions[i - 1]);
  assert.ok(fractions.at(-1) < 0.5, 'one tile of four is not half of the work');
});

test('a running tile moves evenly to its expected end', () => {
  const progress = inTiles();
  run(progress, 0, 2, 12);
  progress.tileStarted(1, 12);
  const [a, b, c, end, late] = [13, 14, 15, 22, 40].map((now) => progress.view(now).fraction);
  assert.ok(Math.abs(b - a - (c - b)) < 1e-9);
  assert.ok(b > a);
  assert.equal(end, late, 'a late tile waits just before its end');
});

test('time left is unknown before the first tile and counts down after it', () => {
  const progress = inTiles();
  progress.tileStarted(0, 2);
  assert.equal(progress.view(3).secondsLeft, undefined);
  progress.tileDone(0, 12);
  progress.tileStarted(1, 12);
  // Nothing is known of the other network yet: it counts like this one.
  assert.equal(progress.view(12).secondsLeft, 30);
  assert.equal(progress.view(16).secondsLeft, 26);
});

test('several workers share what is left, but the last tile takes its own time', () => {
  const progress = inTiles(2);
  progress.tileStarted(0, 2);
  progress.tileStarted(1, 2);
  progress.tileDone(0, 12);
  progress.tileDone(1, 12);
  progress.tileStarted(2, 12);
  progress.tileStarted(3, 12);
  assert.equal(progress.view(12).secondsLeft, 10);
  progress.tileDone(2, 16);
  // Inf-Net is known now, at 4 s: the other one should have ended, too.
  assert.ok(progress.view(16).secondsLeft < 0.2);
});

test('the median forgets a first tile that took long', () => {
  const labels = Array.from({ length: 5 }, (_, i) => `Inf-Net slice ${i + 1}/5`);
  const progress = new Progress(0);
  progress.plan(labels, [], 0);
  run(progress, 0, 0, 60);
  run(progress, 1, 60, 62);
  run(progress, 2, 62, 64);
  assert.equal(progress.view(64).secondsLeft, 4);
});

test('each network has a time of its own', () => {
  const progress = inTiles();
  run(progress, 0, 2, 12);
  run(progress, 2, 12, 14);
  assert.equal(progress.view(20).secondsLeft, 12);
});

test('a lost tile counts from its new start', () => {
  const progress = inTiles();
  run(progress, 0, 2, 12);
  progress.tileStarted(1, 12);
  progress.tileLost(1);
  assert.equal(progress.view(16).label, '');
  progress.tileStarted(1, 18);
  // Said again, as when its neighbour ends: nothing changes.
  progress.tileStarted(1, 19);
  assert.equal(progress.view(20).secondsLeft, 28);
  assert.equal(progress.view(20).label, LABELS[1]);
});

test('kept tiles count as done after a restart, times only on the same device', () => {
  const progress = inTiles();
  run(progress, 0, 2, 12);
  progress.restarted(20);
  progress.plan(LABELS, [0], 21);
  assert.equal(progress.view(21).secondsLeft, 30);
  progress.crew('gpu', 1);
  assert.equal(progress.view(23).secondsLeft, undefined);
});
