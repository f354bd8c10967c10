// Copies the weights and their manifest to where Vite serves and builds from: models/ → www/public/models/.
import { copyFile, mkdir, readdir, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const from = new URL('../../models/', import.meta.url);
const to = new URL('../public/models/', import.meta.url);

const names = (await readdir(from)).filter((name) => name === 'manifest.json' || name.endsWith('.safetensors'));
if (!names.includes('manifest.json')) {
  console.error(`${fileURLToPath(from)} has no manifest.json: the page would have no weights`);
  process.exit(1);
}
await rm(to, { recursive: true, force: true });
await mkdir(to, { recursive: true });
await Promise.all(names.map((name) => copyFile(new URL(name, from), new URL(name, to))));
console.log(`copied ${names.length} files to ${fileURLToPath(to)}`);
