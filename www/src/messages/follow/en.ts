/** The follow-up in English, and with it the list of its texts. */
import type { DateSource } from '../../follow/protocol.ts';

export const follow = {
  title: 'Follow-up',
  offer: 'Put this scan beside another one of the same patient: how much of each lung and third is marked on each date, and what changed.',
  start: 'Compare with another date',
  collecting: 'Each scan of the same patient that you open now is added as another date. A saved report (JSON) alone gives figures without pictures.',
  waits: (name: string) => `${name} waits`,
  refused: (name: string, why: string) => `${name} could not be analysed: ${why}`,
  show: 'Show the comparison',
  end: 'End the comparison',
  full: (most: number) => `A comparison takes ${most} dates. Remove one first.`,
  notAdded: 'This could not be added to the comparison',
  basis:
    'Percentages are of each lung’s own volume, and thirds of its own height, on each date. The scans are not registered: the same height is not the same tissue. That all of them are of one patient is for you to know.',
  dates: 'Dates',
  dateOf: (name: string) => `Date of ${name}`,
  dateFrom: (source: DateSource): string => {
    switch (source) {
      case 'given':
        return 'typed in';
      case 'report':
        return 'from the DICOM header';
      case 'file-name':
        return 'from the file name';
    }
  },
  dateMissing: 'When was it made? Fill in the date.',
  remove: (name: string) => `Remove ${name} from the comparison`,
  add: 'Add a date',
  needTwo: 'Two scans with a date are needed. Add one, or fill in the date that is missing.',
  comparing: 'Comparing…',
  notCompared: (why: string) => `They could not be compared. ${why}`,
  /** `points` has its sign. */
  change: (what: string, before: string, after: string, points: string, days: number) =>
    `${what}: ${before} % → ${after} %, ${points} points in ${days} ${days === 1 ? 'day' : 'days'}`,
  ofLung: (network: string, lung: string) => `${network}, ${lung}`,
  lungs: { both: 'both lungs', right: 'right lung', left: 'left lung' },
  lungsShort: { both: 'Both', right: 'Right', left: 'Left' },
  volume: 'Lung volume',
  tableTitle: (network: string) => `${network}: percent of the lung, ml, and change in percentage points`,
  toPrevious: (points: string) => `${points} to the date before`,
  toFirst: (points: string) => `${points} to the first`,
  slicesTitle: 'Slices at the same height in the lungs',
  slicesHint:
    'Linked by relative height: 0 % is the lowest slice with lung of each date, 100 % the highest. It is no registration. Wheel, or the arrow keys.',
  height: 'Height in the lungs',
  heightAt: (percent: string) => `${percent} %`,
  leftPicture: 'Left picture',
  rightPicture: 'Right picture',
  sliceAt: (slice: string, count: string, coarse: boolean) => `slice ${slice} of ${count}, from the feet up${coarse ? ', shown coarser than it is' : ''}`,
  noPicture: 'Of this date there is only the report, so there is nothing to see.',
  crowded: 'The pictures of the other dates already take the memory that there is for them.',
  lostPicture: (why: string) => `This picture can’t be shown. ${why}`,
  loading: 'Unpacking…',
  chartTitle: 'Lung marked by the networks, over time',
  chartAxis: '% of the lung',
  saveReport: 'Follow-up report (JSON)',
  saveTable: 'Table (CSV)',
  saveChart: 'Chart (SVG)',
  print: 'Print',
  /** `when` is all dates of which it holds, or two that differ. */
  remark: (code: string, when: string, english: string): string => {
    const texts: Record<string, string> = {
      edited: 'masks were corrected by hand.',
      lungs_cut: 'not all of the lungs was scanned: percentages, thirds and heights are those of the part that was.',
      slice_thickness: 'slices of different distance. Networks mark thick and thin slices differently.',
      lung_volume: 'lung volumes differ by more than 20 %, as by another breath-hold. A percentage can change although the lesions do not.',
      networks: 'not the same networks ran.',
      weights: 'other weights were used. A change can come from them.',
      thresholds: 'other thresholds were used. A change can come from them.',
      version: 'different versions of the program analysed them.',
    };
    const text = texts[code];
    return text === undefined ? english : `${when}: ${text}`;
  },
  oneOfEachDate: (n: number) => `All ${n} dates, one after the other`,
};

export type FollowMessages = typeof follow;
