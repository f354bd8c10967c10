// A static server for the benchmark page: MIME types and nothing else, as the plainest host would send it.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

/**
 * Serves on a free port of 127.0.0.1. `folders`: address prefix → folder, the longest prefix wins; `files`: address →
 * bytes.
 */
export async function serve(folders, files) {
  const prefixes = Object.keys(folders).sort((a, b) => b.length - a.length);
  const find = async (address) => {
    if (files.has(address)) return files.get(address);
    const prefix = prefixes.find((candidate) => address.startsWith(candidate));
    const folder = fileURLToPath(folders[prefix]);
    const file = path.join(folder, address.slice(prefix.length) || 'index.html');
    if (!file.startsWith(folder)) throw new Error('outside the folder');
    return readFile(file);
  };
  const server = createServer(async (request, response) => {
    const address = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    try {
      const body = await find(address);
      response.setHeader('Content-Type', TYPES[path.extname(address) || '.html'] ?? 'application/octet-stream');
      response.end(body);
    } catch {
      response.statusCode = 404;
      response.end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, stop: () => server.close() };
}
