/** Builds the package's module, its Workers, WebAssembly and weights into npm/dist/. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

/** Names stay from version to version, so that a server's folder can be replaced; bundlers add their own hashes. */
const NAMES = { entryFileNames: 'assets/[name].js', chunkFileNames: 'assets/[name].js', assetFileNames: 'assets/[name][extname]' };

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  publicDir: false,
  worker: { format: 'es', rolldownOptions: { output: NAMES } },
  build: {
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: false,
    chunkSizeWarningLimit: 2000,
    rolldownOptions: {
      input: fileURLToPath(new URL('src/index.ts', import.meta.url)),
      // A library: what it exports is kept.
      preserveEntrySignatures: 'strict',
      output: { ...NAMES, entryFileNames: 'pleura.js' },
    },
  },
});
