/** Where the files of the package lie. */
import type { Locate } from '../../src/engine/weights.ts';
import type { EngineOptions } from './api.ts';

/** Addresses that every bundler follows, of the weights that ship with the package. */
const SHIPPED = Object.fromEntries(
  Object.entries(
    import.meta.glob<string>(['../../../models/*.int8.safetensors', '../../../models/manifest.json'], {
      query: '?url',
      import: 'default',
      eager: true,
    }),
  ).map(([path, address]) => [path.split('/').at(-1), address]),
);

export function folder(address: string | URL): URL {
  const text = String(address);
  return new URL(text.endsWith('/') ? text : `${text}/`, document.baseURI);
}

export function locator({ modelsUrl, assetsUrl }: EngineOptions): Locate {
  const models = modelsUrl ?? assetsUrl;
  if (models !== undefined) return (file) => new URL(file, folder(models)).href;
  return (file) => {
    const address = SHIPPED[file];
    if (address === undefined) {
      throw new Error(`${file} is not in the package, which has the 8-bit weights: put all weights on your server, and give modelsUrl`);
    }
    return address;
  };
}
