import { defineConfig, type Plugin } from 'vite';
import { site } from './scripts/site.ts';
import { CSP } from './src/csp.ts';

/** Writes the policy into the built page; the dev server injects styles inline and goes without. */
function cspMeta(): Plugin {
  return {
    name: 'csp-meta',
    apply: 'build',
    transformIndexHtml: () => [
      { tag: 'meta', attrs: { 'http-equiv': 'Content-Security-Policy', content: CSP }, injectTo: 'head-prepend' },
    ],
  };
}

/** The names by which the viewer reaches for its Zarr reader. */
const NOTHING = 'export const FetchStore = null, get = null, open = null, root = null, slice = null;';

/** The viewer can read Zarr stores, which this page never opens: their codecs would add 1.4 MB of WebAssembly. */
function noZarr(): Plugin {
  const stub = '\0no-zarr';
  return {
    name: 'no-zarr',
    enforce: 'pre',
    resolveId: (id) => (id === 'zarrita' ? stub : null),
    load: (id) => (id === stub ? NOTHING : null),
  };
}

export default defineConfig({
  base: './',
  plugins: [cspMeta(), noZarr(), site()],
  worker: { format: 'es' },
  build: {
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
    rolldownOptions: {
      input: { main: 'index.html', sw: 'src/sw.ts' },
      output: {
        // The service worker's scope is its own folder and its name must not change.
        entryFileNames: (chunk) => (chunk.name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js'),
      },
    },
  },
});
