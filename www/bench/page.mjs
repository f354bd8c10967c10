// What run.mjs calls in the browser.
import { caseTimes, linearTimes, scalingTimes } from './cases.mjs';
import { Remote } from './remote.mjs';

/** Outputs further apart than this, relative to their spread, are not the same network's. */
const SAME = 1e-2;
/** A backend that says nothing for so long is given up. */
const HANG_MS = 45 * 60_000;
/** The first output of each network: what the other backends' are compared with. */
const references = new Map();

function largestDifference(a, b) {
  if (a.length !== b.length) throw new Error(`${b.length} values instead of ${a.length}`);
  let [low, high, most] = [Infinity, -Infinity, 0];
  for (let i = 0; i < a.length; i += 1) {
    low = Math.min(low, a[i]);
    high = Math.max(high, a[i]);
    const apart = Math.abs(a[i] - b[i]);
    most = Math.max(most, apart);
  }
  return most / (high - low);
}

function hung() {
  return new Promise((_, reject) => setTimeout(() => reject(new Error(`no answer in ${HANG_MS / 60_000} minutes`)), HANG_MS));
}

globalThis.bench = {
  /** Opens, runs once, compares, times. */
  async network(backend, network, effort) {
    const start = performance.now();
    const worker = new Remote('network-worker.mjs');
    const call = (...args) => Promise.race([worker.call(...args), hung()]);
    try {
      const output = await call('first', backend, network);
      const first = performance.now() - start;
      const reference = references.get(network.name) ?? output;
      references.set(network.name, reference);
      const difference = largestDifference(reference, output);
      if (!(difference <= SAME)) throw new Error(`the logits differ by ${difference} of their spread`);
      return { first, difference, ...(await call('time', effort)) };
    } finally {
      worker.close();
    }
  },

  /** The GPU as the browser names it. */
  async adapter() {
    const adapter = await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' });
    if (!adapter) return 'none';
    const { vendor, architecture, device, description } = adapter.info;
    return [...new Set([vendor, architecture, device, description])].filter((part) => part !== '').join(' ');
  },

  caseTimes,
  linearTimes,
  scalingTimes,
};
