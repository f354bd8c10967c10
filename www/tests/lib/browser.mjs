// What the browser tests share: the server, Chromium, a page that is watched, and its downloads.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
/** WebGPU on SwiftShader, which is slow and everywhere. */
const SWIFTSHADER = '--use-webgpu-adapter=swiftshader';
/** WebGPU without a window, and none of Chromium's own requests. */
const FLAGS = [
  '--enable-unsafe-webgpu',
  '--enable-features=Vulkan',
  '--disable-vulkan-surface',
  '--no-sandbox',
  '--headless=new',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** How long the page may take for what needs no network. */
export const SAID_MS = 60_000;
/** Longest that an analysis of the 40 mm piece may take: SwiftShader on two cores is the slowest. */
export const ANALYSIS_MS = 20 * 60_000;

/** Why the browser tests can't run here, if they can't; `unbuilt` says so of what they are to open. */
export function skipReason(unbuilt = existsSync(`${DIST}index.html`) ? false : 'www/dist is not built') {
  return process.env.PLEURA_BIN === undefined ? 'PLEURA_BIN (the pleura binary) is not set' : unbuilt;
}

/**
 * Starts server and browser for the tests of a `describe`. `open` opens a page that is closed after
 * its test; `query` comes behind the address. `folder` gives what is served, by default the built page.
 */
export function useBrowser(folder = () => DIST) {
  let server;
  let browser;
  before(async () => {
    server = await startServer(folder());
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    server?.stop();
  });
  return {
    url: () => server.url,
    open: async (t, query = '', { url = server.url, ...options } = {}) => {
      const opened = await openPage(browser, url + query, options);
      t.after(() => opened.context.close());
      return opened;
    },
  };
}

/** Starts `pleura serve` on a free port, for bench/page-run.mjs too. */
export async function startServer(folder = DIST) {
  const child = spawn(process.env.PLEURA_BIN, ['serve', folder, '--port', '0'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const url = await new Promise((resolve, reject) => {
    let said = '';
    const hear = (chunk) => {
      said += chunk;
      const found = /http:\/\/127\.0\.0\.1:\d+\//.exec(said);
      if (found !== null) resolve(found[0]);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}: ${said}`)));
  });
  return { url, stop: () => child.kill() };
}

/** Starts Chromium, for bench/run.mjs too; WebGPU is on SwiftShader unless this machine's own GPU is asked for. */
export function startBrowser(ownGpu = false) {
  const args = ownGpu ? FLAGS : [...FLAGS, SWIFTSHADER];
  // Playwright would switch the GPU off in headless mode.
  return chromium.launch({ executablePath: CHROMIUM, args, ignoreDefaultArgs: ['--disable-gpu'] });
}

/** A page that notes what must not happen: requests elsewhere, errors, messages on the console. */
async function openPage(browser, url, { init, ...options }) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  if (init !== undefined) await context.addInitScript(init);
  context.setDefaultTimeout(SAID_MS);
  const page = await context.newPage();
  const own = new URL(url).origin;
  const watch = { foreign: [], errors: [], requests: [] };
  // Routes see the requests of Workers and of the service worker too.
  await context.route('**/*', (route) => {
    const target = new URL(route.request().url());
    // What the service worker fetches for itself comes out of the browser's cache, which routes switch off.
    if (route.request().serviceWorker() === null) watch.requests.push(target.href);
    if (target.origin !== own && target.protocol.startsWith('http')) {
      watch.foreign.push(target.href);
      return route.abort();
    }
    return route.continue();
  });
  context.on('request', (request) => {
    const target = new URL(request.url());
    if (target.protocol.startsWith('http') && target.origin !== own) watch.foreign.push(target.href);
  });
  page.on('pageerror', (error) => watch.errors.push(`page: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') watch.errors.push(`console: ${message.text()}`);
  });
  await page.goto(url);
  return { context, page, watch };
}

/** Asserts again and again until it holds: for what the page does in a task of its own, after the click that asked for it. */
export async function soon(assertion) {
  for (const deadline = Date.now() + SAID_MS; ; await new Promise((resolve) => void setTimeout(resolve, 20))) {
    try {
      return await assertion();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

/** Waits for the findings; a message of failure on the page ends the wait at once. */
export async function waitForResult(page) {
  const done = page.waitForSelector('#layers:not([hidden])', { timeout: ANALYSIS_MS });
  const failed = page.waitForSelector('#message.problem:not([hidden])', { timeout: ANALYSIS_MS });
  done.catch(() => undefined);
  failed.catch(() => undefined);
  const first = await Promise.race([done.then(() => true), failed.then(() => false)]);
  if (!first) throw new Error(`the page says: ${await page.textContent('#message')}`);
}

/** Waits until so many tiles are done. */
export async function waitForTiles(page, count) {
  const enough = (n) => Number(document.getElementById('status-detail')?.dataset.tile) >= n;
  await page.waitForFunction(enough, count, { timeout: ANALYSIS_MS, polling: 20 });
}

/** Clicks every save button, or those of files with one of these ends; gives file names with their bytes. */
export async function saveAll(page, ends = ['']) {
  const files = new Map();
  for (const button of await page.$$('#save-buttons button')) {
    const name = await button.getAttribute('data-file');
    if (!ends.some((end) => name.endsWith(end))) continue;
    const [download] = await Promise.all([page.waitForEvent('download'), button.click()]);
    files.set(download.suggestedFilename(), await readFile(await download.path()));
  }
  return files;
}

/** Puts bytes into the page as if the person had chosen a file. */
export async function choose(page, name, bytes) {
  await page.setInputFiles('#file-input', { name, mimeType: 'application/octet-stream', buffer: Buffer.from(bytes) });
}
