/** How far an analysis is and how long it will still take. Pure: times come from the caller, in seconds. */

export type Step = 'engine' | 'weights' | 'prepare' | 'tiles' | 'finish';

export interface ProgressView {
  step: Step;
  /** The engine's label of the running tile. */
  label: string;
  /** 0 to 1 over everything; never goes back. */
  fraction: number;
  /** Known once a tile of the run has been timed. */
  secondsLeft: number | undefined;
  tilesDone: number;
  /** Of the weights. */
  bytes: { done: number; total: number };
}

/** Where each step ends on the bar. Tiles are nearly all of the work. */
const ENDS: Record<Step, number> = { engine: 0.02, weights: 0.1, prepare: 0.2, tiles: 0.97, finish: 1 };
const STEPS: Step[] = ['engine', 'weights', 'prepare', 'tiles', 'finish'];
/** Time constant with which the bar creeps where nothing is known yet. */
const CREEP_S = 15;
/** Weight of the newest tile in the running mean of its kind. */
const NEWEST = 0.4;

export class Progress {
  private step: Step = 'engine';
  private inStep = 0;
  private since: number;
  private highest = 0;
  private labels: string[] = [];
  private readonly done = new Set<number>();
  private running: { index: number; since: number } | undefined;
  private readonly means = new Map<string, number>();
  private bytes = { done: 0, total: 0 };

  constructor(now: number) {
    this.since = now;
  }

  weights(done: number, total: number, now: number): void {
    this.enter('weights', now);
    this.bytes = { done, total };
    this.advance(total > 0 ? done / total : 1, now);
  }

  prepare(fraction: number, now: number): void {
    this.enter('prepare', now);
    this.advance(fraction, now);
  }

  plan(labels: string[], kept: Iterable<number>, now: number): void {
    this.enter('tiles', now);
    this.labels = labels;
    for (const index of kept) this.done.add(index);
  }

  tileStarted(index: number, now: number): void {
    this.running = { index, since: now };
  }

  tileDone(index: number, seconds: number): void {
    this.done.add(index);
    this.running = undefined;
    const kind = this.kind(index);
    const mean = this.means.get(kind);
    this.means.set(kind, mean === undefined ? seconds : mean + NEWEST * (seconds - mean));
  }

  finishing(now: number): void {
    this.enter('finish', now);
  }

  /** A new worker begins from the start, but what was timed stays true of the same device. */
  restarted(now: number, sameDevice: boolean): void {
    this.step = 'engine';
    this.inStep = 0;
    this.since = now;
    this.running = undefined;
    if (!sameDevice) this.means.clear();
  }

  view(now: number): ProgressView {
    const start = ENDS[STEPS[STEPS.indexOf(this.step) - 1] ?? 'finish'];
    const from = this.step === 'engine' ? 0 : start;
    const fraction = from + (ENDS[this.step] - from) * this.stepFraction(now);
    this.highest = Math.max(this.highest, Math.min(fraction, 1));
    const tiles = this.step === 'tiles';
    return {
      step: this.step,
      label: tiles && this.running !== undefined ? (this.labels[this.running.index] ?? '') : '',
      fraction: this.highest,
      secondsLeft: tiles ? this.secondsLeft(now) : undefined,
      tilesDone: this.done.size,
      bytes: this.bytes,
    };
  }

  private enter(step: Step, now: number): void {
    if (this.step === step) return;
    this.step = step;
    this.inStep = 0;
    this.since = now;
  }

  private advance(fraction: number, now: number): void {
    if (fraction <= this.inStep) return;
    this.inStep = Math.min(fraction, 1);
    this.since = now;
  }

  private stepFraction(now: number): number {
    if (this.step !== 'tiles') {
      // Between two reports the bar creeps over a part of what is left, so that it is seen to live.
      return this.inStep + (1 - this.inStep) * 0.5 * creep(now - this.since);
    }
    if (this.labels.length === 0) return 1;
    const expected = this.labels.map((_, index) => this.expected(index) ?? 1);
    const total = sum(expected);
    const finished = sum(expected.filter((_, index) => this.done.has(index)));
    return total > 0 ? (finished + this.runningShare(now)) / total : 1;
  }

  /** How much of the running tile counts as done, in the unit of `expected`. */
  private runningShare(now: number): number {
    if (this.running === undefined || this.done.has(this.running.index)) return 0;
    const elapsed = now - this.running.since;
    const expected = this.expected(this.running.index);
    return expected === undefined ? 0.9 * creep(elapsed) : Math.min(elapsed, 0.95 * expected);
  }

  private secondsLeft(now: number): number | undefined {
    let left = 0;
    for (let index = 0; index < this.labels.length; index += 1) {
      if (this.done.has(index)) continue;
      const expected = this.expected(index);
      if (expected === undefined) return undefined;
      left += expected;
    }
    return Math.max(left - this.runningShare(now), 0);
  }

  /** Seconds that a tile will take: the mean of its kind, or of all kinds while its own is unknown. */
  private expected(index: number): number | undefined {
    const own = this.means.get(this.kind(index));
    if (own !== undefined) return own;
    const all = [...this.means.values()];
    return all.length > 0 ? sum(all) / all.length : undefined;
  }

  /** Tiles of one network cost alike; the label's first word names the network. */
  private kind(index: number): string {
    return this.labels[index]?.split(' ', 1)[0] ?? '';
  }
}

function creep(seconds: number): number {
  return 1 - Math.exp(-Math.max(seconds, 0) / CREEP_S);
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
