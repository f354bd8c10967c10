// The page as a person meets it: a big scan dropped on it, on the CPU, first with an empty cache and then on a second visit.
//
//   PLEURA_BIN=… node bench/page-run.mjs [--slices 300] [--query device=cpu]
//
// It prints seconds from the drop to the first picture, to the three planes and to the findings, the longest time that the page
// did not react, and the longest time that the progress stood still.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startBrowser, startServer } from '../tests/lib/browser.mjs';
import { bigScan } from './scan.mjs';

const LIMIT_MS = 20 * 60_000;
const { values: args } = parseArgs({
  options: { slices: { type: 'string', default: '300' }, query: { type: 'string', default: 'device=cpu' } },
});

/** Runs in the page: notes how long frames and progress take. */
function watch() {
  const seen = { frame: 0, still: 0 };
  let last = performance.now();
  const frame = () => {
    const now = performance.now();
    seen.frame = Math.max(seen.frame, now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  let moved = performance.now();
  new MutationObserver(() => {
    const now = performance.now();
    seen.still = Math.max(seen.still, now - moved);
    moved = now;
  }).observe(document.getElementById('status'), { subtree: true, childList: true, attributes: true, characterData: true });
  globalThis.seen = seen;
}

async function visit(context, url, path) {
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForSelector('#file-input', { state: 'attached' });
  await page.evaluate(watch);
  const begun = performance.now();
  const since = () => ((performance.now() - begun) / 1000).toFixed(1);
  await page.setInputFiles('#file-input', path);
  await page.waitForFunction(() => !document.getElementById('first').hidden || /HU/.test(document.getElementById('readout').textContent), null, {
    timeout: LIMIT_MS,
  });
  const picture = since();
  await page.waitForFunction(() => /HU/.test(document.getElementById('readout').textContent), null, { timeout: LIMIT_MS });
  const planes = since();
  const failed = page.waitForSelector('#message.problem:not([hidden])', { timeout: LIMIT_MS }).then(
    () => Promise.reject(new Error('the page reports a problem')),
    () => undefined,
  );
  await Promise.race([page.waitForSelector('#layers:not([hidden])', { timeout: LIMIT_MS }), failed]);
  const findings = since();
  const seen = await page.evaluate(() => globalThis.seen);
  await page.close();
  return { picture, planes, findings, frame: (seen.frame / 1000).toFixed(2), still: (seen.still / 1000).toFixed(2) };
}

const folder = mkdtempSync(join(os.tmpdir(), 'pleura-'));
const server = await startServer();
const browser = await startBrowser();
try {
  const path = join(folder, 'scan.nii.gz');
  writeFileSync(path, bigScan(Number(args.slices)));
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  console.log(`512 × 512 × ${args.slices}, ?${args.query}, ${os.cpus()[0].model}, ${os.cpus().length} cores, load ${os.loadavg()[0].toFixed(1)}`);
  for (const name of ['first visit', 'second visit']) {
    const seen = await visit(context, `${server.url}?${args.query}`, path);
    console.log(
      `${name}: first picture after ${seen.picture} s, planes after ${seen.planes} s, findings after ${seen.findings} s; longest frame ${seen.frame} s, longest still progress ${seen.still} s`,
    );
  }
} finally {
  await browser.close();
  server.stop();
  rmSync(folder, { recursive: true });
}
