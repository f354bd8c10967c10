// The browser benchmark: Pleura's engine and onnxruntime-web on the same weights, in one headless Chromium.
//
//   node bench/run.mjs [--quick] [--only normnet,infnet,classes,case,scaling,linear]
//                      [--backends ours-cpu,ort-wasm,ours-gpu,ours-gpu-reference,ort-webgpu] [--gpu own]
//
// A run of everything writes docs/benchmarks.json and docs/benchmarks.md; one of a part only prints.
import os from 'node:os';
import { parseArgs } from 'node:util';
import { startBrowser } from '../tests/lib/browser.mjs';
import { NETWORKS, onnx } from './onnx.mjs';
import { markdown, write } from './report.mjs';
import { serve } from './server.mjs';

const BACKENDS = ['ours-cpu', 'ort-wasm', 'ours-gpu', 'ours-gpu-reference', 'ort-webgpu'];
const CASES = ['case', 'scaling', 'linear'];
const PIECE_MM = 40;
/** Runs of a network, and milliseconds; SwiftShader may take a minute for a slab. */
const EFFORT = { runs: 5, least: 5_000, fewest: 3, cap: 60_000 };
const QUICK = { runs: 3, least: 0, fewest: 1, cap: 30_000 };
const SLICES = [75, 150, 300, 600];
const QUICK_SLICES = [15, 30];

const { values: args } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    backends: { type: 'string' },
    gpu: { type: 'string', default: 'swiftshader' },
  },
});

/** The names chosen on the command line, in their usual order. */
function chosen(text, known) {
  const names = text?.split(',') ?? known;
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`${unknown} is none of ${known.join(', ')}`);
  return known.filter((name) => names.includes(name));
}

const parts = chosen(args.only, [...Object.keys(NETWORKS), ...CASES]);
const backends = chosen(args.backends, BACKENDS);
const whole = args.only === undefined && args.backends === undefined && !args.quick;

async function startServer() {
  const files = new Map();
  for (const name of Object.keys(NETWORKS)) {
    files.set(`/onnx/${name}.onnx`, await onnx(name));
    files.set(`/onnx/${name}.webgpu.onnx`, await onnx(name, true));
  }
  const folder = (path) => new URL(path, import.meta.url);
  const folders = {
    '/': folder('./'),
    '/pkg/': folder('../pkg/'),
    '/models/': folder('../../models/'),
    '/ort/': folder('../node_modules/onnxruntime-web/dist/'),
  };
  return serve(folders, files);
}

function median(times) {
  const sorted = [...times].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** What a call into the page gives, or why it failed: the other measurements go on. */
async function attempt(what, call) {
  console.error(`${what} …`);
  let result;
  try {
    result = await call();
  } catch (error) {
    const [problem] = error.message.replace(/^page\.evaluate: (Error: )?/, '').split('\n');
    result = { problem };
    process.exitCode = 1;
  }
  console.error(result);
  return result;
}

async function benchNetwork(page, name, versions) {
  const { title, file, dims, range } = NETWORKS[name];
  const rows = [];
  for (const backend of backends) {
    const job = [backend, { name, file, dims, range }, args.quick ? QUICK : EFFORT];
    const row = await attempt(`${name} on ${backend}`, async () => {
      const { times, version, ...rest } = await page.evaluate((given) => globalThis.bench.network(...given), job);
      versions[backend.split('-')[0]] = version;
      return { median: median(times), least: Math.min(...times), greatest: Math.max(...times), runs: times.length, ...rest };
    });
    rows.push({ backend, ...row });
  }
  return { name, title, shape: dims.slice(1).join(' × '), rows };
}

function benchCase(page) {
  return attempt('the case', async () => {
    const rows = [];
    for (const workers of [1, 2]) {
      rows.push(await page.evaluate((given) => globalThis.bench.caseTimes(...given), [PIECE_MM, { model: 'both' }, workers]));
    }
    return { pieceMm: PIECE_MM, rows };
  });
}

function benchScaling(page) {
  return attempt('two Workers', () => page.evaluate((mm) => globalThis.bench.scalingTimes(mm), PIECE_MM));
}

function benchLinear(page) {
  const counts = args.quick ? QUICK_SLICES : SLICES;
  return attempt('cost by slices', async () => {
    return { rows: await page.evaluate((given) => globalThis.bench.linearTimes(...given), [PIECE_MM, counts]) };
  });
}

if (os.loadavg()[0] > 0.5) console.error(`this machine is busy (load ${os.loadavg()[0].toFixed(1)}): the times will be too long`);
const server = await startServer();
const browser = await startBrowser(args.gpu === 'own');
try {
  const page = await browser.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error') console.error(message.text());
  });
  await page.goto(server.url);
  await page.waitForFunction(() => globalThis.bench !== undefined);
  const versions = {};
  const results = {
    date: new Date().toISOString().slice(0, 10),
    quick: args.quick,
    machine: {
      cpu: os.cpus()[0].model,
      cores: os.cpus().length,
      load: Number(os.loadavg()[0].toFixed(1)),
      chromium: browser.version(),
      adapter: await page.evaluate(() => globalThis.bench.adapter()),
    },
    versions,
    networks: [],
  };
  for (const name of Object.keys(NETWORKS)) if (parts.includes(name)) results.networks.push(await benchNetwork(page, name, versions));
  if (parts.includes('case')) results.cases = await benchCase(page);
  if (parts.includes('scaling')) results.scaling = await benchScaling(page);
  if (parts.includes('linear')) results.linear = await benchLinear(page);
  console.log(markdown(results));
  if (whole) await write(results);
} finally {
  await browser.close();
  server.stop();
}
