// Completes npm/dist/ to what npm publishes: types, package.json with the crate's version, licences, model cards, example.
import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const WWW = fileURLToPath(new URL('../', import.meta.url));
const ROOT = path.join(WWW, '..');
const DIST = path.join(WWW, 'npm/dist');
const CARDS = ['infnet', 'normnet', 'classes', 'lungs'].map((name) => `${name}.md`);
const ENTRY = 'npm/src/index.d.ts';

/** Copies a declaration and all that it imports; runtimes know no `.ts`. */
async function copyTypes(from, file, done = new Set()) {
  if (done.has(file)) return;
  done.add(file);
  const text = await readFile(path.join(from, file), 'utf8');
  const imports = /(?<=from ')(\.[^']+)\.ts(?=')/g;
  for (const [, found] of text.matchAll(imports)) await copyTypes(from, path.join(path.dirname(file), `${found}.d.ts`), done);
  const to = path.join(DIST, 'types', file);
  await mkdir(path.dirname(to), { recursive: true });
  await writeFile(to, text.replaceAll(imports, '$1.js'));
}

async function writeTypes() {
  const all = await mkdtemp(path.join(tmpdir(), 'pleura-types-'));
  try {
    execFileSync(path.join(WWW, 'node_modules/.bin/tsc'), ['-p', path.join(WWW, 'npm'), '--outDir', all], { stdio: 'inherit' });
    await copyTypes(all, ENTRY);
  } finally {
    await rm(all, { recursive: true });
  }
}

async function writeManifest() {
  const version = /^version = "(.+)"$/m.exec(await readFile(path.join(ROOT, 'Cargo.toml'), 'utf8'))[1];
  const template = JSON.parse(await readFile(path.join(WWW, 'npm/package.json'), 'utf8'));
  await writeFile(path.join(DIST, 'package.json'), `${JSON.stringify({ ...template, version }, null, 2)}\n`);
}

await Promise.all([
  writeTypes(),
  writeManifest(),
  cp(path.join(WWW, 'npm/README.md'), path.join(DIST, 'README.md')),
  cp(path.join(WWW, 'npm/example'), path.join(DIST, 'example'), { recursive: true }),
  ...['LICENSE-MIT', 'LICENSE-APACHE'].map((name) => cp(path.join(ROOT, name), path.join(DIST, name))),
  ...[...CARDS, 'RUNS.md'].map((name) => cp(path.join(ROOT, 'models', name), path.join(DIST, 'models', name))),
]);
