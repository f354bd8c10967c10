/** What the page and the follow-up's Worker say to each other, and the comparison as the engine gives it. */
import type { Bytes, NetworkName, View } from '../protocol.ts';
import type { HuWindow } from '../windows.ts';

/** Who says when a scan was made. */
export type DateSource = 'given' | 'report' | 'file-name';

export interface FoundDate {
  /** YYYY-MM-DD. */
  date: string;
  date_from: DateSource;
}

export type Lung = 'both' | 'right' | 'left';
export type Part = 'whole' | 'upper' | 'middle' | 'lower';

export interface Value {
  lung_ml: number;
  /** Null where the network did not run. */
  ml: number | null;
  percent: number | null;
  /** Percentage points; null where there is nothing to compare with. */
  from_first: number | null;
  from_previous: number | null;
}

export interface Row {
  network: NetworkName;
  lung: Lung;
  part: Part;
  /** One for each scan. */
  values: Value[];
}

export interface FollowedScan {
  case: string;
  date: string;
  date_from: DateSource;
  days_from_first: number;
  days_from_previous: number | null;
  /** Both lungs, the right, the left. */
  lung_ml: [number, number, number];
  slice_mm: number | null;
}

/** `FollowUp` of the engine, without what is not shown. */
export interface Compared {
  schema_version: number;
  scans: FollowedScan[];
  rows: Row[];
  /** What makes days hard to compare, and the scans that it is about, by their places from 0. */
  remarks: { code: string; scans: number[]; text: string }[];
}

/** The words of the chart, as the engine reads them. */
export interface ChartTexts {
  title: string;
  description: string;
  axis: string;
  lungs: [string, string, string];
  decimal: string;
  notice: string;
}

export type Side = 'left' | 'right';

/** A scan that can be drawn. */
export interface Loaded {
  /** Axial slices, and which of them have lung, first and last, from the feet up. */
  slices: number;
  lungs: [number, number];
  /** The slice of which most is marked; null where nothing is. */
  fullest: number | null;
  width: number;
  height: number;
  /** Width by height of the picture in mm. */
  aspect: number;
  /** Shown coarser than it is. */
  thinned: boolean;
}

/** A slice with its masks over it. */
export interface Drawn {
  pixels: Uint8ClampedArray<ArrayBuffer>;
  width: number;
  height: number;
}

/** The Worker answers every question with one of the same number. */
export interface Questions {
  /** The engine's module, before anything is asked of the engine. */
  start: { ask: { module: WebAssembly.Module }; answer: null };
  /** When the scan of a report was made; null where neither the report nor its name says. */
  date: { ask: { name: string; report: Bytes }; answer: FoundDate | null };
  /** Dates as YYYY-MM-DD; an empty one leaves it to report and name. */
  compare: { ask: { names: string[]; reports: Bytes[]; dates: string[] }; answer: { json: string; csv: string } };
  /** The chart of the last comparison. */
  chart: { ask: { texts: ChartTexts }; answer: string };
  /** Takes a scan with its masks; another one on the same side gives way. */
  load: { ask: { side: Side; scan: Blob; masks: { name: string; file: Blob }[] }; answer: Loaded };
  draw: { ask: { side: Side; slice: number; window: HuWindow; view: View; opacity: number }; answer: Drawn };
}

export type Kind = keyof Questions;
export type ToFollow = { [K in Kind]: { id: number; type: K } & Questions[K]['ask'] }[Kind];
export type FromFollow = { type: 'answer'; id: number; answer: Questions[Kind]['answer'] } | { type: 'failed'; id: number; message: string };
