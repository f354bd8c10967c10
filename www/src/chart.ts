/** The HU histogram of the two lungs as a small picture. */
import { make } from './dom.ts';
import { whole } from './format.ts';
import type { Report } from './report.ts';
import { TEXT } from './strings.ts';

const SVG = 'http://www.w3.org/2000/svg';
const SIZE = { width: 320, height: 92, axis: 16 };
const TICKS = [-900, -600, -300, 0, 300];

type Data = Report['hu_histogram'];

export function histogram(data: Data): HTMLElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${SIZE.width} ${SIZE.height}`);
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', TEXT.histogramTitle);
  // Infected lung is a small part: on a linear scale its voxels would not be seen.
  const top = Math.sqrt(Math.max(1, ...data.right.bins, ...data.left.bins));
  svg.append(area(data.right.bins, top, 'right'), area(data.left.bins, top, 'left'));
  svg.append(...TICKS.map((hu) => tick(hu, data)));
  const keys = (['right', 'left'] as const).map((side) =>
    make('span', {}, [make('i', { class: `key ${side}` }), TEXT[side]]),
  );
  return make('figure', { class: 'histogram' }, [
    make('figcaption', {}, [TEXT.histogramTitle, make('span', { class: 'keys' }, keys)]),
    svg,
  ]);
}

function area(counts: number[], top: number, name: string): SVGElement {
  const floor = SIZE.height - SIZE.axis;
  const step = SIZE.width / Math.max(counts.length, 1);
  const points = counts.map((count, i) => {
    const y = floor * (1 - Math.sqrt(count) / top);
    return `${((i + 0.5) * step).toFixed(1)},${y.toFixed(1)}`;
  });
  const polygon = document.createElementNS(SVG, 'polygon');
  polygon.setAttribute('points', `0,${floor} ${points.join(' ')} ${SIZE.width},${floor}`);
  polygon.setAttribute('class', name);
  return polygon;
}

function tick(hu: number, data: Data): SVGElement {
  const range = data.bin_hu * data.right.bins.length;
  const text = document.createElementNS(SVG, 'text');
  text.setAttribute('x', ((SIZE.width * (hu - data.start_hu)) / range).toFixed(1));
  text.setAttribute('y', String(SIZE.height - 3));
  text.textContent = TEXT.hu(whole(hu));
  return text;
}
