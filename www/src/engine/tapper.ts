/** Inf-Net's intermediate tensors: a Worker of its own, which keeps the network from slice to slice and is replaced when it dies. */
import type { AxialSlice, EngineSettings, Options, Tap } from '../protocol.ts';
import { probe } from './device.ts';
import { Ladder, rungs } from './ladder.ts';
import { engineModule } from './module.ts';
import { Gone, Solo } from './solo.ts';
import type { Weights } from './weights.ts';

/** Which Inf-Net. */
export type Chosen = Pick<Options, 'infnet' | 'precision'>;

export class Tapper {
  private abort = new AbortController();
  private ladder: Promise<Ladder> | undefined;
  private held: { file: string; solo: Promise<Solo> } | undefined;

  constructor(
    private readonly settings: EngineSettings,
    private readonly weights: Weights,
    /** No Worker is started before this. */
    private readonly ready: Promise<void>,
  ) {}

  /** Of one slice; the names are the engine's, which lists them where one is unknown. */
  async taps(slice: AxialSlice, names: string[], chosen: Chosen): Promise<Tap[]> {
    this.ladder ??= probe(navigator.gpu, this.settings.device).then(
      (found) => new Ladder(rungs(found, { ...this.settings, workers: 1 }, 1)),
    );
    const ladder = await this.ladder;
    const { signal } = this.abort;
    for (;;) {
      signal.throwIfAborted();
      try {
        const taps = await (await this.solo(fileOf(chosen), ladder)).taps(slice, names);
        ladder.succeeded();
        return taps;
      } catch (error) {
        if (!(error instanceof Gone)) throw error;
        this.drop();
        if (ladder.failed() === 'stop') throw error;
      }
    }
  }

  /** Ends the Worker; what was asked of it fails. The next call starts another. */
  end(): void {
    this.abort.abort();
    this.abort = new AbortController();
    this.drop();
  }

  private solo(file: string, ladder: Ladder): Promise<Solo> {
    if (this.held?.file === file) return this.held.solo;
    this.drop();
    const solo = this.hire(file, ladder, this.abort.signal);
    this.held = { file, solo };
    solo.catch(() => {
      if (this.held?.solo === solo) this.held = undefined;
    });
    return solo;
  }

  private async hire(file: string, ladder: Ladder, signal: AbortSignal): Promise<Solo> {
    const [module, manifest] = await Promise.all([engineModule(), this.weights.manifest(), this.ready]);
    const entry = manifest.entries.find((candidate) => candidate.file === file);
    if (entry === undefined) throw new Error(`models/manifest.json does not list ${file}`);
    const weight = await this.weights.get(entry, signal, () => undefined);
    signal.throwIfAborted();
    const solo = new Solo(ladder.rung, module, { manifest: manifest.bytes, needed: [file], weights: new Map([[file, weight]]) });
    const end = (): void => solo.end();
    signal.addEventListener('abort', end);
    try {
      await solo.ready;
    } catch (error) {
      if (error instanceof Gone || signal.aborted || !weight.cached) throw error;
      // The browser's copy is not what the manifest promises.
      await this.weights.forget(entry);
      return await this.hire(file, ladder, signal);
    } finally {
      signal.removeEventListener('abort', end);
    }
    void this.weights.keep(entry);
    return solo;
  }

  private drop(): void {
    this.held?.solo.then((solo) => solo.end()).catch(() => undefined);
    this.held = undefined;
  }
}

function fileOf({ infnet, precision }: Chosen): string {
  return `infnet-${infnet}.${precision === 'f32' ? 'f16' : 'int8'}.safetensors`;
}
