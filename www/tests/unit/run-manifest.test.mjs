// Run manifests on the page: which file is one, what is refused, what differs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from '../lib/load.mjs';

const { differences, findManifest, manifestOf, otherWeights, parseManifest, readManifest, UnfitManifest } = await load('run-manifest.ts');

const mask = (name, sha256, marked = 3) => ({ name, file: `a_${name}.nii.gz`, dims: [2, 2, 1], marked, sha256 });
const run = {
  schema_version: 1,
  version: '0.1.0',
  case: 'a',
  input: { name: 'a.nii.gz', kind: 'volume', sha256: 'aa' },
  options: { model: 'both', normnet: 'best', infnet: 'semi', precision: 'int8', lungs: 'network', looks: 2 },
  models: [
    { name: 'one', file: 'one.safetensors', sha256: '11' },
    { name: 'two', file: 'two.safetensors', sha256: '22' },
  ],
  device: 'CPU',
  masks: [mask('lungs', '01'), mask('infnet', '02')],
  files: ['a_lungs.nii.gz', 'a_infnet.nii.gz'],
};
const with_ = (changes) => JSON.stringify({ ...run, ...changes });

test('what is written is read, and later fields do no harm', () => {
  assert.deepEqual(parseManifest('a_run.json', JSON.stringify(run)), run);
  assert.equal(parseManifest('a_run.json', with_({ note: 'new' })).device, 'CPU');
  const bytes = new TextEncoder().encode(JSON.stringify(run));
  assert.deepEqual(manifestOf([{ name: 'a_report.json', bytes: new Uint8Array() }, { name: 'a_run.json', bytes }]), run);
  assert.equal(manifestOf([]), undefined);
});

test('what cannot be right is refused', async () => {
  const broken = [
    '',
    '[]',
    'null',
    with_({ schema_version: undefined }),
    with_({ input: { name: 'a.nii.gz' } }),
    with_({ input: { ...run.input, series: 3 } }),
    with_({ options: null }),
    with_({ options: { ...run.options, model: 1 } }),
    with_({ models: { length: 1 } }),
    with_({ masks: [{ ...mask('lungs', '01'), dims: [2, -1, 1] }] }),
    with_({ masks: [{ ...mask('lungs', '01'), marked: 'many' }] }),
    with_({ files: [1] }),
    with_({ lungs: 'given' }),
  ];
  for (const json of broken) assert.throws(() => parseManifest('a_run.json', json), UnfitManifest, json);
  assert.throws(
    () => parseManifest('a_run.json', with_({ schema_version: 2 })),
    (error) => error.schema === 2 && error.file === 'a_run.json',
  );
  await assert.rejects(readManifest({ name: 'a_run.json', file: new Blob([new Uint8Array(2 ** 20 + 1)]) }), UnfitManifest);
});

test('one manifest among the files is meant, of several none', () => {
  const named = (...names) => names.map((name) => ({ name, file: new Blob() }));
  assert.equal(findManifest(named('a.nii.gz', 'out/a_run.json', 'a_report.json')).name, 'out/a_run.json');
  assert.equal(findManifest(named('a.nii.gz', 'a_report.json')), undefined);
  assert.equal(findManifest(named('a_run.json', 'b_run.json')), undefined);
});

test('masks and weights are compared by their content', () => {
  assert.deepEqual(differences(run, { ...run, masks: [...run.masks].reverse() }), []);
  const now = { ...run, masks: [mask('lungs', '01'), mask('infnet', '03', 9)] };
  assert.deepEqual(differences(run, now), [{ mask: run.masks[1], marked: 9 }]);
  assert.deepEqual(differences(run, { ...run, masks: [run.masks[0]] }), [{ mask: run.masks[1], marked: undefined }]);
  assert.equal(differences(run, { ...run, masks: run.masks.map((m) => ({ ...m, dims: [4, 1, 1] })) }).length, 2);
  assert.deepEqual(otherWeights(run, [...run.models, { file: 'three', sha256: '33' }]), []);
  assert.deepEqual(otherWeights(run, [run.models[0], { ...run.models[1], sha256: '23' }]), ['two']);
});
