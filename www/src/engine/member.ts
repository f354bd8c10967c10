/** One compute Worker: its weights and the tiles in its hands. */
import type { AxialSlice, Bytes, DeviceInfo, FromAny, FromCompute, Tap, Tile, ToCompute } from '../protocol.ts';
import type { Rung } from './ladder.ts';
import { CPU_SILENCE_S, GPU_SILENCE_S, GPU_WORK_S, Peer } from './peer.ts';
import type { Weight } from './weights.ts';

/** The weights that a run needs, as far as they have arrived. */
export interface Stock {
  manifest: Bytes;
  needed: string[];
  weights: Map<string, Weight>;
}

export interface MemberEvents {
  ready(version: string, device: DeviceInfo): void;
  refused(message: string): void;
  loaded(file: string): void;
  unfit(file: string, weight: Weight, message: string): void;
  tile(tile: Tile): void;
  died(cause: string): void;
  /** What was asked for with `taps`, or why it can't be had. */
  tapped?(id: number, answer: Tap[] | Error): void;
}

export class Member {
  private readonly peer: Peer<ToCompute, FromCompute>;
  private readonly loaded = new Set<string>();
  private readonly given = new Map<string, Weight>();
  private ready = false;
  private loading = 0;
  private inHand = 0;

  constructor(
    private readonly rung: Rung,
    module: WebAssembly.Module,
    private readonly events: MemberEvents,
  ) {
    const worker = new Worker(new URL('../worker/compute.ts', import.meta.url), { type: 'module' });
    this.peer = new Peer<ToCompute, FromCompute>(worker, {
      message: (message) => this.receive(message),
      died: (cause) => events.died(cause),
    });
    this.peer.post({ type: 'start', module, device: rung.device, maxBufferMb: rung.maxBufferMb });
    this.watch();
  }

  /** Whether this Worker would do on the rung, too. */
  suits(rung: Rung): boolean {
    return rung.device === this.rung.device && (rung.device === 'cpu' || rung.maxBufferMb === this.rung.maxBufferMb);
  }

  /**
   * Whether this Worker has, or has been given, weights that the stock has no need of. They may stand
   * where others should: an engine holds one Inf-Net.
   */
  holdsOther(stock: Stock): boolean {
    return [...this.given.keys()].some((file) => !stock.needed.includes(file));
  }

  /** Hands over what has arrived of the stock and has not been given yet. */
  equip(stock: Stock): void {
    if (!this.ready) return;
    for (const file of stock.needed) {
      const weight = stock.weights.get(file);
      if (weight === undefined || this.loaded.has(file) || this.given.get(file) === weight) continue;
      this.given.set(file, weight);
      this.loading += 1;
      this.peer.post({ type: 'weights', manifest: stock.manifest, file, blob: weight.blob });
    }
    this.watch();
  }

  isFit(stock: Stock): boolean {
    return stock.needed.every((file) => this.loaded.has(file));
  }

  compute(index: number, work: string, input: Bytes): void {
    this.inHand += 1;
    this.peer.post({ type: 'compute', index, work, input }, [input.buffer]);
    this.watch();
  }

  /** Asks for the loaded Inf-Net's intermediate tensors of these names. */
  taps(id: number, slice: AxialSlice, names: string[]): void {
    this.inHand += 1;
    this.peer.post({ type: 'taps', id, slice, names });
    this.watch();
  }

  end(): void {
    this.peer.end();
  }

  private receive(message: Exclude<FromCompute, FromAny>): void {
    switch (message.type) {
      case 'ready':
        this.ready = true;
        this.watch();
        this.events.ready(message.version, message.device);
        return;
      case 'refused':
        this.events.refused(message.message);
        return;
      case 'loaded':
        this.loading -= 1;
        this.loaded.add(message.file);
        this.watch();
        this.events.loaded(message.file);
        return;
      case 'unfit': {
        this.loading -= 1;
        this.watch();
        const weight = this.given.get(message.file);
        if (weight !== undefined) this.events.unfit(message.file, weight, message.message);
        return;
      }
      case 'tile':
        this.inHand -= 1;
        this.watch();
        this.events.tile(message.tile);
        return;
      case 'taps':
      case 'untapped':
        this.inHand -= 1;
        this.watch();
        this.events.tapped?.(message.id, message.type === 'taps' ? message.taps : new Error(message.message));
        return;
    }
  }

  private watch(): void {
    if (this.inHand === 0 && this.loading === 0 && this.ready) this.peer.rest();
    else if (this.rung.device === 'cpu') this.peer.expect({ silence: CPU_SILENCE_S });
    // Unpacking weights computes without a pause on any device.
    else this.peer.expect({ silence: this.inHand > 0 ? GPU_SILENCE_S : CPU_SILENCE_S, work: GPU_WORK_S });
  }
}
