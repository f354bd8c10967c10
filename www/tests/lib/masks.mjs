// The masks that an analysis saves, and how two sets of them compare.
import assert from 'node:assert/strict';
import { dice, readMask } from './nifti.mjs';

/** The same arithmetic on two machines may round a voxel at the threshold to the other side. */
const SAME = 0.999;
export const LABELS = { lungs: [1, 2], normnet: [1], infnet: [1, 2] };

/** Reads the masks out of file names with bytes. */
export function masks(files, names = Object.keys(LABELS)) {
  const found = {};
  for (const name of names) {
    const entry = [...files].find(([file]) => file.endsWith(`_${name}.nii.gz`));
    assert.ok(entry, `${name} is there; there are ${[...files.keys()].join(', ')}`);
    found[name] = readMask(entry[1]);
  }
  return found;
}

/** Compares the masks of `a` with their like in `b`. */
export function assertSame(a, b, what) {
  for (const name of Object.keys(a)) {
    assert.deepEqual(a[name].dims, b[name].dims, `${what}: grid of ${name}`);
    for (const label of LABELS[name]) {
      const overlap = dice(a[name], b[name], label);
      assert.ok(overlap >= SAME, `${what}: Dice of ${name} label ${label} is ${overlap}`);
    }
  }
}
