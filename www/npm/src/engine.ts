/** The package's surface over the engine of the page: calls and promises in place of tasks and events. */
import { EngineClient } from '../../src/engine/client.ts';
import { messageOf, type EngineEvent, type OpenedDevice } from '../../src/engine/events.ts';
import { placeFiles } from '../../src/engine/places.ts';
import { Tapper } from '../../src/engine/tapper.ts';
import { Progress as Measured } from '../../src/progress.ts';
import type { AxialSlice, EngineSettings, NamedBytes, Options, SeriesInfo, Tap, Warning } from '../../src/protocol.ts';
import {
  PleuraError,
  type CallOptions,
  type Device,
  type Engine,
  type EngineOptions,
  type Input,
  type Phantom,
  type SegmentOptions,
  type Segmentation,
  type TapOptions,
} from './api.ts';
import { opened } from './input.ts';
import { folder, locator } from './places.ts';
import { segmentation } from './result.ts';

/** Between two events the progress creeps on. */
const TICK_MS = 250;
/** The demo case of the page. */
const PHANTOM = { seed: 4, lesions: 6, pieceMm: 0 };
/** The package has no service worker to wait for. */
const READY = Promise.resolve();

/** Opens the device; rejects with a `PleuraError` where the engine can't be loaded. */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  const engine = new PackagedEngine(options);
  await engine.start();
  return engine;
}

/** Starts a call's work; what is handed to `onEnd` is done after it, however it ends. */
type Begin<T> = (resolve: (value: T) => void, reject: (error: unknown) => void, onEnd: (clean: () => void) => void) => void;

class PackagedEngine implements Engine {
  private readonly client: EngineClient;
  private readonly tapper: Tapper;
  /** What the call at work does with an event, and with its failure. */
  private hear: ((event: EngineEvent) => void) | undefined;
  private fail: ((error: PleuraError) => void) | undefined;
  private opened: { version: string; device: OpenedDevice } | undefined;
  /** One call after the other. */
  private queue: Promise<unknown> = Promise.resolve();
  private readonly closing = new AbortController();

  constructor(options: EngineOptions) {
    const { device = 'auto', workers = 0, maxBufferMb = 0, assetsUrl } = options;
    placeFiles(assetsUrl === undefined ? undefined : folder(assetsUrl));
    const settings: EngineSettings = { device, workers, maxBufferMb };
    this.client = new EngineClient(settings, locator(options), (event) => this.receive(event), READY);
    this.tapper = new Tapper(settings, this.client.weights, READY);
  }

  get device(): Device {
    const { kind = 'cpu', name = '', workers = 0, reason } = this.opened?.device ?? {};
    return { kind, name, workers, ...(reason === undefined ? {} : { reason }) };
  }

  get version(): string {
    return this.opened?.version ?? '';
  }

  async start(): Promise<void> {
    try {
      await this.call({}, (resolve) => {
        this.hear = ({ type }) => {
          if (type === 'device') resolve(undefined);
        };
        this.client.warmUp();
      });
    } catch (error) {
      this.close();
      throw error;
    }
  }

  segment(input: Input, options: SegmentOptions = {}): Promise<Segmentation> {
    const { model = 'both', normnet = 'best', infnet = 'semi', precision = 'int8', lungs, classes, looks, name, series, onProgress } = options;
    const asked: Options = {
      ...{ model, normnet, infnet, precision },
      ...(lungs === undefined ? {} : { lungs }),
      ...(classes === undefined ? {} : { classes }),
      ...(looks === undefined ? {} : { looks }),
    };
    return this.call(options, (resolve, reject, onEnd) => {
      const job = { ...opened(input, name), show: false, options: asked };
      const choose = typeof series === 'function' ? series : ([largest]: SeriesInfo[]): string => largest?.uid ?? '';
      const begun = performance.now();
      const now = (): number => (performance.now() - begun) / 1000;
      const progress = new Measured(0);
      const tell = (): void => {
        const { step, fraction, label, secondsLeft } = progress.view(now());
        onProgress?.({ stage: step, fraction, label, secondsLeft });
      };
      if (onProgress !== undefined) {
        const ticking = setInterval(tell, TICK_MS);
        onEnd(() => clearInterval(ticking));
      }
      let warnings: Warning[] = [];
      progress.crew(this.device.kind, this.device.workers);
      this.hear = (event) => {
        progress.hear(event, now());
        if (event.type === 'info') warnings = event.info.warnings;
        else if (event.type === 'series') {
          Promise.resolve(event.series)
            .then(choose)
            .then((uid) => this.client.choose(uid), reject);
        } else if (event.type === 'result') {
          onProgress?.({ stage: 'finish', fraction: 1, label: '', secondsLeft: 0 });
          resolve({ ...segmentation(event.report, event.files, warnings), device: this.device });
        }
      };
      this.client.analyse({ ...job, series: typeof series === 'string' ? series : undefined });
      tell();
    });
  }

  taps(slice: AxialSlice, names: readonly string[], options: TapOptions = {}): Promise<Tap[]> {
    const { infnet = 'semi', precision = 'int8' } = options;
    return this.call(options, (resolve, reject) => {
      this.tapper.taps(slice, [...names], { infnet, precision }).then(resolve, (error: unknown) => reject(new PleuraError('taps', messageOf(error))));
    });
  }

  phantom(phantom: Phantom = {}, options: CallOptions = {}): Promise<NamedBytes> {
    return this.call(options, (resolve) => {
      this.hear = (event) => {
        if (event.type === 'demo') resolve(event.file);
      };
      this.client.demo({ ...PHANTOM, ...phantom });
    });
  }

  close(): void {
    this.closing.abort(new PleuraError('closed', 'the engine is closed: create another'));
    this.client.end();
    this.tapper.end();
  }

  /** Waits for its turn and does the work. The signal ends the waiting, and the work, at once. */
  private async call<T>({ signal }: CallOptions, begin: Begin<T>): Promise<T> {
    const ends = AbortSignal.any([this.closing.signal, ...(signal === undefined ? [] : [signal])]);
    ends.throwIfAborted();
    const turn = this.queue.then(() => this.work(ends, begin));
    this.queue = turn.catch(() => undefined);
    return Promise.race([turn, aborted(ends)]);
  }

  private async work<T>(ends: AbortSignal, begin: Begin<T>): Promise<T> {
    ends.throwIfAborted();
    const cleaning: (() => void)[] = [];
    try {
      const done = new Promise<T>((resolve, reject) => {
        this.fail = reject;
        begin(resolve, reject, (clean) => cleaning.push(clean));
      });
      return await Promise.race([done, aborted(ends)]);
    } catch (error) {
      this.client.cancel();
      if (ends.aborted) this.tapper.end();
      throw error;
    } finally {
      this.hear = undefined;
      this.fail = undefined;
      for (const clean of cleaning) clean();
    }
  }

  private receive(event: EngineEvent): void {
    if (event.type === 'device') this.opened = event;
    if (event.type === 'failed') this.fail?.(new PleuraError(event.stage, event.message));
    else if (event.type === 'died' && event.recovery === 'stop') {
      const advice = 'close other pages and programs that need memory, or choose other options';
      this.fail?.(new PleuraError('worker', `the engine stopped again and again, last with: ${event.cause}; ${advice}`));
    } else this.hear?.(event);
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
