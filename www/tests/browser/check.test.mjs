// "Does it work here?": the test that a person can run of their own device.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertAccessible } from '../lib/axe.mjs';
import { ANALYSIS_MS, SAID_MS, skipReason, soon, useBrowser } from '../lib/browser.mjs';
import { workersOf } from '../lib/workers.mjs';

/** Runs in the page before its own code: one Worker of the test's two gives answers whose first byte is off. */
function spoilOne() {
  let started = 0;
  window.Worker = class extends Worker {
    postMessage(message, transfer) {
      // The first looks for the device when the page opens.
      if (message.type === 'start') this.spoils = ++started === 2;
      super.postMessage(message, transfer);
    }
    addEventListener(type, listener) {
      super.addEventListener(type, (event) => {
        if (this.spoils && event.data?.type === 'tile') event.data.tile[1][0] ^= 0x80;
        listener(event);
      });
    }
  };
}

describe('the test of the device', { skip: skipReason(), timeout: 2 * ANALYSIS_MS }, () => {
  const { open } = useBrowser();

  async function run(t, options) {
    const { page, watch } = await open(t, '?device=cpu', options);
    await page.waitForSelector('#device[data-kind]', { timeout: SAID_MS });
    await page.click('#check-open');
    await page.click('#check-run');
    assert.ok(await page.isDisabled('#check-run'));
    await page.waitForSelector('#check:not([data-state="running"])', { timeout: ANALYSIS_MS });
    const rows = await page.$$eval('#check-results tbody tr', (all) =>
      all.map((row) => ({ ...row.dataset, cells: [...row.cells].map((cell) => cell.textContent) })),
    );
    assert.deepEqual(watch.foreign, []);
    assert.deepEqual(watch.errors, []);
    return { page, rows, state: await page.getAttribute('#check', 'data-state') };
  }

  test('both networks agree with themselves on the CPU, and the Workers go', async (t) => {
    const { page, rows, state } = await run(t);
    assert.equal(state, 'passed', await page.textContent('#check'));
    assert.deepEqual(rows.map(({ network, passed }) => [network, passed]), [['normnet', 'true'], ['infnet', 'true']]);
    for (const { cells } of rows) {
      assert.equal(cells[1], '0.000');
      assert.match(cells[3], /^\d+\.\d s$/);
    }
    assert.match(rows[1].cells[2], /%$/);
    assert.match(await page.textContent('#check-device'), /CPU path: as you chose/);
    assert.ok((await page.textContent('#check-adapter')).length > 0);
    await assertAccessible(page, 'with the test done');
    await page.click('#check button:not([type="button"])');
    // The one that had looked for the device stays for the first analysis.
    await soon(async () => assert.ok(workersOf(page, 'case').length === 0 && workersOf(page, 'compute').length <= 1));
  });

  test('a device that computes something else is found out', async (t) => {
    const { page, rows, state } = await run(t, { init: spoilOne });
    assert.equal(state, 'failed');
    assert.ok(rows.some(({ passed }) => passed === 'false'));
    assert.match(await page.textContent('#check-said'), /does not work/);
  });
});
