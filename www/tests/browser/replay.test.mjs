// A recorded run done again on the page: from its manifest, saved here, and the scan.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { assertAccessible } from '../lib/axe.mjs';
import { ANALYSIS_MS, SAID_MS, saveAll, skipReason, useBrowser, waitForResult } from '../lib/browser.mjs';

describe('a recorded run', { skip: skipReason(), timeout: 3 * ANALYSIS_MS }, () => {
  const { open } = useBrowser();
  let folder;
  let scan;
  let other;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'pleura-replay-'));
    const make = async (name, seed) => {
      const file = path.join(folder, name);
      await promisify(execFile)(process.env.PLEURA_BIN, ['phantom', '--out', file, '--piece', '20', '--seed', seed]);
      return { name, mimeType: 'application/gzip', buffer: await readFile(file) };
    };
    scan = await make('chest.nii.gz', '4');
    other = await make('other.nii.gz', '5');
  });
  after(() => rm(folder, { recursive: true }));

  const choose = (page, ...files) => page.setInputFiles('#file-input', files);
  const manifest = (text) => ({ name: 'chest_run.json', mimeType: 'application/json', buffer: Buffer.from(text) });
  const says = (page, title) =>
    page.waitForFunction(
      (wanted) => !document.getElementById('message').hidden && document.getElementById('message-title').textContent === wanted,
      title,
      { timeout: ANALYSIS_MS },
    );

  test('is done again with its options, and the masks are the same or are said to differ', async (t) => {
    const first = await open(t, '?device=cpu&model=infnet');
    await choose(first.page, scan);
    await waitForResult(first.page);
    const saved = (await saveAll(first.page)).get('chest_run.json');
    assert.ok(saved !== undefined, 'the run manifest is among the files');
    const run = JSON.parse(saved);
    assert.equal(run.options.model, 'infnet');
    assert.deepEqual(first.watch.errors, []);

    // Both networks are the default here, and the manifest alone asks for its scan.
    const { page, watch } = await open(t, '?device=cpu');
    await choose(page, manifest(saved));
    await says(page, 'Run manifest');
    assert.match(await page.textContent('#message-text'), /open chest\.nii\.gz/);
    await choose(page, scan);
    await says(page, 'The same as recorded');
    assert.match(await page.textContent('#message-text'), /3 of 3/);
    assert.equal(await page.inputValue('[name=model]:checked'), 'infnet');
    await page.waitForSelector('#layers:not([hidden])');
    const again = JSON.parse((await saveAll(page)).get('chest_run.json'));
    assert.deepEqual([again.masks, again.input, again.options], [run.masks, run.input, run.options]);
    await assertAccessible(page, 'with a recorded run');

    // A run that gave something else, for the scan that is open.
    const claimed = structuredClone(run);
    const mask = claimed.masks.find(({ name }) => name === 'infnet');
    Object.assign(mask, { sha256: 'f'.repeat(64), marked: 7 });
    await choose(page, manifest(JSON.stringify(claimed)));
    await says(page, 'Not the same as recorded');
    assert.match(await page.textContent('#message-text'), /1 of 3 masks.*chest_infnet\.nii\.gz, 7 voxels/);
    await page.selectOption('#language', 'de');
    assert.equal(await page.textContent('#message-title'), 'Nicht dasselbe wie festgehalten');
    assert.deepEqual(watch.foreign, []);
    assert.deepEqual(watch.errors, []);
  });

  test('of another scan, with other weights, or unreadable is refused', async (t) => {
    const { page, watch } = await open(t, '?device=cpu');
    const models = JSON.parse(await (await page.request.get(new URL('models/manifest.json', page.url()).href)).text()).models;
    const input = { name: 'chest.nii.gz', sha256: await sha256(scan.buffer) };
    const options = { model: 'infnet', normnet: 'best', infnet: 'semi', precision: 'int8', lungs: 'threshold', looks: 1 };
    const used = models.filter(({ name }) => name === 'infnet-semi.int8');
    const run = { schema_version: 1, version: '0.0.1', input, options, models: used, device: 'CPU', masks: [], files: [] };

    await choose(page, manifest(JSON.stringify(run)), other);
    await says(page, 'This is not the recorded run');
    assert.match(await page.textContent('#message-text'), /chest\.nii\.gz/);
    assert.equal(await page.textContent('#file-name'), 'other.nii.gz');
    await page.waitForSelector('#cancel', { state: 'hidden', timeout: SAID_MS });
    assert.equal(await page.isVisible('#analyse'), true);

    const retrained = { ...run, models: [{ ...used[0], sha256: 'f'.repeat(64) }] };
    await choose(page, manifest(JSON.stringify(retrained)), scan);
    await page.waitForFunction(() => /infnet-semi\.int8/.test(document.getElementById('message-text').textContent), null, { timeout: SAID_MS });
    assert.equal(await page.textContent('#message-title'), 'This is not the recorded run');

    for (const [text, said] of [
      ['{', /not a run manifest/],
      [JSON.stringify({ ...run, schema_version: 2 }), /layout 2/],
      [JSON.stringify({ ...run, masks: [{ name: 'lungs' }] }), /not a run manifest/],
    ]) {
      await choose(page, manifest(text));
      await says(page, 'The run manifest can’t be used');
      await page.waitForFunction((wanted) => new RegExp(wanted).test(document.getElementById('message-text').textContent), said.source);
    }
    assert.deepEqual(watch.errors, []);
  });
});

async function sha256(bytes) {
  const digest = await crypto.subtle.digest('SHA-256', bytes);
  return Buffer.from(digest).toString('hex');
}
