/** Folders as the browser hands them over: walked through, and made a plain list of files. */
import type { NamedFile } from './protocol.ts';

/** What a person has opened: one file, or the files of a folder. */
export interface Opened {
  /** The folder's name, or the first file's: results are named after it. */
  name: string;
  files: NamedFile[];
}

/** A whole disk dropped by mistake must not be read; the engine takes no more from an archive either. */
export const MOST_FILES = 20_000;

export class TooManyFiles extends Error {}

/** From a file field. */
export function fromField(files: readonly File[]): Opened | undefined {
  return fromNamed(files.map((file) => ({ name: file.webkitRelativePath || file.name, file })));
}

/** From files with their paths; a folder's files have paths that begin with its name. */
export function fromNamed(named: NamedFile[]): Opened | undefined {
  const [folder = '', inside] = named[0]?.name.split('/') ?? [];
  return listed(named, inside === undefined ? undefined : folder);
}

/** From a drop. The entries have to be asked for before the event is over, the files behind them come later. */
export async function fromEntries(entries: readonly FileSystemEntry[]): Promise<Opened | undefined> {
  const files: NamedFile[] = [];
  for (const entry of entries) await walk(entry, files);
  const folders = entries.filter(isFolder);
  return listed(files, folders.length === 1 ? folders[0]?.name : undefined);
}

function listed(files: NamedFile[], folder: string | undefined): Opened | undefined {
  if (files.length > MOST_FILES) throw new TooManyFiles();
  // What systems leave in folders unseen, such as .DS_Store, nobody means.
  const meant = files.length === 1 ? files : files.filter(({ name }) => !name.split('/').some((part) => part.startsWith('.')));
  const [first] = meant;
  return first === undefined ? undefined : { name: folder ?? first.name.split('/').at(-1) ?? '', files: meant };
}

async function walk(entry: FileSystemEntry, files: NamedFile[]): Promise<void> {
  if (files.length > MOST_FILES) throw new TooManyFiles();
  if (isFile(entry)) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    files.push({ name: entry.fullPath.replace(/^\//, ''), file });
  } else if (isFolder(entry)) {
    const reader = entry.createReader();
    // A reader gives a part of the folder each time, and nothing when it is through.
    for (;;) {
      const part = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      if (part.length === 0) break;
      for (const inside of part) await walk(inside, files);
    }
  }
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}
