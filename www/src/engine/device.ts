/** Which device the engine gets: looked at in JavaScript first, because the engine can't survive a bad one. */
import type { CpuReason, DeviceChoice } from '../protocol.ts';

export type Probe = { device: 'gpu' } | { device: 'cpu'; reason: CpuReason };

/** Names under which software rasterizers present themselves as adapters. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|software|microsoft basic render|\bwarp\b/i;

/** A software adapter is a slow CPU: our own CPU path is about ten times faster there. */
export async function probe(gpu: GPU | undefined, choice: DeviceChoice): Promise<Probe> {
  if (choice === 'cpu') return { device: 'cpu', reason: { code: 'asked' } };
  if (gpu === undefined) return { device: 'cpu', reason: { code: 'no-webgpu' } };
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (adapter === null) return { device: 'cpu', reason: { code: 'no-adapter' } };

  const name = adapterName(adapter.info);
  // Without timestamps the engine's GPU runtime panics, so not even an explicit wish helps.
  if (!adapter.features.has('timestamp-query')) return { device: 'cpu', reason: { code: 'no-timestamps', name } };
  if (choice === 'gpu') return { device: 'gpu' };
  if (adapter.info.isFallbackAdapter || SOFTWARE.test(name)) return { device: 'cpu', reason: { code: 'software', name } };
  return { device: 'gpu' };
}

/** The adapter's name as far as the browser tells it. */
export function adapterName(info: GPUAdapterInfo): string {
  const parts = [info.description, info.vendor, info.architecture, info.device].filter((part) => part !== '');
  return [...new Set(parts)].join(' ') || 'unnamed adapter';
}

/** What decides which tensors a GPU can hold, as the browser tells it; nothing where it offers none. */
export async function adapterFacts(gpu: GPU | undefined): Promise<{ name: string; limits: [name: string, value: number][] } | undefined> {
  const adapter = await gpu?.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (adapter === null || adapter === undefined) return undefined;
  const limits = LIMITS.map((name): [string, number] => [name, adapter.limits[name]]);
  return { name: adapterName(adapter.info), limits };
}

const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupsPerDimension',
] as const;
