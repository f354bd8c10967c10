// What the page opens beside one NIfTI file: folders, series, archives, other formats. All of it is shown.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { assertAccessible } from '../lib/axe.mjs';
import { ANALYSIS_MS, choose, SAID_MS, saveAll, skipReason, useBrowser, waitForResult } from '../lib/browser.mjs';
import { dicomSeries } from '../lib/dicom.mjs';
import { assertSame, masks } from '../lib/masks.mjs';
import { readMask, readScan, turnRows, volume } from '../lib/nifti.mjs';
import { zip } from '../lib/zip.mjs';

const THIN = { uid: '1.2.840.99999.1', description: 'Thorax thin' };
const THICK = { uid: '1.2.840.99999.2', description: 'Thorax thick', kernel: 'B31f', every: 2 };

describe('formats and folders', { skip: skipReason(), timeout: 3 * ANALYSIS_MS }, () => {
  const { open } = useBrowser();
  let folder;
  let scan;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'pleura-formats-'));
    const file = path.join(folder, 'phantom.nii.gz');
    await promisify(execFile)(process.env.PLEURA_BIN, ['phantom', '--out', file, '--piece', '40', '--seed', '4']);
    scan = readScan(await readFile(file));
  });
  after(() => rm(folder, { recursive: true }));

  /** Writes series into a new folder, one folder each, with what else lies about in exports. */
  async function exported(name, ...series) {
    const root = path.join(folder, name);
    for (const each of series) {
      const inside = path.join(root, each.description);
      await mkdir(inside, { recursive: true });
      for (const [file, bytes] of dicomSeries(scan, each)) await writeFile(path.join(inside, file), bytes);
    }
    await writeFile(path.join(root, 'README.txt'), 'read me');
    await writeFile(path.join(root, '.DS_Store'), 'Bud1');
    return root;
  }

  const voxels = (page, text) =>
    page.waitForFunction((wanted) => document.getElementById('file-info').textContent.includes(wanted), text, { timeout: 3 * SAID_MS });

  /** The planes are there, and the voxel under the crosshair is the scan's own. */
  async function assertShown(page, { dims, hu }) {
    await page.waitForFunction(() => /HU/.test(document.getElementById('readout').textContent), null, { timeout: 3 * SAID_MS });
    assert.equal(await page.isVisible('#canvas-note'), false);
    // From the middle of the scan, which may lie between voxels, to the middle of one.
    await page.locator('body').press('Shift+ArrowRight');
    const [slice, of, count] = (await page.textContent('#slice-out')).split(' ');
    assert.equal(of, 'of');
    assert.equal(Number(count), dims[2]);
    const [shown, place] = (await page.textContent('#readout')).replaceAll('−', '-').split(' · ');
    const [, x, y, z] = /^[RL] ([\d.]+) [AP] ([\d.]+) [SI] ([\d.]+) mm$/.exec(place);
    const mm = [x, y, z].map((value, i) => (/[RAS]/.test(place.split(' ')[2 * i]) ? 1 : -1) * Number(value));
    const at = mm.map((value, i) => Math.round((value - scan.affine[i][3]) / scan.affine[i][i]));
    assert.equal(at[2] + 1, Number(slice));
    assert.equal(parseInt(shown, 10), hu[at[0] + dims[0] * (at[1] + dims[1] * at[2])], `HU at ${at}`);
  }

  test('a folder with one DICOM series and a truth mask: shown before it is analysed, the masks are those of the NIfTI file, and compared', async (t) => {
    const { page, watch } = await open(t, '?device=cpu&model=infnet');
    const root = await exported('one', THIN);
    const truthFile = await readFile(path.join(folder, 'phantom_lesions_truth.nii.gz'));
    await writeFile(path.join(root, 'truth.nii'), turnRows(truthFile));
    await page.setInputFiles('#folder-input', root);
    await assertShown(page, scan);
    assert.equal(await page.isVisible('#layers'), false);
    assert.equal(await page.textContent('#file-name'), 'one');
    await waitForResult(page);
    const files = await saveAll(page);
    assert.ok(files.has('one_report.json'), [...files.keys()].join(', '));
    assert.ok(await page.isVisible('#save-dicom-hint'));
    for (const mask of ['lungs', 'infnet']) {
      const seg = files.get(`one_${mask}_seg.dcm`);
      assert.equal(seg?.toString('latin1', 128, 132), 'DICM', mask);
      // Class of the object, and whose it is.
      for (const part of ['1.2.840.10008.5.1.4.1.1.66.4', 'Doe^Jane']) assert.ok(seg.includes(part), `${mask}: ${part}`);
    }
    if (process.env.PLEURA_CLI_OUT !== undefined) {
      const names = (await readdir(process.env.PLEURA_CLI_OUT)).filter((name) => name.endsWith('.nii.gz'));
      const native = new Map();
      for (const name of names) native.set(name, await readFile(path.join(process.env.PLEURA_CLI_OUT, name)));
      assertSame(masks(files, ['lungs', 'infnet']), masks(native, ['lungs', 'infnet']), 'DICOM here and NIfTI on the command line');
    }
    const [truth, found] = [readMask(truthFile), masks(files, ['infnet']).infnet];
    const both = truth.labels.filter((label, i) => label > 0 && found.labels[i] > 0).length;
    assert.ok(both > 0);
    const scores = [(2 * both) / (volume(truth) + volume(found)), both / volume(truth), both / volume(found)];
    assert.match(await page.textContent('#truth h3'), /one\/truth\.nii$/);
    assert.deepEqual(await page.$$eval('#truth td b', (cells) => cells.map((cell) => cell.textContent)), scores.map((score) => score.toFixed(3)));
    // A second look at the same scan asks and shows nothing anew.
    await page.click('#analyse');
    await page.click('#cancel');
    assert.match(await page.textContent('#readout'), /HU/);
    assert.deepEqual(watch.foreign, []);
    assert.deepEqual(watch.errors, []);
  });

  test('of several series one is chosen, by keyboard too', async (t) => {
    const { page, watch } = await open(t, '?device=cpu');
    const root = await exported('two', THICK, THIN);
    await page.setInputFiles('#folder-input', root);
    await page.waitForSelector('#series[open]', { timeout: 3 * SAID_MS });
    const said = await page.$$eval('#series-list label', (labels) => labels.map((label) => label.innerText.split('\n')));
    assert.deepEqual(said, [
      ['Thorax thin', '16 slices · 320 × 320 · 2.5 mm · B70f'],
      ['Thorax thick', '8 slices · 320 × 320 · 5 mm · B31f'],
    ]);
    assert.equal(await page.inputValue('#series-list :checked'), THIN.uid);
    const bright = await page.$$eval('#series-list canvas', (all) =>
      all.map((canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.filter((v, i) => i % 4 === 0 && v > 100).length),
    );
    assert.ok(bright.every((count) => count > 500), `${bright} bright pixels in the thumbnails`);
    assert.equal(await page.evaluate(() => document.activeElement.value), THIN.uid);
    await assertAccessible(page, 'with several series');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await voxels(page, '320 × 320 × 8 voxels');
    await page.click('#cancel');
    // What was chosen holds for the next analysis.
    await page.click('#analyse');
    await voxels(page, '320 × 320 × 8 voxels');
    assert.equal(await page.isVisible('#series'), false);
    await page.click('#cancel');

    await page.setInputFiles('#folder-input', root);
    await page.waitForSelector('#series[open]', { timeout: 3 * SAID_MS });
    await page.keyboard.press('Escape');
    await page.waitForSelector('#cancel', { state: 'hidden' });
    assert.match(await page.textContent('#message-title'), /Cancelled/);
    assert.deepEqual(watch.errors, []);
  });

  test('a folder is dropped', async (t) => {
    const { context, page, watch } = await open(t, '?device=cpu');
    const root = await exported('dropped', THIN);
    const devtools = await context.newCDPSession(page);
    const data = { items: [], files: [root], dragOperationsMask: 1 };
    const drag = (type) => devtools.send('Input.dispatchDragEvent', { type, x: 300, y: 300, data });
    await drag('dragEnter');
    await drag('dragOver');
    // Dropped before the page has said that it takes it, it would be opened as a page of its own.
    await page.waitForSelector('#drop-overlay:not([hidden])');
    await drag('drop');
    await voxels(page, '320 × 320 × 16 voxels');
    assert.equal(await page.textContent('#file-name'), 'dropped');
    assert.deepEqual(watch.errors, []);
  });

  test('archives and other formats are shown', async (t) => {
    const { page, watch } = await open(t, '?device=cpu');
    const { dims, affine, hu } = scan;
    const data = Buffer.from(hu.buffer);
    const columns = [0, 1, 2].map((c) => affine.map((row) => row[c]));
    const nrrd = `NRRD0004
type: short
dimension: 3
space: right-anterior-superior
sizes: ${dims.join(' ')}
space directions: ${columns.map((column) => `(${column})`).join(' ')}
space origin: (${affine.map((row) => row[3])})
encoding: raw
endian: little

`;
    // MetaImage has LPS.
    const lps = ([x, y, z]) => [-x, -y, z];
    const meta = `ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = False
TransformMatrix = ${columns.flatMap((column) => lps(column.map((value) => value / Math.hypot(...column)))).join(' ')}
Offset = ${lps(affine.map((row) => row[3])).join(' ')}
ElementSpacing = ${columns.map((column) => Math.hypot(...column)).join(' ')}
DimSize = ${dims.join(' ')}
ElementType = MET_SHORT
ElementDataFile = LOCAL
`;
    const [one] = dicomSeries(scan, THIN).values();
    const cases = [
      ['series.zip', zip(dicomSeries(scan, THIN)), scan],
      ['scan.nrrd', Buffer.concat([Buffer.from(nrrd), data]), scan],
      ['scan.mha', Buffer.concat([Buffer.from(meta), data]), scan],
      ['slice.dcm', one, { dims: [dims[0], dims[1], 1], hu }],
    ];
    for (const [name, bytes, expected] of cases) {
      await choose(page, name, bytes);
      await page.waitForFunction((file) => document.getElementById('file-name').textContent === file, name);
      await voxels(page, `× ${expected.dims[2]} voxels`);
      await assertShown(page, expected);
    }
    assert.deepEqual(watch.errors, []);
  });
});
