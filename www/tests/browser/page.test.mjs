// The page around an analysis: what it says of bad files, what it may fetch, how it can be used.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ANALYSIS_MS, choose, SAID_MS, skipReason, soon, useBrowser } from '../lib/browser.mjs';
import { waitForWorker } from '../lib/workers.mjs';

/** A sound NIfTI file of five points in time. */
function fourDimensional() {
  const dims = [4, 8, 8, 8, 5, 1, 1, 1];
  const bytes = Buffer.alloc(352 + 8 * 8 * 8 * 5 * 2);
  bytes.writeInt32LE(348, 0);
  dims.forEach((n, i) => bytes.writeInt16LE(n, 40 + 2 * i));
  bytes.writeInt16LE(4, 70);
  bytes.writeInt16LE(16, 72);
  dims.forEach((_, i) => bytes.writeFloatLE(1, 76 + 4 * i));
  bytes.writeFloatLE(352, 108);
  bytes.write('n+1', 344);
  return bytes;
}

describe('the page', { skip: skipReason(), timeout: ANALYSIS_MS }, () => {
  const { open, url: address } = useBrowser();

  /** The service worker's caches by name, with the files in them. */
  const kept = (page) =>
    page.evaluate(async () => {
      const names = (await caches.keys()).filter((name) => name.startsWith('pleura-shell-'));
      const files = async (name) => (await (await caches.open(name)).keys()).map(({ url }) => url.slice(document.baseURI.split('?')[0].length)).sort();
      return Promise.all(names.map(async (name) => [name, await files(name)]));
    });

  test('says what is wrong with a file and goes on working', async (t) => {
    const { page, watch } = await open(t, '?device=cpu');
    const whole = gzipSync(Buffer.alloc(200_000, 'chest'));
    const noise = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919 + 13) % 251));
    const cases = [
      ['truncated.nii.gz', whole.subarray(0, whole.length / 2)],
      ['noise.nii', noise],
      ['empty.nii.gz', Buffer.alloc(0)],
      ['notes.txt', Buffer.from('patient,age\n1,54\n')],
      ['four-dimensional.nii', fourDimensional()],
      ['truncated.png', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')],
    ];
    for (const [name, bytes] of cases) {
      await choose(page, name, bytes);
      await page.waitForFunction((file) => document.querySelector('#message.problem:not([hidden])')?.textContent.includes(file), name, {
        timeout: SAID_MS,
      });
      await page.waitForSelector('#cancel', { state: 'hidden' });
      if (name.startsWith('four')) assert.match(await page.textContent('#message-text'), /dimension|4D/i);
    }
    // The worker is alive after all of them: the demo case still opens and is analysed.
    await page.click('.scan-bar [data-action="demo"]');
    await page.waitForSelector('#message', { state: 'hidden' });
    // A whole chest takes a while to make where other work runs beside.
    await page.waitForFunction(() => document.getElementById('file-info').textContent.includes('×'), null, { timeout: 5 * SAID_MS });
    await page.click('#cancel');
    await page.waitForSelector('#analyse:not([hidden])');
    assert.deepEqual(watch.foreign, []);
    assert.deepEqual(watch.errors, []);
  });

  test('shows a dropped scan before its analysis is done', async (t) => {
    const { page } = await open(t, '?device=cpu&demo=40');
    await page.waitForFunction(() => /HU/.test(document.getElementById('readout').textContent), null, { timeout: SAID_MS });
    assert.equal(await page.isVisible('#layers'), false);
    const lit = await page.evaluate(() => {
      const canvas = document.getElementById('planes');
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
      // The drawing buffer is kept only until the frame is shown: draw and read in one task.
      canvas.dispatchEvent(new KeyboardEvent('keydown', { key: 'PageUp', bubbles: true }));
      copy.drawImage(canvas, 0, 0);
      const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((value, i) => i % 4 !== 3 && value > 20).length;
    });
    assert.ok(lit > 1000, `${lit} bright samples`);
  });

  test('sends one policy everywhere: page, header, worker script, service worker', async (t) => {
    const { page, watch } = await open(t);
    await page.waitForSelector('#device[data-kind]', { timeout: SAID_MS });
    const meta = await page.getAttribute('meta[http-equiv="Content-Security-Policy"]', 'content');
    assert.match(meta, /default-src 'self'/);
    // The case Worker comes with the first file.
    await page.click('[data-action="demo"]');
    const workers = [await waitForWorker(page, 'case'), await waitForWorker(page, 'compute')];
    for (const url of [address(), ...workers.map((worker) => worker.url()), `${address()}sw.js`]) {
      const response = await fetch(url);
      assert.equal(response.status, 200, url);
      assert.equal(response.headers.get('content-security-policy'), meta, url);
    }
    assert.deepEqual(watch.foreign, []);
  });

  test('can be used by keyboard and is labelled', async (t) => {
    const { page } = await open(t);
    // Behind the language, the keys and the badge of the header.
    const reached = [];
    while (reached.length < 9 && reached.at(-1) !== 'open-folder') {
      await page.keyboard.press('Tab');
      reached.push(await page.evaluate(() => document.activeElement.dataset.action));
    }
    assert.deepEqual(reached.slice(-2), ['open-file', 'open-folder']);
    const unnamed = await page.evaluate(() =>
      [...document.querySelectorAll('button, input:not([hidden]), select, canvas:not([aria-hidden])')]
        .filter((element) => {
          const label = element.getAttribute('aria-label') ?? element.closest('label')?.textContent ?? element.textContent;
          return label.trim() === '';
        })
        .map((element) => element.outerHTML),
    );
    assert.deepEqual(unnamed, []);
  });

  test('speaks the language of the address, and another at once', async (t) => {
    const { page } = await open(t, '?lang=de');
    const seen = () => page.evaluate(() => [document.documentElement.lang, document.querySelector('h2').textContent]);
    assert.deepEqual(await seen(), ['de', 'Thorax-CT hier ablegen']);
    await page.selectOption('#language', 'fr');
    await soon(async () => assert.deepEqual(await seen(), ['fr', 'Déposez un scanner thoracique ici']));
    assert.match(page.url(), /lang=fr/);
    await page.waitForSelector('#device[data-kind]', { timeout: SAID_MS });
    const empty = await page.evaluate(() =>
      [...document.querySelectorAll('[data-t]')].filter((element) => element.textContent === '').map((element) => element.dataset.t),
    );
    assert.deepEqual(empty, [], 'every text of the page is there');
  });

  test('fits a phone without scrolling sideways', async (t) => {
    const { page } = await open(t);
    for (const width of [360, 390, 768]) {
      await page.setViewportSize({ width, height: 740 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= width, `${wide} px at ${width}`);
    }
  });

  test('works offline once it has been visited', async (t) => {
    const { context, page } = await open(t, '?device=cpu');
    await page.waitForSelector('#device[data-kind]', { timeout: SAID_MS });
    await soon(async () => assert.ok((await kept(page)).some(([, files]) => files.includes('models/manifest.json') && files.includes(''))));
    const devtools = await context.newCDPSession(page);
    const { installabilityErrors } = await devtools.send('Page.getInstallabilityErrors');
    assert.deepEqual(installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== 'in-incognito'), []);
    await context.setOffline(true);
    await page.reload();
    await page.waitForSelector('#device[data-kind]', { timeout: SAID_MS });
    // The viewer, a Worker and the engine are there too.
    await page.goto(`${address()}?device=cpu&demo=40`);
    await page.waitForFunction(() => /HU/.test(document.getElementById('readout').textContent));
  });

  test('a new version takes the place of the copy of the old one', async (t) => {
    const { page } = await open(t, '?device=cpu');
    const one = async () => {
      const names = (await kept(page)).map(([name]) => name);
      assert.equal(names.length, 1);
      return names[0];
    };
    const now = await soon(one);
    await page.evaluate(() => caches.open('pleura-shell-old'));
    await page.reload();
    assert.equal(await soon(one), now);
  });

  test('the folder has what static hosts ask for', async () => {
    const headers = await readFile(new URL('../../dist/_headers', import.meta.url), 'utf8');
    const policy = /Content-Security-Policy: (.*)/.exec(headers)[1];
    assert.equal(policy, (await fetch(address())).headers.get('content-security-policy'));
    assert.equal(await readFile(new URL('../../dist/.nojekyll', import.meta.url), 'utf8'), '');
  });
});
