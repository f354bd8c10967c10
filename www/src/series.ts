/** The choice among the series of a folder or archive. */
import { byId, make } from './dom.ts';
import { whole } from './format.ts';
import type { SeriesInfo, Thumbnail } from './protocol.ts';
import { ofEachDate } from './series-choices.ts';
import { TEXT } from './strings.ts';

export class SeriesChoice {
  private readonly dialog = byId<HTMLDialogElement>('series');
  /** There only where there are several dates. */
  private readonly each = make('button', { value: 'each', id: 'series-each' });
  private asking = false;
  /** Of each date the series with most slices. */
  private dated: string[] = [];

  constructor(
    chosen: (uid: string) => void,
    cancelled: () => void,
    /** One of each date, the earliest first. */
    each: (uids: string[]) => void,
  ) {
    this.dialog.addEventListener('close', () => {
      if (!this.asking) return;
      this.asking = false;
      if (this.dialog.returnValue === 'each') {
        each(this.dated);
        return;
      }
      const uid = new FormData(byId<HTMLFormElement>('series-form')).get('series');
      if (this.dialog.returnValue === 'open' && typeof uid === 'string') chosen(uid);
      else cancelled();
    });
  }

  /** Lets the person choose; the first is chosen beforehand. */
  ask(series: readonly SeriesInfo[]): void {
    byId('series-list').replaceChildren(...series.map((each, place) => entry(each, place === 0)));
    this.dated = ofEachDate(series);
    this.each.textContent = TEXT.follow.oneOfEachDate(this.dated.length);
    this.each.remove();
    const buttons = byId('series-buttons');
    if (this.dated.length > 1) buttons.insertBefore(this.each, buttons.lastElementChild);
    this.asking = true;
    // What closed it the last time must not count when Escape closes it now.
    this.dialog.returnValue = '';
    if (!this.dialog.open) this.dialog.showModal();
    byId('series-list').querySelector('input')?.focus();
  }

  /** Takes the question back. */
  close(): void {
    this.asking = false;
    this.dialog.close();
  }
}

function entry(series: SeriesInfo, first: boolean): HTMLElement {
  const radio = make('input', { type: 'radio', name: 'series', value: series.uid });
  radio.defaultChecked = first;
  radio.checked = first;
  const facts = [
    TEXT.seriesSlices(whole(series.slices), series.slices),
    `${whole(series.columns)} × ${whole(series.rows)}`,
    series.thickness_mm === null ? '' : TEXT.millimetres(String(series.thickness_mm)),
    series.kernel,
    series.date ?? '',
  ];
  return make('label', {}, [
    radio,
    picture(series.thumbnail),
    make('span', {}, [
      make('b', {}, [series.description === '' ? TEXT.seriesUnnamed : series.description]),
      make('small', {}, [facts.filter((fact) => fact !== '').join(' · ')]),
    ]),
  ]);
}

function picture(thumbnail: Thumbnail | null): HTMLCanvasElement {
  const canvas = make('canvas', { 'aria-hidden': 'true' });
  if (thumbnail === null) return canvas;
  const { width, height, pixels } = thumbnail;
  canvas.width = width;
  canvas.height = height;
  const rgba = Uint8ClampedArray.from({ length: 4 * width * height }, (_, i) => (i % 4 === 3 ? 255 : (pixels[i >> 2] ?? 0)));
  canvas.getContext('2d')?.putImageData(new ImageData(rgba, width, height), 0, 0);
  return canvas;
}
