// The 40 mm piece of the phantom, from click to saved masks, on both devices.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { ANALYSIS_MS, choose, saveAll, skipReason, useBrowser, waitForResult } from '../lib/browser.mjs';
import { assertSame, masks } from '../lib/masks.mjs';
import { volume } from '../lib/nifti.mjs';

describe('an analysis in the browser', { skip: skipReason(), timeout: 4 * ANALYSIS_MS }, () => {
  const { open } = useBrowser();

  /** Opens the piece, waits, and gives what was saved. */
  async function analyse(t, query) {
    const { page, watch } = await open(t, `?demo=40${query}`);
    await waitForResult(page);
    const device = await page.getAttribute('#device', 'data-kind');
    const shown = await page.textContent('#results');
    const files = await saveAll(page);
    assert.deepEqual(watch.foreign, []);
    assert.deepEqual(watch.errors, []);
    return { device, shown, files };
  }

  let onCpu;

  test('on the CPU: masks are not empty, the report is whole, nothing leaves', async (t) => {
    const { device, shown, files } = await analyse(t, '&device=cpu');
    assert.equal(device, 'cpu');
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
    const names = (await readdir(folder)).filter((name) => name.endsWith('.nii.gz'));
    const files = await Promise.all(names.map(async (name) => [name, await readFile(path.join(folder, name))]));
    const native = masks(new Map(files));
    assertSame(onCpu, native, 'browser and command line');
    assert.deepEqual(onCpu.lungs.affine, native.lungs.affine);
  });

  test('a picture is analysed by Inf-Net alone', async (t) => {
    const { page, watch } = await open(t, '?device=cpu');
    const drawn = await page.evaluate(async () => {
      const canvas = new OffscreenCanvas(400, 300);
      const pen = canvas.getContext('2d');
      pen.fillStyle = 'grey';
      pen.fillRect(50, 50, 300, 200);
      return [...new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer())];
    });
    await choose(page, 'slice.png', drawn);
    await page.waitForSelector('#saves:not([hidden])', { timeout: ANALYSIS_MS });
    const files = await saveAll(page);
    assert.deepEqual([...files.keys()].sort(), ['slice_classes.png', 'slice_infnet.png', 'slice_run.json']);
    assert.ok(!watch.requests.some((url) => url.includes('normnet')));
    assert.deepEqual(watch.errors, []);
  });

  // NormNet alone: SwiftShader takes about 20 s for a slice of Inf-Net and its classes, whose GPU
  // path the golden tests cover natively.
  test('on the GPU path, forced onto a software adapter', async (t) => {
    const { device, files } = await analyse(t, '&device=gpu&model=normnet');
    assert.equal(device, 'gpu');
    const onGpu = masks(files, ['lungs', 'normnet']);
    for (const [name, mask] of Object.entries(onGpu)) assert.ok(volume(mask) > 0, `${name} is not empty`);
    if (onCpu !== undefined) assertSame(onGpu, onCpu, 'GPU and CPU');
  });
});

function cliSkip() {
  return process.env.PLEURA_CLI_OUT === undefined ? 'PLEURA_CLI_OUT (what the command line made of the case) is not set' : false;
}
