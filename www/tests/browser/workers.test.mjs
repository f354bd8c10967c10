// The Workers behind an analysis: that they share the work, outlive each other, and leave when told.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ANALYSIS_MS, choose, SAID_MS, saveAll, skipReason, soon, useBrowser, waitForResult, waitForTiles } from '../lib/browser.mjs';
import { assertSame, masks } from '../lib/masks.mjs';
import { crash, CRASH, holdTiles, spyOnWorkers, waitForWorker, workersOf } from '../lib/workers.mjs';

describe('the workers', { skip: skipReason(), timeout: 6 * ANALYSIS_MS }, () => {
  const { open } = useBrowser();
  /** Inf-Net alone is the shorter half of the work, and has more tiles. */
  const CASE = '?demo=40&device=cpu&model=infnet';
  const NAMES = ['lungs', 'infnet'];

  /** Waits for the result of a page and gives its masks. */
  async function result(page) {
    await waitForResult(page);
    return masks(await saveAll(page), NAMES);
  }

  /** Runs in the page: the file has been opened. */
  const informed = () => document.getElementById('file-info').textContent !== '';
  /** The page says so, at once or once it has heard. */
  const says = (page, id, pattern) => soon(async () => assert.match(await page.textContent(id), pattern));
  const idle = (page) => page.waitForSelector('#cancel', { state: 'hidden' });
  const unexpected = (watch) => watch.errors.filter((text) => !text.includes(CRASH));

  /** Of a kind no more Workers than this are left, once the browser has told of the end of the others. */
  async function assertLeft(page, kind, most, when) {
    await soon(async () => assert.ok(workersOf(page, kind).length <= most, `${workersOf(page, kind).length} ${kind} workers ${when}`));
  }

  async function assertNoWorkers(page, when) {
    await assertLeft(page, 'case', 0, when);
    await assertLeft(page, 'compute', 0, when);
  }

  /** After a cancel that came before the device was known, one Worker looks for it. */
  async function assertIdle(page, when) {
    await page.waitForSelector('#device[data-kind]', { timeout: SAID_MS });
    await assertLeft(page, 'case', 0, when);
    await assertLeft(page, 'compute', 1, when);
  }

  let alone;

  test('one computes, with the next tile behind the running one', async (t) => {
    const { page } = await open(t, `${CASE}&workers=1`, { init: spyOnWorkers });
    const begun = Date.now();
    alone = await result(page);
    t.diagnostic(`one worker: ${((Date.now() - begun) / 1000).toFixed(1)} s`);
    const compute = (await page.evaluate(() => window.spied)).filter(({ url }) => url.includes('/compute-'));
    assert.equal(compute.length, 1);
    assert.equal(compute[0].mostInHand, 2);
  });

  test('two share the tiles and what was fetched, and give the same masks', async (t) => {
    const { page, watch } = await open(t, `${CASE}&workers=2`, { init: spyOnWorkers });
    const begun = Date.now();
    const shared = await result(page);
    t.diagnostic(`two workers: ${((Date.now() - begun) / 1000).toFixed(1)} s`);
    await says(page, '#device', /2 workers/);
    const spied = await page.evaluate(() => window.spied);
    const compute = spied.filter(({ url }) => url.includes('/compute-'));
    assert.equal(compute.length, 2);
    for (const { tiles, mostInHand } of compute) {
      assert.ok(tiles.length > 1, `${tiles.length} tiles`);
      assert.ok(mostInHand <= 2);
    }
    const all = compute.flatMap(({ tiles }) => tiles).sort((a, b) => a - b);
    assert.deepEqual(all, [...all.keys()], 'every tile went to one of them, once');
    assert.deepEqual(spied.filter(({ url }) => !url.includes('/compute-')).flatMap(({ tiles }) => tiles), []);

    const fetched = watch.requests.filter((url) => /\.(safetensors|wasm)(\?|$)/.test(url));
    assert.ok(fetched.some((url) => url.includes('infnet')));
    assert.deepEqual(fetched, [...new Set(fetched)], 'everything large is fetched once');
    if (alone !== undefined) {
      for (const name of NAMES) assert.ok(Buffer.from(shared[name].labels).equals(Buffer.from(alone[name].labels)), name);
    }
    assert.deepEqual(watch.errors, []);
    await assertNoWorkers(page, 'at the end');
  });

  for (const kind of ['compute', 'case']) {
    test(`a ${kind} worker that dies in the middle is replaced, and finished tiles are kept`, async (t) => {
      const { page, watch } = await open(t, `${CASE}&workers=2`);
      await waitForTiles(page, 1);
      const victim = workersOf(page, kind)[0];
      await crash(page, victim);
      await says(page, '#message-title', /new one, keeping \d+ finished part/);
      await says(page, '#message-text', new RegExp(CRASH));
      await waitForWorker(page, kind, [victim]);
      const again = await result(page);
      if (alone !== undefined) assertSame(again, alone, 'with and without a death');
      assert.deepEqual(unexpected(watch), []);
      await assertNoWorkers(page, 'at the end');
    });
  }

  /** Crashes one compute Worker after the other; each time the page must say what follows. */
  async function crashInARow(page, answers) {
    await page.waitForFunction(informed, null, { timeout: SAID_MS });
    for (const answer of answers) {
      await crash(page, await waitForWorker(page, 'compute'));
      await says(page, '#message-title', answer);
    }
  }

  test('failures in a row lead down the ladder and to its end, and it starts again on request', async (t) => {
    const { page } = await open(t, `${CASE}&workers=2`, { init: holdTiles });
    await crashInARow(page, [/new one/, /fewer workers/, /new one/, /again and again/]);
    await idle(page);
    await assertNoWorkers(page, 'after the last failure');
    await page.evaluate(() => window.releaseTiles());
    await page.click('#analyse');
    await waitForTiles(page, 1);
    await says(page, '#device', /2 workers/);
  });

  test('from the GPU it goes on with a smaller buffer, then on the CPU', async (t) => {
    const { page, watch } = await open(t, `${CASE.replace('cpu', 'gpu')}&workers=2`, { init: holdTiles });
    await crashInARow(page, [/new one/, /smaller working set/, /new one/, /on the CPU/]);
    await page.evaluate(() => window.releaseTiles());
    const onCpu = await result(page);
    await says(page, '#device', /CPU path, 2 workers: the GPU stopped/);
    if (alone !== undefined) assertSame(onCpu, alone, 'fallen from the GPU and on the CPU');
    assert.deepEqual(unexpected(watch), []);
  });

  test('cancel leaves no worker, at any moment', async (t) => {
    const { page, watch } = await open(t, CASE);
    const moments = [
      ['at once', async () => undefined, assertIdle],
      ['while the engine starts', () => waitForWorker(page, 'compute'), assertIdle],
      ['while the file is opened', () => page.waitForSelector('#scan:not([hidden])'), assertNoWorkers],
      ['while weights are loaded and lungs are found', () => page.waitForFunction(informed), assertNoWorkers],
      ['while tiles run', () => waitForTiles(page, 1), assertNoWorkers],
    ];
    for (const [moment, until, check] of moments) {
      await until();
      await page.click('#cancel');
      await check(page, moment);
      await idle(page);
      await page.reload();
    }
    assert.deepEqual(watch.errors, []);
  });

  test('a second file takes the place of the first', async (t) => {
    const { page } = await open(t, `${CASE}&workers=2`);
    await waitForTiles(page, 1);
    const before = page.workers();
    await choose(page, 'notes.txt', Buffer.from('patient,age\n1,54\n'));
    await page.waitForFunction(() => document.querySelector('#message.problem:not([hidden])')?.textContent.includes('notes.txt'));
    assert.ok(before.length >= 3);
    await assertNoWorkers(page, 'at the end');
  });

  test('a spoilt copy in the browser’s store is fetched anew', async (t) => {
    const { page, watch } = await open(t, `${CASE}&workers=2`);
    await waitForTiles(page, 1);
    const spoilt = await page.evaluate(async () => {
      const cache = await caches.open('pleura-weights');
      // One that the case Worker takes, and one of the compute Workers'.
      const keys = await cache.keys();
      const spoilt = [true, false].map((lungs) => keys.find(({ url }) => url.includes('lungs') === lungs));
      for (const key of spoilt) await cache.put(key, new Response(new Uint8Array(100)));
      return spoilt.map(({ url }) => url).sort();
    });
    watch.requests.length = 0;
    await page.reload();
    await waitForTiles(page, 1);
    assert.deepEqual(watch.requests.filter((url) => url.includes('.safetensors')).sort(), spoilt);
    await page.click('#cancel');
  });
});
