/** The scans and reports of a follow-up, by date. */
import type { Bytes, NamedBytes } from '../protocol.ts';
import type { FoundDate } from './protocol.ts';

/** Bytes of pictures that are held in memory, packed. Files that the person opened stay where they are. */
export const MOST_HELD = 600e6;
/** More reports than any table is wide enough for. */
export const MOST_DATES = 12;

/** A scan that was analysed here, or a report of one that was analysed earlier. */
export interface Entry {
  /** What it is the result of: another result of the same takes its place. */
  of: object;
  /** The report's file. */
  name: string;
  report: Bytes;
  found: FoundDate | null;
  /** As YYYY-MM-DD, by the person; goes before what was found. */
  typed: string | undefined;
  /** What is shown of the scan, and its masks; nothing for a report alone. */
  picture: Picture | undefined;
  /** There was no room for a picture. */
  crowded: boolean;
}

export interface Picture {
  scan: Blob;
  masks: { name: string; file: Blob }[];
}

const MASKS = ['lungs', 'normnet', 'infnet'].map((name) => `_${name}.nii.gz`);

export class Dates {
  private list: Entry[] = [];

  /** By date; behind them those without one, as they came. */
  get entries(): readonly Entry[] {
    return [...this.list].sort((a, b) => order(dateOf(a), dateOf(b)));
  }

  get full(): boolean {
    return this.list.length >= MOST_DATES;
  }

  /** In the place of what is of the same. */
  add(entry: Entry): void {
    const before = this.list.findIndex(({ of }) => of === entry.of);
    if (before >= 0) this.list[before] = { ...entry, typed: this.list[before]?.typed };
    else if (!this.full) this.list.push(entry);
  }

  remove(entry: Entry): void {
    this.list = this.list.filter((each) => each !== entry);
  }

  clear(): void {
    this.list = [];
  }

  /** Whether a picture of so many bytes may be held beside the others than this. */
  hasRoom(bytes: number, of: object): boolean {
    const others = this.list.filter((entry) => entry.of !== of);
    return others.reduce((sum, { picture }) => sum + heldBy(picture), bytes) <= MOST_HELD;
  }
}

export function dateOf({ typed, found }: Entry): string | undefined {
  return typed ?? found?.date;
}

function order(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  return a === undefined ? 1 : b === undefined || a < b ? -1 : 1;
}

/** A file on the person's disk is not in memory. */
export function heldBy(picture: Picture | undefined): number {
  if (picture === undefined) return 0;
  const blobs = [picture.scan, ...picture.masks.map(({ file }) => file)];
  return blobs.reduce((sum, blob) => sum + (blob instanceof File ? 0 : blob.size), 0);
}

/** The masks among the files of an analysis. */
export function masksOf(files: NamedBytes[]): Picture['masks'] {
  const masks = files.filter(({ name }) => MASKS.some((end) => name.endsWith(end)));
  return masks.map(({ name, bytes }) => ({ name, file: new Blob([bytes]) }));
}

/** What is shown of a scan, packed where it lies in memory unpacked. */
export async function packed(scan: Blob): Promise<Blob> {
  if (scan instanceof File) return scan;
  const [first, second] = new Uint8Array(await scan.slice(0, 2).arrayBuffer());
  if (first === 0x1f && second === 0x8b) return scan;
  return new Response(scan.stream().pipeThrough(new CompressionStream('gzip'))).blob();
}
