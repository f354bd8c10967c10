/** The engine's WebAssembly, compiled once and handed to every Worker: compiling takes seconds. */
import built from '../../pkg/pleura_bg.wasm?url';
import { placed } from './places.ts';

let compiled: Promise<WebAssembly.Module> | undefined;

/** A second call waits for the first; after a failure the next call tries again. */
export function engineModule(): Promise<WebAssembly.Module> {
  compiled ??= compile().catch((error: unknown) => {
    compiled = undefined;
    throw error;
  });
  return compiled;
}

async function compile(): Promise<WebAssembly.Module> {
  const address = placed('pleura_bg.wasm')?.href ?? built;
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: the server answered ${response.status}`);
  // Compiling while it loads wants this type, which some file hosts don't send.
  const streams = response.headers.get('Content-Type') === 'application/wasm' && 'compileStreaming' in WebAssembly;
  return streams ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}
