/** Two pictures side by side, linked by relative height in the lungs of each. */
import { make } from '../dom.ts';
import { messageOf } from '../engine/events.ts';
import { whole } from '../format.ts';
import type { View } from '../protocol.ts';
import { TEXT } from '../strings.ts';
import { WINDOWS, type WindowName } from '../windows.ts';
import type { FollowClient } from './client.ts';
import { dateOf, type Entry } from './dates.ts';
import { heightOf, linked, stepsBetween } from './heights.ts';
import type { Drawn, Loaded, Side } from './protocol.ts';

const SIDES: Side[] = ['left', 'right'];
const MANY_SLICES = 10;
/** Where it begins if nothing is marked: the lungs are widest in the lower half. */
const BEGIN = 0.4;
/** What a choice of the masks shows. */
const SHOWN: Record<string, Omit<View, 'lungs' | 'difference'>> = {
  both: { normnet: true, ggo: true, consolidation: true },
  normnet: { normnet: true, ggo: false, consolidation: false },
  infnet: { normnet: false, ggo: true, consolidation: true },
  lungs: { normnet: false, ggo: false, consolidation: false },
};
const OPACITY = 0.4;

/** One of the two pictures. */
interface Pane {
  readonly side: Side;
  readonly choice: HTMLSelectElement;
  readonly canvas: HTMLCanvasElement;
  readonly caption: HTMLElement;
  entry: Entry | undefined;
  loaded: Loaded | undefined;
  /** A drawing is under way, and whether another is wanted behind it. */
  drawing: boolean;
  again: boolean;
}

export class Panes {
  readonly element = make('section', { class: 'follow-panes', 'aria-labelledby': 'follow-slices' });
  private readonly panes = SIDES.map((side) => this.pane(side));
  private readonly slider = make('input', { type: 'range', id: 'follow-height', min: '0', step: '1' });
  private readonly height = make('output', { for: 'follow-height', id: 'follow-height-out' });
  private window: WindowName = 'lung';
  private shown = 'both';
  private entries: readonly Entry[] = [];
  /** 0 at the base, 1 at the apex. */
  private at = BEGIN;
  /** Nobody has gone anywhere yet. */
  private fresh = true;

  constructor(private readonly client: FollowClient) {
    this.slider.addEventListener('input', () => this.move(Number(this.slider.value)));
  }

  /** These can be chosen; the first and the last are, unless others still can. */
  offer(entries: readonly Entry[]): void {
    this.entries = entries;
    this.build();
    const stays = (entry: Entry | undefined): entry is Entry => entry !== undefined && entries.includes(entry);
    const [left, right] = this.panes.map(({ entry }) => entry);
    const wanted = stays(left) && stays(right) && left !== right ? [left, right] : [entries[0], entries.at(-1)];
    this.panes.forEach((pane, i) => {
      pane.choice.replaceChildren(...entries.map((entry, place) => make('option', { value: String(place) }, [dateOf(entry) ?? ''])));
      // Also where it is shown already: its Worker may have been ended in between.
      void this.take(pane, wanted[i]);
    });
  }

  /** Keys go through the slices wherever they are not a field's own. */
  key(event: KeyboardEvent): void {
    const own = event.target instanceof Element && event.target.closest('input, select') !== null;
    if (own || !this.element.isConnected || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = Number(this.slider.value);
    const to: Record<string, number> = {
      ArrowUp: at + 1,
      ArrowDown: at - 1,
      PageUp: at + MANY_SLICES,
      PageDown: at - MANY_SLICES,
      Home: 0,
      End: Infinity,
    };
    const step = to[event.key];
    if (step === undefined) return;
    event.preventDefault();
    this.move(step);
  }

  private pane(side: Side): Pane {
    const choice = make('select');
    const canvas = make('canvas', { role: 'img', 'data-side': side });
    const caption = make('figcaption', { class: 'quiet' });
    const pane: Pane = { side, choice, canvas, caption, entry: undefined, loaded: undefined, drawing: false, again: false };
    choice.addEventListener('change', () => void this.take(pane, this.entries[Number(choice.value)]));
    canvas.addEventListener(
      'wheel',
      (event) => {
        event.preventDefault();
        this.move(Number(this.slider.value) - Math.sign(event.deltaY));
      },
      { passive: false },
    );
    return pane;
  }

  /** In the language of the page. */
  private build(): void {
    const window = this.select('follow-window', [['lung', TEXT.page.windowLung], ['mediastinum', TEXT.page.windowMediastinum], ['bone', TEXT.page.windowBone]], this.window, (value) => {
      this.window = value as WindowName;
    });
    const show = this.select(
      'follow-show',
      [['both', TEXT.page.showBoth], ['normnet', TEXT.page.showNormnet], ['infnet', TEXT.page.showInfnet], ['lungs', TEXT.page.showLungs]],
      this.shown,
      (value) => {
        this.shown = value;
      },
    );
    const labels: Record<Side, string> = { left: TEXT.follow.leftPicture, right: TEXT.follow.rightPicture };
    for (const { side, choice, canvas } of this.panes) {
      choice.setAttribute('aria-label', labels[side]);
      canvas.setAttribute('aria-label', labels[side]);
    }
    const keys = [
      ['lungs', TEXT.page.layerLungs],
      ['normnet', TEXT.page.layerNormnet],
      ['ggo', TEXT.page.layerGgo],
      ['consolidation', TEXT.page.layerConsolidation],
    ].map(([key, name]) => make('span', {}, [make('i', { class: `key ${key}` }), name ?? '']));
    this.element.replaceChildren(
      make('h3', { id: 'follow-slices' }, [TEXT.follow.slicesTitle]),
      make('p', { class: 'quiet' }, [TEXT.follow.slicesHint]),
      make('div', { class: 'follow-pair' }, this.panes.map(({ choice, canvas, caption }) => make('figure', {}, [choice, canvas, caption]))),
      make('div', { class: 'follow-controls' }, [
        make('label', { class: 'inline follow-height' }, [make('span', {}, [TEXT.follow.height]), this.slider, this.height]),
        make('label', { class: 'inline' }, [make('span', {}, [TEXT.page.windowLabel]), window]),
        make('label', { class: 'inline' }, [make('span', {}, [TEXT.page.show]), show]),
      ]),
      make('p', { class: 'follow-keys quiet' }, keys),
    );
  }

  private select(id: string, options: [string, string][], value: string, chosen: (value: string) => void): HTMLSelectElement {
    const made = make('select', { id }, options.map(([key, name]) => make('option', { value: key }, [name])));
    made.value = value;
    made.addEventListener('change', () => {
      chosen(made.value);
      this.draw();
    });
    return made;
  }

  private async take(pane: Pane, entry: Entry | undefined): Promise<void> {
    pane.entry = entry;
    pane.loaded = undefined;
    pane.canvas.hidden = true;
    if (entry === undefined) return;
    pane.choice.value = String(this.entries.indexOf(entry));
    if (entry.picture === undefined) {
      pane.caption.textContent = entry.crowded ? TEXT.follow.crowded : TEXT.follow.noPicture;
      this.range();
      return;
    }
    pane.caption.textContent = TEXT.follow.loading;
    try {
      const loaded = await this.client.ask('load', { side: pane.side, ...entry.picture });
      // Another date has been chosen meanwhile.
      if (pane.entry !== entry) return;
      pane.loaded = loaded;
      pane.canvas.style.aspectRatio = String(loaded.aspect);
      // The earlier date says where there is something to see.
      if (this.fresh && pane.side === 'left' && loaded.fullest !== null) this.at = heightOf(loaded, loaded.fullest);
      this.range();
    } catch (error) {
      if (pane.entry === entry) pane.caption.textContent = TEXT.follow.lostPicture(messageOf(error));
    }
  }

  private get loaded(): Loaded[] {
    return this.panes.flatMap(({ loaded }) => loaded ?? []);
  }

  /** One step of the slider is a slice of the scan that has more of them in the lungs. */
  private range(): void {
    const last = stepsBetween(this.loaded);
    this.slider.max = String(last);
    this.go(Math.round(this.at * last));
  }

  /** The person goes there. */
  private move(step: number): void {
    this.fresh = false;
    this.go(step);
  }

  private go(step: number): void {
    const last = Number(this.slider.max);
    const to = Math.min(Math.max(step, 0), last);
    this.slider.value = String(to);
    if (last > 0) this.at = to / last;
    const text = TEXT.follow.heightAt(whole(100 * this.at));
    this.height.textContent = text;
    this.slider.setAttribute('aria-valuetext', text);
    this.draw();
  }

  private draw(): void {
    for (const pane of this.panes) void this.drawPane(pane);
  }

  /** The wheel turns faster than pictures are made: only the last wish counts. */
  private async drawPane(pane: Pane): Promise<void> {
    if (pane.loaded === undefined) return;
    pane.again = true;
    if (pane.drawing) return;
    pane.drawing = true;
    try {
      while (pane.again && pane.loaded !== undefined) {
        pane.again = false;
        const { loaded, side } = pane;
        const slice = linked(loaded, this.at);
        const view: View = { ...(SHOWN[this.shown] as Omit<View, 'lungs' | 'difference'>), lungs: true, difference: false };
        const drawn = await this.client.ask('draw', { side, slice, window: WINDOWS[this.window], view, opacity: OPACITY });
        if (loaded !== pane.loaded) continue;
        paint(pane.canvas, drawn);
        pane.canvas.dataset['slice'] = String(slice);
        pane.canvas.hidden = false;
        pane.caption.textContent = TEXT.follow.sliceAt(whole(slice + 1), whole(loaded.slices), loaded.thinned);
      }
    } catch (error) {
      pane.caption.textContent = TEXT.follow.lostPicture(messageOf(error));
    }
    pane.drawing = false;
  }
}

/** With the letters of the sides: the patient's right is on the left. */
function paint(canvas: HTMLCanvasElement, { pixels, width, height }: Drawn): void {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.putImageData(new ImageData(pixels, width, height), 0, 0);
  const letter = Math.round(height / 22);
  context.font = `600 ${letter}px sans-serif`;
  context.fillStyle = '#fff';
  context.textBaseline = 'middle';
  context.fillText('R', letter / 3, height / 2);
  context.textAlign = 'right';
  context.fillText('L', width - letter / 3, height / 2);
}
