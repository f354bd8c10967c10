/** How far an analysis is and how long it will still take. Pure: times come from the caller, in seconds. */
import type { EngineEvent } from './engine/events.ts';

export type Step = 'engine' | 'open' | 'weights' | 'prepare' | 'tiles' | 'finish';

export interface ProgressView {
  step: Step;
  /** The engine's label of the tile that has run longest. */
  label: string;
  /** 0 to 1 over everything; never goes back. */
  fraction: number;
  /** Known once a tile of the run has been timed. */
  secondsLeft: number | undefined;
  tilesDone: number;
  /** Of the weights. */
  bytes: { done: number; total: number };
}

/** Each step's share of the bar. Tiles are nearly all of the work. */
const SHARES: Record<Step, number> = { engine: 0.02, open: 0.03, weights: 0.07, prepare: 0.08, tiles: 0.77, finish: 0.03 };
const STEPS = Object.keys(SHARES) as Step[];
/** Time constant with which the bar creeps where nothing is known yet. */
const CREEP_S = 15;
/** Tiles whose median says how long the next will take: enough to outvote a first one that compiles shaders. */
const TIMED = 9;

/** A step as far as it is known: it may run beside others. */
interface Part {
  done: number;
  since: number;
}

export class Progress {
  private readonly parts = new Map<Step, Part>();
  private highest = 0;
  private labels: string[] = [];
  private planned = false;
  private readonly done = new Set<number>();
  private readonly running = new Map<number, number>();
  private readonly times = new Map<string, number[]>();
  private bytes = { done: 0, total: 0 };
  private workers = 1;
  private device = '';

  constructor(now: number) {
    this.advance('engine', 0, now);
  }

  /** Takes what the engine says. */
  hear(event: EngineEvent, now: number): void {
    switch (event.type) {
      case 'device':
        return this.crew(event.device.kind, event.device.workers);
      case 'reading':
        return this.reading(now);
      case 'weights':
        return this.weights(event.done, event.total, now);
      case 'prepare':
        return this.prepare(event.fraction, now);
      case 'plan':
        return this.plan(event.labels, event.done, now);
      case 'tile-start':
        return this.tileStarted(event.index, now);
      case 'tile-lost':
        return this.tileLost(event.index);
      case 'tile':
        return this.tileDone(event.index, now);
      case 'finishing':
        return this.finishing(now);
      case 'died':
        if (event.worker === 'case' && event.recovery !== 'stop') this.restarted(now);
        return;
      default:
        // The rest says nothing of how far it is.
        return;
    }
  }

  /** Who computes. What was timed on another device says nothing of this one. */
  crew(device: string, workers: number): void {
    if (device !== this.device) this.times.clear();
    this.device = device;
    this.workers = workers;
  }

  reading(now: number): void {
    this.advance('engine', 1, now);
    this.advance('open', 0, now);
  }

  weights(done: number, total: number, now: number): void {
    this.bytes = { done, total };
    this.advance('weights', total > 0 ? done / total : 1, now);
  }

  prepare(fraction: number, now: number): void {
    this.advance('open', 1, now);
    this.advance('prepare', fraction, now);
  }

  plan(labels: string[], done: Iterable<number>, now: number): void {
    this.prepare(1, now);
    this.labels = labels;
    this.planned = true;
    for (const index of done) this.done.add(index);
  }

  /** May be said again of a tile that runs. */
  tileStarted(index: number, now: number): void {
    if (!this.running.has(index)) this.running.set(index, now);
  }

  tileLost(index: number): void {
    this.running.delete(index);
  }

  tileDone(index: number, now: number): void {
    const since = this.running.get(index);
    this.running.delete(index);
    this.done.add(index);
    if (since === undefined) return;
    const kind = this.kind(index);
    this.times.set(kind, [...(this.times.get(kind) ?? []), now - since].slice(-TIMED));
  }

  finishing(now: number): void {
    this.advance('finish', 0, now);
  }

  /** A new case Worker begins from the start; tiles that run go on. */
  restarted(now: number): void {
    for (const step of ['open', 'prepare', 'finish'] as const) this.parts.delete(step);
    this.parts.set('engine', { done: 0, since: now });
    this.planned = false;
  }

  view(now: number): ProgressView {
    const step = this.step();
    const fraction = STEPS.reduce((all, each) => all + SHARES[each] * this.fractionOf(each, now), 0);
    this.highest = Math.max(this.highest, Math.min(fraction, 1));
    const oldest = [...this.running.keys()][0];
    return {
      step,
      label: step === 'tiles' && oldest !== undefined ? (this.labels[oldest] ?? '') : '',
      fraction: this.highest,
      secondsLeft: step === 'tiles' ? this.secondsLeft(now) : undefined,
      tilesDone: this.done.size,
      bytes: this.bytes,
    };
  }

  /** Of the steps that run side by side, the one that a person waits for. */
  private step(): Step {
    const under = (step: Step): boolean => (this.parts.get(step)?.done ?? 1) < 1;
    if (this.parts.has('finish')) return 'finish';
    if (under('prepare')) return 'prepare';
    if (under('weights')) return 'weights';
    if (this.planned) return 'tiles';
    return under('open') ? 'open' : 'engine';
  }

  private advance(step: Step, done: number, now: number): void {
    const before = this.parts.get(step);
    if (before !== undefined && done <= before.done) return;
    this.parts.set(step, { done: Math.min(done, 1), since: now });
  }

  private fractionOf(step: Step, now: number): number {
    if (step === 'tiles') return this.tilesFraction(now);
    const part = this.parts.get(step);
    // Between two reports the bar creeps over a part of what is left, so that it is seen to live.
    return part === undefined ? 0 : part.done + (1 - part.done) * 0.5 * creep(now - part.since);
  }

  private tilesFraction(now: number): number {
    if (this.labels.length === 0) return this.planned ? 1 : 0;
    const expected = this.labels.map((_, index) => this.expected(index) ?? 1);
    const finished = sum(expected.filter((_, index) => this.done.has(index)));
    return (finished + this.runningShare(now)) / sum(expected);
  }

  /** How much of the running tiles counts as done, in the unit of `expected`. */
  private runningShare(now: number): number {
    return sum([...this.running].map(([index, since]) => share(now - since, this.expected(index))));
  }

  private secondsLeft(now: number): number | undefined {
    let left = 0;
    for (const index of this.labels.keys()) {
      if (this.done.has(index)) continue;
      const expected = this.expected(index);
      if (expected === undefined) return undefined;
      left += expected;
    }
    // The last tiles don't keep all Workers busy.
    const longest = Math.max(0, ...[...this.running].map(([index, since]) => (this.expected(index) ?? 0) - (now - since)));
    return Math.max((left - this.runningShare(now)) / this.workers, longest);
  }

  /** Seconds that a tile will take: the median of its kind, or of all kinds while its own is unknown. */
  private expected(index: number): number | undefined {
    const own = this.times.get(this.kind(index));
    if (own !== undefined) return median(own);
    const all = [...this.times.values()].flat();
    return all.length > 0 ? median(all) : undefined;
  }

  /** Tiles of one network cost alike; the label's first word names the network. */
  private kind(index: number): string {
    return this.labels[index]?.split(' ', 1)[0] ?? '';
  }
}

/** Between its start and its expected end a tile moves evenly, and stops a little short of the end. */
function share(elapsed: number, expected: number | undefined): number {
  return expected === undefined ? 0.9 * creep(elapsed) : Math.min(elapsed, 0.95 * expected);
}

function creep(seconds: number): number {
  return 1 - Math.exp(-Math.max(seconds, 0) / CREEP_S);
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
