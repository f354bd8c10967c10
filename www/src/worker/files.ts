/** The bytes of what was opened, as the engine takes them. */
import { admit, head, opens } from '../../pkg/pleura.js';
import type { Bytes, NamedFile } from '../protocol.ts';

export interface Contents {
  names: string[];
  bytes: Bytes[];
}

/** Reads what may be a scan. Of one file, or where nothing may be, all is read, so that the engine says what is wrong with it. */
export async function readFiles(files: readonly NamedFile[]): Promise<Contents> {
  const wanted = files.length === 1 ? files : await scans(files);
  const taken = wanted.length > 0 ? wanted : files;
  admit(taken.reduce((total, { file }) => total + file.size, 0));
  const contents: Contents = { names: [], bytes: [] };
  for (const { name, file } of taken) {
    contents.names.push(name);
    contents.bytes.push(new Uint8Array(await file.arrayBuffer()));
  }
  return contents;
}

async function scans(files: readonly NamedFile[]): Promise<NamedFile[]> {
  const found: NamedFile[] = [];
  for (const each of files) {
    if (opens(new Uint8Array(await each.file.slice(0, head()).arrayBuffer()))) found.push(each);
  }
  return found;
}
