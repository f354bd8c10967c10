/** Where the lesson stands: the step, the slice and the settings. It is in the address behind #, and nothing of the scan is. */

export const STEPS = [
  'window',
  'lungs',
  'edges',
  'lesions',
  'healthy',
  'votes',
  'maps',
  'means',
  'growth',
  'input',
  'features',
  'edge',
  'global',
  'ra5',
  'ra4',
  'ra3',
  'ra2',
  'probability',
  'classes',
  'int8',
] as const;

export type StepId = (typeof STEPS)[number];

export type Part = 'normnet' | 'infnet';

export function partOf(step: StepId): Part {
  return STEPS.indexOf(step) < STEPS.indexOf('input') ? 'normnet' : 'infnet';
}

export interface Range {
  min: number;
  max: number;
  step: number;
}

/** What can be set, and how far. */
export const SETTINGS = {
  healthy: { min: 0.05, max: 0.99, step: 0.01 },
  votes: { min: 1, max: 5, step: 1 },
  bright: { min: 0.01, max: 0.6, step: 0.01 },
  full: { min: 0.01, max: 0.6, step: 0.01 },
  infection: { min: 0.02, max: 0.98, step: 0.01 },
  seed: { min: 0, max: 9999, step: 1 },
  beyond: { min: 0, max: 1, step: 1 },
  amount: { min: 0.1, max: 3, step: 0.1 },
  size: { min: 0.4, max: 2, step: 0.1 },
  warp: { min: 0, max: 1000, step: 50 },
  density: { min: 0.1, max: 0.9, step: 0.05 },
  blur: { min: 0.8, max: 4, step: 0.2 },
  brightness: { min: 0.2, max: 1, step: 0.05 },
  channel: { min: 0, max: 24, step: 1 },
} as const satisfies Record<string, Range>;

export type Setting = keyof typeof SETTINGS;
export type Settings = Partial<Record<Setting, number>>;

export const SETTING_NAMES = Object.keys(SETTINGS) as Setting[];

export interface State {
  step: StepId;
  /** Along LPS axes, from 0; the lesson proposes one where there is none. */
  slice: number | undefined;
  /** Those that are not as the analysis or the generator has them. */
  settings: Settings;
}

/** The name under which the address holds the step. */
const KEY = 'learn';

/** Reads the part of an address behind #; nothing where it is not a lesson's. What is not understood is left out. */
export function parse(hash: string): State | undefined {
  const query = new URLSearchParams(hash.replace(/^#/, ''));
  const asked = query.get(KEY);
  if (asked === null) return undefined;
  const settings: Settings = {};
  for (const name of SETTING_NAMES) {
    const value = number(query.get(name));
    if (value !== undefined) settings[name] = fit(name, value);
  }
  const slice = number(query.get('slice'));
  return {
    step: STEPS.find((step) => step === asked) ?? STEPS[0],
    // People count slices from 1.
    slice: slice === undefined ? undefined : Math.max(0, Math.round(slice) - 1),
    settings,
  };
}

/** The part of an address behind #, with it. */
export function format({ step, slice, settings }: State): string {
  const query = new URLSearchParams({ [KEY]: step });
  if (slice !== undefined) query.set('slice', String(slice + 1));
  for (const name of SETTING_NAMES) {
    const value = settings[name];
    if (value !== undefined) query.set(name, String(value));
  }
  return `#${query}`;
}

/** The nearest value that the setting can take. */
export function fit(name: Setting, value: number): number {
  const { min, max, step } = SETTINGS[name];
  const steps = Math.round((Math.min(Math.max(value, min), max) - min) / step);
  // Without what the addition of fractions leaves behind.
  return Number((min + steps * step).toFixed(4));
}

/** The step so many after this one; the first and the last have no neighbour. */
export function neighbour(step: StepId, by: 1 | -1): StepId | undefined {
  return STEPS[STEPS.indexOf(step) + by];
}

function number(text: string | null): number | undefined {
  if (text === null || text.trim() === '') return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}
