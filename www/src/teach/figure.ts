/** A figure of a step: the picture, its legend, its words, and the value under the pointer. */
import { make } from '../dom.ts';
import { fixed } from '../format.ts';
import { css } from './colours.ts';
import { draw, drawScale, summary, type Class, type Colours, type Figure } from './plot.ts';

export class FigureView {
  readonly element = make('figure', { class: 'teach-figure' });
  private readonly canvas = make('canvas', { role: 'img' });
  private readonly title = make('b');
  private readonly caption = make('span');
  private readonly legend = make('div', { class: 'teach-legend' });
  private readonly value = make('output', { class: 'teach-value', 'aria-hidden': 'true' });
  private figure: Figure | undefined;
  private legendOf = '';

  constructor() {
    const box = make('div', { class: 'teach-canvas' }, [this.canvas, this.value]);
    const words = make('figcaption', { lang: 'en' }, [this.title, ' ', this.caption]);
    this.element.append(box, this.legend, words);
    this.canvas.addEventListener('pointermove', (event) => this.point(event));
    this.canvas.addEventListener('pointerleave', () => (this.value.textContent = ''));
  }

  show(figure: Figure, width = this.element.clientWidth, ratio = devicePixelRatio): void {
    this.figure = figure;
    this.title.textContent = `${figure.title}.`;
    this.caption.textContent = figure.caption;
    this.canvas.setAttribute('aria-label', describe(figure));
    this.redraw(width, ratio);
    const key = JSON.stringify([figure.colours, figure.over?.classes, figure.frame?.name]);
    if (key === this.legendOf) return;
    this.legendOf = key;
    this.legend.replaceChildren(...legend(figure));
  }

  redraw(width = this.element.clientWidth, ratio = devicePixelRatio): void {
    if (this.figure !== undefined && width > 0) draw(this.canvas, this.figure, width, ratio);
  }

  private point(event: PointerEvent): void {
    if (this.figure === undefined) return;
    const { plane, colours, over } = this.figure;
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    const said = [says(colours, at(plane, x, y))];
    if (over !== undefined) said.push(says({ kind: 'classes', classes: over.classes }, at(over.plane, x, y)));
    this.value.textContent = said.filter((text) => text !== '').join(', ');
  }
}

/** The value at a place, whose coordinates are shares of the picture's sides. */
function at({ width, height, values }: Figure['plane'], x: number, y: number): number {
  const pixel = (share: number, count: number): number => Math.min(Math.max(Math.floor(share * count), 0), count - 1);
  return values[pixel(x, width) + width * pixel(y, height)] ?? 0;
}

function says(colours: Colours, value: number): string {
  if (colours.kind === 'classes') return colours.classes.find((each) => each.value === Math.round(value))?.name ?? '';
  return `${fixed(value, digits(colours))} ${colours.unit}`;
}

function digits(colours: Extract<Colours, { kind: 'scale' }>): number {
  const range = colours.high - colours.low;
  return colours.digits ?? (range >= 20 ? 1 : range >= 0.2 ? 2 : 3);
}

/** For who does not see it. */
function describe({ title, plane, colours, over }: Figure): string {
  const parts = [title];
  if (colours.kind === 'scale') {
    const { least, mean, greatest } = summary(plane);
    const say = (value: number): string => fixed(value, digits(colours));
    parts.push(`from ${say(least)} to ${say(greatest)} ${colours.unit}, mean ${say(mean)}`);
  } else parts.push(...shares(plane, colours.classes));
  if (over !== undefined) parts.push(...shares(over.plane, over.classes));
  return parts.join('; ');
}

function shares(plane: Figure['plane'], classes: readonly Class[]): string[] {
  const counts = new Map<number, number>();
  for (const value of plane.values) counts.set(Math.round(value), (counts.get(Math.round(value)) ?? 0) + 1);
  return classes.map(({ name, value }) => `${name}: ${counts.get(value) ?? 0} pixels`);
}

function legend({ colours, over, frame }: Figure): Node[] {
  const parts: Node[] = [];
  if (colours.kind === 'scale') parts.push(scale(colours));
  else parts.push(...colours.classes.map(swatch));
  if (over !== undefined) parts.push(...over.classes.map(swatch));
  if (frame !== undefined) parts.push(make('span', { class: 'teach-key', lang: 'en' }, [make('i', { class: 'frame' }), frame.name]));
  return parts;
}

function scale(colours: Extract<Colours, { kind: 'scale' }>): Node {
  const strip = make('canvas', { 'aria-hidden': 'true' });
  drawScale(strip, colours.scale);
  const say = (value: number): string => fixed(value, digits(colours));
  return make('span', { class: 'teach-scale', lang: 'en' }, [
    make('span', {}, [say(colours.low)]),
    strip,
    make('span', {}, [`${say(colours.high)} ${colours.unit}`]),
  ]);
}

function swatch({ name, colour }: Class): Node {
  const key = make('i');
  key.style.background = css(colour);
  return make('span', { class: 'teach-key', lang: 'en' }, [key, name]);
}
