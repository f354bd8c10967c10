/** Whether a file is a picture or a volume: by its first bytes, never by its name. */

const PNG = [0x89, 0x50, 0x4e, 0x47];
const JPEG = [0xff, 0xd8, 0xff];

/** Bytes that `looksLikePicture` wants to see. */
export const HEAD_BYTES = 4;

export function looksLikePicture(head: Uint8Array): boolean {
  return [PNG, JPEG].some((magic) => magic.every((byte, i) => head[i] === byte));
}
