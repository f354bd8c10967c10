// The npm package, as far as it can be tested without a browser.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { load } from '../lib/load.mjs';
import { installed, packageSkip } from '../lib/package.mjs';

const TSC = fileURLToPath(new URL('../../node_modules/.bin/tsc', import.meta.url));
/** As docs say; it is mostly weights, which do not shrink. */
const MOST_MB = 18;

/** Uses everything that the package promises. */
const CONSUMER = `
import { createEngine, PleuraError, type Device, type Engine, type Progress, type Segmentation, type Tap } from 'pleura';

export async function run(field: HTMLInputElement, hu: Int16Array<ArrayBuffer>): Promise<number> {
  const engine: Engine = await createEngine({ device: 'cpu', workers: 2, modelsUrl: new URL('https://example.org/models/') });
  const device: Device = engine.device;
  const heard: Progress[] = [];
  try {
    const result: Segmentation = await engine.segment(field.files ?? [], {
      model: 'infnet',
      series: (choices) => choices[0]?.uid ?? '',
      onProgress: (progress) => heard.push(progress),
      signal: AbortSignal.timeout(1000),
    });
    await engine.segment({ name: 'a.nii', bytes: new ArrayBuffer(8) });
    await engine.segment([new File([], 'a'), { name: 'b', file: new Blob() }]);
    const taps: Tap[] = await engine.taps({ width: 2, height: 1, hu }, ['S_3'], { infnet: 'labelled' });
    const values: Float32Array | undefined = taps[0]?.values;
    const voxels = await result.masks[0]?.read();
    const percent: number | null | undefined = result.report?.both.infnet?.lesion.percent;
    return (percent ?? 0) + (values?.length ?? 0) + (voxels?.dims[2] ?? 0) + device.workers;
  } catch (error) {
    if (error instanceof PleuraError && error.stage === 'open') return 0;
    throw error;
  } finally {
    engine.close();
  }
}

// @ts-expect-error: there is no such model
export const wrong = (engine: Engine) => engine.segment(new Blob(), { model: 'unet' });
`;

describe('the package', { skip: packageSkip() }, () => {
  let site;
  before(async () => (site = await installed()));
  after(() => site?.clear());

  const inPackage = (name) => path.join(site.folder, 'node_modules/pleura', name);

  test('has what it needs and no more', async () => {
    const { files, size, version } = site.tarball;
    const names = files.map(({ path }) => path);
    const cargo = await readFile(new URL('../../../Cargo.toml', import.meta.url), 'utf8');
    assert.equal(version, /^version = "(.+)"$/m.exec(cargo)[1]);
    for (const name of ['README.md', 'LICENSE-MIT', 'LICENSE-APACHE', 'pleura.js', 'assets/case.js', 'assets/compute.js', 'assets/pleura_bg.wasm', 'models/infnet.md', 'example/index.html']) {
      assert.ok(names.includes(name), `${name} is in ${names.join(', ')}`);
    }
    const { models } = JSON.parse(await readFile(inPackage('assets/manifest.json'), 'utf8'));
    const shipped = models.filter(({ precision }) => precision === 'int8').map(({ file }) => `assets/${file}`);
    assert.ok(shipped.length > 0);
    assert.deepEqual(names.filter((name) => name.endsWith('.safetensors')).sort(), shipped.sort());
    assert.ok(size < MOST_MB * 1e6, `${(size / 1e6).toFixed(1)} MB`);
  });

  test('names no address of another site, and no file of this machine', async () => {
    for (const name of ['pleura.js', 'assets/case.js', 'assets/compute.js']) {
      const code = await readFile(inPackage(name), 'utf8');
      assert.deepEqual(code.match(/https?:\/\/(?!www\.w3\.org)[\w.]+/g) ?? [], [], name);
      assert.ok(!code.includes(path.dirname(fileURLToPath(import.meta.url)).split('/www/')[0]), name);
    }
  });

  test('can be imported where there is no browser, by what renders pages on a server', async () => {
    const { createEngine } = await import(pathToFileURL(inPackage('pleura.js')).href);
    assert.equal(typeof createEngine, 'function');
  });

  for (const [module, moduleResolution] of [['nodenext', 'nodenext'], ['esnext', 'bundler']]) {
    test(`has types for a strict consumer, resolved as ${moduleResolution}`, async () => {
      const compilerOptions = { strict: true, exactOptionalPropertyTypes: true, target: 'ES2023', lib: ['ES2024', 'DOM', 'DOM.Iterable'], module, moduleResolution, noEmit: true, skipLibCheck: false, types: [] };
      await writeFile(path.join(site.folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }));
      await writeFile(path.join(site.folder, 'consumer.ts'), CONSUMER);
      const { stdout } = await promisify(execFile)(TSC, ['-p', site.folder]).catch((error) => error);
      assert.equal(stdout, '');
    });
  }
});

describe('what is handed to the package', async () => {
  const { opened } = await load('../npm/src/input.ts');

  const named = (input, name) => {
    const found = opened(input, name);
    return [found.name, ...found.files.map((file) => file.name)];
  };
  const bytes = new Uint8Array(3);

  test('may be one file or many, with names or without', () => {
    assert.deepEqual(named(new File([bytes], 'a.nii.gz')), ['a.nii.gz', 'a.nii.gz']);
    assert.deepEqual(named(new Blob([bytes])), ['scan', 'scan']);
    assert.deepEqual(named(new Blob([bytes]), 'case 1.nii'), ['case 1.nii', 'scan']);
    assert.deepEqual(named({ name: 'a.nii', bytes }), ['a.nii', 'a.nii']);
    assert.deepEqual(named({ name: 'a.nii', bytes: bytes.buffer }), ['a.nii', 'a.nii']);
    assert.deepEqual(named([{ name: 'CT/1', file: new Blob([bytes]) }, { name: 'CT/2', bytes }]), ['CT', 'CT/1', 'CT/2']);
    assert.deepEqual(named(new Set([new File([bytes], '1.dcm'), new File([bytes], '2.dcm')])), ['1.dcm', '1.dcm', '2.dcm']);
  });

  test('does not change with the caller’s buffer', async () => {
    const own = new Uint8Array([1, 2, 3]);
    const { files } = opened({ name: 'a', bytes: own }, undefined);
    own.fill(0);
    assert.deepEqual(new Uint8Array(await files[0].file.arrayBuffer()), new Uint8Array([1, 2, 3]));
  });

  test('is refused with a reason where it is nothing, or something else', () => {
    assert.throws(() => opened([], undefined), { name: 'PleuraError', stage: 'open', message: /no file/ });
    for (const wrong of [undefined, null, 'scan.nii', 7, {}]) assert.throws(() => opened(wrong, undefined), { stage: 'open', message: /this is no scan/ });
  });
});
