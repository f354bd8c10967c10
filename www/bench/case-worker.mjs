// Holds the analysis of one case, as the page's case worker does.
import { peakMemory } from './memory.mjs';
import init, { Analysis, needs, phantom } from '/pkg/pleura.js';
import { bytes } from './backends.mjs';
import { serve } from './remote.mjs';

const NAME = 'phantom.nii.gz';
const SEED = 1n;
const LESIONS = 6;
let scan;
let analysis;

serve({
  /** Makes the phantom; gives the weight files that its analysis needs. */
  async load(pieceMm, options) {
    await init();
    scan = phantom(SEED, LESIONS, pieceMm);
    return JSON.parse(needs(await bytes('/models/manifest.json'), JSON.stringify(options), false));
  },

  /** Opens the scan and finds the lungs; gives the tiles as JSON texts. */
  async prepare(options) {
    analysis = Analysis.open(NAME, scan, JSON.stringify(options));
    analysis.prepare(await bytes('/models/manifest.json'), () => undefined);
    return Array.from({ length: analysis.tile_count() }, (_, i) => analysis.tile(i));
  },

  input: (tile) => analysis.input(tile),
  merge: (tile, result) => analysis.merge(tile, result),

  finish() {
    analysis.finish('benchmark').free();
    return peakMemory();
  },
});
