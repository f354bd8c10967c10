/** The ruler beside the picture: where among the slices the picture is, and where the lesions are. A slider, from the feet up. */
import { byId, make } from './dom.ts';
import { whole } from './format.ts';
import { inFile, inViewer, type Slices } from './slices.ts';
import { TEXT } from './strings.ts';

export interface Mark {
  network: 'normnet' | 'infnet';
  /** First and last slice, as the file numbers them. */
  slices: [number, number];
}

/** A slice is thinner than a mark that can be seen, so this is the least, in percent. */
const LEAST_MARK = 0.8;
const MANY_SLICES = 10;

export class Ruler {
  private readonly box = byId('ruler');
  private slices: Slices | undefined;
  private marks: Mark[] = [];
  private at = 0;

  constructor(private readonly go: (slice: number) => void) {
    this.box.addEventListener('pointerdown', (event) => {
      this.box.setPointerCapture(event.pointerId);
      this.follow(event);
    });
    this.box.addEventListener('pointermove', (event) => {
      if (this.box.hasPointerCapture(event.pointerId)) this.follow(event);
    });
    this.box.addEventListener('keydown', (event) => this.key(event));
  }

  setSlices(slices: Slices): void {
    this.slices = slices;
    this.draw();
  }

  setMarks(marks: Mark[]): void {
    this.marks = marks;
    this.draw();
  }

  /** The viewer's number of the slice that is shown. */
  setSlice(at: number): void {
    this.at = at;
    this.say();
  }

  private follow(event: PointerEvent): void {
    if (this.slices === undefined) return;
    const { top, height } = this.box.getBoundingClientRect();
    const up = 1 - (event.clientY - top) / Math.max(height, 1);
    this.jump(Math.floor(up * this.slices.shown));
  }

  private jump(slice: number): void {
    if (this.slices === undefined) return;
    this.go(Math.min(Math.max(slice, 0), this.slices.shown - 1));
  }

  private key(event: KeyboardEvent): void {
    const to: Record<string, number> = {
      ArrowUp: this.at + 1,
      ArrowRight: this.at + 1,
      ArrowDown: this.at - 1,
      ArrowLeft: this.at - 1,
      PageUp: this.at + MANY_SLICES,
      PageDown: this.at - MANY_SLICES,
      Home: 0,
      End: Infinity,
    };
    const slice = to[event.key];
    if (slice === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.jump(slice);
  }

  private draw(): void {
    const { slices } = this;
    if (slices === undefined) return;
    const marks = slices.reported ? this.marks : [];
    byId('ruler-marks').replaceChildren(
      ...marks.map(({ network, slices: ends }) => {
        const { top, height } = markPlace(slices, ends);
        const mark = make('i', { class: network });
        mark.style.top = `${top.toFixed(2)}%`;
        mark.style.height = `${height.toFixed(2)}%`;
        return mark;
      }),
    );
    this.box.setAttribute('aria-valuemin', '1');
    this.box.setAttribute('aria-valuemax', String(slices.shown));
    this.say();
  }

  private say(): void {
    const { slices, at } = this;
    if (slices === undefined) return;
    byId('ruler-hand').style.top = `${((100 * (slices.shown - 0.5 - at)) / slices.shown).toFixed(2)}%`;
    this.box.setAttribute('aria-valuenow', String(at + 1));
    const slice = inFile(slices, at);
    const here = slices.reported ? this.marks.filter(({ slices: [first, last] }) => first <= slice && slice <= last).length : 0;
    this.box.setAttribute('aria-valuetext', TEXT.sliceWithLesions(whole(slice + 1), whole(slices.count), here));
  }
}

/** Percent from the top of the ruler, which is at the head. */
export function markPlace(slices: Slices, [first, last]: [number, number]): { top: number; height: number } {
  const upper = Math.max(inViewer(slices, first), inViewer(slices, last));
  const lower = Math.min(inViewer(slices, first), inViewer(slices, last));
  const height = Math.max((100 * (upper - lower + 1)) / slices.shown, LEAST_MARK);
  return { top: Math.min((100 * (slices.shown - 1 - upper)) / slices.shown, 100 - height), height };
}
