// One network on one backend: opened, run once, timed.
import { peakMemory } from './memory.mjs';
import { BACKENDS } from './backends.mjs';
import { randomInput } from './random.mjs';
import { serve } from './remote.mjs';

let opened;
let input;

serve({
  /** Opens the network and gives its first output. */
  async first(backend, network) {
    input = randomInput(network);
    opened = await BACKENDS[backend](network);
    return Float32Array.from(await opened.run(input));
  },

  /**
   * Milliseconds of each run: `runs` or more until `least` milliseconds are spent, but only `fewest` once `cap` is
   * over. The first run was a warm-up; so is another one, unless it takes a tenth of the cap.
   */
  async time({ runs, least, fewest, cap }) {
    const times = [];
    let spent = 0;
    const once = async () => {
      const start = performance.now();
      await opened.run(input);
      return performance.now() - start;
    };
    const keep = (time) => {
      times.push(time);
      spent += time;
    };
    const warm = await once();
    if (warm > cap / 10) keep(warm);
    while (spent < cap ? times.length < runs || spent < least : times.length < fewest) keep(await once());
    return { times, version: opened.version, memory: peakMemory() };
  },
});
