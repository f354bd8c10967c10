// Pictures for the documentation: made only on request, UPDATE_SCREENSHOTS=1.
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ANALYSIS_MS, skipReason, useBrowser, waitForResult } from '../lib/browser.mjs';

const OUT = fileURLToPath(new URL('../../../docs/screenshots/', import.meta.url));
const SCREENS = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};
const asked = process.env.UPDATE_SCREENSHOTS === '1';

describe('screenshots', { skip: asked ? skipReason() : 'UPDATE_SCREENSHOTS is not 1', timeout: 8 * ANALYSIS_MS }, () => {
  const { open } = useBrowser();
  before(() => mkdir(OUT, { recursive: true }));

  for (const [name, screen] of Object.entries(SCREENS)) {
    for (const colorScheme of ['light', 'dark']) {
      test(`${name} ${colorScheme}`, async (t) => {
        const { page } = await open(t, '', { ...screen, colorScheme });
        const shoot = (what) => page.screenshot({ path: `${OUT}${name}-${colorScheme}-${what}.png` });
        await page.waitForSelector('#device[data-kind]');
        await shoot('start');
        await page.click('#drop [data-action="demo"]');
        await waitForResult(page);
        await page.click('#lesions tbody button');
        // The crosshair's way and smooth scrolling end well within this.
        await page.waitForTimeout(1000);
        await page.evaluate(() => {
          document.querySelector('.panel').scrollTo(0, 0);
          window.scrollTo(0, 0);
        });
        await shoot('findings');
      });
    }
  }

  test('follow-up', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'follow-'));
    t.after(() => rm(folder, { recursive: true }));
    const scans = [['ct_2026-01-11.nii.gz', '4', '6'], ['ct_2026-02-01.nii.gz', '5', '3']].map(([name, seed, lesions]) => {
      const path = join(folder, name);
      execFileSync(process.env.PLEURA_BIN, ['phantom', '--out', path, '--seed', seed, '--lesions', lesions, '--piece', '40']);
      return path;
    });
    const { page } = await open(t, '?device=cpu&model=infnet', { viewport: { width: 1280, height: 1000 } });
    await page.setInputFiles('#file-input', scans);
    await page.waitForSelector('#follow[open] #follow-changes', { timeout: 2 * ANALYSIS_MS });
    await page.waitForFunction(() => document.querySelectorAll('.follow-pair canvas[data-slice]:not([hidden])').length === 2);
    await page.evaluate(() => document.querySelector('#follow-changes').scrollIntoView());
    await page.screenshot({ path: `${OUT}desktop-light-followup.png` });
  });
});
