// Runs tiles of any case, as the page's compute workers do.
import { peakMemory } from './memory.mjs';
import init, { Engine } from '/pkg/pleura.js';
import { bytes } from './backends.mjs';
import { serve } from './remote.mjs';

let engine;

serve({
  async open(device, files) {
    await init();
    engine = await Engine.create(device, 0);
    engine.set_manifest(await bytes('/models/manifest.json'));
    for (const file of files) await engine.load_weights(file, await bytes(`/models/${file}`));
  },

  compute: (tile, input) => engine.compute(tile, input),

  /** Runs `count` tiles, from the start again when they are used up; gives the seconds. */
  async repeat(tiles, count) {
    const start = performance.now();
    for (let i = 0; i < count; i += 1) {
      const { tile, input } = tiles[i % tiles.length];
      await engine.compute(tile, input);
    }
    return (performance.now() - start) / 1000;
  },

  memory: peakMemory,
});
