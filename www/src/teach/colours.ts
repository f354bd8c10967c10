/** Colours that people with any colour vision tell apart: scales for values, and lists for classes. */

export type Rgb = readonly [number, number, number];

/** A scale from the lowest value to the highest, by equally spaced stops. */
const SCALES = {
  grey: [
    [0, 0, 0],
    [255, 255, 255],
  ],
  /** Viridis (van der Walt and Smith): lightness rises all the way. */
  viridis: [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
  ],
  /** Blue over white to orange, for values around 0. */
  diverging: [
    [5, 48, 97],
    [33, 102, 172],
    [103, 169, 207],
    [209, 229, 240],
    [247, 247, 247],
    [253, 219, 168],
    [241, 163, 64],
    [204, 102, 20],
    [127, 59, 8],
  ],
} as const satisfies Record<string, readonly Rgb[]>;

export type Scale = keyof typeof SCALES;

/** The colour of a value from 0 to 1; what lies beyond has the colour of the end. */
export function colour(scale: Scale, value: number): Rgb {
  const stops: readonly Rgb[] = SCALES[scale];
  const at = Math.min(Math.max(value, 0), 1) * (stops.length - 1);
  const below = Math.min(Math.floor(at), stops.length - 2);
  const part = at - below;
  const [low, high] = [stops[below] as Rgb, stops[below + 1] as Rgb];
  const mix = (i: 0 | 1 | 2): number => Math.round(low[i] + part * (high[i] - low[i]));
  return [mix(0), mix(1), mix(2)];
}

/** Okabe and Ito's. */
export const BLUE: Rgb = [86, 180, 233];
export const GREEN: Rgb = [0, 158, 115];
export const YELLOW: Rgb = [240, 228, 66];
export const VERMILION: Rgb = [230, 97, 0];
export const PURPLE: Rgb = [204, 121, 167];
export const ORANGE: Rgb = [230, 159, 0];

export function css([r, g, b]: Rgb): string {
  return `rgb(${r} ${g} ${b})`;
}
