// The benchmark's results as Markdown, and their place in docs/.
import { readFile, writeFile } from 'node:fs/promises';

const DOCS = new URL('../../docs/', import.meta.url);
const NAMES = {
  'ours-cpu': 'Pleura, CPU (WebAssembly)',
  'ort-wasm': 'onnxruntime-web, WebAssembly, 1 thread',
  'ours-gpu': 'Pleura, WebGPU',
  'ours-gpu-reference': "Pleura, WebGPU, burn's kernels on expanded weights",
  'ort-webgpu': 'onnxruntime-web, WebGPU',
};

const seconds = (ms) => (ms < 9995 ? (ms / 1000).toPrecision(3) : (ms / 1000).toFixed(1));
const mib = (bytes) => (bytes > 0 ? `${Math.round(bytes / 2 ** 20)}` : '–');
const table = (head, rows) =>
  [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

function networkTable(rows) {
  const head = ['', 'median, s', 'range, s', 'runs', 'first result, s', 'wasm, MiB', 'GPU buffers, MiB', 'difference'];
  const lines = rows.map((row) => {
    const name = NAMES[row.backend];
    if (row.problem !== undefined) return [name, `failed: ${row.problem.replaceAll('|', '\\|')}`, ...head.slice(2).map(() => '')];
    return [
      name,
      `**${seconds(row.median)}**`,
      `${seconds(row.least)} … ${seconds(row.greatest)}`,
      row.runs,
      seconds(row.first),
      mib(row.memory.wasm),
      mib(row.memory.gpu),
      row.difference === 0 ? 'reference' : row.difference.toExponential(1),
    ];
  });
  return table(head, lines);
}

function caseText({ pieceMm, rows }) {
  const head = ['compute Workers', 'total, s', 'lungs, s', 'tiles, s', 'masks and report, s', 'case Worker, MiB', 'compute Worker, MiB'];
  const lines = rows.map((row) => [
    row.workers,
    row.total.toFixed(1),
    row.prepare.toFixed(1),
    row.tiles.toFixed(1),
    row.finish.toFixed(1),
    mib(row.memory.case),
    mib(row.memory.compute),
  ]);
  return `The phantom's piece of ${pieceMm} mm, both networks (${rows[0].count} tiles), from the file's bytes to masks and
report; engines and weights are loaded meanwhile.

${table(head, lines)}`;
}

function scalingText({ tiles, one, two, copies }) {
  return `${tiles} Inf-Net tiles: ${one.toFixed(1)} s in one compute Worker, ${two.toFixed(1)} s shared by two: a speed-up of
**${(one / two).toFixed(2)}**. Two Workers that each run all of them side by side take ${copies.toFixed(1)} s, which is
${((2 * one) / copies).toFixed(2)} times one Worker's throughput: what this machine can give.`;
}

function linearText({ rows }) {
  const lines = rows.map(({ slices, seconds: s }) => [slices, s.toFixed(1), Math.round((1000 * s) / slices)]);
  return `Inf-Net without the class network, on the CPU, one Worker.

${table(['slices', 'seconds', 'ms a slice'], lines)}`;
}

/** The section of docs/benchmarks.md. */
export function markdown(results) {
  const { machine, versions, networks, cases, scaling, linear } = results;
  const parts = [
    `${results.date}, ${machine.cpu}, ${machine.cores} cores (load ${machine.load} at the start), Chromium ${machine.chromium},
GPU adapter "${machine.adapter}". Pleura ${versions.ours ?? '–'}, onnxruntime-web ${versions.ort ?? '–'}.`,
  ];
  if (results.quick) parts.push('A quick run, with fewer repetitions.');
  for (const { title, shape, rows } of networks) parts.push(`### ${title}, ${shape}`, networkTable(rows));
  const section = (title, measured, text) => {
    if (measured) parts.push(`### ${title}`, measured.problem === undefined ? text(measured) : `Failed: ${measured.problem}.`);
  };
  section('A case from end to end, on the CPU', cases, caseText);
  section('Two Workers', scaling, scalingText);
  section('Cost by slices', linear, linearText);
  return parts.join('\n\n');
}

/** Writes docs/benchmarks.json and the browser's section of docs/benchmarks.md; what others wrote there stays. */
export async function write(results) {
  const json = new URL('benchmarks.json', DOCS);
  const known = JSON.parse(await readFile(json, 'utf8').catch(() => '{}'));
  await writeFile(json, `${JSON.stringify({ ...known, browser: results }, null, 2)}\n`);
  const page = new URL('benchmarks.md', DOCS);
  const text = await readFile(page, 'utf8');
  const section = /(<!-- bench:browser -->\n)[^]*(<!-- \/bench:browser -->)/;
  if (!section.test(text)) throw new Error('docs/benchmarks.md has lost its markers');
  await writeFile(page, text.replace(section, (_, open, close) => `${open}\n${markdown(results)}\n\n${close}`));
}
