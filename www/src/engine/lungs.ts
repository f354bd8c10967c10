/**
 * The lung network's weights, for the case Worker: it draws the lungs there, before there are tiles.
 * A copy from the browser's cache that is not what the manifest promises is fetched anew.
 */
import type { ToCase } from '../protocol.ts';
import type { Manifest, ManifestEntry, Weight, Weights } from './weights.ts';

export class LungWeights {
  private readonly abort = new AbortController();
  private given: { entry: ManifestEntry; weight: Weight } | undefined;

  constructor(
    private readonly weights: Weights,
    private readonly post: (message: ToCase) => void,
  ) {}

  /** The Worker needs this file. Throws if it can't be had. */
  async need(manifest: Manifest, file: string): Promise<void> {
    const entry = manifest.entries.find((candidate) => candidate.file === file);
    if (entry === undefined) throw new Error(`models/manifest.json does not list ${file}`);
    const weight = await this.weights.get(entry, this.abort.signal, () => undefined);
    if (this.abort.signal.aborted) return;
    this.given = { entry, weight };
    this.post({ type: 'lungs', file, blob: weight.blob });
  }

  /** The Worker has found the file to be what the manifest promises. */
  verified(): void {
    if (this.given !== undefined) void this.weights.keep(this.given.entry);
  }

  /** The Worker has found that it is not. Throws if it did not come from the cache. */
  async refused(manifest: Manifest, message: string): Promise<void> {
    if (this.given === undefined) return;
    const { entry, weight } = this.given;
    await this.weights.forget(entry);
    if (!weight.cached) throw new Error(message);
    await this.need(manifest, entry.file);
  }

  end(): void {
    this.abort.abort();
  }
}
