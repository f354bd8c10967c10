/** Numbers from 0 to 1, the same everywhere for a seed (mulberry32). */
export function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An input between the least and the greatest value that the network usually sees. */
export function randomInput({ dims, range: [least, greatest], seed = 1 }) {
  const next = random(seed);
  return Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => least + (greatest - least) * next());
}
