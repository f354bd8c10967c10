/**
 * The weight files: fetched once with progress, kept in the browser's cache under their checksum, and
 * held for the Workers that come later. The engine checks them; here they are only carried.
 */
import type { Bytes } from '../protocol.ts';

export interface ManifestEntry {
  file: string;
  bytes: number;
  sha256: string;
}

export interface Manifest {
  bytes: Bytes;
  entries: ManifestEntry[];
}

export interface Weight {
  blob: Blob;
  /** It did not come by the net. */
  cached: boolean;
}

type OnBytes = (count: number) => void;

/** The address of a weight file, or of the manifest. Throws where the file is not to be had. */
export type Locate = (file: string) => string;

const CACHE = 'pleura-weights';

/** Reads what the page needs of models/manifest.json; the engine reads and checks the rest. */
export function entries(manifest: Uint8Array): ManifestEntry[] {
  const parsed: unknown = JSON.parse(new TextDecoder().decode(manifest));
  const list = (parsed as { models?: unknown }).models;
  if (!Array.isArray(list)) throw new Error('models/manifest.json has no list of models');
  return list.filter(
    (entry): entry is ManifestEntry =>
      typeof entry?.file === 'string' && typeof entry.bytes === 'number' && typeof entry.sha256 === 'string',
  );
}

/** The cache is missing on plain http, may be full or switched off: weights then come by the net each time. */
async function openCache(): Promise<Cache | undefined> {
  try {
    return await caches.open(CACHE);
  } catch {
    return undefined;
  }
}

export class Weights {
  private read: Promise<Manifest> | undefined;
  private readonly cache = openCache();
  private readonly held = new Map<string, Weight>();

  constructor(private readonly locate: Locate) {}

  /** A second call waits for the first; after a failure the next call tries again. */
  manifest(): Promise<Manifest> {
    this.read ??= this.readManifest().catch((error: unknown) => {
      this.read = undefined;
      throw error;
    });
    return this.read;
  }

  /** The file from memory, from the cache, or by the net. */
  async get(entry: ManifestEntry, signal: AbortSignal, onBytes: OnBytes): Promise<Weight> {
    const held = this.held.get(entry.file) ?? (await this.fromCache(entry));
    if (held === undefined) return this.fresh(entry, signal, onBytes);
    this.held.set(entry.file, held);
    onBytes(entry.bytes);
    return held;
  }

  /** Drops a copy that is not what the manifest promises. */
  async forget(entry: ManifestEntry): Promise<void> {
    this.held.delete(entry.file);
    await (await this.cache)?.delete(this.address(entry));
  }

  private async fresh(entry: ManifestEntry, signal: AbortSignal, onBytes: OnBytes): Promise<Weight> {
    const response = await fetch(this.address(entry), { signal });
    if (!response.ok) throw new Error(`${entry.file}: the server answered ${response.status}`);
    const weight = { blob: await readAll(response, entry, onBytes), cached: false };
    this.held.set(entry.file, weight);
    return weight;
  }

  /** Stores a file that an engine has verified. */
  async keep(entry: ManifestEntry): Promise<void> {
    const weight = this.held.get(entry.file);
    const cache = await this.cache;
    if (cache === undefined || weight === undefined || weight.cached) return;
    // Each Worker that verifies the file brings us here.
    this.held.set(entry.file, { ...weight, cached: true });
    try {
      for (const request of await cache.keys()) {
        if (isCopyOf(request.url, entry.file)) await cache.delete(request);
      }
      const headers = { 'Content-Type': 'application/octet-stream' };
      await cache.put(this.address(entry), new Response(weight.blob, { headers }));
    } catch {
      // A full disk costs the next visit a download and nothing else.
    }
  }

  /** Content-addressed: other content is another address, so an old copy can never be taken for a new one. */
  private address(entry: ManifestEntry): string {
    return `${this.locate(entry.file)}?sha256=${entry.sha256}`;
  }

  private async readManifest(): Promise<Manifest> {
    const url = this.locate('manifest.json');
    const response = await fetch(url, { cache: 'no-cache' });
    if (!response.ok) throw new Error(`${url}: the server answered ${response.status}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { bytes, entries: entries(bytes) };
  }

  private async fromCache(entry: ManifestEntry): Promise<Weight | undefined> {
    const hit = await (await this.cache)?.match(this.address(entry));
    return hit === undefined ? undefined : { blob: await hit.blob(), cached: true };
  }
}

/** Whether the address is one of the file's, earlier versions included: bundlers put a hash into the name. */
function isCopyOf(url: string, file: string): boolean {
  const name = new URL(url).pathname.split('/').at(-1) ?? '';
  return name.startsWith(file.replace(/\.safetensors$/, '')) && name.endsWith('.safetensors');
}

async function readAll(response: Response, entry: ManifestEntry, onBytes: OnBytes): Promise<Blob> {
  if (response.body === null) return response.blob();
  const parts: Bytes[] = [];
  let length = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    length += value.length;
    if (length > entry.bytes) throw new Error(`${entry.file} is larger than the manifest says`);
    onBytes(value.length);
  }
  if (length !== entry.bytes) throw new Error(`${entry.file} broke off after ${length} of ${entry.bytes} bytes`);
  return new Blob(parts);
}
