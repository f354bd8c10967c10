/** Fetches weights with progress, and keeps them in the browser's cache under their checksum. */

export interface ManifestEntry {
  file: string;
  bytes: number;
  sha256: string;
}

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

export async function fetchBytes(url: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(url, { cache: 'no-cache' });
  if (!response.ok) throw new Error(`${url}: the server answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** The cache is missing on plain http, may be full or switched off: weights then come by the net each time. */
async function openCache(): Promise<Cache | undefined> {
  try {
    return await caches.open(CACHE);
  } catch {
    return undefined;
  }
}

export class WeightStore {
  private constructor(
    private readonly base: string,
    private readonly cache: Cache | undefined,
  ) {}

  static async open(base: string): Promise<WeightStore> {
    return new WeightStore(base, await openCache());
  }

  /** Content-addressed: other content is another address, so an old copy can never be taken for a new one. */
  private address(entry: ManifestEntry): string {
    return `${this.base}${entry.file}?sha256=${entry.sha256}`;
  }

  async cached(entry: ManifestEntry): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const hit = await this.cache?.match(this.address(entry));
    return hit === undefined ? undefined : new Uint8Array(await hit.arrayBuffer());
  }

  async forget(entry: ManifestEntry): Promise<void> {
    await this.cache?.delete(this.address(entry));
  }

  async download(entry: ManifestEntry, progress: (bytes: number) => void): Promise<Uint8Array<ArrayBuffer>> {
    const url = this.address(entry);
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${entry.file}: the server answered ${response.status}`);
    return readAll(response, entry, progress);
  }

  /** Called after the engine has verified the bytes. */
  async keep(entry: ManifestEntry, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.cache === undefined) return;
    try {
      for (const request of await this.cache.keys()) {
        if (new URL(request.url).pathname.endsWith(`/${entry.file}`)) await this.cache.delete(request);
      }
      const headers = { 'Content-Type': 'application/octet-stream' };
      await this.cache.put(this.address(entry), new Response(bytes, { headers }));
    } catch {
      // A full disk costs the next visit a download and nothing else.
    }
  }
}

async function readAll(
  response: Response,
  entry: ManifestEntry,
  progress: (bytes: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  if (response.body === null) return new Uint8Array(await response.arrayBuffer());
  const out = new Uint8Array(entry.bytes);
  let length = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (length + value.length > out.length) throw new Error(`${entry.file} is larger than the manifest says`);
    out.set(value, length);
    length += value.length;
    progress(value.length);
  }
  if (length !== out.length) throw new Error(`${entry.file} broke off after ${length} of ${out.length} bytes`);
  return out;
}
