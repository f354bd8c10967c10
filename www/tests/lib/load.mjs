// Loads a TypeScript module of the page into Node, which cannot read types by itself.
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

/** The exports of www/src/<path>. */
export async function load(path) {
  const result = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      minify: false,
      target: 'es2023',
      lib: { entry: fileURLToPath(new URL(`../../src/${path}`, import.meta.url)), formats: ['es'] },
    },
  });
  const code = result[0].output[0].code;
  return import(`data:text/javascript;base64,${Buffer.from(code).toString('base64')}`);
}
