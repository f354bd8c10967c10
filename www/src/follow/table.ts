/** What changed, in sentences and in tables: one for each network, a column for each date. */
import { make } from '../dom.ts';
import { fixed, number } from '../format.ts';
import type { NetworkName } from '../protocol.ts';
import { TEXT } from '../strings.ts';
import type { Compared, Lung, Part, Row, Value } from './protocol.ts';

const NETWORKS: NetworkName[] = ['normnet', 'infnet'];
const LUNGS: Lung[] = ['both', 'right', 'left'];
const PARTS: Part[] = ['whole', 'upper', 'middle', 'lower'];
/** Reports go further, and are not so accurate. */
const DIGITS = 2;

/** From the first date to the last, for each network and lung. */
export function sentences(compared: Compared): string[] {
  const last = compared.scans.length - 1;
  return NETWORKS.flatMap((network) =>
    LUNGS.flatMap((lung) => {
      const values = rowOf(compared, network, lung, 'whole')?.values;
      const [before, after] = [values?.[0], values?.[last]];
      if (before?.percent == null || after?.percent == null || after.from_first === null) return [];
      const what = TEXT.follow.ofLung(TEXT.networks[network], TEXT.follow.lungs[lung]);
      const days = compared.scans[last]?.days_from_first ?? 0;
      return TEXT.follow.change(what, fixed(before.percent, DIGITS), fixed(after.percent, DIGITS), signed(after.from_first), days);
    }),
  );
}

/** With a plus where it rose. */
export function signed(points: number): string {
  const shown = fixed(points, DIGITS);
  const nought = fixed(0, DIGITS);
  if (shown.replace('−', '') === nought) return nought;
  return points > 0 ? `+${shown}` : shown;
}

export function tables(compared: Compared): HTMLElement[] {
  const ran = NETWORKS.filter((network) => compared.rows.some((row) => row.network === network));
  return ran.map((network) => table(compared, network));
}

function table(compared: Compared, network: NetworkName): HTMLElement {
  const { scans } = compared;
  const head = make('tr', {}, [make('td'), ...scans.map(({ date }) => make('th', { scope: 'col' }, [date]))]);
  const volumes = make('tr', {}, [
    make('th', { scope: 'row' }, [TEXT.follow.volume]),
    ...scans.map(({ lung_ml: [both] }) => make('td', {}, [TEXT.ml(number(both))])),
  ]);
  const rows = LUNGS.flatMap((lung) =>
    PARTS.flatMap((part) => {
      const row = rowOf(compared, network, lung, part);
      return row === undefined ? [] : tableRow(row);
    }),
  );
  const caption = make('caption', {}, [make('i', { class: `key ${network}` }), TEXT.follow.tableTitle(TEXT.networks[network])]);
  const all = make('table', { class: 'follow-table', 'data-network': network }, [caption, make('thead', {}, [head]), make('tbody', {}, [volumes, ...rows])]);
  return make('div', { class: 'scroll-x', tabindex: '0', role: 'group', 'aria-label': TEXT.follow.tableTitle(TEXT.networks[network]) }, [all]);
}

function tableRow({ lung, part, values }: Row): HTMLElement {
  const name = part === 'whole' ? TEXT.follow.lungsShort[lung] : TEXT.thirds[part];
  const attributes: Record<string, string> = { 'data-lung': lung, 'data-part': part };
  if (part !== 'whole') attributes['class'] = 'indent';
  return make('tr', attributes, [make('th', { scope: 'row' }, [name]), ...values.map((value, at) => cell(value, at))]);
}

/** Percent, ml, and the changes; to the first date only where that is not the one before. */
function cell({ percent, ml, from_first: first, from_previous: previous }: Value, at: number): HTMLElement {
  if (percent === null) return make('td', {}, ['–']);
  const lines = [
    ml === null ? '' : TEXT.ml(number(ml)),
    previous === null ? '' : TEXT.follow.toPrevious(signed(previous)),
    first === null || at < 2 ? '' : TEXT.follow.toFirst(signed(first)),
  ];
  return make('td', {}, [
    make('b', {}, [TEXT.percent(fixed(percent, DIGITS))]),
    ...lines.filter((line) => line !== '').map((line) => make('span', {}, [line])),
  ]);
}

function rowOf(compared: Compared, network: NetworkName, lung: Lung, part: Part): Row | undefined {
  return compared.rows.find((row) => row.network === network && row.lung === lung && row.part === part);
}
