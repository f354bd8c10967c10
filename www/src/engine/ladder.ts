/**
 * What follows when a compute Worker fails: the ladder from the whole GPU down to one Worker on the
 * CPU. Each step needs less memory than the one before. Pure.
 */
import type { CpuReason, EngineSettings } from '../protocol.ts';
import type { Probe } from './device.ts';

export interface Rung {
  device: 'gpu' | 'cpu';
  /** Cap on a GPU buffer in MB; 0 leaves it to the engine. */
  maxBufferMb: number;
  workers: number;
  /** Set where the CPU was taken. */
  reason?: CpuReason;
}

/** The same `again`, a `smaller` working set, the `cpu`, `fewer` Workers, or the end. */
export type Recovery = 'again' | 'smaller' | 'cpu' | 'fewer' | 'stop';

/** More Workers than this gain little: they share caches and memory bandwidth, and each holds the weights. */
const MAX_WORKERS = 4;
/** What the engine takes where nothing is asked for: WebGPU promises this much everywhere. */
const DEFAULT_BUFFER_MB = 128;
/** A first failure may be chance. */
const FAILURES_A_RUNG = 2;

/** Compute Workers for the CPU path of a machine with so many cores. */
export function workersFor(cores: number, asked: number): number {
  if (asked > 0) return asked;
  return Math.min(Math.max(Math.floor(cores) || 1, 1), MAX_WORKERS);
}

/** All rungs from what the probe found downwards. */
export function rungs(found: Probe, settings: EngineSettings, cores: number): Rung[] {
  const { maxBufferMb } = settings;
  const onCpu = (reason: CpuReason): Rung[] => {
    const list: Rung[] = [];
    for (let workers = workersFor(cores, settings.workers); workers >= 1; workers = Math.floor(workers / 2)) {
      list.push({ device: 'cpu', maxBufferMb, workers, reason });
    }
    return list;
  };
  if (found.device === 'cpu') return onCpu(found.reason);
  const half = (maxBufferMb || DEFAULT_BUFFER_MB) / 2;
  return [
    { device: 'gpu', maxBufferMb, workers: 1 },
    { device: 'gpu', maxBufferMb: half, workers: 1 },
    ...onCpu({ code: 'gave-up' }),
  ];
}

export class Ladder {
  private at = 0;
  private inARow = 0;

  /** Not empty. */
  constructor(private list: Rung[]) {}

  get rung(): Rung {
    return this.list[this.at] as Rung;
  }

  /** A Worker failed: what follows. The second time in a row that is the next rung. */
  failed(): Recovery {
    this.inARow += 1;
    if (this.inARow < FAILURES_A_RUNG) return 'again';
    this.inARow = 0;
    const next = this.list[this.at + 1];
    if (next === undefined) return 'stop';
    const before = this.rung;
    this.at += 1;
    if (next.device === 'gpu') return 'smaller';
    return before.device === 'gpu' ? 'cpu' : 'fewer';
  }

  /** A tile is done: the failures before it were not in a row with those that may come. */
  succeeded(): void {
    this.inARow = 0;
  }

  /** The GPU would not even open: it is no longer tried. */
  refused(message: string): void {
    this.list = this.cpuRungs().map((rung) => ({ ...rung, reason: { code: 'failed', name: message } }));
    this.at = 0;
    this.inARow = 0;
  }

  /** For a new task: from the top, but what has fallen to the CPU stays there. */
  restart(): void {
    if (this.rung.device === 'cpu') this.list = this.cpuRungs();
    this.at = 0;
    this.inARow = 0;
  }

  private cpuRungs(): Rung[] {
    return this.list.filter((rung) => rung.device === 'cpu');
  }
}
