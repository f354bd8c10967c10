/** What a static host needs beside the page: headers, and the list of files that the service worker keeps. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { Plugin } from 'vite';
import { CSP } from '../src/csp.ts';

/** In the form that Netlify and Cloudflare Pages read; other hosts ignore the file. */
const HEADERS = `/*
  Content-Security-Policy: ${CSP}
  X-Content-Type-Options: nosniff
  Referrer-Policy: no-referrer
/assets/*
  Cache-Control: public, max-age=31536000, immutable
/sw.js
  Cache-Control: no-cache
`;

/** Where the service worker's list goes. */
const SLOT = /(["'`])__SHELL__\1/;

export function site(): Plugin {
  let folder = '';
  return {
    name: 'site',
    apply: 'build',
    configResolved: (config) => {
      folder = config.publicDir;
    },
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        this.emitFile({ type: 'asset', fileName: '_headers', source: HEADERS });
        // GitHub Pages would leave files out.
        this.emitFile({ type: 'asset', fileName: '.nojekyll', source: '' });
        const worker = bundle['sw.js'];
        if (worker?.type !== 'chunk' || !SLOT.test(worker.code)) throw new Error('sw.js has no place for its files');
        const own = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
        const files = [
          './',
          ...Object.keys(bundle).filter((name) => name.startsWith('assets/')),
          ...own.map(({ name }) => name),
          'models/manifest.json',
        ].sort();
        const hash = createHash('sha256').update(files.join('\n'));
        for (const name of ['index.html', ...files.filter((name) => !name.startsWith('assets/') && name !== './')]) {
          const built = bundle[name];
          hash.update(built?.type === 'asset' ? built.source : readFileSync(`${folder}/${name}`));
        }
        const shell = { version: hash.digest('hex').slice(0, 12), files };
        worker.code = worker.code.replace(SLOT, () => JSON.stringify(JSON.stringify(shell)));
      },
    },
  };
}
