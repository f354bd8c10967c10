/**
 * What the lesson is about, held in Workers: the case Worker has the scan and shows its steps, others run the networks when
 * a step needs them. Everything is computed once for a slice.
 */
import { CaseWorker } from '../engine/case-worker.ts';
import { probe } from '../engine/device.ts';
import { Hand } from '../engine/hand.ts';
import { LungWeights } from '../engine/lungs.ts';
import { engineModule } from '../engine/module.ts';
import type { Manifest, Weights } from '../engine/weights.ts';
import type {
  Bytes,
  Demo,
  EngineSettings,
  FromAny,
  FromCase,
  Job,
  LessonAsk,
  LessonOutline,
  LessonShown,
  NamedFile,
  Options,
  Tap,
  Tile,
} from '../protocol.ts';

/** The demo phantom, or a scan that the page has analysed. */
export type Source =
  | { kind: 'demo'; demo: Demo }
  | { kind: 'scan'; name: string; files: NamedFile[]; series: string | undefined; options: Options; lungs: Bytes; tiles: Tile[] };

/** What is being waited for, as a key into the words, and how far it has come. */
export interface Wait {
  what: 'demo' | 'open' | 'lungs' | 'weights' | 'normnet' | 'infnet' | 'step';
  /** 0…1, where it is known. */
  fraction?: number;
}

export interface Context {
  weights: Weights;
  settings: EngineSettings;
  /** No Worker is started before this. */
  ready: Promise<void>;
}

export type Tensors = Map<string, Tap>;

const DEMO_OPTIONS: Options = { model: 'both', normnet: 'best', infnet: 'semi', precision: 'int8' };

/** The tensors that the steps show. */
const TAPS = ['f2', 'f3', 'f4', 'f5', 'S_e', 'S_g', 'S_5', 'S_4', 'S_3', 'A_5', 'A_4', 'A_3', 'ra5', 'ra4', 'ra3', 'A_2', 'ra2', 'S_2'];
/** Slices whose tensors are kept: a few megabytes each. */
const KEPT_SLICES = 6;

export class Session {
  readonly options: Options;
  private readonly caseWorker: CaseWorker;
  private readonly lungs: LungWeights;
  private manifest: Manifest | undefined;
  private needed: string[] = [];
  private job: Job | undefined;
  private planned: { resolve(outline: LessonOutline): void; reject(error: Error): void } | undefined;
  private opened: LessonOutline | undefined;
  private nextId = 0;
  private readonly asked = new Map<number, { ask: LessonAsk; resolve(shown: LessonShown): void; reject(error: Error): void }>();
  private readonly inputs = new Map<number, { resolve(input: { work: string; input: Bytes }): void; reject(error: Error): void }>();
  /** Finished tiles: a new case Worker gets them, too. */
  private readonly tiles = new Map<number, Bytes>();
  private readonly hands = new Map<string, Promise<Hand>>();
  private readonly running: Hand[] = [];
  /** A Worker has died: the next one computes on the CPU. */
  private unlucky = false;
  private readonly tapped = new Map<string, Promise<Tensors>>();
  private readonly merged = new Map<number, Promise<void>>();
  private slabs: Promise<void> | undefined;
  private readonly abort = new AbortController();

  constructor(
    source: Source,
    private readonly context: Context,
    private readonly waits: (wait: Wait | undefined) => void,
  ) {
    this.options = source.kind === 'demo' ? DEMO_OPTIONS : { ...source.options, model: 'both' };
    if (source.kind === 'scan') {
      const { name, files, series, lungs } = source;
      this.job = { name, files, series, show: false, options: this.options, lungs };
      for (const [index, bytes] of source.tiles) this.tiles.set(index, bytes);
    }
    this.lungs = new LungWeights(context.weights, (message) => this.caseWorker.post(message));
    this.caseWorker = new CaseWorker(
      async (module) => {
        this.manifest = await context.weights.manifest();
        this.waits({ what: this.job === undefined ? 'demo' : 'open' });
        if (source.kind === 'demo' && this.job === undefined) return { type: 'demo', module, demo: source.demo };
        return this.job && { type: 'open', module, manifest: this.manifest.bytes, job: this.job };
      },
      {
        message: (message) => this.receive(message),
        died: (cause, last) => {
          if (last) this.fail(new Error(cause));
        },
        failed: (text) => this.fail(new Error(text)),
      },
      context.ready,
    );
  }

  /** Opens the scan and finds the lungs, unless they are known. */
  open(): Promise<LessonOutline> {
    return new Promise((resolve, reject) => {
      this.planned = { resolve, reject };
    });
  }

  end(): void {
    this.abort.abort();
    this.caseWorker.end();
    this.lungs.end();
    for (const hand of this.running) hand.end();
    this.fail(new Error('it was ended'));
  }

  /** Shows a step, for which the networks must have run. */
  show(ask: LessonAsk): Promise<LessonShown> {
    return new Promise((resolve, reject) => {
      const id = this.nextId;
      this.nextId += 1;
      this.asked.set(id, { ask, resolve, reject });
      this.caseWorker.post({ type: 'lesson', id, ask });
    });
  }

  /** NormNet's five models on all slabs; at once where the analysis has done it. */
  normnet(): Promise<void> {
    this.slabs ??= this.runSlabs().catch((error: unknown) => {
      this.slabs = undefined;
      throw error;
    });
    return this.slabs;
  }

  /** Inf-Net on a slice and on those that its probability is averaged with, as the analysis runs it. */
  async infnet(k: number): Promise<void> {
    if (this.opened?.infnet == null) throw new Error('Inf-Net has not been planned');
    const { lungs, infnet } = this.opened;
    const first = Math.max(k - infnet.reach, lungs[0]);
    const last = Math.min(k + infnet.reach, lungs[1]);
    for (let near = first; near <= last; near += 1) {
      await this.infnetSlice(near, (near - first) / (last + 1 - first));
    }
  }

  /** `fraction`: how far the slices are that are needed. */
  private infnetSlice(k: number, fraction: number): Promise<void> {
    const index = this.sliceTile(k);
    const known = this.merged.get(index);
    if (known !== undefined) return known;
    const run = this.runTile(index, this.hire('infnet', this.infnetFiles()), { what: 'infnet', fraction }).catch((error: unknown) => {
      this.merged.delete(index);
      throw error;
    });
    this.merged.set(index, run);
    return run;
  }

  /** Inf-Net's tensors on a slice, with the weights of the analysis or with the `other` precision. */
  taps(k: number, other = false): Promise<Tensors> {
    const key = `${k} ${other}`;
    const known = this.tapped.get(key);
    if (known !== undefined) return known;
    const run = this.runTaps(k, other).catch((error: unknown) => {
      this.tapped.delete(key);
      throw error;
    });
    this.tapped.set(key, run);
    for (const old of [...this.tapped.keys()].slice(0, -KEPT_SLICES)) this.tapped.delete(old);
    return run;
  }

  /** Name and size of Inf-Net's weight files: the analysis's, and the other precision's. */
  infnetWeights(): { used: { file: string; bytes: number }; other: { file: string; bytes: number } } {
    const used = this.needed.find((file) => file.startsWith('infnet')) ?? '';
    const other = used.includes('.int8.') ? used.replace('.int8.', '.f16.') : used.replace('.f16.', '.int8.');
    const sized = (file: string) => ({ file, bytes: this.manifest?.entries.find((entry) => entry.file === file)?.bytes ?? 0 });
    return { used: sized(used), other: sized(other) };
  }

  private infnetFiles(): string[] {
    return this.needed.filter((file) => !file.startsWith('normnet'));
  }

  private sliceTile(k: number): number {
    if (this.opened?.infnet == null) throw new Error('Inf-Net has not been planned');
    return this.opened.infnet.first_tile + k - this.opened.lungs[0];
  }

  private async runSlabs(): Promise<void> {
    const count = this.opened?.normnet?.tiles ?? 0;
    const missing = Array.from({ length: count }, (_, index) => index).filter((index) => !this.tiles.has(index));
    if (missing.length === 0) return;
    const hand = await this.hire('normnet', this.needed.filter((file) => file.startsWith('normnet')));
    for (const [done, index] of missing.entries()) {
      this.waits({ what: 'normnet', fraction: done / missing.length });
      await this.compute(index, hand);
    }
    // It will not be asked again, and holds much memory.
    hand.end();
    this.hands.delete('normnet');
  }

  private async runTile(index: number, hand: Promise<Hand>, wait: Wait): Promise<void> {
    const worker = await hand;
    this.waits(wait);
    await this.compute(index, worker);
  }

  private async compute(index: number, hand: Hand): Promise<void> {
    const { work, input } = await new Promise<{ work: string; input: Bytes }>((resolve, reject) => {
      this.inputs.set(index, { resolve, reject });
      this.caseWorker.post({ type: 'input', index });
    });
    const bytes = await hand.compute(work, input);
    this.tiles.set(index, bytes);
    this.caseWorker.post({ type: 'merge', tile: [index, bytes] });
  }

  private async runTaps(k: number, other: boolean): Promise<Tensors> {
    const files = other ? [this.infnetWeights().other.file] : this.infnetFiles();
    const [hand, { pictures }] = await Promise.all([this.hire(other ? 'other' : 'infnet', files), this.show({ of: 'crop', k })]);
    const { grey } = pictures;
    if (grey === undefined) throw new Error('there is no slice for Inf-Net');
    this.waits({ what: 'infnet' });
    const names = other ? ['S_3', 'S_2'] : TAPS;
    const taps = await hand.taps({ width: grey.width, height: grey.height, grey: Uint8Array.from(grey.values) }, names);
    return new Map(taps.map((tap) => [tap.name, tap]));
  }

  /** A Worker with these weights; the second time the same, unless that has died. */
  private async hire(name: string, files: string[]): Promise<Hand> {
    const known = this.hands.get(name);
    const hand = await known;
    if (hand?.alive === true) return hand;
    if (hand !== undefined) this.unlucky = true;
    // Somebody else may have seen the same.
    const other = this.hands.get(name);
    if (other !== undefined && other !== known) return other;
    const started = this.start(files);
    started.catch(() => this.hands.delete(name));
    this.hands.set(name, started);
    return started;
  }

  private async start(files: string[]): Promise<Hand> {
    const { weights, settings } = this.context;
    const [module, found, manifest] = await Promise.all([engineModule(), probe(navigator.gpu, settings.device), weights.manifest()]);
    const entries = files.map((file) => {
      const entry = manifest.entries.find((candidate) => candidate.file === file);
      if (entry === undefined) throw new Error(`models/manifest.json does not list ${file}`);
      return entry;
    });
    const total = entries.reduce((sum, { bytes }) => sum + bytes, 0);
    let done = 0;
    const stock = { manifest: manifest.bytes, needed: files, weights: new Map() };
    for (const entry of entries) {
      const weight = await weights.get(entry, this.abort.signal, (count) => {
        done += count;
        this.waits({ what: 'weights', fraction: done / total });
      });
      stock.weights.set(entry.file, weight);
    }
    const loaded = (file: string): void => {
      const entry = entries.find((candidate) => candidate.file === file);
      if (entry !== undefined) void weights.keep(entry);
    };
    const open = async (device: 'gpu' | 'cpu'): Promise<Hand> => {
      if (this.abort.signal.aborted) throw new Error('it was ended');
      const hand = new Hand({ device, maxBufferMb: settings.maxBufferMb, module, stock, loaded });
      this.running.push(hand);
      try {
        await hand.ready;
        return hand;
      } catch (error) {
        hand.end();
        throw error;
      }
    };
    if (found.device === 'cpu' || this.unlucky) return open('cpu');
    return open('gpu').catch(() => open('cpu'));
  }

  private receive(message: Exclude<FromCase, FromAny>): void {
    switch (message.type) {
      case 'demo': {
        const { name, bytes } = message.file;
        const files = [{ name, file: new Blob([bytes]) }];
        this.job = { name, files, series: undefined, show: false, options: this.options };
        void engineModule().then((module) => {
          if (this.job !== undefined && this.manifest !== undefined) {
            this.caseWorker.post({ type: 'open', module, manifest: this.manifest.bytes, job: this.job });
          }
        });
        return;
      }
      case 'needs':
        this.needed = message.files;
        return;
      case 'lungs':
        this.bring((manifest) => this.lungs.need(manifest, message.file));
        return;
      case 'lungs-loaded':
        this.lungs.verified();
        return;
      case 'lungs-unfit':
        this.bring((manifest) => this.lungs.refused(manifest, message.message));
        return;
      case 'prepare':
        this.waits({ what: 'lungs', fraction: message.fraction });
        return;
      case 'plan':
        for (const tile of this.tiles) this.caseWorker.post({ type: 'merge', tile });
        this.caseWorker.post({ type: 'outline' });
        // What an earlier Worker was asked for.
        for (const index of this.inputs.keys()) this.caseWorker.post({ type: 'input', index });
        for (const [id, { ask }] of this.asked) this.caseWorker.post({ type: 'lesson', id, ask });
        return;
      case 'outline':
        this.opened = message.outline;
        this.planned?.resolve(message.outline);
        return;
      case 'input':
        this.inputs.get(message.index)?.resolve(message);
        this.inputs.delete(message.index);
        return;
      case 'lesson':
        this.asked.get(message.id)?.resolve(message.shown);
        this.asked.delete(message.id);
        return;
      case 'unshown':
        this.asked.get(message.id)?.reject(new Error(message.message));
        this.asked.delete(message.id);
        return;
      case 'failed':
        this.fail(new Error(message.message));
        return;
      case 'series':
      case 'info':
      case 'shown':
      case 'result':
        return;
    }
  }

  private bring(work: (manifest: Manifest) => Promise<void>): void {
    if (this.manifest === undefined) return;
    work(this.manifest).catch((error: unknown) => {
      if (!this.abort.signal.aborted) this.fail(error instanceof Error ? error : new Error(String(error)));
    });
  }

  private fail(error: Error): void {
    this.planned?.reject(error);
    for (const { reject } of [...this.asked.values(), ...this.inputs.values()]) reject(error);
    this.asked.clear();
    this.inputs.clear();
  }
}
