// Several dates of one patient: collected, compared, seen side by side, saved. Two analyses of a small piece.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { assertAccessible } from '../lib/axe.mjs';
import { ANALYSIS_MS, choose, SAID_MS, saveAll, skipReason, soon, useBrowser } from '../lib/browser.mjs';
import { dicomSeries } from '../lib/dicom.mjs';
import { masks } from '../lib/masks.mjs';
import { readScan } from '../lib/nifti.mjs';
import { workersOf } from '../lib/workers.mjs';
import { zip } from '../lib/zip.mjs';

describe('follow-up', { skip: skipReason(), timeout: 2 * ANALYSIS_MS }, () => {
  const { open } = useBrowser();
  let folder;
  const pleura = (...args) => execFileSync(process.env.PLEURA_BIN, args, { encoding: 'utf8' });
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'follow-'));
  });
  after(() => rm(folder, { recursive: true }));

  const download = async (page, selector) => {
    const [saved] = await Promise.all([page.waitForEvent('download'), page.click(selector)]);
    return readFile(await saved.path(), 'utf8');
  };
  const compared = (page) => page.waitForSelector('#follow[open] #follow-changes', { timeout: 2 * ANALYSIS_MS });
  const fits = (page) => page.evaluate(() => document.getElementById('follow').scrollWidth <= document.getElementById('follow').clientWidth);

  test('scans of two dates: one after the other, side by side at the same height, in figures and files', async (t) => {
    const scan = (name, seed, lesions) => {
      pleura('phantom', '--out', join(folder, name), '--seed', seed, '--lesions', lesions, '--piece', '40');
      return join(folder, name);
    };
    const [first, second] = [scan('p_2026-01-11.nii.gz', '4', '6'), scan('p_2026-02-01.nii.gz', '5', '3')];
    const broken = join(folder, 'broken.nii.gz');
    await writeFile(broken, (await readFile(first)).subarray(0, 2000));
    const { page, watch } = await open(t, '?device=cpu&model=infnet');

    // Together: the one that does not open is named, and the other is analysed and collected.
    await page.setInputFiles('#file-input', [broken, first]);
    await page.waitForSelector('#layers:not([hidden])', { timeout: ANALYSIS_MS });
    await soon(async () => assert.match(await page.textContent('.follow-list'), /^p_2026-01-11broken\.nii\.gz could not be analysed: /));
    const reports = [await saveAll(page)];
    await assertAccessible(page, 'while dates are collected');
    await page.setInputFiles('#file-input', second);
    await compared(page);
    const dates = await page.$$eval('#follow-dates input', (all) => all.map(({ value }) => value));
    assert.deepEqual(dates, ['2026-01-11', '2026-02-01']);
    assert.match(await page.textContent('#follow-dates'), /from the file name/);
    assert.match(await page.textContent('#follow-changes'), /Inf-Net, right lung: [\d.]+ % → [\d.]+ %, [+−]?[\d.]+ points in 21 days/);
    // The piece holds no whole lung, and says so.
    assert.match(await page.textContent('#follow [data-code="lungs_cut"]'), /^2026-01-11 and 2026-02-01: not all of the lungs/);

    // The slices are those of the same height in the lungs of each.
    const slices = () => page.$$eval('.follow-pair canvas', (all) => all.map(({ dataset }) => Number(dataset.slice)));
    await page.waitForFunction(() => document.querySelectorAll('.follow-pair canvas[data-slice]:not([hidden])').length === 2);
    const lungs = [];
    const at = (height) => soon(async () => assert.deepEqual(await slices(), lungs.map(([from, to]) => from + Math.round(height * (to - from)))));
    const report = (files, end = '_report.json') => [...files].find(([name]) => name.endsWith(end));
    await page.click('#follow-close');
    reports.push(await saveAll(page));
    for (const files of reports) {
      const { dims, labels } = masks(files, ['lungs']).lungs;
      const area = dims[0] * dims[1];
      const has = Array.from({ length: dims[2] }, (_, k) => labels.subarray(k * area, (k + 1) * area).some((label) => label > 0));
      lungs.push([has.indexOf(true), has.lastIndexOf(true)]);
    }
    await soon(async () => assert.equal(workersOf(page, 'follow').length, 0, 'memory is given back'));
    await page.click('#follow-show');
    await compared(page);
    const slider = page.locator('#follow-height');
    // It begins where the earlier date has most to see, as the report says.
    const { infnet } = JSON.parse(report(reports[0])[1]);
    await soon(async () => assert.ok((await slices())[0] >= infnet.listed[0].slices[0] && (await slices())[0] <= infnet.listed[0].slices[1]));
    await slider.press('Home');
    await at(0);
    await slider.press('End');
    await at(1);
    assert.equal(await page.textContent('#follow-height-out'), '100 %');
    const steps = Number(await slider.getAttribute('max'));
    await page.locator('#follow-close').press('ArrowDown');
    await at((steps - 1) / steps);
    await page.locator('.follow-pair canvas').first().hover();
    await page.mouse.wheel(0, 100);
    await at((steps - 2) / steps);
    const bright = () => page.$$eval('.follow-pair canvas', (all) =>
      all.map((canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.filter((v, i) => i % 4 !== 3 && v > 200).length));
    const lung = await bright();
    assert.ok(lung.every((n) => n > 100), `${lung} bright samples`);
    await page.selectOption('#follow-window', 'bone');
    await soon(async () => assert.ok((await bright()).every((n, i) => n < lung[i])));

    // Page and command line say the same of the same reports.
    const saved = JSON.parse(await download(page, '#follow [data-file="p_2026-01-11_followup.json"]'));
    const csv = await download(page, '#follow [data-file="p_2026-01-11_followup.csv"]');
    const files = [];
    for (const each of reports) {
      const [name, bytes] = report(each);
      files.push(join(folder, name));
      await writeFile(files.at(-1), bytes);
    }
    const [out, table] = [join(folder, 'followup.json'), join(folder, 'followup.csv')];
    pleura('follow', ...files, '--out', out, '--csv', table);
    assert.deepEqual(saved, JSON.parse(await readFile(out, 'utf8')));
    assert.equal(csv, await readFile(table, 'utf8'));
    const shown = await page.$$eval('.follow-table tr[data-part="whole"]', (rows) => rows.map((row) => [...row.querySelectorAll('b')].map((b) => b.textContent)));
    const read = reports.map((each) => JSON.parse(report(each)[1]));
    const two = new Intl.NumberFormat('en-GB', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
    const percents = ['both', 'right', 'left'].map((lung) => read.map((each) => `${two.format(each[lung].infnet.lesion.percent)} %`));
    assert.deepEqual(shown, percents);
    assert.ok(percents[0][0] !== percents[0][1], 'the phantoms differ');

    // The chart has a mark for each date beside that of the legend.
    assert.equal(await page.$$eval('#follow svg .mark.right', (all) => all.length), 3);
    assert.match(await page.$eval('#follow svg desc', (desc) => desc.textContent), /points in 21 days/);
    assert.match(await download(page, '#follow [data-file$="_followup.svg"]'), /^<svg .*<title>Lung marked/s);
    await assertAccessible(page, 'with the comparison');
    await page.emulateMedia({ media: 'print' });
    assert.ok(await page.isVisible('.follow-notice'));
    assert.ok((await page.isVisible('#follow svg')) && (await page.isVisible('.follow-table')));
    assert.deepEqual([await page.isVisible('main'), await page.isVisible('#follow-close')], [false, false]);
    await page.emulateMedia({ media: 'screen' });
    await page.setViewportSize({ width: 390, height: 844 });
    assert.ok(await fits(page), 'no wider than a phone');

    // It ends, and can begin anew with what is open.
    await page.click('#follow-close');
    await page.click('#follow-end');
    await page.click('#follow-start');
    await soon(async () => assert.equal(await page.textContent('.follow-list'), 'p_2026-02-01'));
    assert.deepEqual(watch.foreign, []);
    assert.deepEqual(watch.errors, []);
  });

  test('saved reports alone: table and chart, dates by hand, and no pictures', async (t) => {
    const { page, watch } = await open(t, '?device=cpu');
    const [report] = await reportsOf(folder);
    const file = (name, change = () => undefined) => {
      const copy = structuredClone(report);
      change(copy);
      return { name, mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(copy)) };
    };
    await page.setInputFiles('#file-input', { name: 'notes.json', mimeType: 'application/json', buffer: Buffer.from('{"a": 1}') });
    await page.waitForSelector('#message.problem:not([hidden])');
    assert.match(await page.textContent('#message-text'), /notes\.json: is no report/);
    await page.setInputFiles('#file-input', [
      file('a_report.json', (copy) => (copy.date = '2026-03-01')),
      file('b_report.json', (copy) => (copy.provenance.version = '0.0.1')),
    ]);
    await page.waitForSelector('#follow[open]');
    await soon(async () => assert.match(await page.textContent('#follow-said'), /Two scans with a date/));
    assert.match(await page.textContent('#follow-dates'), /from the DICOM header.*Fill in the date/s);
    await page.fill('[data-name="b_report.json"] input', '2026-03-08');
    await page.locator('[data-name="b_report.json"] input').dispatchEvent('change');
    await compared(page);
    assert.match(await page.textContent('#follow-changes'), /in 7 days/);
    assert.match(await page.textContent('[data-code="version"]'), /^2026-03-01 and 2026-03-08: different versions/);
    assert.match(await page.textContent('.follow-pair'), /only the report/);
    assert.equal(await page.isVisible('.follow-pair canvas'), false);
    await assertAccessible(page, 'without pictures');
    const saved = JSON.parse(await download(page, '#follow [data-file="a_followup.json"]'));
    assert.deepEqual(saved.scans.map(({ date, date_from: from }) => [date, from]), [['2026-03-01', 'report'], ['2026-03-08', 'given']]);
    await page.click('[data-name="b_report.json"] button');
    await soon(async () => assert.match(await page.textContent('#follow-said'), /Two scans with a date/));
    assert.deepEqual(watch.foreign, []);
    assert.deepEqual(watch.errors, []);
  });

  test('series of several dates wait for each other, and what does not open does not stop them', async (t) => {
    const { page, watch } = await open(t, '?device=cpu&model=infnet');
    const scan = readScan(await readFile(join(folder, 'p_2026-01-11.nii.gz')));
    const series = [['20260201', 1], ['20260111', 2], ['20260111', 4]].map(([date, every], i) =>
      dicomSeries(scan, { uid: `1.2.${i + 1}`, description: `series ${i + 1}`, date, every }));
    const files = series.flatMap((all, i) => [...all].map(([name, bytes]) => [`${i}/${name}`, bytes]));
    await choose(page, 'patient.zip', zip(files));
    await page.waitForSelector('#series[open]', { timeout: 3 * SAID_MS });
    assert.deepEqual(await page.$$eval('#series-list label', (all) => all.map(({ innerText }) => /\d{4}-\d\d-\d\d$/.exec(innerText)?.[0])), [
      '2026-02-01',
      '2026-01-11',
      '2026-01-11',
    ]);
    assert.equal(await page.textContent('#series-each'), 'All 2 dates, one after the other');
    await page.click('#series-each');
    await soon(async () => assert.equal(await page.textContent('.follow-list'), 'patient.zip waits'));
    await page.click('#cancel');
    await soon(async () => assert.equal(await page.textContent('.follow-list'), ''));
    await page.click('#follow-end');

    const cut = (await readFile(join(folder, 'p_2026-01-11.nii.gz'))).subarray(0, 2000);
    const broken = ['a.nii.gz', 'b.nii.gz'].map((name) => ({ name, mimeType: 'application/gzip', buffer: cut }));
    await page.setInputFiles('#file-input', broken);
    await soon(async () => assert.match(await page.textContent('.follow-list'), /^a\.nii\.gz could not be analysed/));
    await soon(async () => assert.match(await page.textContent('#message-text'), /b\.nii\.gz/));
    assert.deepEqual(watch.foreign, []);
    assert.deepEqual(watch.errors, []);
  });

  /** The reports that the first test has left, by date. */
  async function reportsOf(where) {
    const names = ['p_2026-01-11_report.json', 'p_2026-02-01_report.json'];
    return Promise.all(names.map(async (name) => JSON.parse(await readFile(join(where, name), 'utf8'))));
  }
});
