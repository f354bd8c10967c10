// The 40 mm piece of the phantom, from click to saved masks, on both devices and over a dead worker.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ANALYSIS_MS, openPage, saveAll, skipReason, startBrowser, startServer, waitForResult } from '../lib/browser.mjs';
import { dice, readMask, volume } from '../lib/nifti.mjs';

/** The same arithmetic on two machines may round a voxel at the threshold to the other side. */
const SAME = 0.999;
const LABELS = { lungs: [1, 2], normnet: [1], infnet: [1, 2] };

describe('an analysis in the browser', { skip: skipReason(), timeout: 4 * ANALYSIS_MS }, () => {
  let server;
  let browser;
  before(async () => {
    server = await startServer();
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    server?.stop();
  });

  /** Opens the piece, lets `during` happen, waits, and gives what was saved. */
  async function analyse(query, during = async () => undefined) {
    const { context, page, watch } = await openPage(browser, `${server.url}?demo=40${query}`);
    try {
      await during(page);
      await waitForResult(page);
      const device = await page.getAttribute('#device', 'data-kind');
      const shown = await page.textContent('#results');
      const files = await saveAll(page);
      return { watch, device, shown, files };
    } finally {
      await context.close();
    }
  }

  function masks(files, names = Object.keys(LABELS)) {
    const found = {};
    for (const name of names) {
      const entry = [...files].find(([file]) => file.endsWith(`_${name}.nii.gz`));
      assert.ok(entry, `${name} can be saved; there are ${[...files.keys()].join(', ')}`);
      found[name] = readMask(entry[1]);
    }
    return found;
  }

  function assertSame(a, b, what) {
    for (const name of Object.keys(a)) {
      assert.deepEqual(a[name].dims, b[name].dims, `${what}: grid of ${name}`);
      for (const label of LABELS[name]) {
        const overlap = dice(a[name], b[name], label);
        assert.ok(overlap >= SAME, `${what}: Dice of ${name} label ${label} is ${overlap}`);
      }
    }
  }

  let onCpu;

  test('on the CPU: masks are not empty, the report is whole, nothing leaves', async () => {
    const { watch, device, shown, files } = await analyse('&device=cpu');
    assert.equal(device, 'cpu');
    assert.deepEqual(watch.foreign, []);
    assert.deepEqual(watch.errors, []);
    onCpu = masks(files);
    for (const [name, mask] of Object.entries(onCpu)) {
      assert.ok(volume(mask) > 0, `${name} is not empty`);
      assert.ok(mask.qform > 0 && mask.sform > 0, `${name} has qform and sform`);
    }
    assert.match(shown, /\d %/);
    const report = JSON.parse([...files].find(([file]) => file.endsWith('_report.json'))[1]);
    assert.match(report.disclaimer, /research and teaching/i);
    assert.ok(report.both.lung_ml > 0);
    assert.ok(report.normnet.listed.length + report.normnet.smaller > 0);
  });

  test('the saved masks are those of the command line', { skip: cliSkip() }, async () => {
    assert.ok(onCpu, 'the analysis on the CPU gave masks');
    const folder = process.env.PLEURA_CLI_OUT;
    const names = await readdir(folder);
    const native = {};
    for (const name of Object.keys(LABELS)) {
      const file = names.find((candidate) => candidate.endsWith(`_${name}.nii.gz`));
      assert.ok(file, `${folder} has a ${name} mask`);
      native[name] = readMask(await readFile(path.join(folder, file)));
    }
    assertSame(onCpu, native, 'browser and command line');
    assert.deepEqual(onCpu.lungs.affine, native.lungs.affine);
  });

  test('a worker that dies in the middle is replaced, and finished tiles are kept', async () => {
    let killed = '';
    const { watch, files } = await analyse('&device=cpu', async (page) => {
      await page.waitForFunction(() => Number(document.getElementById('status-detail')?.dataset.tile) >= 1, null, {
        timeout: ANALYSIS_MS,
        polling: 20,
      });
      await page.evaluate(() => window.__pleura.killWorker());
      killed = await page.textContent('#message-title');
    });
    assert.match(killed, /keeping \d+ finished part/);
    assert.deepEqual(watch.errors, []);
    const again = masks(files);
    for (const name of Object.keys(LABELS)) assert.ok(volume(again[name]) > 0);
    if (onCpu !== undefined) assertSame(again, onCpu, 'with and without a death');
  });

  test('after the third death the page says so, and starts again on request', async () => {
    const { context, page } = await openPage(browser, `${server.url}?device=cpu&demo=40`);
    await page.waitForFunction(() => document.getElementById('file-info').textContent !== '', null, { timeout: ANALYSIS_MS });
    for (const said of [/smaller working set/, /on the CPU/, /three times/]) {
      await page.evaluate(() => window.__pleura.killWorker());
      assert.match(await page.textContent('#message-title'), said);
      // The next worker must have begun before it can die.
      await page.waitForTimeout(500);
    }
    assert.equal(await page.isVisible('#cancel'), false);
    await page.click('#analyse');
    await waitForResult(page);
    await context.close();
  });

  // NormNet alone: SwiftShader takes about 20 s for a slice of Inf-Net and its classes, whose GPU
  // path the golden tests cover natively.
  test('on the GPU path, forced onto a software adapter', async () => {
    const { watch, device, files } = await analyse('&device=gpu&model=normnet');
    assert.equal(device, 'gpu');
    assert.deepEqual(watch.foreign, []);
    assert.deepEqual(watch.errors, []);
    const onGpu = masks(files, ['lungs', 'normnet']);
    for (const [name, mask] of Object.entries(onGpu)) assert.ok(volume(mask) > 0, `${name} is not empty`);
    if (onCpu !== undefined) assertSame(onGpu, onCpu, 'GPU and CPU');
  });
});

function cliSkip() {
  return process.env.PLEURA_CLI_OUT === undefined ? 'PLEURA_CLI_OUT (what the command line made of the case) is not set' : false;
}
