/** How the answers of two devices to one tile compare. Pure. */

export type Network = 'normnet' | 'infnet';

export interface Agreement {
  network: Network;
  /** Largest difference of a probability, 0 to 1. */
  largest: number;
  /** Share of the pixels whose class differs; nothing where no classes were told apart. */
  reclassified: number | undefined;
  passed: boolean;
}

/**
 * Both devices compute in 32-bit floats, in other orders; what they give out is rounded to 1/255. Differences of a hundredth are
 * rounding, however it adds up. A kernel that is wrong is off by far more.
 */
export const LARGEST = 0.02;
/** Where both classes are as likely, rounding decides: as many pixels may differ as in the browser tests' masks. */
export const RECLASSIFIED = 0.001;

/** The probabilities of a tile: of a slice they fill a square, and where it is infected, as many classes come behind them. */
export function compare(network: Network, found: Uint8Array, expected: Uint8Array): Agreement {
  const classified = network === 'infnet' && !Number.isInteger(Math.sqrt(expected.length));
  const probabilities = classified ? expected.length / 2 : expected.length;
  let most = 0;
  let others = 0;
  for (let i = 0; i < expected.length; i += 1) {
    const apart = Math.abs((found[i] ?? 0) - (expected[i] as number));
    if (i < probabilities) most = Math.max(most, apart);
    else if (apart > 0) others += 1;
  }
  const largest = most / 255;
  const reclassified = classified ? others / probabilities : undefined;
  const passed = found.length === expected.length && largest <= LARGEST && (reclassified ?? 0) <= RECLASSIFIED;
  return { network, largest, reclassified, passed };
}
