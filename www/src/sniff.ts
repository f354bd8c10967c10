/** What a file is by its first bytes, as far as the page needs to know to show it before its analysis. */

export type Kind = 'picture' | 'nifti' | 'gzip' | 'other';

const PNG = [0x89, 0x50, 0x4e, 0x47];
const JPEG = [0xff, 0xd8, 0xff];
const GZIP = [0x1f, 0x8b];
const NIFTI_MAGIC_AT = 344;

export function sniff(head: Uint8Array): Kind {
  if (starts(head, PNG) || starts(head, JPEG)) return 'picture';
  if (starts(head, GZIP)) return 'gzip';
  const magic = String.fromCharCode(...head.subarray(NIFTI_MAGIC_AT, NIFTI_MAGIC_AT + 3));
  return magic === 'n+1' ? 'nifti' : 'other';
}

/** Bytes that `sniff` wants to see. */
export const HEAD_BYTES = 352;

function starts(head: Uint8Array, magic: number[]): boolean {
  return magic.every((byte, i) => head[i] === byte);
}
