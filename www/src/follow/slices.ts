/** A scan with its masks, kept small, and its axial slices as pictures. */
import { axialSlice } from '../first-slice.ts';
import { CODES, compose, overlayLut, readLabels, type Layers, type Lut } from '../masks.ts';
import { axesOf, layoutOf, stepsFor, thin, toRas, type Layout } from '../preview.ts';
import type { Bytes, Order, View } from '../protocol.ts';
import type { HuWindow } from '../windows.ts';
import type { Drawn, Loaded } from './protocol.ts';

/** Of a scan that is shown; what is larger is shown coarser. Two of them are held at once. */
export const MOST_BYTES = 48e6;
const EVERYTHING: View = { lungs: true, normnet: true, ggo: true, consolidation: true, difference: false };
const LUT: Lut = overlayLut();

export class Slices {
  private constructor(
    private readonly raw: Bytes,
    private readonly layout: Layout,
    private readonly order: Order,
    /** One a voxel, along R first, then A, then S; see `masks.compose`. */
    private readonly codes: Uint8Array,
    readonly about: Loaded,
  ) {}

  /** Of unpacked NIfTI files; the masks by the names of their networks. */
  static of(raw: Bytes, masks: Partial<Record<keyof Layers, Bytes>>): Slices {
    const whole = layoutOf(raw);
    if (whole === undefined) throw new Error('the scan is no whole NIfTI file');
    const steps = stepsFor(whole, MOST_BYTES / whole.bytesPerVoxel);
    const order = axesOf(raw, whole);
    const small = thin(raw, whole, steps);
    const layout = layoutOf(small);
    if (layout === undefined) throw new Error('the scan can not be made smaller');
    const layers: Layers = {};
    for (const [name, mask] of Object.entries(masks) as [keyof Layers, Bytes][]) {
      const found = layoutOf(mask);
      if (found?.dims.join() !== whole.dims.join()) throw new Error(`the mask ${name} is not on the grid of the scan`);
      layers[name] = toRas(readLabels(thin(mask, found, steps)).labels, layout.dims, order);
    }
    const codes = compose(layers, EVERYTHING, layout.dims[0] * layout.dims[1] * layout.dims[2]);
    const [width, height, slices] = order.map((axis) => layout.dims[(Math.abs(axis) - 1) as 0 | 1 | 2]) as [number, number, number];
    const [across, down] = order.map((axis) => layout.spacing[(Math.abs(axis) - 1) as 0 | 1 | 2]) as [number, number, number];
    const aspect = (width * across) / (height * down);
    const lungs = lungSlices(codes, width * height, slices);
    const fullest = fullestSlice(codes, width * height, slices);
    return new Slices(small, layout, order, codes, { slices, lungs, fullest, width, height, aspect, thinned: steps.some((step) => step > 1) });
  }

  /** A slice, from the feet up. */
  draw(slice: number, window: HuWindow, view: View, opacity: number): Drawn {
    const drawn = axialSlice(this.raw, this.layout, this.order, slice, window);
    if (drawn === undefined) throw new Error('the voxels of the scan are no plain numbers');
    const { width, height } = this.about;
    const colours = coloursOf(view);
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        // The picture begins at the plus ends of R and A, the codes at the others.
        const code = this.codes[width - 1 - x + width * (height - 1 - y + height * slice)] ?? 0;
        const seen = colours[code] ?? 0;
        if (seen === 0) continue;
        const alpha = (opacity * (LUT.A[seen] ?? 0)) / 255;
        const at = 4 * (x + width * y);
        [LUT.R, LUT.G, LUT.B].forEach((channel, c) => {
          drawn.pixels[at + c] = (drawn.pixels[at + c] ?? 0) * (1 - alpha) + (channel[seen] ?? 0) * alpha;
        });
      }
    }
    return drawn;
  }
}

/** For each code the one that is left of it when this is seen. */
function coloursOf(view: View): Uint8Array {
  const codes = Array.from({ length: CODES }, (_, code) => code);
  const layers: Layers = {
    lungs: Uint8Array.from(codes, (code) => code % 3),
    normnet: Uint8Array.from(codes, (code) => Math.floor(code / 3) % 2),
    infnet: Uint8Array.from(codes, (code) => Math.floor(code / 6)),
  };
  return compose(layers, view, CODES);
}

/** The first and the last slice with lung; all where there is none. */
export function lungSlices(codes: Uint8Array, area: number, slices: number): [number, number] {
  const has = (slice: number): boolean => {
    for (let i = slice * area; i < (slice + 1) * area; i += 1) if ((codes[i] as number) % 3 !== 0) return true;
    return false;
  };
  let [first, last] = [0, slices - 1];
  while (first <= last && !has(first)) first += 1;
  if (first > last) return [0, slices - 1];
  while (!has(last)) last -= 1;
  return [first, last];
}

/** The slice of which most is marked; null where nothing is. */
export function fullestSlice(codes: Uint8Array, area: number, slices: number): number | null {
  let [fullest, most] = [-1, 0];
  for (let slice = 0; slice < slices; slice += 1) {
    let marked = 0;
    for (let i = slice * area; i < (slice + 1) * area; i += 1) if ((codes[i] as number) > 2) marked += 1;
    if (marked > most) [fullest, most] = [slice, marked];
  }
  return fullest < 0 ? null : fullest;
}
