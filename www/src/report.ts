/** The engine's report as the panel reads it: `Findings` of the engine, without what is not shown. */
import type { NetworkName, Warning } from './protocol.ts';

export interface Amount {
  ml: number;
  /** Of the lung volume; null where there is no lung. */
  percent: number | null;
}

export interface Affected {
  lesion: Amount;
  /** Null where classes were not told apart. */
  ground_glass: Amount | null;
  consolidation: Amount | null;
}

export interface Third {
  normnet_percent: number | null;
  infnet_percent: number | null;
}

export interface LungFindings {
  lung_ml: number;
  /** Null where the network did not run. */
  normnet: Affected | null;
  infnet: Affected | null;
  thirds: { upper: Third; middle: Third; lower: Third };
}

export interface Lesion {
  ml: number;
  side: 'right' | 'left';
  /** First and last slice, from 0. */
  slices: [number, number];
  /** RAS, mm. */
  centroid_mm: [number, number, number];
  mean_hu: number;
  class: 'ground-glass' | 'consolidation' | null;
}

export interface Lesions {
  listed: Lesion[];
  smaller: number;
  smaller_ml: number;
}

/** Lung voxels by HU: in each bin, below the first and above the last. */
export interface HuCounts {
  below: number;
  bins: number[];
  above: number;
}

/** Null where classes were told apart, or were not. */
export interface HuClasses {
  healthy: HuCounts;
  lesion: HuCounts | null;
  ground_glass: HuCounts | null;
  consolidation: HuCounts | null;
}

export interface HuHistogram {
  start_hu: number;
  bin_hu: number;
  normnet: HuClasses | null;
  infnet: HuClasses | null;
}

export interface Report {
  schema_version: number;
  warnings: Warning[];
  both: LungFindings;
  right: LungFindings;
  left: LungFindings;
  normnet: Lesions | null;
  infnet: Lesions | null;
  agreement_dice: number | null;
  hu_histogram: HuHistogram;
  /** Lesions that a person took away; absent where none was. */
  removed?: { network: NetworkName; lesion: Lesion }[];
  /** What was done with the brush; absent where nothing was. */
  painted?: { network: NetworkName; strokes: number; voxels_added: number; voxels_removed: number }[];
  masks: { name: string; labels: Record<string, string> }[];
}

/** The layout that this page knows. */
const SCHEMA_VERSION = 1;

export function readReport(json: string): Report {
  const report = JSON.parse(json) as Report;
  if (report.schema_version !== SCHEMA_VERSION) {
    throw new Error(`the report has layout ${report.schema_version}, this page reads ${SCHEMA_VERSION}`);
  }
  return report;
}

/** The networks that ran. */
export function networksOf(report: Report): NetworkName[] {
  return (['normnet', 'infnet'] as const).filter((network) => report[network] !== null);
}

/** Whether a person has changed anything. */
export function isEdited({ removed, painted }: Report): boolean {
  return removed !== undefined || painted !== undefined;
}

/** Whether Inf-Net's mask tells ground glass from consolidation. */
export function classified(report: Report): boolean {
  return report.masks.some((mask) => mask.name === 'infnet' && '2' in mask.labels);
}
