/** Draws the values of a slice: every value a pixel of its own, in proportion, with what lies over it and the patient's sides. */
import type { LessonRect } from '../protocol.ts';
import { colour, css, type Rgb, type Scale } from './colours.ts';

export interface Plane {
  width: number;
  height: number;
  values: Float32Array | number[];
}

/** How values become colours. */
export type Colours =
  | { kind: 'scale'; scale: Scale; low: number; high: number; unit: string; digits?: number }
  /** By the value rounded: what is not listed is black. */
  | { kind: 'classes'; classes: readonly Class[] };

export interface Class {
  value: number;
  name: string;
  colour: Rgb;
}

/** A mask over the picture. */
export interface Over {
  plane: Plane;
  classes: readonly Class[];
  /** Only where it ends is drawn. */
  outline?: boolean;
}

export interface Figure {
  title: string;
  /** What is to be seen, in words. */
  caption: string;
  plane: Plane;
  colours: Colours;
  over?: Over;
  /** Drawn around a part of it, in its pixels. */
  frame?: { rect: LessonRect | { start: [number, number]; size: [number, number] }; name: string };
  /** Height over width of a pixel. */
  aspect?: number;
}

const OVER_OPACITY = 0.62;
const FRAME_COLOUR = 'rgb(255 214 0)';

/** Draws into a canvas as wide as it is shown, by the device's own pixels. */
export function draw(canvas: HTMLCanvasElement, figure: Figure, cssWidth: number, ratio: number): void {
  const { plane } = figure;
  const width = Math.max(1, Math.round(cssWidth * ratio));
  const height = Math.max(1, Math.round((width * plane.height * (figure.aspect ?? 1)) / plane.width));
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.imageSmoothingEnabled = false;
  context.drawImage(paint(plane, (value) => rgb(figure.colours, value)), 0, 0, width, height);
  if (figure.over !== undefined) drawOver(context, figure.over, width, height);
  if (figure.frame !== undefined) drawFrame(context, figure, width, height, ratio);
  drawSides(context, width, height, ratio);
}

/** The colour of a value. */
export function rgb(colours: Colours, value: number): Rgb {
  if (colours.kind === 'classes') return colours.classes.find((each) => each.value === Math.round(value))?.colour ?? [0, 0, 0];
  return colour(colours.scale, (value - colours.low) / (colours.high - colours.low));
}

function paint(plane: Plane, of: (value: number) => Rgb, alpha: (value: number, at: number) => number = () => 1): HTMLCanvasElement {
  const { width, height, values } = plane;
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const pixels = new ImageData(width, height);
  for (let at = 0; at < width * height; at += 1) {
    const value = values[at] ?? 0;
    const [r, g, b] = of(value);
    pixels.data.set([r, g, b, Math.round(255 * alpha(value, at))], 4 * at);
  }
  canvas.getContext('2d')?.putImageData(pixels, 0, 0);
  return canvas;
}

function drawOver(context: CanvasRenderingContext2D, over: Over, width: number, height: number): void {
  const { plane, classes } = over;
  const listed = (value: number): boolean => classes.some((each) => each.value === Math.round(value));
  const edge = (at: number): boolean => {
    const { width: w, values } = plane;
    return [at - 1, at + 1, at - w, at + w].some((n) => Math.round(values[n] ?? 0) !== Math.round(values[at] ?? 0));
  };
  const alpha = (value: number, at: number): number => {
    if (!listed(value)) return 0;
    if (over.outline === true) return edge(at) ? 1 : 0;
    return OVER_OPACITY;
  };
  const layer = paint(plane, (value) => rgb({ kind: 'classes', classes }, value), alpha);
  context.drawImage(layer, 0, 0, width, height);
}

function drawFrame(context: CanvasRenderingContext2D, figure: Figure, width: number, height: number, ratio: number): void {
  if (figure.frame === undefined) return;
  const { start, size } = figure.frame.rect;
  const [sx, sy] = [width / figure.plane.width, height / figure.plane.height];
  const line = 2 * ratio;
  context.strokeStyle = FRAME_COLOUR;
  context.lineWidth = line;
  // A window that reaches beyond the slice is drawn along its border.
  const inside = (value: number, most: number): number => Math.min(Math.max(value, line / 2), most - line / 2);
  const [left, right] = [inside(start[0] * sx, width), inside((start[0] + size[0]) * sx, width)];
  const [top, bottom] = [inside(start[1] * sy, height), inside((start[1] + size[1]) * sy, height)];
  context.strokeRect(left, top, right - left, bottom - top);
}

/** As radiologists look at it: the patient's right is on the left. */
function drawSides(context: CanvasRenderingContext2D, width: number, height: number, ratio: number): void {
  const size = Math.min(16, width / ratio / 12) * ratio;
  const edge = 0.4 * size;
  context.font = `700 ${size}px system-ui, sans-serif`;
  context.textBaseline = 'middle';
  context.lineWidth = 0.22 * size;
  context.lineJoin = 'round';
  context.strokeStyle = 'rgb(0 0 0 / 75%)';
  context.fillStyle = 'white';
  for (const [letter, align, x] of [
    ['R', 'left', edge],
    ['L', 'right', width - edge],
  ] as const) {
    context.textAlign = align;
    context.strokeText(letter, x, height / 2);
    context.fillText(letter, x, height / 2);
  }
}

/** The scale as a strip for the legend. */
export function drawScale(canvas: HTMLCanvasElement, scale: Scale): void {
  const STEPS = 128;
  canvas.width = STEPS;
  canvas.height = 1;
  const context = canvas.getContext('2d');
  if (context === null) return;
  for (let at = 0; at < STEPS; at += 1) {
    context.fillStyle = css(colour(scale, at / (STEPS - 1)));
    context.fillRect(at, 0, 1, 1);
  }
}

/** Least, mean and greatest value. */
export function summary({ values }: Plane): { least: number; mean: number; greatest: number } {
  let [least, greatest, sum] = [Infinity, -Infinity, 0];
  for (const value of values) {
    least = Math.min(least, value);
    greatest = Math.max(greatest, value);
    sum += value;
  }
  return { least, mean: sum / Math.max(1, values.length), greatest };
}
