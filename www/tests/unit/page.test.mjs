import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from '../lib/load.mjs';

const { fromAddress } = await load('settings.ts');
const { looksLikePicture } = await load('sniff.ts');
const { number, whole, duration } = await load('format.ts');
const { probe } = await load('engine/device.ts');
const { entries } = await load('engine/weights.ts');

test('the address chooses device, buffer cap, workers and demo', () => {
  const nothing = { device: 'auto', maxBufferMb: 0, workers: 0, demo: undefined, model: undefined };
  assert.deepEqual(fromAddress(''), nothing);
  const asked = fromAddress('?device=gpu&maxBufferMB=64&workers=2&demo=40');
  assert.equal(asked.device, 'gpu');
  assert.equal(asked.maxBufferMb, 64);
  assert.equal(asked.workers, 2);
  assert.equal(asked.demo.pieceMm, 40);
  assert.equal(fromAddress('?demo').demo.pieceMm, 0);
  assert.equal(fromAddress('?workers=1000').workers, 16);
  assert.deepEqual(fromAddress('?device=abacus&maxBufferMB=-3&workers=0.5'), nothing);
});

test('pictures are told from volumes by content', () => {
  assert.ok(looksLikePicture(Uint8Array.of(0x89, 0x50, 0x4e, 0x47)));
  assert.ok(looksLikePicture(Uint8Array.of(0xff, 0xd8, 0xff, 0xe0)));
  assert.ok(!looksLikePicture(Uint8Array.of(0x1f, 0x8b, 8, 0)));
  assert.ok(!looksLikePicture(new TextEncoder().encode('PNG,')));
  assert.ok(!looksLikePicture(new Uint8Array()));
});

test('numbers are as long as they are meant', () => {
  assert.deepEqual([0.1234, 5.678, 45.67, 1234.5].map(number), ['0.12', '5.68', '45.7', '1,235']);
  assert.equal(whole(-421.4), '−421');
  assert.equal(number(Number.NaN), '–');
  assert.deepEqual([0.2, 7.6, 33, 89, 91, 600].map(duration), ['1 s', '8 s', '35 s', '90 s', '2 min', '10 min']);
});

const GPU_INFO = { vendor: 'nvidia', architecture: 'ada', device: '', description: '', isFallbackAdapter: false };
const gpu = (info, features = ['timestamp-query']) => ({
  requestAdapter: async () => (info === null ? null : { info: { ...GPU_INFO, ...info }, features: new Set(features) }),
});

test('a real GPU is taken, everything else is the CPU with its reason', async () => {
  const reason = async (api, choice = 'auto') => (await probe(api, choice)).reason?.code;
  assert.deepEqual(await probe(gpu({}), 'auto'), { device: 'gpu' });
  assert.equal(await reason(gpu({}), 'cpu'), 'asked');
  assert.equal(await reason(undefined), 'no-webgpu');
  assert.equal(await reason(gpu(null)), 'no-adapter');
  assert.equal(await reason({ requestAdapter: () => Promise.reject(new Error('lost')) }), 'no-adapter');
  assert.equal(await reason(gpu({ isFallbackAdapter: true })), 'software');
  assert.equal(await reason(gpu({ vendor: 'google', architecture: 'swiftshader' })), 'software');
  assert.equal(await reason(gpu({ description: 'llvmpipe (LLVM 15.0.6)' })), 'software');
  assert.equal(await reason(gpu({}, [])), 'no-timestamps');
});

const { LANGUAGES, wantedLanguage } = await load('strings.ts');

test('the language is that of the address, else of the browser, else English', () => {
  assert.equal(wantedLanguage('?lang=de', ['fr']), 'de');
  assert.equal(wantedLanguage('', ['pt-BR', 'es-MX', 'en']), 'es');
  assert.equal(wantedLanguage('?lang=tlh', ['zh-CN']), 'zh');
  assert.equal(wantedLanguage('?lang=constructor', []), 'en');
});

/** Every text of a language by its path; functions are asked with plausible arguments. */
function texts(node, path = '') {
  if (typeof node === 'string') return [[path, node]];
  if (typeof node === 'object') return Object.entries(node).flatMap(([key, value]) => texts(value, `${path}.${key}`));
  const codes = ['asked', 'no-webgpu', 'no-adapter', 'software', 'no-timestamps', 'failed', 'gave-up'];
  const first = {
    '.cpuReason': codes.map((code) => ({ code, name: 'X' })),
    '.recovery': ['again', 'smaller', 'fewer', 'cpu', 'stop'],
    '.failed': ['engine', 'demo', 'weights', 'open', 'prepare', 'finish'],
    '.follow.dateFrom': ['given', 'report', 'file-name'],
    '.follow.remark': ['edited', 'lungs_cut', 'slice_thickness', 'lung_volume', 'networks', 'weights', 'thresholds', 'version'],
  };
  return (first[path] ?? [0, 1, 2]).map((value, i) => [`${path}(${i})`, node(value, '2', 1, '+3', 4)]);
}

test('every language says everything', () => {
  for (const [name, { messages }] of Object.entries(LANGUAGES)) {
    for (const [path, text] of texts(messages)) {
      assert.equal(typeof text, 'string', `${name}${path}`);
      assert.ok(text !== '' && !/undefined|null|NaN/.test(text), `${name}${path}: ${text}`);
    }
  }
});

test('an explicit wish takes a software adapter, but not one that the engine cannot use', async () => {
  assert.deepEqual(await probe(gpu({ architecture: 'swiftshader' }), 'gpu'), { device: 'gpu' });
  assert.equal((await probe(gpu({}, []), 'gpu')).device, 'cpu');
});

test('the manifest gives files, sizes and checksums', () => {
  const bytes = (value) => new TextEncoder().encode(JSON.stringify(value));
  const entry = { file: 'a.safetensors', bytes: 3, sha256: 'ab', name: 'a' };
  assert.deepEqual(entries(bytes({ schema_version: 1, models: [entry, { name: 'broken' }] })), [entry]);
  assert.throws(() => entries(bytes({})), /no list of models/);
});
