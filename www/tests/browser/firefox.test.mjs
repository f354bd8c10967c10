// Another browser engine than Chromium's: Firefox, through WebDriver BiDi. One case, from the start to its findings.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { ANALYSIS_MS, SAID_MS, skipReason, startServer } from '../lib/browser.mjs';

const FIREFOX = [process.env.FIREFOX, '/usr/bin/firefox-esr', '/usr/bin/firefox'].find((at) => at !== undefined && existsSync(at));
const skip = skipReason() || (FIREFOX === undefined && 'Firefox is not installed, or FIREFOX is not its path');

describe('Firefox', { skip, timeout: ANALYSIS_MS }, () => {
  let server;
  let browser;
  before(async () => {
    server = await startServer();
    browser = await puppeteer.launch({ browser: 'firefox', executablePath: FIREFOX, protocolTimeout: ANALYSIS_MS });
  });
  after(async () => {
    await browser?.close();
    server?.stop();
  });

  test('the page opens, analyses the demo case on the CPU and shows what it found', async (t) => {
    const page = await browser.newPage();
    const errors = [];
    const foreign = [];
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    page.on('request', (request) => {
      const { origin, protocol } = new URL(request.url());
      if (protocol.startsWith('http') && !server.url.startsWith(origin)) foreign.push(request.url());
    });
    t.diagnostic(await browser.version());
    await page.goto(`${server.url}?demo=40&device=cpu&model=infnet`);
    await page.waitForSelector('#device[data-kind="cpu"]', { timeout: SAID_MS });
    await page.waitForSelector('#results .headline b, #message.problem:not([hidden])', { timeout: ANALYSIS_MS });
    const text = (selector) => page.$eval(selector, (element) => element.innerText);
    assert.equal(await page.$('#message.problem:not([hidden])'), null);
    const percent = parseFloat(await text('.headline b'));
    if (process.env.PLEURA_CLI_OUT === undefined) assert.ok(percent > 0);
    else {
      const native = JSON.parse(await readFile(path.join(process.env.PLEURA_CLI_OUT, 'phantom_report.json'), 'utf8'));
      assert.ok(Math.abs(percent - native.both.infnet.lesion.percent) < 0.02, `${percent} % here, ${native.both.infnet.lesion.percent} % natively`);
    }
    const saved = await page.$$eval('#save-buttons button', (buttons) => buttons.map((button) => button.dataset.file));
    for (const name of ['report.json', 'lungs.nii.gz', 'infnet.nii.gz']) assert.ok(saved.includes(`phantom_${name}`), saved.join(', '));
    // Without a window Firefox has WebGL on some machines only; where it has none the page says so, and all else works.
    await page.waitForSelector('#layers:not([hidden]), #canvas-note:not([hidden])', { timeout: SAID_MS });
    const [shown, said] = [await text('#readout'), await text('#canvas-note')];
    assert.ok(/HU/.test(shown) || /WebGL 2 is missing/.test(said), `shown: ${shown}; said: ${said}`);
    assert.equal(await text('#leaves-open'), '0 requests to other sites');
    assert.deepEqual(foreign, []);
    assert.deepEqual(errors, []);
  });
});
