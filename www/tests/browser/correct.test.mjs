// Lesions taken away by hand, and brought back.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { ANALYSIS_MS, SAID_MS, saveAll, skipReason, soon, useBrowser, waitForResult } from '../lib/browser.mjs';
import { masks } from '../lib/masks.mjs';
import { volume } from '../lib/nifti.mjs';
import { crash, workersOf } from '../lib/workers.mjs';

describe('correcting', { skip: skipReason(), timeout: 2 * ANALYSIS_MS }, () => {
  const { open } = useBrowser();

  const state = (page) =>
    page.evaluate(() => ({
      lesions: document.querySelectorAll('#lesions tbody tr').length,
      percent: parseFloat(document.querySelector('.headline b').textContent),
      edited: document.getElementById('edited').innerText.split('\n')[0],
      stop: !document.getElementById('tour').hidden,
    }));

  /** Masks, and report. */
  async function saved(page) {
    const files = await saveAll(page);
    const report = JSON.parse([...files].find(([name]) => name.endsWith('_report.json'))[1]);
    // Read and written again, a time may differ in its last digit.
    delete report.provenance.timings;
    return { voxels: volume(masks(files, ['infnet']).infnet), report };
  }

  test('a lesion goes from list, figures and files, and comes back', async (t) => {
    const { page, watch } = await open(t, '?demo=40&device=cpu&model=infnet');
    await waitForResult(page);
    const [before, first] = [await state(page), await saved(page)];
    assert.ok(before.lesions > 0 && before.percent > 0 && before.edited === '');
    assert.equal(first.report.removed, undefined);

    const corrected = () => page.waitForFunction(() => /corrected/.test(document.getElementById('status-title').textContent), null, { timeout: SAID_MS });
    await page.click('.remove');
    await corrected();
    await soon(async () => assert.equal(await page.evaluate(() => document.activeElement.id), 'undo'));
    const [after, second] = [await state(page), await saved(page)];
    assert.equal(after.lesions, before.lesions - 1);
    assert.ok(after.percent < before.percent, `${after.percent} of ${before.percent} %`);
    assert.equal(after.edited, 'Edited by hand: 1 lesion removed.');
    assert.deepEqual(second.report.removed, [{ network: 'infnet', lesion: first.report.infnet.listed[0] }]);
    assert.deepEqual(second.report.infnet.listed, first.report.infnet.listed.slice(1));
    const gone = first.voxels - second.voxels;
    const [x, y, z] = first.report.scan.spacing_mm;
    assert.ok(Math.abs((gone * x * y * z) / 1000 - first.report.infnet.listed[0].ml) < 0.001, `${gone} voxels went`);
    const [csv] = await Promise.all([page.waitForEvent('download'), page.click('[data-file$="_lesions.csv"]')]);
    assert.match(await readFile(await csv.path(), 'utf8'), /^infnet,,.*,yes\r$/m);
    await page.emulateMedia({ media: 'print' });
    assert.ok(await page.isVisible('#edited p'));
    assert.equal(await page.isVisible('#undo'), false);
    await page.emulateMedia({ media: 'screen' });

    // A Worker that dies takes no correction with it.
    await crash(page, workersOf(page, 'correct')[0]);
    await page.click('#undo');
    await page.waitForFunction(() => document.getElementById('edited').textContent === '', null, { timeout: SAID_MS });
    assert.deepEqual(await state(page), before);
    const third = await saved(page);
    assert.deepEqual([third.report, third.voxels], [first.report, first.voxels]);

    await page.click('.scan-bar [data-action="demo"]');
    await page.waitForFunction(() => document.getElementById('results').hidden);
    await soon(async () => assert.equal(workersOf(page, 'correct').length, 0));
    await page.click('#cancel');
    assert.deepEqual(watch.foreign, []);
  });
});
