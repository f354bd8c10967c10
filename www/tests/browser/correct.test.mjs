// Lesions taken away by hand, and brought back.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { assertAccessible } from '../lib/axe.mjs';
import { ANALYSIS_MS, SAID_MS, saveAll, skipReason, soon, useBrowser, waitForResult } from '../lib/browser.mjs';
import { masks } from '../lib/masks.mjs';
import { volume } from '../lib/nifti.mjs';
import { CRASH, crash, workersOf } from '../lib/workers.mjs';

describe('correcting', { skip: skipReason(), timeout: 2 * ANALYSIS_MS }, () => {
  const { open } = useBrowser();

  const state = (page) =>
    page.evaluate(() => ({
      // The list itself is cut after the first few.
      lesions: Number(/\((\d+)\)/.exec(document.querySelector('#lesions h3').textContent)?.[1] ?? 0),
      percent: parseFloat(document.querySelector('.headline b').textContent),
      edited: document.getElementById('edited').innerText.split('\n')[0],
      stop: !document.getElementById('tour').hidden,
    }));

  /** Masks, and report. */
  async function saved(page) {
    // Chromium stops a page after ten downloads and asks.
    const files = await saveAll(page, ['_report.json', '_infnet.nii.gz', '_lungs.nii.gz']);
    const report = JSON.parse([...files].find(([name]) => name.endsWith('_report.json'))[1]);
    // Read and written again, a time may differ in its last digit.
    delete report.provenance.timings;
    const { infnet, lungs } = masks(files, ['infnet', 'lungs']);
    return { voxels: volume(infnet), infnet, lungs, report };
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

  test('the brush adds and erases, on one slice and inside the lungs, and every stroke can be undone', async (t) => {
    const { page, watch } = await open(t, '?demo=40&device=cpu&model=infnet');
    await waitForResult(page);
    const press = (key) => page.locator('body').press(key);
    const text = (id) => page.textContent(`#${id}`);
    const edited = (expected) => soon(async () => assert.match(await page.textContent('#edited p'), expected));
    const unedited = () => soon(async () => assert.equal(await text('edited'), ''));
    const first = await saved(page);
    const slice = async () => Number((await text('slice-out')).split(' ')[0]);

    // Off, nothing lies over the viewer.
    assert.equal(await page.isVisible('#brush'), false);
    assert.equal(await page.isVisible('#brush-options'), false);
    assert.ok(await page.isDisabled('#brush-undo'));
    await press('d');
    assert.equal(await page.getAttribute('#brush-add', 'aria-pressed'), 'true');
    assert.equal(await page.isVisible('#brush-network-label'), false, 'one network: nothing to choose');
    await assertAccessible(page, 'with the brush on');

    // The wheel goes through the slices, and the line says what is under the pointer, as ever.
    await page.hover('#brush', { position: { x: 200, y: 200 } });
    const start = await slice();
    await page.mouse.wheel(0, 100);
    await soon(async () => assert.notEqual(await slice(), start));
    /** A place of the axial picture where the line says this. */
    async function find(says) {
      // The picture has another size with the brush's options below it.
      const box = await page.locator('#planes').boundingBox();
      for (let row = 0.3; row < 0.7; row += 0.02) {
        for (let column = 0.1; column < 0.5; column += 0.01) {
          const place = [box.x + column * box.width, box.y + row * box.height];
          await page.mouse.move(...place);
          if (says(await text('readout'))) return place;
        }
      }
      return assert.fail('there is no such place');
    }
    const drag = async ([fromX, fromY], by) => {
      await page.mouse.move(fromX, fromY);
      await page.mouse.down();
      await page.mouse.move(fromX + by / 2, fromY, { steps: 3 });
      await page.mouse.move(fromX + by, fromY, { steps: 3 });
    };
    const healthy = await find((said) => /(right|left) lung$/.test(said));
    await drag(healthy, 20);
    const seen = () => page.evaluate(() => {
      const brush = document.getElementById('brush');
      return brush.getContext('2d').getImageData(0, 0, brush.width, brush.height).data.filter((v, i) => i % 4 === 3 && v > 100).length;
    });
    assert.ok((await seen()) > 100, 'the stroke is seen before it is measured');
    // Two more before the first is measured: on the same way, which adds nothing, and beside the lungs.
    await page.mouse.up();
    await drag(healthy, 20);
    await page.mouse.up();
    await drag(await find((said) => !said.includes('lung')), 5);
    await page.mouse.up();
    await edited(/^Painted by hand: 1 stroke, [1-9]\d* voxels added, 0 removed\.$/);
    await page.hover('h1');
    await soon(async () => assert.equal(await seen(), 0, 'what is measured is in the mask, and no longer on the brush'));

    const painted = await saved(page);
    const [{ voxels_added: added, ...rest }] = painted.report.painted;
    assert.deepEqual(rest, { network: 'infnet', strokes: 1, voxels_removed: 0 });
    assert.equal(painted.voxels - first.voxels, added);
    const [nx, ny] = painted.infnet.dims;
    const changed = [...painted.infnet.labels.keys()].filter((i) => painted.infnet.labels[i] !== first.infnet.labels[i]);
    assert.equal(changed.length, added);
    assert.deepEqual([...new Set(changed.map((i) => Math.floor(i / (nx * ny)) + 1))], [await slice()], 'the slice at hand');
    assert.ok(changed.every((i) => painted.infnet.labels[i] === 1 && painted.lungs.labels[i] > 0), 'ground glass, inside the lungs');
    const share = (report) => report.both.infnet.ground_glass.ml;
    const [dx, dy, dz] = painted.report.scan.spacing_mm;
    assert.ok(Math.abs(share(painted.report) - share(first.report) - (added * dx * dy * dz) / 1000) < 0.002);
    const { healthy: left, ground_glass: glass, consolidation } = painted.report.hu_histogram.infnet;
    const all = ({ below, bins, above }) => bins.reduce((a, b) => a + b, below + above);
    assert.equal(all(glass) - all(first.report.hu_histogram.infnet.ground_glass), added);
    await page.click('.histogram-table summary');
    const rows = await page.$$eval('.histogram-table tbody tr', (all) => all.map((row) => [...row.cells].slice(1).map((cell) => Number(cell.textContent.replaceAll(',', '')))));
    const sums = [0, 1, 2].map((column) => rows.reduce((sum, row) => sum + row[column], 0));
    assert.deepEqual(sums, [left, glass, consolidation].map(all));
    assert.match(await page.getAttribute('.histogram svg', 'aria-label'), /healthy lung most often near −8\d\d HU; ground glass/);

    // The other way; a Worker that dies takes no stroke with it.
    await page.click('#brush-erase');
    await drag(healthy, 10);
    await crash(page, workersOf(page, 'correct')[0]);
    await page.mouse.up();
    await edited(/: 2 strokes, \d+ voxels added, [1-9]\d* removed\.$/);
    await press('u');
    await edited(/: 1 stroke,/);
    assert.deepEqual((await saved(page)).report, painted.report);
    await page.click('#brush-undo');
    await unedited();
    await page.waitForSelector('#brush-undo[disabled]');
    const undone = await saved(page);
    assert.deepEqual([undone.report, undone.voxels], [first.report, first.voxels]);

    // By keyboard, where the crosshair is; off, a click moves that again.
    await press('e');
    await page.waitForSelector('#brush', { state: 'hidden' });
    await page.mouse.click(...(await find((said) => /lung$/.test(said))));
    await page.hover('h1');
    await soon(async () => assert.match(await text('readout'), /lung$/));
    await press('d');
    await press('x');
    await edited(/: 1 stroke,/);
    await page.click('.scan-bar [data-action="demo"]');
    await soon(async () => assert.equal(await page.isVisible('#brush-controls'), false));
    await page.waitForSelector('#brush', { state: 'hidden' });
    await page.click('#cancel');
    assert.deepEqual(watch.foreign, []);
    assert.deepEqual(watch.errors.filter((error) => !error.includes(CRASH)), []);
  });

  test('of two networks the one that is looked at is painted on, and one that is painted on is shown', async (t) => {
    const { page, watch } = await open(t, '?demo=40&device=cpu');
    await waitForResult(page);
    const press = (key) => page.locator('body').press(key);
    assert.equal(await page.$$eval('.histogram', (all) => all.length), 2);
    for (const network of ['infnet', 'normnet']) {
      await page.selectOption('#show', network);
      await soon(async () => assert.equal(await page.inputValue('#brush-network'), network));
    }
    // NormNet's first lesion.
    await press('n');
    await press('e');
    await press('x');
    await soon(async () => assert.match(await page.textContent('#edited'), /1 stroke, 0 voxels added, [1-9]/));
    await soon(async () => assert.doesNotMatch(await page.textContent('#readout'), /NormNet/, 'the line says what is there now'));
    const files = await saveAll(page);
    const report = JSON.parse([...files].find(([name]) => name.endsWith('_report.json'))[1]);
    assert.deepEqual(report.painted.map(({ network }) => network), ['normnet']);
    await page.selectOption('#brush-network', 'infnet');
    await soon(async () => assert.ok(await page.isChecked('#layer-ggo')));
    await page.selectOption('#show', 'lungs');
    await press('d');
    await soon(async () => assert.ok(await page.isChecked('#layer-ggo'), 'painting shows what is painted'));
    assert.deepEqual(watch.errors, []);
  });
});
