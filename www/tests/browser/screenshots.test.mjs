// Pictures for the documentation: made only on request, UPDATE_SCREENSHOTS=1. Those of all steps of the lesson go to the
// folder LESSON_SCREENSHOTS, to be looked at.
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ANALYSIS_MS, skipReason, useBrowser, waitForResult } from '../lib/browser.mjs';
import { shown } from '../lib/lesson.mjs';

const OUT = fileURLToPath(new URL('../../../docs/screenshots/', import.meta.url));
const SCREENS = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};
const asked = process.env.UPDATE_SCREENSHOTS === '1';
const all = process.env.LESSON_SCREENSHOTS;

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

/** Of the lesson, for the documentation. */
const STEPS = { desktop: ['lesions', 'growth'], phone: ['ra4'] };

describe('screenshots of the lesson', { skip: asked || all ? skipReason() : 'UPDATE_SCREENSHOTS is not 1', timeout: 4 * ANALYSIS_MS }, () => {
  const { open } = useBrowser();

  for (const [name, screen] of Object.entries(SCREENS)) {
    for (const colorScheme of ['light', 'dark']) {
      test(`${name} ${colorScheme}`, async (t) => {
        const { page } = await open(t, '?demo=40#learn=window', { ...screen, colorScheme });
        await shown(page);
        const steps = await page.$$eval('#teach .teach-list a', (links) => links.map((link) => link.dataset.step));
        for (const [n, step] of steps.entries()) {
          if (!all && !(colorScheme === 'light' && STEPS[name].includes(step))) continue;
          await page.$eval(`#teach .teach-list a[data-step="${step}"]`, (link) => link.click());
          await shown(page);
          if (STEPS[name].includes(step) && asked && colorScheme === 'light') await page.screenshot({ path: `${OUT}lesson-${name}-${step}.png` });
          const file = `${String(n + 1).padStart(2, '0')}-${step}-${name}-${colorScheme}.png`;
          if (all) await page.screenshot({ path: `${all}/${file}`, fullPage: true });
        }
      });
    }
  }
});
