/** The trend: drawn by the engine, in the page's words and colours. The tables say the same in figures. */
import { make } from '../dom.ts';
import { locale, TEXT } from '../strings.ts';
import type { ChartTexts, Compared } from './protocol.ts';
import { sentences } from './table.ts';

export function chartTexts(compared: Compared): ChartTexts {
  const { lungs } = TEXT.follow;
  const parts = new Intl.NumberFormat(locale()).formatToParts(0.5);
  return {
    title: TEXT.follow.chartTitle,
    description: sentences(compared).join('. '),
    axis: TEXT.follow.chartAxis,
    lungs: [lungs.both, lungs.right, lungs.left],
    decimal: parts.find(({ type }) => type === 'decimal')?.value ?? '.',
    notice: TEXT.page.notice,
  };
}

export function chart(svg: string): HTMLElement {
  const drawn = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement;
  return make('figure', { class: 'follow-chart' }, [make('figcaption', {}, [TEXT.follow.chartTitle]), document.importNode(drawn, true)]);
}
