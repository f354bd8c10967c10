/** The worker: one engine, one analysis at a time, every finished tile handed to the page at once. */
import { Analysis, phantom } from '../../pkg/pleura.js';
import type { Demo, EngineSettings, Job, NamedBytes, ScanInfo, Stage, ToWorker } from '../protocol.ts';
import { EngineHolder, loadWasm } from './engine.ts';
import { post, scope } from './scope.ts';

const HEARTBEAT_MS = 1000;

let holder: Promise<EngineHolder> | undefined;

scope.addEventListener('message', (event: MessageEvent<ToWorker>) => {
  void handle(event.data);
});
setInterval(() => post({ type: 'heartbeat' }), HEARTBEAT_MS);

async function handle(message: ToWorker): Promise<void> {
  switch (message.type) {
    case 'prepare-engine':
      await attempt('engine', () => engine(message.settings));
      return;
    case 'demo':
      await attempt('demo', () => makeDemo(message.demo));
      return;
    case 'analyse':
      await analyse(message.settings, message.job);
      return;
  }
}

/**
 * Runs one stage. A plain error is an answer for the person; a WebAssembly trap leaves the module's
 * memory in doubt, so the page must start a new worker. Returns nothing in both cases.
 */
async function attempt<T>(stage: Stage, work: () => Promise<T> | T): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) post({ type: 'broken', message: text(error) });
    else post({ type: 'failed', stage, message: text(error) });
    return undefined;
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function engine(settings: EngineSettings): Promise<EngineHolder> {
  await loadWasm();
  holder ??= EngineHolder.create(settings);
  try {
    return await holder;
  } catch (error) {
    holder = undefined;
    throw error;
  }
}

async function makeDemo(demo: Demo): Promise<void> {
  await loadWasm();
  const bytes = own(phantom(BigInt(demo.seed), demo.lesions, demo.pieceMm));
  post({ type: 'demo', file: { name: 'phantom.nii.gz', bytes } }, [bytes.buffer]);
}

async function analyse(settings: EngineSettings, job: Job): Promise<void> {
  // The file first: a bad one is said at once, before megabytes of weights are fetched.
  const analysis = await attempt('open', async () => {
    await loadWasm();
    const bytes = new Uint8Array(await job.file.arrayBuffer());
    return Analysis.open(job.name, bytes, JSON.stringify(job.options));
  });
  if (analysis === undefined) return;
  await analyseOpened(analysis, settings, job);
  try {
    analysis.free();
  } catch {
    // After a trap the object may still be borrowed: the worker's end frees it with everything else.
  }
}

async function analyseOpened(analysis: Analysis, settings: EngineSettings, job: Job): Promise<void> {
  const info = JSON.parse(analysis.info()) as ScanInfo;
  post({ type: 'info', info });
  const opened = await attempt('engine', () => engine(settings));
  if (opened === undefined) return;
  const ready = await attempt('weights', async () => {
    await opened.loadWeights(job.options, info.kind === 'image');
    return true;
  });
  if (ready === undefined) return;
  const prepared = await attempt('prepare', () => {
    post({ type: 'prepare', fraction: 0 });
    analysis.prepare(opened.engine, (fraction: number) => post({ type: 'prepare', fraction }));
    return true;
  });
  if (prepared === undefined) return;

  const count = analysis.tile_count();
  post({ type: 'plan', labels: Array.from({ length: count }, (_, i) => analysis.tile_label(i)) });
  if (!(await runTiles(analysis, opened, job, count))) return;

  await attempt('finish', () => {
    post({ type: 'finishing' });
    finish(analysis, opened);
  });
}

/** Everything that goes wrong here is the device's or the memory's doing, so a new worker may do better. */
async function runTiles(analysis: Analysis, opened: EngineHolder, job: Job, count: number): Promise<boolean> {
  const kept = new Map(job.tiles);
  try {
    for (let i = 0; i < count; i += 1) {
      const known = kept.get(i);
      if (known !== undefined) {
        analysis.merge(i, known);
        continue;
      }
      post({ type: 'tile-start', index: i });
      const started = performance.now();
      const bytes = own(await analysis.run(opened.engine, i));
      analysis.merge(i, bytes);
      post({ type: 'tile', tile: [i, bytes], seconds: (performance.now() - started) / 1000 }, [bytes.buffer]);
      // Lets the heartbeat and the garbage collector in between tiles of the CPU path.
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    return true;
  } catch (error) {
    post({ type: 'broken', message: text(error) });
    return false;
  }
}

function finish(analysis: Analysis, opened: EngineHolder): void {
  const result = analysis.finish(opened.engine);
  try {
    const files: NamedBytes[] = result.files().map((name) => ({ name, bytes: own(result.file(name)) }));
    post(
      { type: 'result', report: result.report(), files },
      files.map((file) => file.bytes.buffer),
    );
  } finally {
    result.free();
  }
}

/** A copy that can be transferred: wasm-bindgen hands out its own buffers already, views never. */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength;
  return whole && bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}
