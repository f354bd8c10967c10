/** The HU histogram of the lungs by what a network says of them: a small picture, and a table behind it. */
import { make } from './dom.ts';
import { whole } from './format.ts';
import type { NetworkName } from './protocol.ts';
import type { HuCounts, HuHistogram } from './report.ts';
import { TEXT } from './strings.ts';

const SVG = 'http://www.w3.org/2000/svg';
const SIZE = { width: 320, height: 92, axis: 16 };
const TICKS = [-900, -600, -300, 0, 300];
/** Bins of the report in a row of the table: 100 HU. */
const ROW_BINS = 5;

/** A class that is drawn, by the name of its colour. */
interface Curve {
  key: string;
  name: string;
  counts: HuCounts;
}

/** Nothing where the network did not run. */
export function histogram(data: HuHistogram, network: NetworkName): HTMLElement[] {
  const curves = curvesOf(data, network);
  if (curves.length === 0) return [];
  const title = TEXT.histogramTitle(TEXT.networks[network]);
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${SIZE.width} ${SIZE.height}`);
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', `${title}: ${curves.map((curve) => most(curve, data)).join('; ')}`);
  // Infected lung is a small part: on a linear scale its voxels would not be seen.
  const top = Math.sqrt(Math.max(1, ...curves.flatMap(({ counts }) => counts.bins)));
  svg.append(...curves.map((curve) => area(curve, top)), ...TICKS.map((hu) => tick(hu, data, curves)));
  const keys = curves.map(({ key, name }) => make('span', {}, [make('i', { class: `key ${key}` }), name]));
  const figure = make('figure', { class: 'histogram' }, [make('figcaption', {}, [title, make('span', { class: 'keys' }, keys)]), svg]);
  return [figure, make('details', { class: 'histogram-table' }, [make('summary', {}, [TEXT.asTable]), table(curves, data)])];
}

function curvesOf(data: HuHistogram, network: NetworkName): Curve[] {
  const classes = data[network];
  if (classes === null) return [];
  // Where classes are not told apart, Inf-Net's first label is all of its infection, in the colour that it has over the scan.
  const lesion = network === 'normnet' ? 'normnet' : 'ggo';
  const all: [string, string, HuCounts | null][] = [
    ['healthy', TEXT.healthy, classes.healthy],
    [lesion, TEXT.marked, classes.lesion],
    ['ggo', TEXT.ggo, classes.ground_glass],
    ['consolidation', TEXT.consolidation, classes.consolidation],
  ];
  return all.flatMap(([key, name, counts]) => (counts === null ? [] : [{ key, name, counts }]));
}

/** Where most voxels of a class lie. */
function most({ name, counts }: Curve, { start_hu, bin_hu }: HuHistogram): string {
  const peak = Math.max(...counts.bins);
  if (peak === 0) return TEXT.noVoxels(name);
  return TEXT.mostAt(name, TEXT.hu(whole(start_hu + (counts.bins.indexOf(peak) + 0.5) * bin_hu)));
}

function area({ key, counts }: Curve, top: number): SVGElement {
  const floor = SIZE.height - SIZE.axis;
  const step = SIZE.width / Math.max(counts.bins.length, 1);
  const points = counts.bins.map((count, i) => {
    const y = floor * (1 - Math.sqrt(count) / top);
    return `${((i + 0.5) * step).toFixed(1)},${y.toFixed(1)}`;
  });
  const polygon = document.createElementNS(SVG, 'polygon');
  polygon.setAttribute('points', `0,${floor} ${points.join(' ')} ${SIZE.width},${floor}`);
  polygon.setAttribute('class', key);
  return polygon;
}

function tick(hu: number, data: HuHistogram, [first]: Curve[]): SVGElement {
  const range = data.bin_hu * (first?.counts.bins.length ?? 1);
  const text = document.createElementNS(SVG, 'text');
  text.setAttribute('x', ((SIZE.width * (hu - data.start_hu)) / range).toFixed(1));
  text.setAttribute('y', String(SIZE.height - 3));
  text.textContent = TEXT.hu(whole(hu));
  return text;
}

/** Voxels of each class, 100 HU a row; rows without any are left out. */
function table(curves: Curve[], { start_hu, bin_hu }: HuHistogram): HTMLTableElement {
  const last = (curves[0]?.counts.bins.length ?? 0) * bin_hu + start_hu;
  const rows: [string, number[]][] = [[`< ${whole(start_hu)}`, curves.map(({ counts }) => counts.below)]];
  for (let hu = start_hu, bin = 0; hu < last; hu += ROW_BINS * bin_hu, bin += ROW_BINS) {
    const end = Math.min(hu + ROW_BINS * bin_hu, last) - 1;
    const sum = ({ counts }: Curve): number => counts.bins.slice(bin, bin + ROW_BINS).reduce((a, b) => a + b, 0);
    rows.push([TEXT.from(whole(hu), whole(end)), curves.map(sum)]);
  }
  rows.push([`≥ ${whole(last)}`, curves.map(({ counts }) => counts.above)]);
  const cell = (tag: 'th' | 'td', text: string, scope?: string): HTMLElement => make(tag, scope === undefined ? {} : { scope }, [text]);
  const head = make('tr', {}, [cell('th', 'HU', 'col'), ...curves.map(({ name }) => cell('th', name, 'col'))]);
  const body = rows
    .filter(([, counts]) => counts.some((count) => count > 0))
    .map(([range, counts]) => make('tr', {}, [cell('th', range, 'row'), ...counts.map((count) => cell('td', whole(count)))]));
  return make('table', {}, [make('thead', {}, [head]), make('tbody', {}, body)]);
}
