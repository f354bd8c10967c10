// Lighthouse's scores of the start page, as a phone and as a computer see it: `make audit`. What costs points is listed.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { startServer } from '../tests/lib/browser.mjs';

const CATEGORIES = ['accessibility', 'best-practices'];
/** Of 100. */
const LEAST = 95;
const VIEWS = { phone: [], computer: ['--preset=desktop'] };
const REPORT_BYTES = 64 << 20;

const { LIGHTHOUSE, CHROMIUM = '/usr/bin/chromium' } = process.env;
const server = await startServer();
try {
  for (const [view, flags] of Object.entries(VIEWS)) {
    const args = [server.url, ...flags, `--only-categories=${CATEGORIES}`, '--output=json', '--quiet', '--chrome-flags=--headless=new --no-sandbox'];
    const run = promisify(execFile)(LIGHTHOUSE, args, { env: { ...process.env, CHROME_PATH: CHROMIUM }, maxBuffer: REPORT_BYTES });
    const report = JSON.parse((await run).stdout);
    for (const { title, score, auditRefs } of Object.values(report.categories)) {
      const points = Math.round(100 * score);
      console.log(`${view}: ${title} ${points}`);
      if (points < LEAST) process.exitCode = 1;
      const lost = auditRefs.filter(({ id, weight }) => weight > 0 && report.audits[id].score === 0).map(({ id }) => report.audits[id]);
      for (const audit of lost) {
        const places = (audit.details?.items ?? []).map((item) => `\n    ${item.node?.snippet ?? item.description ?? JSON.stringify(item)}`);
        console.log(`  ${audit.title}${places.join('')}`);
      }
    }
  }
} finally {
  server.stop();
}
if (process.exitCode === 1) console.error(`A score is below ${LEAST}.`);
