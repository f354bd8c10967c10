/** What the page and its worker say to each other. */

/** Options of an analysis, passed to the engine as JSON. */
export interface Options {
  model: 'both' | 'normnet' | 'infnet';
  normnet: 'paper' | 'best';
  infnet: 'semi' | 'labelled';
  precision: 'int8' | 'f32';
}

/** `auto` takes the GPU where there is a real one, `gpu` insists, `cpu` leaves it alone. */
export type DeviceChoice = 'auto' | 'gpu' | 'cpu';

export interface EngineSettings {
  device: DeviceChoice;
  /** Cap on a GPU buffer in MB; 0 leaves it to the engine. */
  maxBufferMb: number;
  /** Address of the folder with the weights and their manifest. */
  models: string;
}

/** Why the CPU was taken, as a key into the strings. */
export type CpuReason =
  | { code: 'asked' }
  | { code: 'no-webgpu' }
  | { code: 'no-adapter' }
  | { code: 'software'; name: string }
  | { code: 'no-timestamps'; name: string }
  | { code: 'failed'; name: string };

export interface DeviceInfo {
  kind: 'gpu' | 'cpu';
  name: string;
  software: boolean;
  /** Set where the CPU was taken. */
  reason?: CpuReason;
}

/** What the engine says of a file that it could read. */
export interface ScanInfo {
  kind: 'volume' | 'image';
  /** Along the file's own axes; a picture has width and height first. */
  dims: number[];
  /** mm; of no use for a picture. */
  spacing: number[];
  warnings: Warning[];
}

export interface Warning {
  code: string;
  text: string;
}

export interface NamedBytes {
  name: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** One tile's result, kept by the page so that a new worker can go on from it. */
export type Tile = [index: number, bytes: Uint8Array<ArrayBuffer>];

export interface Job {
  name: string;
  file: Blob;
  options: Options;
  tiles: Tile[];
}

export interface Demo {
  seed: number;
  lesions: number;
  /** Edge of a cubic piece in mm; 0 is the whole chest. */
  pieceMm: number;
}

export type ToWorker =
  | { type: 'prepare-engine'; settings: EngineSettings }
  | { type: 'demo'; demo: Demo }
  | { type: 'analyse'; settings: EngineSettings; job: Job };

/** Where in the work an error arose; decides what the page can advise. */
export type Stage = 'engine' | 'demo' | 'weights' | 'open' | 'prepare' | 'finish';

export type FromWorker =
  | { type: 'heartbeat' }
  | { type: 'device'; version: string; device: DeviceInfo }
  | { type: 'demo'; file: NamedBytes }
  | { type: 'info'; info: ScanInfo }
  | { type: 'weights'; done: number; total: number; cached: boolean }
  | { type: 'prepare'; fraction: number }
  | { type: 'plan'; labels: string[] }
  | { type: 'tile'; tile: Tile; seconds: number }
  | { type: 'tile-start'; index: number }
  | { type: 'finishing' }
  | { type: 'result'; report: string; files: NamedBytes[] }
  /** The work can't be done and trying again would not change that. */
  | { type: 'failed'; stage: Stage; message: string }
  /** The engine can't go on (lost device, out of memory); a new worker may. */
  | { type: 'broken'; message: string }
  /** Posted by the engine's panic hook: its promises will never settle. */
  | { type: 'panic'; text: string };
