/** The engine as the worker holds it: loaded once, with a device and the weights that a run needs. */
import init, { Engine, version } from '../../pkg/pleura.js';
import type { CpuReason, DeviceInfo, EngineSettings, Options } from '../protocol.ts';
import { probe, type Probe } from './device.ts';
import { post } from './scope.ts';
import { entries, fetchBytes, WeightStore, type ManifestEntry } from './weights.ts';

let wasm: Promise<unknown> | undefined;

/** Loads the WebAssembly module; a second call waits for the first. */
export async function loadWasm(): Promise<void> {
  wasm ??= init();
  await wasm;
}

/** Opens the GPU, or the CPU where the GPU refuses. */
async function open(found: Probe, maxBufferMb: number): Promise<{ engine: Engine; reason?: CpuReason }> {
  if (found.device === 'gpu') {
    try {
      return { engine: await Engine.create('gpu', maxBufferMb) };
    } catch (error) {
      // A trap leaves the module unusable; only a refusal can be worked round here.
      if (error instanceof WebAssembly.RuntimeError) throw error;
      const message = error instanceof Error ? error.message : String(error);
      return { engine: await Engine.create('cpu', maxBufferMb), reason: { code: 'failed', name: message } };
    }
  }
  return { engine: await Engine.create('cpu', maxBufferMb), reason: found.reason };
}

export class EngineHolder {
  private readonly loaded = new Set<string>();
  private manifest: Promise<ManifestEntry[]> | undefined;

  private constructor(
    readonly engine: Engine,
    private readonly models: string,
  ) {}

  /** Probes the device, says which one it is, and opens it. */
  static async create(settings: EngineSettings): Promise<EngineHolder> {
    const found = await probe((navigator as { gpu?: GPU }).gpu, settings);
    const { engine, reason } = await open(found, settings.maxBufferMb);
    const device = JSON.parse(engine.device()) as DeviceInfo;
    if (reason !== undefined) device.reason = reason;
    post({ type: 'device', version: version(), device });
    return new EngineHolder(engine, settings.models);
  }

  async loadWeights(options: Options, image: boolean): Promise<void> {
    this.manifest ??= this.readManifest();
    const known = await this.manifest;
    const needed = (JSON.parse(this.engine.needs(JSON.stringify(options), image)) as string[])
      .filter((file) => !this.loaded.has(file))
      .map((file) => {
        const entry = known.find((candidate) => candidate.file === file);
        if (entry === undefined) throw new Error(`models/manifest.json does not list ${file}`);
        return entry;
      });
    if (needed.length === 0) return;

    const store = await WeightStore.open(this.models);
    const total = needed.reduce((sum, entry) => sum + entry.bytes, 0);
    let done = 0;
    const progress = (bytes: number, cached: boolean): void => {
      done += bytes;
      post({ type: 'weights', done, total, cached });
    };
    progress(0, false);
    for (const entry of needed) {
      await this.loadOne(store, entry, progress);
      this.loaded.add(entry.file);
    }
  }

  private async readManifest(): Promise<ManifestEntry[]> {
    const bytes = await fetchBytes(`${this.models}manifest.json`);
    this.engine.set_manifest(bytes);
    return entries(bytes);
  }

  private async loadOne(
    store: WeightStore,
    entry: ManifestEntry,
    progress: (bytes: number, cached: boolean) => void,
  ): Promise<void> {
    const kept = await store.cached(entry);
    if (kept !== undefined) {
      try {
        await this.engine.load_weights(entry.file, kept);
        progress(entry.bytes, true);
        return;
      } catch {
        // The cached copy does not match its checksum any more: fetch it anew.
        await store.forget(entry);
      }
    }
    const bytes = await store.download(entry, (count) => progress(count, false));
    await this.engine.load_weights(entry.file, bytes);
    await store.keep(entry, bytes);
  }
}
