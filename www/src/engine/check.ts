/**
 * "Does it work here?": a tile of each network, of the demo case, on the device that an analysis would take and on the CPU. Both are
 * Workers of their own, so that nothing of an earlier analysis is in the way.
 */
import type { Bytes, Demo, DeviceInfo, EngineSettings, FromAny, FromCase, Job, Options } from '../protocol.ts';
import { CaseWorker } from './case-worker.ts';
import { compare, type Agreement, type Network } from './compare.ts';
import { probe, type Probe } from './device.ts';
import { Hand } from './hand.ts';
import type { Stock } from './member.ts';
import { engineModule } from './module.ts';
import type { Weights } from './weights.ts';

export interface Checked extends Agreement {
  /** Of the tile on each device. */
  seconds: { device: number; cpu: number };
}

export interface CheckEvents {
  /** What was found to compute with, and why. */
  device(found: Probe, device: DeviceInfo): void;
  /** A tile is now computed on this. */
  computing(network: Network, on: 'device' | 'cpu'): void;
  checked(result: Checked): void;
}

interface Tile {
  network: Network;
  work: string;
  input: Bytes;
}

export class Check {
  private readonly abort = new AbortController();
  private readonly ends: (() => void)[] = [];

  constructor(
    private readonly settings: EngineSettings,
    private readonly weights: Weights,
    private readonly events: CheckEvents,
    /** No Worker is started before this. */
    private readonly ready: Promise<void>,
  ) {}

  /** Ends when all tiles are compared; throws what went wrong. */
  async run(demo: Demo, options: Options): Promise<void> {
    try {
      const [module, found] = await Promise.all([engineModule(), probe(navigator.gpu, this.settings.device), this.ready]);
      const { needed, tiles } = await this.tiles(demo, options);
      const stock = await this.stock(needed);
      const onCpu = await this.hire('cpu', module, stock);
      const onDevice = await this.hire(found.device, module, stock);
      this.events.device(found, onDevice.info);
      for (const tile of tiles) {
        this.events.computing(tile.network, 'device');
        const device = await onDevice.compute(tile);
        this.events.computing(tile.network, 'cpu');
        const cpu = await onCpu.compute(tile);
        const agreement = compare(tile.network, device.bytes, cpu.bytes);
        this.events.checked({ ...agreement, seconds: { device: device.seconds, cpu: cpu.seconds } });
      }
    } finally {
      this.end();
    }
  }

  /** Ends all of its Workers; `run` throws if it was under way. */
  end(): void {
    this.abort.abort();
    for (const end of this.ends.splice(0)) end();
  }

  /** Makes the demo case and plans it: the first slab, and the slice in the middle. */
  private tiles(demo: Demo, options: Options): Promise<{ needed: string[]; tiles: Tile[] }> {
    return new Promise((resolve, reject) => {
      this.onEnd(reject);
      let needed: string[] = [];
      let wanted = new Map<number, Network>();
      const tiles: Tile[] = [];
      const receive = (message: Exclude<FromCase, FromAny>): void => {
        switch (message.type) {
          case 'demo':
            void this.open(maker, message.file, options).catch(reject);
            return;
          case 'needs':
            needed = message.files;
            return;
          case 'plan':
            wanted = pick(message.labels);
            for (const index of wanted.keys()) maker.post({ type: 'input', index });
            return;
          case 'input':
            tiles.push({ network: wanted.get(message.index) ?? 'infnet', work: message.work, input: message.input });
            if (tiles.length === wanted.size) resolve({ needed, tiles });
            return;
          case 'failed':
            reject(new Error(message.message));
            return;
          default:
            return;
        }
      };
      const maker: CaseWorker = new CaseWorker(
        async (module) => ({ type: 'demo', module, demo }),
        { message: receive, died: (cause) => reject(new Error(cause)), failed: (text) => reject(new Error(text)) },
        this.ready,
      );
      this.ends.push(() => maker.end());
    });
  }

  private async open(maker: CaseWorker, { name, bytes }: { name: string; bytes: Bytes }, options: Options): Promise<void> {
    const [module, manifest] = await Promise.all([engineModule(), this.weights.manifest()]);
    const files = [{ name, file: new Blob([bytes]) }];
    // The lung network runs on the CPU wherever the others do: there is nothing to compare.
    const job: Job = { name, files, series: undefined, show: false, options: { ...options, lungs: 'threshold' } };
    maker.post({ type: 'open', module, manifest: manifest.bytes, job });
  }

  private async stock(needed: string[]): Promise<Stock> {
    const manifest = await this.weights.manifest();
    const stock: Stock = { manifest: manifest.bytes, needed, weights: new Map() };
    for (const entry of manifest.entries.filter(({ file }) => needed.includes(file))) {
      stock.weights.set(entry.file, await this.weights.get(entry, this.abort.signal, () => undefined));
    }
    return stock;
  }

  /** A Worker with all weights. */
  private async hire(device: 'gpu' | 'cpu', module: WebAssembly.Module, stock: Stock): Promise<Hired> {
    const hand = new Hand({ device, maxBufferMb: this.settings.maxBufferMb, module, stock });
    this.ends.push(() => hand.end());
    const info = await hand.ready;
    const compute = async ({ work, input }: Tile): Promise<{ bytes: Bytes; seconds: number }> => {
      const begun = performance.now();
      // The other device wants the input, too.
      const bytes = await hand.compute(work, input.slice());
      return { bytes, seconds: (performance.now() - begun) / 1000 };
    };
    return { info, compute };
  }

  private onEnd(reject: (error: Error) => void): void {
    this.abort.signal.addEventListener('abort', () => reject(new Error('it was ended')));
  }
}

interface Hired {
  info: DeviceInfo;
  compute(tile: Tile): Promise<{ bytes: Bytes; seconds: number }>;
}

/** One tile of each network, by the engine's labels. */
function pick(labels: string[]): Map<number, Network> {
  const of = (begin: string): number[] => labels.flatMap((label, index) => (label.startsWith(begin) ? index : []));
  const [slab] = of('NormNet');
  const slices = of('Inf-Net');
  const slice = slices[Math.floor(slices.length / 2)];
  const picked = new Map<number, Network>();
  if (slab !== undefined) picked.set(slab, 'normnet');
  if (slice !== undefined) picked.set(slice, 'infnet');
  return picked;
}
