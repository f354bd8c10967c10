/** Label volumes: read from NIfTI, put together into one overlay, and coloured. */
import type { View } from './protocol.ts';

export interface LabelVolume {
  dims: [number, number, number];
  labels: Uint8Array<ArrayBuffer>;
}

const HEADER_BYTES = 348;
const DT_UINT8 = 2;

/** Reads an unpacked uint8 NIfTI-1 file as the engine writes it: one file, little endian, no scaling. */
export function readLabels(raw: Uint8Array<ArrayBuffer>): LabelVolume {
  if (raw.length < HEADER_BYTES) throw new Error('a mask is shorter than its header');
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  if (view.getInt32(0, true) !== HEADER_BYTES || view.getInt16(70, true) !== DT_UINT8) {
    throw new Error('a mask is not a uint8 NIfTI file');
  }
  const dims: LabelVolume['dims'] = [view.getInt16(42, true), view.getInt16(44, true), view.getInt16(46, true)];
  const offset = view.getFloat32(108, true);
  const voxels = dims[0] * dims[1] * dims[2];
  if (raw.length < offset + voxels) throw new Error('a mask has fewer voxels than its header says');
  return { dims, labels: raw.subarray(offset, offset + voxels) };
}

export type Layers = Partial<Record<'lungs' | 'normnet' | 'infnet', Uint8Array>>;

/**
 * One code a voxel for all layers: lung (0–2) + 3 · NormNet (0–1) + 6 · Inf-Net (0 none, 1 ground
 * glass, 2 consolidation). Hidden layers are left out, so that outlines follow what is seen.
 */
export const CODES = 18;

export function compose(layers: Layers, visible: View, voxels: number): Uint8Array<ArrayBuffer> {
  const codes = new Uint8Array(voxels);
  if (layers.lungs !== undefined && visible.lungs) add(codes, layers.lungs, [0, 1, 2]);
  if (layers.normnet !== undefined && visible.normnet) add(codes, layers.normnet, [0, 3]);
  if (layers.infnet !== undefined) {
    add(codes, layers.infnet, [0, visible.ggo ? 6 : 0, visible.consolidation ? 12 : 0]);
  }
  if (visible.difference) dropAgreement(codes);
  return codes;
}

/** Where both networks see a lesion, the lung alone stays. */
function dropAgreement(codes: Uint8Array): void {
  const table = Uint8Array.from({ length: CODES }, (_, code) => {
    const both = Math.floor(code / 3) % 2 === 1 && code >= 6;
    return both ? code % 3 : code;
  });
  for (let i = 0; i < codes.length; i += 1) codes[i] = table[codes[i] as number] as number;
}

function add(codes: Uint8Array, labels: Uint8Array, weights: number[]): void {
  // Indexing a fixed table by the byte keeps the loop free of branches: there are 80 million voxels.
  const table = new Uint8Array(256);
  table.set(weights);
  const count = Math.min(codes.length, labels.length);
  for (let i = 0; i < count; i += 1) codes[i] = (codes[i] as number) + (table[labels[i] as number] as number);
}

export type Rgb = readonly [number, number, number];

/** From Okabe and Ito's palette: told apart with any colour vision, on grey. The page's keys use the same. */
export const COLOURS: Record<'lungRight' | 'lungLeft' | 'normnet' | 'ggo' | 'consolidation', Rgb> = {
  lungRight: [86, 180, 233],
  lungLeft: [0, 158, 115],
  normnet: [230, 97, 0],
  ggo: [240, 228, 66],
  consolidation: [204, 121, 167],
};

export interface Lut {
  R: number[];
  G: number[];
  B: number[];
  A: number[];
  I: number[];
  labels: string[];
}

/** Fill of lungs relative to lesions: the lung's texture must stay readable. */
const LUNG_ALPHA = 40;

/** The colour of every code. Where both networks agree, their colours mix. */
export function overlayLut(): Lut {
  const lut: Lut = { R: [], G: [], B: [], A: [], I: [], labels: [] };
  for (let code = 0; code < CODES; code += 1) {
    const lung = code % 3;
    const lesions: Rgb[] = [];
    if (Math.floor(code / 3) % 2 === 1) lesions.push(COLOURS.normnet);
    const infnet = Math.floor(code / 6);
    if (infnet === 1) lesions.push(COLOURS.ggo);
    if (infnet === 2) lesions.push(COLOURS.consolidation);
    const colours = lesions.length > 0 ? lesions : lung > 0 ? [lung === 1 ? COLOURS.lungRight : COLOURS.lungLeft] : [];
    const [r, g, b] = mean(colours);
    lut.R.push(r);
    lut.G.push(g);
    lut.B.push(b);
    lut.A.push(lesions.length > 0 ? 255 : lung > 0 ? LUNG_ALPHA : 0);
    lut.I.push(code);
    lut.labels.push('');
  }
  return lut;
}

function mean(colours: Rgb[]): Rgb {
  const channel = (c: 0 | 1 | 2): number =>
    colours.length === 0 ? 0 : Math.round(colours.reduce((total, colour) => total + colour[c], 0) / colours.length);
  return [channel(0), channel(1), channel(2)];
}
