/** Inf-Net's intermediate tensors: a Worker of its own, which keeps the network from slice to slice and is replaced when it dies. */
import type { AxialSlice, EngineSettings, Options, Tap } from '../protocol.ts';
import { probe } from './device.ts';
import { Hand } from './hand.ts';
import { Ladder, rungs } from './ladder.ts';
import { engineModule } from './module.ts';
import type { ManifestEntry, Weights } from './weights.ts';

/** Which Inf-Net. */
export type Chosen = Pick<Options, 'infnet' | 'precision'>;

export class Tapper {
  private abort = new AbortController();
  private ladder: Promise<Ladder> | undefined;
  private held: { file: string; hand: Hand } | undefined;

  constructor(
    private readonly settings: EngineSettings,
    private readonly weights: Weights,
    /** No Worker is started before this. */
    private readonly ready: Promise<void>,
  ) {}

  /** Of one slice; the names are the engine's, which lists them where one is unknown. One call after the other. */
  async taps(slice: AxialSlice, names: string[], chosen: Chosen): Promise<Tap[]> {
    const { signal } = this.abort;
    this.ladder ??= probe(navigator.gpu, this.settings.device).then((found) => new Ladder(rungs(found, this.settings, 1)));
    const ladder = await this.ladder;
    for (;;) {
      const hand = await this.hire(fileOf(chosen), ladder, signal);
      try {
        await hand.ready;
        const taps = await hand.taps(slice, names);
        ladder.succeeded();
        return taps;
      } catch (error) {
        // What a sound Worker refuses, another would refuse, too.
        if (hand.alive) throw error;
        this.drop();
        signal.throwIfAborted();
        // The browser's copy of the weights may be to blame.
        await this.forget(fileOf(chosen));
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

  private async hire(file: string, ladder: Ladder, signal: AbortSignal): Promise<Hand> {
    if (this.held?.file === file) return this.held.hand;
    this.drop();
    const [module, { bytes }, entry] = await Promise.all([engineModule(), this.weights.manifest(), this.entry(file), this.ready]);
    const weight = await this.weights.get(entry, signal, () => undefined);
    signal.throwIfAborted();
    const { device, maxBufferMb } = ladder.rung;
    const hand = new Hand({
      ...{ device, maxBufferMb, module },
      stock: { manifest: bytes, needed: [file], weights: new Map([[file, weight]]) },
      loaded: () => void this.weights.keep(entry),
    });
    this.held = { file, hand };
    return hand;
  }

  private async entry(file: string): Promise<ManifestEntry> {
    const entry = (await this.weights.manifest()).entries.find((candidate) => candidate.file === file);
    if (entry === undefined) throw new Error(`models/manifest.json does not list ${file}`);
    return entry;
  }

  private async forget(file: string): Promise<void> {
    await this.weights.forget(await this.entry(file));
  }

  private drop(): void {
    this.held?.hand.end();
    this.held = undefined;
  }
}

function fileOf({ infnet, precision }: Chosen): string {
  return `infnet-${infnet}.${precision === 'f32' ? 'f16' : 'int8'}.safetensors`;
}
