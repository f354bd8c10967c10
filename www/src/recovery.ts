/** What follows when a worker dies. */
import type { EngineSettings } from './protocol.ts';

/** `again` on the same device with a smaller working set, then the `cpu`, then the end. */
export type Recovery = 'again' | 'cpu' | 'stop';

export const DEATHS_TO_CPU = 2;
/** What the engine takes where nothing is asked for: WebGPU promises this much everywhere. */
const DEFAULT_BUFFER_MB = 128;

export function recoveryFrom(deaths: number): Recovery {
  if (deaths < DEATHS_TO_CPU) return 'again';
  return deaths === DEATHS_TO_CPU ? 'cpu' : 'stop';
}

/** The settings after so many deaths in one run; undefined when it is time to stop. */
export function settingsAfter(deaths: number, asked: EngineSettings): EngineSettings | undefined {
  if (deaths === 0) return asked;
  switch (recoveryFrom(deaths)) {
    case 'again':
      return { ...asked, maxBufferMb: (asked.maxBufferMb || DEFAULT_BUFFER_MB) / 2 };
    case 'cpu':
      return { ...asked, device: 'cpu' };
    case 'stop':
      return undefined;
  }
}
