/**
 * The worker's life as the page sees it. A worker that dies takes nothing with it: the page keeps
 * every finished tile, starts another worker with a smaller working set, then on the CPU, and
 * gives up only after that.
 */
import type { Demo, EngineSettings, FromWorker, Job, Tile, ToWorker } from './protocol.ts';
import { DEATHS_TO_CPU, recoveryFrom, settingsAfter, type Recovery } from './recovery.ts';

/** On the GPU the worker only waits and its heartbeat never pauses: this long without it means dead. */
const GPU_SILENCE_S = 30;
/** The CPU path, and what is done on the CPU in any case, computes without a pause. */
const CPU_SILENCE_S = 300;
/** A GPU can hang while the heartbeat goes on: no tile takes this long. */
const GPU_TILE_S = 600;
const WATCH_MS = 1000;

export interface ClientEvents {
  message(message: FromWorker): void;
  died(cause: string, recovery: Recovery, keptTiles: number): void;
}

type Task = { type: 'engine' } | { type: 'demo'; demo: Demo } | { type: 'analyse'; job: Job };

export class EngineClient {
  private worker: Worker | undefined;
  private workerSettings: EngineSettings | undefined;
  private task: Task | undefined;
  private tiles = new Map<number, Uint8Array<ArrayBuffer>>();
  private deaths = 0;
  private device: 'gpu' | 'cpu' | undefined;
  /** Counted in ticks of the watch, not by the clock: a computer that slept has not been silent. */
  private silentTicks = 0;
  private tileTicks: number | undefined;
  private watch: ReturnType<typeof setInterval> | undefined;

  constructor(
    private settings: EngineSettings,
    private readonly events: ClientEvents,
    /** No worker is started before this. */
    private readonly ready: Promise<void>,
  ) {}

  /** Starts the engine ahead of the first file, so that the device is known and the code compiled. */
  warmUp(): void {
    this.begin({ type: 'engine' });
  }

  demo(demo: Demo): void {
    this.begin({ type: 'demo', demo });
  }

  analyse(job: Omit<Job, 'tiles'>): void {
    this.tiles.clear();
    this.begin({ type: 'analyse', job: { ...job, tiles: [] } });
  }

  /** Takes effect with the next task; a running one is not disturbed. */
  configure(settings: EngineSettings): void {
    if (!same(this.settings, settings)) this.deaths = 0;
    this.settings = settings;
  }

  get busy(): boolean {
    return this.task !== undefined && this.task.type !== 'engine';
  }

  /** Ends the running task at once. */
  cancel(): void {
    this.task = undefined;
    this.endWorker();
  }

  /** For tests: the worker vanishes as if the browser had ended it. */
  killWorker(): void {
    if (this.worker !== undefined) this.dead('the worker was ended');
  }

  private begin(task: Task): void {
    if (this.busy) this.cancel();
    this.task = task;
    // Once fallen back to the CPU, later tasks start there.
    this.deaths = this.deaths >= DEATHS_TO_CPU ? DEATHS_TO_CPU : 0;
    this.send();
  }

  private send(): void {
    const task = this.task;
    void this.ready.then(() => {
      const settings = settingsAfter(this.deaths, this.settings);
      if (settings === undefined || task === undefined || task !== this.task) return;
      const worker = this.ensureWorker(settings);
      this.silentTicks = 0;
      worker.postMessage(request(task, settings, [...this.tiles]));
    });
  }

  private ensureWorker(settings: EngineSettings): Worker {
    if (this.worker !== undefined && !same(this.workerSettings, settings)) this.endWorker();
    if (this.worker !== undefined) return this.worker;
    const worker = new Worker(new URL('./worker/worker.ts', import.meta.url), { type: 'module' });
    worker.addEventListener('message', (event: MessageEvent<FromWorker>) => {
      if (worker === this.worker) this.receive(event.data);
    });
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      if (worker === this.worker) this.dead(event.message || 'the worker could not be started');
    });
    this.worker = worker;
    this.workerSettings = settings;
    this.watch = setInterval(() => this.checkSilence(), WATCH_MS);
    return worker;
  }

  private endWorker(): void {
    clearInterval(this.watch);
    this.worker?.terminate();
    this.worker = undefined;
    this.device = undefined;
    this.tileTicks = undefined;
  }

  private checkSilence(): void {
    if (this.task === undefined) return;
    this.silentTicks += 1;
    const onGpu = this.device === 'gpu' && this.tileTicks !== undefined;
    const limit = onGpu ? GPU_SILENCE_S : CPU_SILENCE_S;
    if (this.silentTicks * WATCH_MS > limit * 1000) {
      this.dead(`no sign of life for ${limit} s`);
    } else if (onGpu && this.tileTicks !== undefined) {
      this.tileTicks += 1;
      if (this.tileTicks * WATCH_MS > GPU_TILE_S * 1000) this.dead(`the GPU gave no answer for ${GPU_TILE_S} s`);
    }
  }

  private receive(message: FromWorker): void {
    this.silentTicks = 0;
    switch (message.type) {
      case 'heartbeat':
        return;
      case 'panic':
        this.dead(message.text);
        return;
      case 'broken':
        this.dead(message.message);
        return;
      case 'device':
        this.device = message.device.kind;
        if (this.task?.type === 'engine') this.task = undefined;
        break;
      case 'tile-start':
        this.tileTicks = 0;
        break;
      case 'tile':
        this.tiles.set(...message.tile);
        break;
      case 'finishing':
        this.tileTicks = undefined;
        break;
      case 'demo':
      case 'result':
      case 'failed':
        // The warm-up and a task behind it fail for one reason: it is said once.
        if (this.task === undefined) return;
        this.task = undefined;
        break;
      default:
        break;
    }
    this.events.message(message);
  }

  private dead(cause: string): void {
    this.endWorker();
    if (this.task === undefined) return;
    this.deaths += 1;
    const recovery = recoveryFrom(this.deaths);
    if (recovery === 'stop') this.task = undefined;
    this.events.died(cause, recovery, this.tiles.size);
    if (recovery !== 'stop') this.send();
  }
}

function request(task: Task, settings: EngineSettings, tiles: Tile[]): ToWorker {
  switch (task.type) {
    case 'engine':
      return { type: 'prepare-engine', settings };
    case 'demo':
      return { type: 'demo', demo: task.demo };
    case 'analyse':
      return { type: 'analyse', settings, job: { ...task.job, tiles } };
  }
}

function same(a: EngineSettings | undefined, b: EngineSettings): boolean {
  return a !== undefined && a.device === b.device && a.maxBufferMb === b.maxBufferMb && a.models === b.models;
}
