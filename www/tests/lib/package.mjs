// The npm package as its users get it: packed, and installed into a folder of their own.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const DIST = fileURLToPath(new URL('../../npm/dist/', import.meta.url));
const run = promisify(execFile);

/** Why the package can't be tested here, if it can't. */
export const packageSkip = () => (existsSync(`${DIST}package.json`) ? false : 'www/npm/dist is not built (make npm)');

/** Packs the package and installs the tarball into a new folder. Gives the folder, what npm says of the tarball, and how to clear up. */
export async function installed() {
  const folder = await mkdtemp(path.join(tmpdir(), 'pleura-npm-'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: DIST });
  const [tarball] = JSON.parse(stdout);
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  const quiet = ['--offline', '--no-audit', '--no-fund', '--ignore-scripts'];
  await run('npm', ['install', ...quiet, path.join(folder, tarball.filename)], { cwd: folder });
  return { folder, tarball, clear: () => rm(folder, { recursive: true }) };
}
