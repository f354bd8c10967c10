/** A run manifest, `<case>_run.json`: what an analysis was of, with what, and what it gave. The engine writes it. */
import type { NamedBytes, NamedFile, Options } from './protocol.ts';

export interface RecordedMask {
  /** What it is of. */
  name: string;
  file: string;
  dims: number[];
  /** Voxels that are not 0. */
  marked: number;
  sha256: string;
}

/** What the page reads of it. */
export interface RunManifest {
  version: string;
  input: { name: string; sha256: string; series?: string };
  options: Options;
  /** A lung mask was given. */
  lungs?: object;
  models: { name: string; file: string; sha256: string }[];
  device: string;
  masks: RecordedMask[];
  /** All other files of the result. */
  files: string[];
}

/** The layout that this page knows. */
const SCHEMA_VERSION = 1;
const NAME = /_run\.json$/i;
/** No run manifest is larger. */
const MAX_BYTES = 1 << 20;

/** Why a run manifest can't be used. */
export class UnfitManifest extends Error {
  constructor(
    readonly file: string,
    /** The layout that it has, where it is another one. */
    readonly schema: number | undefined,
  ) {
    super(`${file} is not a run manifest of layout ${SCHEMA_VERSION}`);
  }
}

/** The one among these files, if there is one. Of the results of many cases none is meant. */
export function findManifest(files: readonly NamedFile[]): NamedFile | undefined {
  const named = files.filter(({ name }) => NAME.test(name));
  return named.length === 1 ? named[0] : undefined;
}

export async function readManifest({ name, file }: NamedFile): Promise<RunManifest> {
  if (file.size > MAX_BYTES) throw new UnfitManifest(name, undefined);
  return parseManifest(name, await file.text());
}

/** The run manifest of an analysis that the page has done. */
export function manifestOf(files: readonly NamedBytes[]): RunManifest | undefined {
  const own = files.find(({ name }) => NAME.test(name));
  return own === undefined ? undefined : parseManifest(own.name, new TextDecoder().decode(own.bytes));
}

/** Comes from outside: every field that is read is looked at. What the options say, the engine judges. */
export function parseManifest(name: string, json: string): RunManifest {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new UnfitManifest(name, undefined);
  }
  const schema = isObject(value) ? value['schema_version'] : undefined;
  if (schema !== SCHEMA_VERSION || !isManifest(value)) {
    throw new UnfitManifest(name, typeof schema === 'number' && schema !== SCHEMA_VERSION ? schema : undefined);
  }
  return value;
}

function isManifest(value: unknown): value is RunManifest {
  if (!isObject(value)) return false;
  const { version, input, options, lungs, models, device, masks, files } = value;
  const series = isObject(input) ? input['series'] : undefined;
  return (
    hasTexts({ version, device }, ['version', 'device']) &&
    hasTexts(input, ['name', 'sha256']) &&
    (series === undefined || typeof series === 'string') &&
    hasTexts(options, ['model', 'normnet', 'infnet', 'precision']) &&
    (lungs === undefined || isObject(lungs)) &&
    isListOf(models, (model) => hasTexts(model, ['name', 'file', 'sha256'])) &&
    isListOf(masks, (mask) => hasTexts(mask, ['name', 'file', 'sha256']) && isObject(mask) && isCounts(mask['dims']) && isCount(mask['marked'])) &&
    isListOf(files, (file) => typeof file === 'string')
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasTexts(value: unknown, names: string[]): boolean {
  return isObject(value) && names.every((name) => typeof value[name] === 'string');
}

function isListOf(value: unknown, fits: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(fits);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isCounts(value: unknown): boolean {
  return isListOf(value, isCount);
}

/** A mask that is not as it was. */
export interface Difference {
  mask: RecordedMask;
  /** Voxels that are marked now; nothing where the mask did not come out. */
  marked: number | undefined;
}

/** The masks of a run that are not as recorded. */
export function differences(then: RunManifest, now: RunManifest): Difference[] {
  return then.masks.flatMap((mask) => {
    const found = now.masks.find(({ name }) => name === mask.name);
    const same = found?.sha256 === mask.sha256 && found.dims.join() === mask.dims.join();
    return same ? [] : [{ mask, marked: found?.marked }];
  });
}

/** The recorded models whose weights are not among these files. */
export function otherWeights(run: RunManifest, entries: readonly { file: string; sha256: string }[]): string[] {
  const has = ({ file, sha256 }: { file: string; sha256: string }): boolean =>
    entries.some((entry) => entry.file === file && entry.sha256 === sha256);
  return run.models.filter((model) => !has(model)).map(({ name }) => name);
}
