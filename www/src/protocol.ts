/** What the page and its Workers say to each other. */
import type { Comparison } from './truth.ts';

/** Options of an analysis, passed to the engine as JSON. */
export interface Options {
  model: 'both' | 'normnet' | 'infnet';
  normnet: 'paper' | 'best';
  infnet: 'semi' | 'labelled';
  precision: 'int8' | 'f32';
  /** What draws the lungs; the engine's default is the network. */
  lungs?: 'network' | 'threshold';
  /** What tells ground glass from consolidation; the engine's default is density. */
  classes?: 'density' | 'network';
  /** Looks at each slice, 1 to 8, that Inf-Net's opinion is averaged over; the engine's default is 8 for a picture and 2 for a scan. */
  looks?: number;
}

/** `auto` takes the GPU where there is a real one, `gpu` insists, `cpu` leaves it alone. */
export type DeviceChoice = 'auto' | 'gpu' | 'cpu';

export interface EngineSettings {
  device: DeviceChoice;
  /** Cap on a GPU buffer in MB; 0 leaves it to the engine. */
  maxBufferMb: number;
  /** Compute Workers on the CPU; 0 goes by the machine. */
  workers: number;
}

/** Why the CPU was taken, as a key into the strings. */
export type CpuReason =
  | { code: 'asked' }
  | { code: 'no-webgpu' }
  | { code: 'no-adapter' }
  | { code: 'software'; name: string }
  | { code: 'no-timestamps'; name: string }
  | { code: 'failed'; name: string }
  | { code: 'gave-up' };

export interface DeviceInfo {
  kind: 'gpu' | 'cpu';
  name: string;
  software: boolean;
}

/** What the engine says of a file that it could read. */
export interface ScanInfo {
  kind: 'volume' | 'image';
  /** Along the file's own axes; a picture has width and height first. */
  dims: number[];
  /** mm; of no use for a picture. */
  spacing: number[];
  warnings: Warning[];
  /** Of the files, as the run manifest has it. */
  sha256: string;
}

export interface Warning {
  code: string;
  text: string;
}

export type Bytes = Uint8Array<ArrayBuffer>;

export interface NamedBytes {
  name: string;
  bytes: Bytes;
}

/** One tile's result, kept by the page so that a new case Worker can go on from it. */
export type Tile = [index: number, bytes: Bytes];

/** A file with its path in the folder that it came from. A Blob goes to a Worker by reference. */
export interface NamedFile {
  name: string;
  file: Blob;
}

export interface Job {
  name: string;
  files: NamedFile[];
  /** The DICOM series to take; where none is named and there are several, the Worker asks. */
  series: string | undefined;
  /** Whether the viewer can't read the files by itself, so that the Worker hands over what is to be seen. */
  show: boolean;
  options: Options;
  /** The lungs as an earlier analysis has saved them: they are not looked for again. */
  lungs?: Bytes;
}

/** A grey picture, row by row. */
export interface Thumbnail {
  width: number;
  height: number;
  pixels: number[];
}

/** A stack of slices that belong together. */
export interface SeriesInfo {
  uid: string;
  description: string;
  modality: string;
  slices: number;
  thickness_mm: number | null;
  kernel: string;
  rows: number;
  columns: number;
  /** YYYY-MM-DD. */
  date: string | null;
  thumbnail: Thumbnail | null;
}

/** Settings of NormNet's post-processing that differ from the analysis's. */
export interface LessonThresholds {
  healthy?: number;
  votes?: number;
  bright?: number;
  full?: number;
}

/** Settings of the lesion generator; what is absent is drawn. */
export interface LessonGenerator {
  seed: number;
  beyond?: boolean;
  amount?: number;
  size?: number;
  warp?: number;
  density?: number;
  blur?: number;
  brightness?: number;
}

/** A step on slice `k` of the scan, along LPS axes. The engine says at `Ask` what each shows. */
export type LessonAsk = { k: number } & (
  | { of: 'scan' | 'crop' | 'frame' | 'edges' }
  | { of: 'infnet'; infection?: number }
  | ({ of: 'lesions' } & LessonGenerator)
  | ({ of: 'models' | 'post' | 'normnet' } & LessonThresholds)
);

/** Values of a slice, row by row; LPS: the patient's right is on the left. */
export interface Picture {
  width: number;
  height: number;
  values: Float32Array<ArrayBuffer>;
}

export interface LessonShown {
  pictures: Record<string, Picture>;
  facts: Record<string, number>;
}

export interface LessonRect {
  start: [number, number];
  size: [number, number];
}

type Three = [number, number, number];

/** What a lesson can be about, as the engine says it. */
export interface LessonOutline {
  dims: Three;
  spacing_mm: Three;
  /** First slice that shows lung, and the last. */
  lungs: [number, number];
  suggested: number;
  normnet: {
    dims: Three;
    spacing_mm: Three;
    view: LessonRect;
    /** Column, row, columns and rows of the network's window within the scan's slice. */
    window: [number, number, number, number];
    models: string[];
    post: { healthy: number; votes: number; bright_threshold: number; full_threshold: number };
    kernels: [Three, Three];
    tiles: number;
  } | null;
  infnet: {
    crop: LessonRect;
    side: number;
    infection: number;
    temperature: number;
    first_tile: number;
    /** Slices before and after one that its probability is averaged with. */
    reach: number;
  } | null;
}

export interface Demo {
  seed: number;
  lesions: number;
  /** Edge of a cubic piece in mm; 0 is the whole chest. */
  pieceMm: number;
}

/** Where in the work an error arose; decides what the page can advise. */
export type Stage = 'engine' | 'demo' | 'weights' | 'open' | 'prepare' | 'finish';

/** What every Worker may say. */
export type FromAny =
  | { type: 'heartbeat' }
  /** The Worker can't go on (lost device, out of memory); a new one may. */
  | { type: 'broken'; message: string }
  /** Posted by the engine's panic hook: its promises will never settle. */
  | { type: 'panic'; text: string };

/** The module was compiled by the page, once for all. */
export type ToCase =
  | { type: 'demo'; module: WebAssembly.Module; demo: Demo }
  | { type: 'open'; module: WebAssembly.Module; manifest: Bytes; job: Job }
  /** The answer to `series`. */
  | { type: 'choose'; series: string }
  /** The weights that `lungs` asked for. */
  | { type: 'lungs'; file: string; blob: Blob }
  | { type: 'input'; index: number }
  | { type: 'merge'; tile: Tile }
  | { type: 'finish'; device: string }
  /** Of a planned scan: what can be shown of the steps to its masks, or one of them. */
  | { type: 'outline' }
  | { type: 'lesson'; id: number; ask: LessonAsk };

export type FromCase =
  | FromAny
  | { type: 'demo'; file: NamedBytes }
  /** Said before the file is opened, and again if it was not what it looked like. */
  | { type: 'needs'; files: string[] }
  /** There are several: which is it to be? */
  | { type: 'series'; series: SeriesInfo[] }
  | { type: 'info'; info: ScanInfo }
  /** A file that the viewer reads: NIfTI on the scan's own axes, or PNG. */
  | { type: 'shown'; file: Bytes }
  /** This weight file is needed before the lungs can be drawn. */
  | { type: 'lungs'; file: string }
  /** It was what the manifest promises, or it was not. */
  | { type: 'lungs-loaded' }
  | { type: 'lungs-unfit'; message: string }
  | { type: 'prepare'; fraction: number }
  | { type: 'plan'; labels: string[] }
  /** `work` is what the engine has to do with the input, opaque to the page. */
  | { type: 'input'; index: number; work: string; input: Bytes }
  | { type: 'result'; report: string; files: NamedBytes[] }
  | { type: 'outline'; outline: LessonOutline }
  | { type: 'lesson'; id: number; shown: LessonShown }
  /** The step can't be shown. */
  | { type: 'unshown'; id: number; message: string }
  /** The work can't be done and trying again would not change that. */
  | { type: 'failed'; stage: Stage; message: string };

/** An axial slice, row by row: in HU, or in the grey levels that Inf-Net sees (−1117 to 285 HU are 0 to 255). */
export type AxialSlice = { width: number; height: number } & ({ grey: Bytes } | { hu: Int16Array<ArrayBuffer> });

/** An intermediate tensor of a network, row-major. */
export interface Tap {
  name: string;
  /** `[1, channels, height, width]`. */
  shape: number[];
  values: Float32Array<ArrayBuffer>;
}

export type ToCompute =
  | { type: 'start'; module: WebAssembly.Module; device: 'gpu' | 'cpu'; maxBufferMb: number }
  /** A Blob goes by reference: the bytes of a file exist once however many Workers read it. */
  | { type: 'weights'; manifest: Bytes; file: string; blob: Blob }
  | { type: 'compute'; index: number; work: string; input: Bytes }
  /** The loaded Inf-Net's intermediate tensors of these names. */
  | { type: 'taps'; id: number; slice: AxialSlice; names: string[] };

export type FromCompute =
  | FromAny
  | { type: 'ready'; version: string; device: DeviceInfo }
  /** The GPU would not open; the Worker is sound, but of no use. */
  | { type: 'refused'; message: string }
  | { type: 'loaded'; file: string }
  /** The file is not what the manifest promises. */
  | { type: 'unfit'; file: string; message: string }
  | { type: 'tile'; tile: Tile }
  | { type: 'taps'; id: number; taps: Tap[] }
  /** The slice or a name is not what it should be. */
  | { type: 'untapped'; id: number; message: string };

export type NetworkName = 'normnet' | 'infnet';

/** A lesion by its place, from 0, in the list of its network. */
export interface Removal {
  network: NetworkName;
  listed: number;
}

/** One movement of the brush, as the engine reads it. */
export interface Stroke {
  network: NetworkName;
  erase: boolean;
  diameter_mm: number;
  /** The way of its middle on an axial slice, RAS. */
  points_mm: [number, number, number][];
}

/** What a person does to the masks. */
export type Edit = ({ type: 'remove' } & Removal) | ({ type: 'paint' } & Stroke) | { type: 'undo' };

export type ToCorrect =
  /** `made` is what the analysis gave; `edits` what had been done to it in an earlier Worker. */
  | {
      type: 'open';
      module: WebAssembly.Module;
      name: string;
      files: NamedFile[];
      series: string | undefined;
      made: NamedBytes[];
      edits: Edit[];
    }
  | { type: 'edit'; edits: Edit[] };

export type FromCorrect =
  | FromAny
  | { type: 'opened' }
  /** The report and those of the files that can change. */
  | { type: 'corrected'; report: string; files: NamedBytes[] }
  | { type: 'failed'; message: string };

/** Of how many voxels along each of the file's axes one is shown. */
export type Steps = [number, number, number];

/** Which axis of the file runs along each of R, A and S, from 1; negative where it runs the other way. */
export type Order = [number, number, number];

export type LayerName = 'lungs' | 'normnet' | 'ggo' | 'consolidation';
export type Visible = Record<LayerName, boolean>;
/** What is to be seen: with `difference`, of the lesions only those that one network alone marks. */
export type View = Visible & { difference: boolean };

/** An axial slice on the radiological display, RGBA. */
export interface FirstSlice {
  pixels: Uint8ClampedArray<ArrayBuffer>;
  width: number;
  height: number;
}

/** A scan made ready for the viewer. */
export interface ShownScan {
  /** A NIfTI file, unpacked and thinned. */
  file: Bytes;
  /** Before it was thinned, along the file's own axes. */
  dims: [number, number, number];
  steps: Steps;
}

/** The view Worker answers every message with one of the same number. */
export type ToView =
  | { type: 'scan'; id: number; file: Blob; budget: number }
  | { type: 'masks'; id: number; files: NamedBytes[]; steps: Steps; order: Order }
  | { type: 'codes'; id: number; view: View }
  | { type: 'mask'; id: number; file: Blob }
  | { type: 'compare'; id: number; truth: Blob; files: NamedBytes[] };

export type FromView =
  /** Said before the answer, once half of the file is unpacked. */
  | { type: 'first'; slice: FirstSlice }
  /** Nothing where it is no whole NIfTI file. */
  | { type: 'scan'; id: number; scan: ShownScan | undefined }
  | { type: 'masks'; id: number; present: Visible }
  | { type: 'codes'; id: number; codes: Bytes }
  /** Whether the file is a mask. */
  | { type: 'mask'; id: number; is: boolean }
  /** Nothing where the truth lies on another grid. */
  | { type: 'compare'; id: number; comparison: Comparison | undefined }
  | { type: 'failed'; id: number; message: string };
