import assert from 'node:assert/strict';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { load } from '../lib/load.mjs';

const { fromEntries, fromField, MOST_FILES, TooManyFiles } = await load('folder.ts');
const { choices } = await load('series-choices.ts');
const { scanOf } = await load('scan.ts');
const { looksLikeZip } = await load('sniff.ts');

const chosen = (path) => ({ name: path.split('/').at(-1), webkitRelativePath: path.includes('/') ? path : '' });
const names = (opened) => opened.files.map(({ name }) => name);

test('a folder is named after itself, files after the first of them', () => {
  const folder = fromField(['CT chest/.DS_Store', 'CT chest/a/IM1', 'CT chest/.hidden/IM2'].map(chosen));
  assert.equal(folder.name, 'CT chest');
  assert.deepEqual(names(folder), ['CT chest/a/IM1']);
  const files = fromField(['b.dcm', 'a.dcm'].map(chosen));
  assert.equal(files.name, 'b.dcm');
  assert.deepEqual(names(files), ['b.dcm', 'a.dcm']);
  assert.equal(fromField([chosen('.nii')]).name, '.nii', 'a file that is meant may have any name');
  assert.equal(fromField([]), undefined);
  assert.equal(fromField([chosen('empty/.DS_Store'), chosen('empty/._x')]), undefined);
});

const fileEntry = (fullPath) => ({
  isFile: true,
  isDirectory: false,
  name: fullPath.split('/').at(-1),
  fullPath,
  file: (resolve) => resolve({ of: fullPath }),
});

/** Gives its entries two at a time, as a browser gives a hundred. */
function folderEntry(fullPath, inside) {
  const reader = () => {
    const left = [...inside];
    return { readEntries: (resolve) => resolve(left.splice(0, 2)) };
  };
  return { isFile: false, isDirectory: true, name: fullPath.split('/').at(-1), fullPath, createReader: reader };
}

test('a dropped folder is walked to its end', async () => {
  const inner = folderEntry('/CT/b', [1, 2, 3].map((n) => fileEntry(`/CT/b/IM${n}`)));
  const opened = await fromEntries([folderEntry('/CT', [fileEntry('/CT/a'), inner, fileEntry('/CT/c')])]);
  assert.equal(opened.name, 'CT');
  assert.deepEqual(names(opened), ['CT/a', 'CT/b/IM1', 'CT/b/IM2', 'CT/b/IM3', 'CT/c']);
  assert.deepEqual(opened.files[1].file, { of: '/CT/b/IM1' });
  const two = await fromEntries([fileEntry('/a.nii'), fileEntry('/b.nii')]);
  assert.deepEqual([two.name, names(two)], ['a.nii', ['a.nii', 'b.nii']]);
  const beside = await fromEntries([fileEntry('/mask.nii'), folderEntry('/CT', [fileEntry('/CT/a')])]);
  assert.deepEqual([beside.name, names(beside)], ['CT', ['mask.nii', 'CT/a']]);
  const broken = { ...fileEntry('/x'), file: (_, reject) => reject(new Error('gone')) };
  await assert.rejects(fromEntries([broken]), /gone/);
});

test('a whole disk is not read', async () => {
  const files = Array.from({ length: MOST_FILES + 1 }, (_, n) => `disk/${n}`);
  assert.throws(() => fromField(files.map(chosen)), TooManyFiles);
  let asked = 0;
  const endless = { isFile: false, isDirectory: true, name: 'disk', fullPath: '/disk' };
  endless.createReader = () => ({
    readEntries: (resolve) => {
      asked += 1;
      resolve(Array.from({ length: 100 }, (_, n) => fileEntry(`/disk/${asked}-${n}`)));
    },
  });
  await assert.rejects(fromEntries([endless]), TooManyFiles);
  assert.ok(asked <= MOST_FILES / 100 + 2);
});

test('each CT series is asked for once, the most slices first', () => {
  const stack = (uid, slices, modality = 'CT') => ({ uid, slices, modality });
  const found = [stack('1', 3), stack('2', 300), stack('3', 900, 'MR'), stack('1', 40), stack('2', 2)];
  assert.deepEqual(choices(found), [stack('2', 300), stack('1', 40)]);
  assert.deepEqual(choices([stack('3', 900, 'MR')]), []);
});

test('an archive is known by its first bytes', () => {
  const bytes = (text) => new TextEncoder().encode(text);
  assert.ok(looksLikeZip(bytes('PK\x03\x04')) && looksLikeZip(bytes('PK\x05\x06')));
  assert.ok(!looksLikeZip(bytes('PK')) && !looksLikeZip(bytes('PK\x01\x02')) && !looksLikeZip(new Uint8Array()));
});

/** A NIfTI header that promises a volume of 2 × 2 × 2. */
function nifti() {
  const raw = Buffer.alloc(352 + 8);
  raw.writeInt32LE(348, 0);
  [3, 2, 2, 2].forEach((n, i) => raw.writeInt16LE(n, 40 + 2 * i));
  raw.writeInt16LE(2, 70);
  raw.writeInt16LE(8, 72);
  raw.writeFloatLE(352, 108);
  raw.write('n+1\0', 344);
  return raw;
}

test('what the viewer reads is shown from the file, all else by way of the engine', async () => {
  const never = () => assert.fail('one file is not sorted');
  const own = async (bytes) => (await scanOf({ name: 'x', files: [{ name: 'x', file: new Blob([bytes]) }] }, never)).own;
  assert.ok(await own(nifti()));
  assert.ok(await own(gzipSync(nifti())));
  assert.ok(await own(Uint8Array.of(0x89, 0x50, 0x4e, 0x47)));
  assert.ok(await own(gzipSync(Buffer.concat([nifti(), Buffer.alloc(1e6)])).subarray(0, 900)), 'cut files are for the engine to refuse');
  for (const other of [Buffer.alloc(0), Buffer.from('NRRD0004\n'), Buffer.alloc(400), gzipSync(Buffer.alloc(400))]) {
    assert.equal(await own(other), undefined);
  }
});

test('of two files one may be the truth', async () => {
  const files = ['truth', 'scan'].map((name) => ({ name, file: new Blob([nifti()]) }));
  const [truth, scan] = files;
  const paired = await scanOf({ name: 'truth', files }, async () => truth);
  assert.deepEqual([paired.name, paired.files, paired.truth, paired.own], ['scan', [scan], truth, scan.file]);
  const apart = await scanOf({ name: 'truth', files }, async () => undefined);
  assert.deepEqual([apart.name, apart.files, apart.truth, apart.own], ['truth', files, undefined, undefined]);
});

test('beside a series the only NIfTI file may be the truth, and no other file is read to its end for it', async () => {
  const file = (name) => ({ name, file: new Blob(['DICM']) });
  const series = ['CT/IM1', 'CT/IM2', 'CT/README.txt'].map(file);
  const truth = file('CT/Truth.NII.gz');
  const open = async (files) => {
    const asked = [];
    const scan = await scanOf({ name: 'CT', files }, async (candidates) => {
      asked.push(...candidates);
      return candidates.find((each) => each === truth);
    });
    return { scan, asked };
  };
  const { scan, asked } = await open([truth, ...series]);
  assert.deepEqual([scan.name, scan.files, scan.truth, scan.own, asked], ['CT', series, truth, undefined, [truth]]);
  const several = [truth, file('CT/other.nii'), ...series];
  assert.deepEqual((await open(several)).scan, { name: 'CT', files: several }, 'which of two is meant, nobody knows');
  assert.deepEqual(await open(series), { scan: { name: 'CT', files: series }, asked: [] });
  const [one] = series;
  const pair = (await open([truth, one])).scan;
  assert.deepEqual([pair.name, pair.files, pair.truth], ['CT/IM1', [one], truth]);
});
