import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from '../lib/load.mjs';

const { Scheduler } = await load('engine/scheduler.ts');

function planned(tiles, workers) {
  const scheduler = new Scheduler();
  scheduler.plan(tiles);
  for (const worker of workers) scheduler.join(worker);
  return scheduler;
}

/** Assigns and sends; gives tile → Worker. */
function hand(scheduler) {
  return Object.fromEntries(scheduler.assign().map((tile) => [tile, scheduler.send(tile)]));
}

test('each worker gets one tile to run and one to wait behind it, and no more', () => {
  const scheduler = planned(10, [7, 8]);
  assert.deepEqual(hand(scheduler), { 0: 7, 1: 8, 2: 7, 3: 8 });
  assert.deepEqual(hand(scheduler), {});
  assert.equal(scheduler.running(7), 0);
  scheduler.done(7, 0);
  assert.equal(scheduler.running(7), 2);
  assert.deepEqual(hand(scheduler), { 4: 7 });
});

test('the last tiles go to whoever is idle', () => {
  const scheduler = planned(3, [0, 1]);
  assert.deepEqual(hand(scheduler), { 0: 0, 1: 1 });
  scheduler.done(1, 1);
  assert.deepEqual(hand(scheduler), { 2: 1 });
});

test('a single worker always has the next tile behind the running one', () => {
  const scheduler = planned(3, [0]);
  assert.deepEqual(hand(scheduler), { 0: 0, 1: 0 });
  scheduler.done(0, 0);
  assert.deepEqual(hand(scheduler), { 2: 0 });
});

test('the tiles of a worker that dies are given out again, first', () => {
  const scheduler = planned(6, [0, 1]);
  hand(scheduler);
  scheduler.done(0, 0);
  assert.deepEqual(scheduler.leave(0), [2]);
  assert.equal(scheduler.complete, false);
  scheduler.join(2);
  assert.deepEqual(hand(scheduler), { 2: 2, 4: 2 });
  for (const [worker, tile] of [[1, 1], [1, 3], [2, 2], [2, 4]]) scheduler.done(worker, tile);
  assert.deepEqual(Object.keys(hand(scheduler)), ['5']);
});

test('an input whose worker has died meanwhile is sent nowhere', () => {
  const scheduler = planned(1, [0]);
  assert.deepEqual(scheduler.assign(), [0]);
  scheduler.leave(0);
  assert.equal(scheduler.send(0), undefined);
  scheduler.join(1);
  assert.deepEqual(scheduler.assign(), [0]);
  assert.equal(scheduler.send(0), 1);
  assert.equal(scheduler.send(0), undefined, 'nor is it sent twice');
});

test('with the case worker go the inputs that were asked for, not the tiles that run', () => {
  const scheduler = planned(4, [0]);
  assert.deepEqual(scheduler.assign(), [0, 1]);
  scheduler.send(0);
  scheduler.withdraw();
  scheduler.plan(4);
  scheduler.done(0, 0);
  assert.deepEqual(scheduler.assign(), [1, 2]);
});

test('it is complete when every tile is done, and not before there is a plan', () => {
  const scheduler = new Scheduler();
  scheduler.join(0);
  assert.equal(scheduler.complete, false);
  scheduler.plan(2);
  hand(scheduler);
  scheduler.done(0, 1);
  assert.equal(scheduler.complete, false);
  scheduler.done(0, 0);
  assert.equal(scheduler.complete, true);
  assert.equal(planned(0, []).complete, true);
});

test('whatever dies, every tile is done in the end', () => {
  let seed = 1;
  const random = (n) => (seed = (seed * 48271) % 2147483647) % n;
  const scheduler = planned(40, [0, 1, 2]);
  const alive = [0, 1, 2];
  const sent = new Map();
  const finished = new Set();
  for (let step = 0; step < 10_000 && !scheduler.complete; step += 1) {
    for (const tile of scheduler.assign()) {
      const worker = scheduler.send(tile);
      sent.set(worker, [...(sent.get(worker) ?? []), tile]);
    }
    const worker = alive[random(alive.length)];
    const tiles = sent.get(worker) ?? [];
    assert.ok(tiles.length <= 2);
    if (random(4) === 0) {
      scheduler.leave(worker);
      sent.delete(worker);
      alive.splice(alive.indexOf(worker), 1, 100 + step);
      scheduler.join(100 + step);
    } else if (tiles.length > 0) {
      const [tile] = tiles.splice(0, 1);
      assert.ok(!finished.has(tile), 'no tile is done twice');
      finished.add(tile);
      scheduler.done(worker, tile);
    }
  }
  assert.equal(finished.size, 40);
});
