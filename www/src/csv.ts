/** The lesion table as CSV: English and with points, whatever the page speaks, so that one program reads all of them. */
import type { Report } from './report.ts';
import { stopsOf, type Stop } from './tour.ts';

const COLUMNS = ['network', 'lesion', 'class', 'lung', 'first_slice', 'last_slice', 'r_mm', 'a_mm', 's_mm', 'mean_hu', 'ml', 'removed'];

/** Slices count from 1, as on the page. Behind the lesions come those that a person took away. */
export function lesionCsv(report: Report): string {
  const places = { normnet: 0, infnet: 0 };
  const present = stopsOf(report).map((stop) => {
    places[stop.network] += 1;
    return row(stop, places[stop.network], 'no');
  });
  const removed = (report.removed ?? []).map((stop) => row(stop, '', 'yes'));
  return [COLUMNS, ...present, ...removed].map((cells) => `${cells.join(',')}\r\n`).join('');
}

function row({ network, lesion }: Stop, place: number | '', removed: 'no' | 'yes'): (string | number)[] {
  const [first, last] = lesion.slices;
  return [network, place, lesion.class ?? '', lesion.side, first + 1, last + 1, ...lesion.centroid_mm, lesion.mean_hu, lesion.ml, removed];
}
