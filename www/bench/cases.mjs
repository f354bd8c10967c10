// A piece of the phantom from end to end, over one or more compute Workers. Times are seconds.
import { Remote } from './remote.mjs';

const DEVICE = 'cpu';
const INFNET = { model: 'infnet' };

async function timed(work) {
  const start = performance.now();
  const result = await work();
  return [(performance.now() - start) / 1000, result];
}

async function withWorkers(scripts, work) {
  const workers = scripts.map((script) => new Remote(script));
  try {
    return await work(workers);
  } finally {
    workers.forEach((worker) => worker.close());
  }
}

const compute = (count) => Array(count).fill('compute-worker.mjs');

/** Every Worker takes the next tile when it is done with one. */
async function share(workers, count, run) {
  let next = 0;
  const drain = async (worker) => {
    while (next < count) {
      const tile = next;
      next += 1;
      await run(worker, tile);
    }
  };
  await Promise.all(workers.map(drain));
}

/** An analysis from the file's bytes to the masks, engines and weights included. */
export function caseTimes(pieceMm, options, count) {
  return withWorkers(['case-worker.mjs', ...compute(count)], async ([owner, ...workers]) => {
    const files = await owner.call('load', pieceMm, options);
    const parts = {};
    const [total] = await timed(async () => {
      let tiles;
      const opening = Promise.all(workers.map((worker) => worker.call('open', DEVICE, files)));
      [parts.prepare, tiles] = await timed(() => owner.call('prepare', options));
      await opening;
      [parts.tiles] = await timed(() =>
        share(workers, tiles.length, async (worker, i) => {
          await owner.call('merge', i, await worker.call('compute', tiles[i], await owner.call('input', i)));
        }),
      );
      let memory;
      [parts.finish, memory] = await timed(() => owner.call('finish'));
      parts.memory = { case: memory.wasm, compute: (await workers[0].call('memory')).wasm };
      parts.count = tiles.length;
    });
    return { workers: count, total, ...parts };
  });
}

/** Inf-Net's tiles of a piece, ready to be run, and the weight files for them. */
function infnetTiles(pieceMm) {
  return withWorkers(['case-worker.mjs'], async ([owner]) => {
    const files = await owner.call('load', pieceMm, INFNET);
    const tiles = await owner.call('prepare', INFNET);
    const work = [];
    for (const [i, tile] of tiles.entries()) work.push({ tile, input: await owner.call('input', i) });
    return { files, work };
  });
}

/** Opens Workers and lets each run a few tiles that nobody times. */
async function warm(workers, files, work) {
  await Promise.all(workers.map((worker) => worker.call('open', DEVICE, files)));
  await Promise.all(workers.map((worker) => worker.call('repeat', work, 2)));
}

/** The same Inf-Net tiles by one Worker, shared by two, and all of them by each of two. */
export async function scalingTimes(pieceMm) {
  const { files, work } = await infnetTiles(pieceMm);
  return withWorkers(compute(2), async (workers) => {
    await warm(workers, files, work);
    const shared = (some) => share(some, work.length, (worker, i) => worker.call('compute', work[i].tile, work[i].input));
    const [one] = await timed(() => shared(workers.slice(0, 1)));
    const [two] = await timed(() => shared(workers));
    const [copies] = await timed(() => Promise.all(workers.map((worker) => worker.call('repeat', work, work.length))));
    return { tiles: work.length, one, two, copies };
  });
}

/** Inf-Net alone, without the class network, over so many slices. */
export async function linearTimes(pieceMm, counts) {
  const { files, work } = await infnetTiles(pieceMm);
  const infnet = files.filter((file) => file.startsWith('infnet'));
  return withWorkers(compute(1), async ([worker]) => {
    await warm([worker], infnet, work);
    const rows = [];
    for (const slices of counts) rows.push({ slices, seconds: await worker.call('repeat', work, slices) });
    return rows;
  });
}
