// The npm package in pages of its own: its example, its calls, and a page that Vite has bundled, all under the strict policy of `pleura serve`.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { build } from 'vite';
import { ANALYSIS_MS, SAID_MS, skipReason, soon, startServer, useBrowser } from '../lib/browser.mjs';
import { dicomSeries } from '../lib/dicom.mjs';
import { assertSame, masks } from '../lib/masks.mjs';
import { readScan, volume } from '../lib/nifti.mjs';
import { installed, packageSkip } from '../lib/package.mjs';

/** Of Inf-Net's input. */
const SIDE = 352;
const [WIDTH, HEIGHT] = [120, 90];

describe('the package in a page', { skip: skipReason(packageSkip()), timeout: 3 * ANALYSIS_MS }, () => {
  let site;
  const inSite = (...names) => path.join(site.folder, ...names);
  before(async () => {
    site = await installed();
    await cp(inSite('node_modules/pleura/example'), site.folder, { recursive: true });
    await writeFile(inSite('empty.html'), '<!doctype html><link rel="icon" href="data:," /><input type="file" multiple />');
    await promisify(execFile)(process.env.PLEURA_BIN, ['phantom', '--out', inSite('phantom.nii.gz'), '--piece', '40']);
  });
  after(() => site?.clear());
  const { open } = useBrowser(() => site.folder);

  /** Opens the example and gives it a scan once its engine is ready. */
  async function example(t) {
    const opened = await open(t);
    await opened.page.waitForSelector('#scan:not([disabled])', { timeout: SAID_MS });
    await opened.page.setInputFiles('#scan', inSite('phantom.nii.gz'));
    return opened;
  }

  /** A page without the example, with what the tests need at hand: an `engine` above all. */
  async function withEngine(t) {
    const opened = await open(t, 'empty.html');
    await opened.page.evaluate(async ([width, height]) => {
      window.pleura = await import('/node_modules/pleura/pleura.js');
      window.engine = await window.pleura.createEngine({ device: 'cpu', workers: 1 });
      window.failure = (promise) => promise.then(() => 'it did not fail', ({ name, stage, message }) => ({ name, stage, message }));
      window.scan = { name: 'phantom.nii.gz', bytes: await (await fetch('/phantom.nii.gz')).arrayBuffer() };
      // A grey box: quickly done, and with edges.
      const pen = new OffscreenCanvas(width, height).getContext('2d');
      pen.fillStyle = 'grey';
      pen.fillRect(20, 20, width - 40, height - 40);
      window.picture = new File([await pen.canvas.convertToBlob()], 'slice.png');
    }, [WIDTH, HEIGHT]);
    return opened;
  }

  const assertNoWorkers = (page) => soon(async () => assert.deepEqual(page.workers().map((worker) => worker.url()), []));
  const assertClean = ({ watch: { foreign, errors } }) => assert.deepEqual({ foreign, errors }, { foreign: [], errors: [] });

  test('the example makes the masks of the command line', async (t) => {
    const opened = await example(t);
    const { page, watch } = opened;
    await page.waitForSelector('#scan:not([disabled])', { timeout: ANALYSIS_MS });
    assert.match(await page.textContent('#said'), /NormNet \d+\.\d %, Inf-Net \d+\.\d %/);
    const saved = await page.evaluate(() => {
      const read = async ({ href, download }) => [download, [...new Uint8Array(await (await fetch(href)).arrayBuffer())]];
      return Promise.all([...document.querySelectorAll('#files a')].map(read));
    });
    const found = masks(new Map(saved.map(([name, bytes]) => [name, Buffer.from(bytes)])));
    for (const [name, mask] of Object.entries(found)) assert.ok(volume(mask) > 0, `${name} is not empty`);
    const native = process.env.PLEURA_CLI_OUT;
    if (native === undefined) t.diagnostic('not compared with the command line: PLEURA_CLI_OUT is not set');
    else {
      const names = await readdir(native);
      const files = await Promise.all(names.map(async (name) => [name, await readFile(path.join(native, name))]));
      assertSame(found, masks(new Map(files)), 'package and command line');
    }
    assert.ok(saved.some(([name]) => name === 'phantom_report.json'));
    assert.ok(watch.requests.some((url) => url.endsWith('/node_modules/pleura/assets/pleura_bg.wasm')));
    assertClean(opened);
  });

  test('a cancel in the example ends every Worker', async (t) => {
    const opened = await example(t);
    const { page } = opened;
    await soon(async () => assert.match(await page.textContent('#said'), /weights|prepare|tiles/));
    await page.click('#cancel');
    await page.waitForSelector('#scan:not([disabled])');
    assert.equal(await page.textContent('#said'), 'Cancelled.');
    await assertNoWorkers(page);
    assertClean(opened);
  });

  test('an abort stops a call that works or waits, and those behind it go on', async (t) => {
    const opened = await withEngine(t);
    const { page } = opened;
    const [works, waits, late] = await page.evaluate(async () => {
      const [first, second] = [new AbortController(), new AbortController()];
      const onProgress = ({ stage }) => {
        if (stage === 'tiles') first.abort();
      };
      const working = failure(engine.segment(scan, { model: 'infnet', signal: first.signal, onProgress }));
      const waiting = failure(engine.segment(scan, { signal: second.signal }));
      second.abort(new Error('changed my mind'));
      return [await working, await waiting, await failure(engine.segment(scan, { signal: first.signal }))];
    });
    assert.equal(works.name, 'AbortError');
    assert.equal(waits.message, 'changed my mind');
    assert.equal(late.name, 'AbortError');
    await assertNoWorkers(page);

    const result = await page.evaluate(async () => {
      const heard = [];
      const { masks, files, report, device } = await engine.segment(picture, { looks: 1, onProgress: (progress) => heard.push(progress) });
      const { dims, affine, values } = await masks[0].read();
      return { masks: masks.map(({ kind, name, labels }) => ({ kind, name, labels })), names: files.map(({ name }) => name), report, device, heard, dims, affine, count: values.length };
    });
    assert.deepEqual(result.masks, [{ kind: 'classes', name: 'slice_classes.png', labels: { 1: 'ground glass', 2: 'consolidation' } }]);
    assert.ok(result.names.includes('slice_infnet.png'));
    assert.equal(result.report, undefined);
    assert.deepEqual([result.dims, result.count, result.affine], [[WIDTH, HEIGHT, 1], WIDTH * HEIGHT, undefined]);
    assert.deepEqual(result.device, { kind: 'cpu', name: 'CPU', workers: 1, reason: { code: 'asked' } });
    const fractions = result.heard.map(({ fraction }) => fraction);
    assert.ok(fractions[0] < 0.5 && fractions.at(-1) === 1, fractions.join(', '));
    assert.deepEqual(fractions, fractions.toSorted((a, b) => a - b));
    assertClean(opened);
  });

  test('what fails says where and why', async (t) => {
    const { page, watch } = await withEngine(t);
    const said = await page.evaluate(async () => {
      const notes = { name: 'notes.txt', bytes: new TextEncoder().encode('patient,age\n1,54\n') };
      const said = {
        notes: await failure(engine.segment(notes)),
        nothing: await failure(engine.segment([])),
        floats: await failure(engine.segment(picture, { precision: 'f32' })),
        option: await failure(engine.segment(picture, { model: 'unet' })),
        tap: await failure(engine.taps({ width: 2, height: 1, grey: new Uint8Array(2) }, ['S_9'])),
        size: await failure(engine.taps({ width: 2, height: 2, grey: new Uint8Array(2) }, ['S_3'])),
      };
      engine.close();
      const elsewhere = await pleura.createEngine({ modelsUrl: '/nowhere' });
      said.models = await failure(elsewhere.segment(picture));
      elsewhere.close();
      return { ...said, closed: await failure(engine.segment(picture)) };
    });
    // In a new page, which has not compiled the engine yet.
    const other = await open(t, 'empty.html');
    said.assets = await other.page.evaluate(async () => {
      const { createEngine } = await import('/node_modules/pleura/pleura.js');
      return createEngine({ assetsUrl: '/nowhere' }).catch(({ name, stage, message }) => ({ name, stage, message }));
    });
    const expected = {
      notes: ['open', /notes\.txt/],
      nothing: ['open', /no file/],
      floats: ['weights', /\.f16\.safetensors is not in the package.*modelsUrl/],
      option: ['weights', /unet/],
      tap: ['taps', /S_9.*S_3/],
      size: ['taps', /2 x 2 pixels cannot hold 2/],
      models: ['weights', /nowhere\/manifest\.json: the server answered 404/],
      assets: ['engine', /nowhere\/pleura_bg\.wasm: the server answered 404/],
      closed: ['closed', /create another/],
    };
    for (const [what, [stage, message]] of Object.entries(expected)) {
      assert.equal(said[what].name, 'PleuraError', what);
      assert.equal(said[what].stage, stage, what);
      assert.match(said[what].message, message, what);
    }
    await assertNoWorkers(page);
    assert.deepEqual([...watch.foreign, ...other.watch.foreign], []);
  });

  test('of several DICOM series in a folder a function chooses, and without one it is the largest', async (t) => {
    const scan = readScan(await readFile(inSite('phantom.nii.gz')));
    const [thin, thick] = [{ uid: '1.2.3.1', description: 'thin' }, { uid: '1.2.3.2', description: 'thick', every: 4 }];
    const files = [thick, thin].flatMap((series) =>
      [...dicomSeries(scan, series)].map(([name, buffer]) => ({ name: `${series.description}-${name}`, mimeType: 'application/dicom', buffer })),
    );
    const opened = await withEngine(t);
    await opened.page.setInputFiles('input', files);
    const said = await opened.page.evaluate(async () => {
      const { files } = document.querySelector('input');
      const asked = [];
      const choose = (choices) => {
        asked.push(...choices.map(({ uid, slices }) => [uid, slices]));
        return '9.9.9';
      };
      const unknown = await failure(engine.segment(files, { series: choose }));
      const stop = new AbortController();
      const onProgress = ({ stage }) => {
        if (stage === 'prepare') stop.abort(new Error('it was opened'));
      };
      return { asked, unknown, largest: await failure(engine.segment(files, { signal: stop.signal, onProgress })) };
    });
    const slices = scan.dims[2];
    assert.deepEqual(said.asked, [[thin.uid, slices], [thick.uid, Math.ceil(slices / 4)]]);
    assert.equal(said.unknown.stage, 'open');
    assert.match(said.unknown.message, /9\.9\.9/);
    assert.equal(said.largest.message, 'it was opened');
    assertClean(opened);
  });

  test('the taps of a slice are the network’s own values', async (t) => {
    const opened = await withEngine(t);
    const hu = Int16Array.from({ length: WIDTH * HEIGHT }, (_, i) => ((i * 7919) % 1500) - 1100);
    const taps = await opened.page.evaluate(
      async ([width, height, values]) => {
        const taps = await engine.taps({ width, height, hu: new Int16Array(values) }, ['S_2', 'S_3', 'f5']);
        return taps.map(({ name, shape, values }) => ({ name, shape, values: [...values], floats: values instanceof Float32Array }));
      },
      [WIDTH, HEIGHT, [...hu]],
    );
    assert.deepEqual(taps.map(({ name }) => name), ['f5', 'S_3', 'S_2'], 'in the order in which they arise');
    const [f5, s3, s2] = taps;
    for (const { name, floats } of taps) assert.ok(floats, name);
    for (const { shape } of [s3, s2]) assert.deepEqual(shape, [1, 1, SIDE, SIDE]);
    // The network's prediction is its finest map.
    assert.equal(f5.values.length, f5.shape.reduce((product, size) => product * size));
    const expected = await forward(hu);
    assert.equal(s2.values.length, expected.length);
    const furthest = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - s2.values[i])), 0);
    assert.ok(expected.some((value) => value !== expected[0]) && furthest < 1e-5, `differs by ${furthest}`);
    assertClean(opened);
  });

  /** Inf-Net's logits of the slice, by the engine of the same build in Node. */
  async function forward(hu) {
    const { default: init, Engine, grey } = await import('../../pkg/pleura.js');
    const asset = (name) => readFile(inSite('node_modules/pleura/assets', name));
    await init({ module_or_path: await asset('pleura_bg.wasm') });
    const engine = await Engine.create('cpu', 0);
    const file = 'infnet-semi.int8.safetensors';
    engine.set_manifest(await asset('manifest.json'));
    engine.load_weights(file, await asset(file));
    return engine.forward(file, engine.network_input(grey(hu), WIDTH, HEIGHT));
  }

  test('Vite takes all of it along into a page that it bundles', async (t) => {
    const code = `
      import { createEngine } from 'pleura';
      const engine = await createEngine({ device: 'cpu', workers: 1 });
      const { bytes } = await engine.phantom({ pieceMm: 20 });
      const [map] = await engine.taps({ width: 8, height: 8, grey: new Uint8Array(64) }, ['S_g']);
      engine.close();
      document.title = ['done', bytes.length > 0, map.shape.join()].join(' ');`;
    await writeFile(inSite('bundled.js'), code);
    await writeFile(inSite('bundled.html'), '<!doctype html><link rel="icon" href="data:," /><script type="module" src="bundled.js"></script>');
    await build({
      configFile: false,
      logLevel: 'error',
      root: site.folder,
      base: './',
      build: { outDir: 'bundled', target: 'es2023', rolldownOptions: { input: { index: inSite('bundled.html') } } },
    });
    await cp(inSite('bundled/bundled.html'), inSite('bundled/index.html'));
    const server = await startServer(inSite('bundled'));
    t.after(() => server.stop());
    const opened = await open(t, '', { url: server.url });
    await opened.page.waitForFunction(() => document.title.startsWith('done'), null, { timeout: SAID_MS });
    assert.equal(await opened.page.title(), `done true 1,1,${SIDE},${SIDE}`);
    assertClean(opened);
  });
});
