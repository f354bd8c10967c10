/** Unpacks a NIfTI file as it streams by, so that its middle slice can be seen before the rest is there. */
import { HEADER_BYTES, layoutOf, type Layout } from './preview.ts';

type Bytes = Uint8Array<ArrayBuffer>;

/** The file's bytes, unpacked if they are packed. */
export async function gunzip(file: Blob): Promise<Bytes> {
  const content = (await isPacked(file)) ? new Response(unpacked(file)) : file;
  return new Uint8Array(await content.arrayBuffer());
}

/** The same; `early` is told as soon as the first half is there, if the header can be read. */
export async function gunzipScan(file: Blob, early: (raw: Bytes, layout: Layout) => void): Promise<Bytes> {
  if (!(await isPacked(file))) {
    const raw = await gunzip(file);
    const layout = layoutOf(raw);
    if (layout !== undefined) early(raw, layout);
    return raw;
  }
  let raw = new Uint8Array(file.size);
  let length = 0;
  let layout: Layout | undefined;
  let told = false;
  for await (const chunk of unpacked(file)) {
    if (length + chunk.length > raw.length) raw = grown(raw, length, Math.max(2 * raw.length, length + chunk.length));
    raw.set(chunk, length);
    length += chunk.length;
    if (layout === undefined && length > HEADER_BYTES) {
      layout = layoutOf(raw, Infinity);
      // The header says how much is to come, so that nothing has to be moved again.
      if (layout !== undefined && sizeOf(layout) > raw.length) raw = grown(raw, length, Math.min(sizeOf(layout), MOST_BYTES));
    }
    if (layout !== undefined && !told && length >= middleOf(layout).end) {
      told = true;
      early(raw, layout);
    }
  }
  return raw.subarray(0, length);
}

/** The first bytes of the file, unpacked if they are packed: enough for a header. */
export async function beginning(file: Blob): Promise<Bytes> {
  if (!(await isPacked(file))) return new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  const reader = unpacked(file).getReader();
  let head = new Uint8Array();
  while (head.length < HEAD_BYTES) {
    const { done, value } = await reader.read();
    if (done) break;
    head = Uint8Array.from([...head, ...value.subarray(0, HEAD_BYTES)]);
  }
  // The rest is not wanted; that the file ends too early is for those to say who read it whole.
  void reader.cancel().catch(() => undefined);
  return head;
}

/** A header and what tells whether extensions follow. */
const HEAD_BYTES = HEADER_BYTES + 4;

/** A header may promise anything. */
const MOST_BYTES = 1e9;

export function sliceBytes(layout: Layout): number {
  return layout.dims[0] * layout.dims[1] * layout.bytesPerVoxel;
}

/** Where the middle one of the file's slices lies. */
export function middleOf(layout: Layout): { begin: number; end: number } {
  const begin = layout.offset + Math.floor(layout.dims[2] / 2) * sliceBytes(layout);
  return { begin, end: begin + sliceBytes(layout) };
}

function sizeOf(layout: Layout): number {
  return layout.offset + sliceBytes(layout) * layout.dims[2] * layout.frames;
}

function grown(raw: Bytes, length: number, size: number): Bytes {
  const larger = new Uint8Array(size);
  larger.set(raw.subarray(0, length));
  return larger;
}

async function isPacked(file: Blob): Promise<boolean> {
  const head = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  return head[0] === 0x1f && head[1] === 0x8b;
}

function unpacked(file: Blob): ReadableStream<Bytes> {
  return file.stream().pipeThrough(new DecompressionStream('gzip'));
}
