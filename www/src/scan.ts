/** What the page has open, and what it can show of it before the engine has read it. */
import type { Opened } from './folder.ts';
import { layoutOf } from './preview.ts';
import type { NamedFile } from './protocol.ts';
import { HEAD_BYTES, looksLikePicture } from './sniff.ts';
import { beginning } from './unpack.ts';

export interface Scan {
  name: string;
  files: NamedFile[];
  /** The DICOM series that the person chose. */
  series?: string;
  /** A mask of the true lesions. */
  truth?: NamedFile;
  /** The file itself where the viewer reads its format; of everything else the engine hands over what is to be seen. */
  own?: Blob;
}

/** Which of two files is the scan and which a mask of its lesions. */
export type Sort = (files: NamedFile[]) => Promise<{ scan: NamedFile | undefined; truth: NamedFile | undefined }>;

export async function scanOf({ name, files }: Opened, sort: Sort): Promise<Scan> {
  const scan: Scan = { name, files };
  if (files.length === 2) {
    const pair = await sort(files);
    if (pair.scan !== undefined && pair.truth !== undefined) {
      Object.assign(scan, { name: pair.scan.name, files: [pair.scan], truth: pair.truth });
    }
  }
  const [only] = scan.files;
  if (only !== undefined && scan.files.length === 1 && (await isShownByItself(only.file))) scan.own = only.file;
  return scan;
}

/** Pictures, and NIfTI-1 packed or not. */
async function isShownByItself(file: Blob): Promise<boolean> {
  const head = await beginning(file).catch(() => new Uint8Array());
  return looksLikePicture(head.subarray(0, HEAD_BYTES)) || layoutOf(head, Infinity) !== undefined;
}
