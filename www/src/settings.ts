/** What the address and the options form ask for. */
import type { Demo, DeviceChoice, EngineSettings, Options } from './protocol.ts';

/** The demo case: the same for everybody, and for the command line's phantom with these numbers. */
const DEMO = { seed: 4, lesions: 6 };

/** The piece that the self-test computes tiles of: with lungs and a lesion, and quickly made. */
export const TEST_PIECE: Demo = { ...DEMO, pieceMm: 40 };

export interface Asked {
  device: DeviceChoice;
  maxBufferMb: number;
  /** Compute Workers on the CPU; 0 goes by the machine. */
  workers: number;
  /** Set where the address asks for the demo case at once. */
  demo: Demo | undefined;
  /** Set where the address chooses the networks. */
  model: Options['model'] | undefined;
}

/** A mistyped address must not start a thousand. */
const MAX_WORKERS = 16;
const MODELS = ['both', 'normnet', 'infnet'] as const;

/** Reads `?device=`, `?maxBufferMB=`, `?workers=`, `?model=` and `?demo=` (edge of the piece in mm, empty for the whole chest). */
export function fromAddress(search: string): Asked {
  const query = new URLSearchParams(search);
  const device = query.get('device');
  const demo = query.get('demo');
  return {
    device: device === 'gpu' || device === 'cpu' ? device : 'auto',
    maxBufferMb: nonNegative(query.get('maxBufferMB')),
    workers: Math.min(Math.floor(nonNegative(query.get('workers'))), MAX_WORKERS),
    demo: demo === null ? undefined : demoCase(nonNegative(demo)),
    model: MODELS.find((model) => model === query.get('model')),
  };
}

/** Shows in the form what the address asked for. */
export function intoForm(form: HTMLFormElement, asked: Asked): void {
  (form.elements.namedItem('device') as HTMLSelectElement).value = asked.device;
  if (asked.model === undefined) return;
  const choice = form.elements.namedItem('model');
  if (choice instanceof RadioNodeList) choice.value = asked.model;
}

/** Shows in the form the options of a recorded run, and the device if it was the CPU. */
export function recordedIntoForm(form: HTMLFormElement, options: Options, onCpu: boolean): void {
  const recorded: Record<string, unknown> = { ...options, ...(onCpu ? { device: 'cpu' } : {}) };
  for (const [name, value] of Object.entries(recorded)) {
    const field = form.elements.namedItem(name);
    if (field instanceof RadioNodeList || field instanceof HTMLSelectElement) field.value = String(value);
  }
}

export function demoCase(pieceMm: number): Demo {
  return { ...DEMO, pieceMm };
}

/** The form chooses the device, the address everything else. */
export function engineSettings(asked: Asked, device: DeviceChoice): EngineSettings {
  return { device, maxBufferMb: asked.maxBufferMb, workers: asked.workers };
}

/** The form's fields have the names and values of the options. */
export function fromForm(form: HTMLFormElement): { options: Options; device: DeviceChoice } {
  const data = new FormData(form);
  const pick = <T extends string>(name: string, values: readonly [T, ...T[]]): T =>
    values.find((value) => value === data.get(name)) ?? values[0];
  return {
    options: {
      model: pick('model', MODELS),
      normnet: pick('normnet', ['best', 'paper']),
      infnet: pick('infnet', ['semi', 'labelled']),
      precision: pick('precision', ['int8', 'f32']),
    },
    device: pick('device', ['auto', 'gpu', 'cpu']),
  };
}

function nonNegative(text: string | null): number {
  const value = Number(text ?? 0);
  return Number.isFinite(value) && value > 0 ? value : 0;
}
