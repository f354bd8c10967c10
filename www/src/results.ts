/** The findings panel: what the report says, for the eye. */
import { histogram } from './chart.ts';
import { byId, make } from './dom.ts';
import { fixed, number, whole } from './format.ts';
import type { Areas } from './picture.ts';
import type { NetworkName, Removal, Warning } from './protocol.ts';
import { isEdited, type Affected, type Amount, type Lesion, type Lesions, type LungFindings, type Report } from './report.ts';
import { TEXT } from './strings.ts';
import { scores, type Comparison } from './truth.ts';

/** What can be done with the lesions of the list. */
export interface LesionActions {
  goTo(lesion: Lesion): void;
  remove(removal: Removal): void;
  /** Brings back what was removed last. */
  undo(): void;
}

const NETWORKS: NetworkName[] = ['normnet', 'infnet'];
/** What `hideFindings` empties. */
const PARTS = ['warnings', 'edited', 'headlines', 'measures', 'truth', 'lesions', 'thirds', 'histogram'];
/** Lesions listed before the rest is asked for. */
const FIRST_LESIONS = 6;

export function showWarnings(warnings: Warning[]): void {
  byId('results').hidden = false;
  byId('warnings').replaceChildren(
    ...warnings.map((warning) => make('li', { 'data-code': warning.code }, [TEXT.warning(warning.code, warning.text)])),
  );
}

export function showFindings(report: Report, actions: LesionActions): void {
  byId('results').hidden = false;
  byId('details').hidden = false;
  showWarnings(report.warnings);
  byId('edited').replaceChildren(...edited(report, actions));
  byId('headlines').replaceChildren(...headlines(report));
  byId('measures').replaceChildren(...measures(report));
  byId('thirds').replaceChildren(...thirds(report));
  byId('lesions').replaceChildren(...lesionSections(report, actions));
  byId('histogram').replaceChildren(...NETWORKS.flatMap((network) => histogram(report.hu_histogram, network)));
}

/** A picture has no lungs and no millilitres: pixels are what there is. */
export function showAreas(areas: Areas): void {
  byId('results').hidden = false;
  const row = (key: string, name: string, pixels: number): HTMLElement =>
    measureRow(key, name, key !== 'infnet', [[TEXT.percent(number((100 * pixels) / areas.all))], [whole(pixels)]]);
  byId('measures').replaceChildren(
    table('measures', ['', TEXT.share, TEXT.pixelCount], [
      row('infnet', TEXT.infected, areas.ggo + areas.consolidation),
      row('ggo', TEXT.ggo, areas.ggo),
      row('consolidation', TEXT.consolidation, areas.consolidation),
    ]),
  );
}

/** Dice, sensitivity and precision of each network; without a comparison, why there is none. */
export function showTruth(file: string, comparison: Comparison | undefined): void {
  if (comparison === undefined) {
    byId('truth').replaceChildren(make('p', { class: 'quiet remark' }, [TEXT.truthOtherGrid(file)]));
    return;
  }
  const { dice, sensitivity, precision } = TEXT.truthColumns;
  const rows = NETWORKS.flatMap((network) => {
    const counted = comparison[network];
    if (counted === undefined) return [];
    const score = scores(counted);
    return measureRow(network, TEXT.networks[network], false, [score.dice, score.sensitivity, score.precision].map((value) => [ratio(value)]));
  });
  byId('truth').replaceChildren(make('h3', {}, [TEXT.truthTitle(file)]), table('truth', ['', dice, sensitivity, precision], rows));
}

function ratio(value: number): string {
  return Number.isNaN(value) ? '–' : fixed(value, 3);
}

export function hideFindings(): void {
  byId('results').hidden = true;
  byId('details').hidden = true;
  for (const id of PARTS) byId(id).replaceChildren();
}

/** Says that a person has had a hand in the result, on paper too. */
function edited(report: Report, { undo }: LesionActions): HTMLElement[] {
  if (!isEdited(report)) return [];
  const painted = report.painted ?? [];
  const sum = (of: 'strokes' | 'voxels_added' | 'voxels_removed'): number => painted.reduce((total, each) => total + each[of], 0);
  const button = make('button', { type: 'button', class: 'small', id: 'undo' }, [TEXT.page.undo]);
  button.addEventListener('click', undo);
  const said = [
    ...(report.removed === undefined ? [] : [TEXT.edited(report.removed.length)]),
    ...(painted.length === 0 ? [] : [TEXT.painted(sum('strokes'), whole(sum('voxels_added')), whole(sum('voxels_removed')))]),
  ];
  return [make('p', {}, [said.join(' ')]), button];
}

function headlines(report: Report): HTMLElement[] {
  return NETWORKS.flatMap((network) => {
    const affected = report.both[network];
    return affected === null
      ? []
      : make('div', { class: `headline ${network}` }, [
          make('b', {}, [percent(affected.lesion)]),
          make('span', {}, [TEXT.headline(TEXT.networks[network])]),
        ]);
  });
}

function measures(report: Report): HTMLElement[] {
  const columns: LungFindings[] = [report.right, report.left, report.both];
  const rows = [measureRow('lungs', TEXT.volume, false, columns.map((lung) => [TEXT.ml(number(lung.lung_ml))]))];
  for (const network of NETWORKS) {
    const both = report.both[network];
    if (both === null) continue;
    const add = (key: string, name: string, indent: boolean, pick: (affected: Affected) => Amount | null): void => {
      rows.push(measureRow(key, name, indent, columns.map((lung) => amount(lung[network] === null ? null : pick(lung[network])))));
    };
    add(network, TEXT.networks[network], false, (affected) => affected.lesion);
    if (both.ground_glass !== null) add('ggo', TEXT.ggo, true, (affected) => affected.ground_glass);
    if (both.consolidation !== null) add('consolidation', TEXT.consolidation, true, (affected) => affected.consolidation);
  }
  const result: HTMLElement[] = [table('measures', ['', TEXT.right, TEXT.left, TEXT.both], rows)];
  if (report.agreement_dice !== null) {
    result.push(make('p', { class: 'quiet remark' }, [TEXT.agreement(fixed(report.agreement_dice, 2))]));
  }
  return result;
}

function measureRow(key: string, name: string, indent: boolean, cells: string[][]): HTMLElement {
  return make('tr', indent ? { class: 'indent' } : {}, [
    make('th', { scope: 'row' }, [keyOf(key), name]),
    ...cells.map(([first = '–', second]) =>
      make('td', {}, [make('b', {}, [first]), ...(second === undefined ? [] : [make('span', {}, [second])])]),
    ),
  ]);
}

function thirds(report: Report): HTMLElement[] {
  const ran = NETWORKS.filter((network) => report.both[network] !== null);
  if (ran.length === 0) return [];
  const rows = (['upper', 'middle', 'lower'] as const).map((third) =>
    make('tr', {}, [
      make('th', { scope: 'row' }, [TEXT.thirds[third]]),
      ...ran.map((network) => make('td', {}, [share(report.both.thirds[third][`${network}_percent`])])),
    ]),
  );
  return [
    make('h3', {}, [TEXT.thirdsTitle]),
    table('thirds', ['', ...ran.map((network) => TEXT.networks[network])], rows),
  ];
}

function lesionSections(report: Report, actions: LesionActions): HTMLElement[] {
  let before = 0;
  return NETWORKS.flatMap((network) => {
    const lesions = report[network];
    if (lesions === null) return [];
    const section = lesionSection(network, lesions, before, actions);
    before += lesions.listed.length;
    return section;
  });
}

/** `before` are the lesions of the tables above. */
function lesionSection(network: NetworkName, lesions: Lesions, before: number, actions: LesionActions): HTMLElement[] {
  const title = make('h3', {}, [TEXT.lesionsTitle(TEXT.networks[network], lesions.listed.length)]);
  const smaller =
    lesions.smaller === 0
      ? []
      : [make('p', { class: 'quiet remark' }, [TEXT.smaller(lesions.smaller, number(lesions.smaller_ml))])];
  if (lesions.listed.length === 0) return [title, make('p', { class: 'quiet remark' }, [TEXT.noLesions]), ...smaller];

  const rows = lesions.listed.map((lesion, i) => lesionRow({ network, listed: i }, lesion, before + i, actions));
  const { number: place, side, slices, hu, ml } = TEXT.lesionColumns;
  const columns = [place, side, slices, hu, ml, ''];
  const list = table('lesions', columns, rows.slice(0, FIRST_LESIONS));
  const rest = rows.slice(FIRST_LESIONS);
  if (rest.length === 0) return [title, list, ...smaller];
  const more = make('button', { type: 'button', class: 'small' }, [TEXT.moreLesions(rest.length)]);
  more.addEventListener('click', () => {
    more.remove();
    list.tBodies[0]?.append(...rest);
    rest[0]?.querySelector('button')?.focus();
  });
  return [title, list, more, ...smaller];
}

function lesionRow(which: Removal, lesion: Lesion, stop: number, { goTo, remove }: LesionActions): HTMLElement {
  const { network } = which;
  const place = which.listed + 1;
  const key = lesion.class === 'ground-glass' ? 'ggo' : (lesion.class ?? network);
  const label = TEXT.goTo(TEXT.networks[network], place);
  const go = make('button', { type: 'button', class: 'link', title: label, 'aria-label': label }, [keyOf(key), String(place)]);
  const removeLabel = TEXT.removeLesion(TEXT.networks[network], place);
  const away = make('button', { type: 'button', class: 'link remove', title: removeLabel, 'aria-label': removeLabel }, ['×']);
  away.addEventListener('click', (event) => {
    // The row would go there.
    event.stopPropagation();
    remove(which);
  });
  const [first, last] = lesion.slices;
  const row = make('tr', { 'data-stop': String(stop) }, [
    make('td', {}, [go]),
    make('td', {}, [TEXT[lesion.side]]),
    make('td', {}, [first === last ? whole(first + 1) : `${whole(first + 1)}–${whole(last + 1)}`]),
    make('td', {}, [whole(lesion.mean_hu)]),
    make('td', {}, [number(lesion.ml)]),
    make('td', {}, [away]),
  ]);
  // The whole row is a target for the pointer; the button is the one for keys.
  row.addEventListener('click', () => goTo(lesion));
  return row;
}

function table(name: string, columns: string[], rows: HTMLElement[]): HTMLTableElement {
  const head = make('tr', {}, columns.map((text) => (text === '' ? make('td') : make('th', { scope: 'col' }, [text]))));
  return make('table', { class: name }, [make('thead', {}, [head]), make('tbody', {}, rows)]);
}

function keyOf(name: string): HTMLElement {
  return make('i', { class: `key ${name}` });
}

function amount(value: Amount | null): string[] {
  return value === null ? [] : [percent(value), TEXT.ml(number(value.ml))];
}

function percent(value: Amount): string {
  return share(value.percent);
}

function share(value: number | null): string {
  return value === null ? '–' : TEXT.percent(number(value));
}
