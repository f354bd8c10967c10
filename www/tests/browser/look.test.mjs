// What a person meets around the picture: keys, lesions, the badge, and accessibility, over one analysis.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { assertAccessible } from '../lib/axe.mjs';
import { ANALYSIS_MS, SAID_MS, skipReason, soon, useBrowser, waitForResult, waitForTiles } from '../lib/browser.mjs';
import { waitForWorker } from '../lib/workers.mjs';

describe('around the picture', { skip: skipReason(), timeout: 2 * ANALYSIS_MS }, () => {
  const { open } = useBrowser();

  test('the start page is accessible, and a forbidden request is blocked and counted', async (t) => {
    const { page } = await open(t, '?device=cpu');
    await page.waitForSelector('#device[data-kind]', { timeout: SAID_MS });
    assert.equal(await page.textContent('#leaves-open'), '0 requests to other sites');
    await assertAccessible(page, 'at the start');
    const reached = await page.evaluate(() => fetch('http://127.0.0.2:8099/page').then(() => true, () => false));
    assert.equal(reached, false);
    await page.waitForFunction(() => /^1 request /.test(document.getElementById('leaves-open').textContent));
    const worker = await waitForWorker(page, 'compute');
    await worker.evaluate(() => fetch('http://127.0.0.2:8099/worker').catch(() => undefined));
    await page.waitForFunction(() => /^2 requests /.test(document.getElementById('leaves-open').textContent));
    await page.click('#leaves-open');
    const both = /127\.0\.0\.2:8099\/page \(blocked\).*127\.0\.0\.2:8099\/worker \(blocked\)/s;
    await soon(async () => assert.match(await page.textContent('#leaves-list'), both));
    await assertAccessible(page, 'with the badge open');
  });

  test('keys, lesions and the ruler lead through the scan', async (t) => {
    const { page, watch } = await open(t, '?demo=40&device=cpu&model=infnet');
    await waitForTiles(page, 1);
    await assertAccessible(page, 'while it runs');
    await waitForResult(page);
    await assertAccessible(page, 'with results');
    const slice = async () => Number((await page.textContent('#slice-out')).split(' ')[0]);
    const at = (wanted) => soon(async () => assert.equal(await slice(), wanted));
    const press = (key) => page.locator('body').press(key);
    await press('Home');
    await at(1);
    await press('ArrowUp');
    await at(2);
    await press('PageUp');
    await at(12);
    await press('b');
    assert.equal(await page.inputValue('#window'), 'bone');
    await press('2');
    assert.equal(await page.getAttribute('[data-plane="coronal"]', 'aria-pressed'), 'true');
    await press('4');
    await press('o');
    assert.equal(await page.inputValue('#opacity'), '0');
    await press('o');
    assert.equal(await page.inputValue('#opacity'), '40');
    await press('n');
    assert.equal(await page.getAttribute('[data-stop="0"]', 'aria-current'), 'true');
    assert.match(await page.getAttribute('#ruler', 'aria-valuetext'), /lesion/);
    // In a field the keys are its own.
    const before = await slice();
    await page.locator('#opacity').press('Home');
    assert.equal(await slice(), before);
    await page.locator('#ruler').press('End');
    await page.waitForFunction(() => {
      const words = document.getElementById('slice-out').textContent.split(' ');
      return words[0] === words.at(-1);
    });
    await press('?');
    assert.ok(await page.isVisible('#keys'));
    await assertAccessible(page, 'with the keys open');
    await page.keyboard.press('Escape');
    const [csv] = await Promise.all([page.waitForEvent('download'), page.click('[data-file$="_lesions.csv"]')]);
    assert.match(await readFile(await csv.path(), 'utf8'), /^network,lesion,.*\r\ninfnet,1,/);
    assert.equal(await page.textContent('#leaves-open'), '0 requests to other sites');
    assert.deepEqual(watch.foreign, []);
    assert.deepEqual(watch.errors, []);
  });
});
