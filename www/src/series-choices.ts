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
