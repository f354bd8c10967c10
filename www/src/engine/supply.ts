/** Brings the weights of one run to the compute Workers, file by file, each fetched once. */
import type { Crew } from './crew.ts';
import { messageOf } from './events.ts';
import type { Stock } from './member.ts';
import type { Manifest, ManifestEntry, Weight, Weights } from './weights.ts';

export interface SupplyEvents {
  progress(done: number, total: number, cached: boolean): void;
  failed(message: string): void;
}

export class Supply {
  private readonly abort = new AbortController();
  private stock: Stock | undefined;
  private entries: ManifestEntry[] = [];
  private readonly received = new Map<string, number>();
  /** One thing after the other: two needs in a row must not fetch a file twice. */
  private queue: Promise<void> = Promise.resolve();

  constructor(
    private readonly weights: Weights,
    private readonly crew: Crew,
    private readonly events: SupplyEvents,
  ) {}

  /** These files are needed, and no others. */
  need(manifest: Manifest, files: string[]): void {
    const missing = files.find((file) => !manifest.entries.some((entry) => entry.file === file));
    if (missing !== undefined) {
      this.events.failed(`models/manifest.json does not list ${missing}`);
      return;
    }
    const stock: Stock = { manifest: manifest.bytes, needed: files, weights: this.stock?.weights ?? new Map() };
    this.stock = stock;
    this.entries = manifest.entries.filter((entry) => files.includes(entry.file));
    this.crew.equip(stock);
    this.say(false);
    for (const entry of this.entries) {
      this.enqueue(async () => {
        if (this.stock === stock && !stock.weights.has(entry.file)) await this.fetch(stock, entry);
      });
    }
  }

  /** A Worker has found the file to be what the manifest promises. */
  verified(file: string): void {
    const entry = this.entry(file);
    if (entry !== undefined) void this.weights.keep(entry);
  }

  /** A Worker has found that it is not: a copy from the browser's cache is fetched anew. */
  refused(file: string, weight: Weight, message: string): void {
    const [entry, stock] = [this.entry(file), this.stock];
    if (entry === undefined || stock === undefined) return;
    this.enqueue(async () => {
      // Another Worker may have said the same, and a new copy may be here already.
      if (stock.weights.get(file) !== weight) return;
      await this.weights.forget(entry);
      if (!weight.cached) throw new Error(message);
      this.received.set(file, 0);
      await this.fetch(stock, entry);
    });
  }

  end(): void {
    this.abort.abort();
  }

  private enqueue(work: () => Promise<void>): void {
    this.queue = this.queue.then(async () => {
      if (this.abort.signal.aborted) return;
      try {
        await work();
      } catch (error) {
        if (!this.abort.signal.aborted) this.events.failed(messageOf(error));
      }
    });
  }

  private async fetch(stock: Stock, entry: ManifestEntry): Promise<void> {
    const weight = await this.weights.get(entry, this.abort.signal, (count) => this.count(entry, count));
    if (this.abort.signal.aborted) return;
    stock.weights.set(entry.file, weight);
    this.say(weight.cached);
    if (this.stock === stock) this.crew.equip(stock);
  }

  private entry(file: string): ManifestEntry | undefined {
    return this.entries.find((entry) => entry.file === file);
  }

  private count(entry: ManifestEntry, bytes: number): void {
    this.received.set(entry.file, (this.received.get(entry.file) ?? 0) + bytes);
    this.say(false);
  }

  private say(cached: boolean): void {
    const total = this.entries.reduce((sum, entry) => sum + entry.bytes, 0);
    const done = this.entries.reduce((sum, entry) => sum + (this.received.get(entry.file) ?? 0), 0);
    this.events.progress(done, total, cached);
  }
}
