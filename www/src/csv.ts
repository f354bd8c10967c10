/** The lesion table as CSV: English and with points, whatever the page speaks, so that one program reads all of them. */
import type { Report } from './report.ts';
import { stopsOf } from './tour.ts';

const COLUMNS = ['network', 'lesion', 'class', 'lung', 'first_slice', 'last_slice', 'r_mm', 'a_mm', 's_mm', 'mean_hu', 'ml'];

/** Slices count from 1, as on the page. */
export function lesionCsv(report: Report): string {
  const places = { normnet: 0, infnet: 0 };
  const rows = stopsOf(report).map(({ network, lesion }) => {
    places[network] += 1;
    const [first, last] = lesion.slices;
    return [network, places[network], lesion.class ?? '', lesion.side, first + 1, last + 1, ...lesion.centroid_mm, lesion.mean_hu, lesion.ml];
  });
  return [COLUMNS, ...rows].map((row) => `${row.join(',')}\r\n`).join('');
}
