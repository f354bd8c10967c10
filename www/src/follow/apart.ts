/** What is opened together and does not belong together: scans of several days, and saved reports. */
import type { Opened } from '../folder.ts';
import type { NamedFile } from '../protocol.ts';
import type { FindMask, Scan } from '../scan.ts';

/** Files that are a whole scan each: those of formats that hold one, and archives of a series. */
const WHOLE = /\.(nii|nii\.gz|nrrd|mha|zip)$/i;
const NIFTI = /\.nii(\.gz)?$/i;
const REPORT = /\.json$/i;

/** Whether these are reports, of which no scan is made. */
export function areReports({ files }: Opened): boolean {
  return files.every(({ name }) => REPORT.test(name));
}

/** The scans, one after the other; one where what was opened is one, or can't be told apart. */
export async function apart(scan: Scan, findMask: FindMask): Promise<Opened[]> {
  const { name, files, truth } = scan;
  const together = [{ name, files }];
  if (truth !== undefined || files.length < 2 || !files.every((file) => WHOLE.test(file.name))) return together;
  // Of two files it is known already that none is a mask. Which of several scans a mask belongs to is not known.
  const nifti = files.filter((file) => NIFTI.test(file.name));
  const mask = files.length > 2 && nifti.length > 0 ? await findMask(nifti) : undefined;
  return mask === undefined ? files.map(alone) : together;
}

function alone(file: NamedFile): Opened {
  return { name: file.name.split('/').at(-1) ?? file.name, files: [file] };
}
