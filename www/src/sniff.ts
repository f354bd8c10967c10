/** Whether a file is a picture or a volume: by its first bytes, never by its name. */

const PNG = [0x89, 0x50, 0x4e, 0x47];
const JPEG = [0xff, 0xd8, 0xff];
/** An archive, and an empty one, which begins with its end. */
const ZIP = [
  [0x50, 0x4b, 3, 4],
  [0x50, 0x4b, 5, 6],
];

/** Bytes that these functions want to see. */
export const HEAD_BYTES = 4;

export function looksLikePicture(head: Uint8Array): boolean {
  return begins(head, [PNG, JPEG]);
}

export function looksLikeZip(head: Uint8Array): boolean {
  return begins(head, ZIP);
}

function begins(head: Uint8Array, magics: number[][]): boolean {
  return magics.some((magic) => magic.every((byte, i) => head[i] === byte));
}
