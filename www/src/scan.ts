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

/** Which of these files is a mask of lesions, if one is. */
export type FindMask = (files: NamedFile[]) => Promise<NamedFile | undefined>;

const NIFTI = /\.nii(\.gz)?$/i;

export async function scanOf({ name, files }: Opened, findMask: FindMask): Promise<Scan> {
  const scan: Scan = { name, files };
  const candidates = mayBeMasks(files);
  const truth = candidates.length > 0 ? await findMask(candidates) : undefined;
  if (truth !== undefined) {
    const rest = files.filter((file) => file !== truth);
    Object.assign(scan, { truth, files: rest, name: rest.length === 1 ? rest[0]?.name : name });
  }
  const [only] = scan.files;
  if (only !== undefined && scan.files.length === 1 && (await isShownByItself(only.file))) scan.own = only.file;
  return scan;
}

/** Of two files both, of a series the one that is no slice of it: a file has to be read to its end to know a mask. */
function mayBeMasks(files: NamedFile[]): NamedFile[] {
  if (files.length <= 2) return files.length === 2 ? files : [];
  const nifti = files.filter(({ name }) => NIFTI.test(name));
  return nifti.length === 1 ? nifti : [];
}

/** Pictures, and NIfTI-1 packed or not. */
async function isShownByItself(file: Blob): Promise<boolean> {
  const head = await beginning(file).catch(() => new Uint8Array());
  return looksLikePicture(head.subarray(0, HEAD_BYTES)) || layoutOf(head, Infinity) !== undefined;
}
