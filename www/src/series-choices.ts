/** Which of the stacks in a folder or archive a person is asked about. */
import type { SeriesInfo } from './protocol.ts';

/** One entry for each series, the most slices first: a stack beside the main one, such as a reformat, can't be asked for by itself. */
export function choices(found: readonly SeriesInfo[]): SeriesInfo[] {
  const longest = new Map<string, SeriesInfo>();
  for (const stack of found.filter(({ modality }) => modality === 'CT')) {
    if (stack.slices > (longest.get(stack.uid)?.slices ?? 0)) longest.set(stack.uid, stack);
  }
  return [...longest.values()].sort((a, b) => b.slices - a.slices);
}

/** The series with most slices of each date, by date; series without a date are left out. They come with the most slices first. */
export function ofEachDate(series: readonly SeriesInfo[]): string[] {
  const longest = new Map<string, string>();
  for (const { date, uid } of series) if (date !== null && !longest.has(date)) longest.set(date, uid);
  return [...longest].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, uid]) => uid);
}
