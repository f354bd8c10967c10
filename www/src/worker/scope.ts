/** What both kinds of Worker share: their global, the heartbeat, and how errors reach the page. */
import init from '../../pkg/pleura.js';
import './leaves.ts';
import type { Bytes } from '../protocol.ts';

const HEARTBEAT_MS = 1000;

export const scope = self as unknown as DedicatedWorkerGlobalScope;

/** Listens to the page, and lets it know from now on that this Worker lives. */
export function listen<To>(handle: (message: To) => Promise<void>): void {
  scope.addEventListener('message', (event: MessageEvent<To>) => {
    // What nobody has caught leaves the Worker in doubt: a new one may do better.
    handle(event.data).catch((error: unknown) => scope.postMessage({ type: 'broken', message: text(error) }));
  });
  setInterval(() => scope.postMessage({ type: 'heartbeat' }), HEARTBEAT_MS);
}

/** Brings the module that the page has compiled to life. */
export async function instantiate(module: WebAssembly.Module): Promise<void> {
  await init({ module_or_path: module });
}

export function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A copy that can be transferred: wasm-bindgen hands out its own buffers already, views never. */
export function own(bytes: Uint8Array): Bytes {
  const whole = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength;
  return whole && bytes.buffer instanceof ArrayBuffer ? (bytes as Bytes) : new Uint8Array(bytes);
}
