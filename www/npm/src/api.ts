/** What the package `pleura` promises: its types. */
import type { AxialSlice, CpuReason, NamedBytes, NetworkName, Options, ScanInfo, SeriesInfo, Tap, Warning } from '../../src/protocol.ts';
import type { Report } from '../../src/report.ts';

export type { AxialSlice, CpuReason, NamedBytes, Report, ScanInfo, SeriesInfo, Tap, Warning };
export type Network = NetworkName;

export interface EngineOptions {
  /** `auto` takes a real GPU where the browser offers one, else the CPU; `gpu` takes a software GPU too. */
  device?: 'auto' | 'gpu' | 'cpu';
  /** Workers that compute on the CPU; by default one for each core, up to four. */
  workers?: number;
  /** Cap on a GPU buffer in MB; 128 by default, which WebGPU promises everywhere. */
  maxBufferMb?: number;
  /** Folder with `manifest.json` and the weights, in place of those of the package: needed for `precision: 'f32'`. */
  modelsUrl?: string | URL;
  /** Where the package's folder `assets` lies, if not beside its module. Of the page's own origin, or no Worker starts. */
  assetsUrl?: string | URL;
}

/** What computes. */
export interface Device {
  kind: 'gpu' | 'cpu';
  name: string;
  /** On the CPU; one on the GPU. */
  workers: number;
  /** Why the CPU was taken. */
  reason?: CpuReason;
}

export interface NamedBlob {
  name: string;
  file: Blob;
}

export interface NamedBuffer {
  name: string;
  bytes: Uint8Array | ArrayBuffer;
}

/** One file. A Blob without a name is called `scan`. */
export type Piece = Blob | NamedBlob | NamedBuffer;

/**
 * A scan or a picture: one file (NIfTI, NRRD, MetaImage, DICOM, a zip of DICOM files, PNG, JPEG), or all files of a DICOM folder.
 * A `FileList` will do.
 */
export type Input = Piece | Iterable<Piece>;

export type ProgressStage = 'engine' | 'open' | 'weights' | 'prepare' | 'tiles' | 'finish';

export interface Progress {
  stage: ProgressStage;
  /** 0 to 1 over everything; never goes back. */
  fraction: number;
  /** What is being computed, in words; empty before. */
  label: string;
  /** Known once a part has been timed. */
  secondsLeft: number | undefined;
}

/** What a call may be told beside its work. */
export interface CallOptions {
  /** Stops the work at once: its Workers end, and the call rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** The engine's options: every one has the command line's default. */
export interface SegmentOptions extends Partial<Options>, CallOptions {
  /** What results are named after, without its ending; by default the file or the folder. */
  name?: string;
  /**
   * The DICOM series to take, by its SeriesInstanceUID; or a function that chooses where there are several CT series, the largest
   * first. By default the largest.
   */
  series?: string | ((choices: SeriesInfo[]) => string | Promise<string>);
  onProgress?(progress: Progress): void;
}

/** A mask's voxels, x fastest, on the scan's own grid; a picture is one slice. */
export interface Voxels {
  dims: [nx: number, ny: number, nz: number];
  /** The first three rows of the matrix from voxel to mm (RAS); nothing for a picture. */
  affine: [number, number, number, number][] | undefined;
  values: Uint8Array;
}

export interface Mask extends NamedBytes {
  /** `lungs`, `normnet` or `infnet`; `classes` of a picture. */
  kind: string;
  /** What its values mean. */
  labels: Record<string, string>;
  /** Unpacks the file. */
  read(): Promise<Voxels>;
}

export interface Segmentation {
  masks: Mask[];
  /** The measures; nothing for a picture, which has no millilitres. */
  report: Report | undefined;
  /** Everything that the page offers for saving, masks and report included. */
  files: NamedBytes[];
  /** What makes the result less reliable. */
  warnings: Warning[];
  device: Device;
}

export interface TapOptions extends CallOptions, Partial<Pick<Options, 'infnet' | 'precision'>> {}

export interface Phantom {
  seed?: number;
  lesions?: number;
  /** Height of a piece; the whole chest by default. */
  pieceMm?: number;
}

/** Calls that come while another is at work wait for it. */
export interface Engine {
  /** What computes; may change when a device fails. */
  readonly device: Device;
  /** Of the engine. */
  readonly version: string;
  /** Finds lungs and lesions. Rejects with a `PleuraError`. */
  segment(input: Input, options?: SegmentOptions): Promise<Segmentation>;
  /**
   * Inf-Net's intermediate tensors on one axial slice, in the order in which they arise: features `f2` to `f5`, the decoder's map
   * `global`, reverse attention `ra5` to `ra2`, the maps `S_g`, `S_5` to `S_2`, the edges `S_e`, and others. Logits, not
   * probabilities; the prediction is the finest, `S_2`.
   */
  taps(slice: AxialSlice, names: readonly string[], options?: TapOptions): Promise<Tap[]>;
  /** A chest phantom with lesions, to try with. */
  phantom(phantom?: Phantom, options?: CallOptions): Promise<NamedBytes>;
  /** Ends all Workers. Calls under way, and later ones, reject. */
  close(): void;
}

export type ErrorStage = 'engine' | 'demo' | 'weights' | 'open' | 'prepare' | 'finish' | 'worker' | 'taps' | 'closed';

/** Why a call failed; the text says of which file, and what to do. */
export class PleuraError extends Error {
  override readonly name = 'PleuraError';

  constructor(
    /** Where in the work: `worker` where Workers died again and again, for want of memory for instance. */
    readonly stage: ErrorStage,
    message: string,
  ) {
    super(message);
  }
}
