/** What a caller may hand over as a scan, made the files that the engine takes. */
import { fromNamed, MOST_FILES, TooManyFiles, type Opened } from '../../src/folder.ts';
import type { NamedFile } from '../../src/protocol.ts';
import { PleuraError, type Input, type Piece } from './api.ts';

const NAMELESS = 'scan';

export function opened(input: Input, name: string | undefined): Opened {
  const files = pieces(input).map(named);
  const found = listed(files);
  if (found === undefined) throw new PleuraError('open', 'there is no file to open: give one, or those of a folder');
  return { ...found, name: name ?? found.name };
}

function pieces(input: Input): Piece[] {
  if (typeof input === 'object' && input !== null) {
    if (input instanceof Blob || 'bytes' in input || 'file' in input) return [input];
    if (Symbol.iterator in input) return [...input];
  }
  throw new PleuraError('open', 'this is no scan: give a File, a Blob, { name, bytes } or { name, file }, or several of them');
}

function named(piece: Piece): NamedFile {
  if (piece instanceof File) return { name: piece.webkitRelativePath || piece.name, file: piece };
  if (piece instanceof Blob) return { name: NAMELESS, file: piece };
  if ('file' in piece) return piece;
  // The Worker reads it later: what the caller does with the buffer meanwhile must not matter.
  return { name: piece.name, file: new Blob([piece.bytes as Uint8Array<ArrayBuffer> | ArrayBuffer]) };
}

function listed(files: NamedFile[]): Opened | undefined {
  try {
    return fromNamed(files);
  } catch (error) {
    if (!(error instanceof TooManyFiles)) throw error;
    throw new PleuraError('open', `there are more than ${MOST_FILES} files: give those of one scan`);
  }
}
