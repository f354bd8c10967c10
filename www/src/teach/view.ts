/** The lesson on the screen: the list of steps, one of them, and what leads to its neighbours. */
import '../style/teach.css';
import { make } from '../dom.ts';
import { messageOf } from '../engine/events.ts';
import { whole } from '../format.ts';
import type { LessonOutline } from '../protocol.ts';
import { onLanguage } from '../strings.ts';
import { ControlsView } from './controls.ts';
import { FigureView } from './figure.ts';
import { makeHandout } from './handout.ts';
import { Session, type Context, type Source, type Wait } from './session.ts';
import { format, neighbour, parse, partOf, STEPS, type Part, type State, type StepId } from './state.ts';
import { possible, STEP, type Shown } from './steps.ts';
import { TEXTS } from './texts.ts';
import { words } from './words.ts';
import { written } from './written.ts';

/** What takes longer than this is said to take time. */
const PATIENCE_MS = 300;
const PARTS: Record<Part, string> = { normnet: 'NormNet', infnet: 'Inf-Net' };

export class View {
  readonly element = make('section', { class: 'teach', id: 'teach', role: 'main', 'aria-labelledby': 'teach-title' });
  private readonly session: Session;
  private outline: LessonOutline | undefined;
  private controls: ControlsView | undefined;
  private figures: FigureView[] = [];
  private readonly title = make('h2', { id: 'teach-title', tabindex: '-1' });
  private readonly name = make('span', { class: 'quiet' });
  private readonly back = make('button', { type: 'button', class: 'small', id: 'teach-back' });
  private readonly copy = make('button', { type: 'button', class: 'small', id: 'teach-copy' });
  private readonly print = make('button', { type: 'button', class: 'small', id: 'teach-print' });
  private readonly list = make('nav', { class: 'teach-list' });
  private readonly select = make('select', { class: 'teach-select' });
  private readonly card = make('article', { class: 'card teach-step' });
  private readonly heading = make('h3', { class: 'teach-heading', 'aria-live': 'polite' });
  private readonly text = make('div', { class: 'teach-text', lang: 'en' });
  private readonly english = make('p', { class: 'quiet teach-english' });
  private readonly settings = make('div');
  private readonly sliceLabel = make('span');
  private readonly slice = make('input', { type: 'range', id: 'teach-slice', step: '1' });
  private readonly sliceOut = make('output', { for: 'teach-slice' });
  private readonly sliceBox = make('label', { class: 'teach-slice' }, [this.sliceLabel, this.slice, this.sliceOut]);
  private readonly waiting = make('p', { class: 'teach-wait', role: 'status' });
  private readonly bar = make('progress', { max: '1' });
  private readonly problem = make('div', { class: 'card message problem teach-problem', role: 'alert' });
  private readonly grid = make('div', { class: 'teach-figures' });
  private readonly said = make('ul', { class: 'teach-said', lang: 'en' });
  private readonly previous = make('button', { type: 'button', id: 'teach-previous' });
  private readonly next = make('button', { type: 'button', class: 'primary', id: 'teach-next' });
  private readonly place = make('span', { class: 'quiet' });
  private readonly keys = make('p', { class: 'quiet teach-keys' });
  private readonly abort = new AbortController();
  private busy = false;
  private again = false;
  private ended = false;
  private wait: Wait | undefined;
  private shownStep: StepId | undefined;

  constructor(
    private readonly source: Source,
    context: Context,
    private state: State,
    private readonly left: () => void,
  ) {
    this.session = new Session(source, context, (wait) => this.waits(wait));
    this.build();
    onLanguage(() => {
      if (!this.ended) this.translate();
    });
    this.listen();
    this.translate();
    this.showStep();
    void this.open();
  }

  /** Where the lesson stands. */
  get at(): State {
    return this.state;
  }

  end(): void {
    this.ended = true;
    this.abort.abort();
    this.session.end();
    this.element.remove();
  }

  private build(): void {
    const { element } = this;
    const top = make('div', { class: 'teach-top' }, [
      this.back,
      make('div', { class: 'teach-name' }, [this.title, this.name]),
      make('div', { class: 'buttons' }, [this.copy, this.print]),
    ]);
    const words = make('div', { class: 'teach-words' }, [this.heading, this.english, this.text, this.settings]);
    const pictures = make('div', { class: 'teach-pictures' }, [
      this.sliceBox,
      make('div', { class: 'teach-progress' }, [this.waiting, this.bar]),
      this.problem,
      this.grid,
      this.said,
    ]);
    this.card.append(words, pictures);
    const ways = make('div', { class: 'teach-ways' }, [this.previous, this.place, this.next]);
    element.append(top, this.list, this.select, this.card, ways, this.keys);
    this.problem.hidden = true;
    this.bar.hidden = true;
    this.sliceBox.hidden = true;
  }

  private listen(): void {
    const { signal } = this.abort;
    const on = (target: EventTarget, type: string, act: (event: Event) => void, capture = false): void =>
      target.addEventListener(type, act, { signal, capture });
    on(this.back, 'click', () => this.left());
    on(this.copy, 'click', () => void this.copyLink());
    on(this.print, 'click', () => void this.printAll());
    on(this.previous, 'click', () => this.step(-1));
    on(this.next, 'click', () => this.step(1));
    on(this.select, 'change', () => this.go({ ...this.state, step: this.select.value as StepId }));
    on(this.slice, 'input', () => this.set({ ...this.state, slice: Number(this.slice.value) - 1 }));
    on(window, 'hashchange', () => this.follow());
    on(window, 'keydown', (event) => this.key(event as KeyboardEvent), true);
    let width = 0;
    const observer = new ResizeObserver(() => {
      if (this.grid.clientWidth === width) return;
      width = this.grid.clientWidth;
      for (const figure of this.figures) figure.redraw();
    });
    observer.observe(this.grid);
    signal.addEventListener('abort', () => observer.disconnect());
  }

  private async open(): Promise<void> {
    try {
      const outline = await this.session.open();
      if (this.ended) return;
      this.outline = outline;
      const [first, last] = outline.lungs;
      this.slice.min = String(first + 1);
      this.slice.max = String(last + 1);
      this.sliceBox.hidden = false;
      const wanted = this.state.slice ?? outline.suggested;
      this.state = { ...this.state, slice: Math.min(Math.max(wanted, first), last) };
      this.keepInAddress(false);
      this.showStep();
      await this.render();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Follows the address, which a link or the way back has changed. */
  private follow(): void {
    const state = parse(location.hash);
    if (state === undefined) {
      this.left();
      return;
    }
    if (format(state) === format(this.state)) return;
    const slice = state.slice ?? this.state.slice;
    this.state = { ...state, slice: this.inLungs(slice) };
    this.showStep();
    this.toTop();
    void this.render();
  }

  /** A step is read from its beginning. */
  private toTop(): void {
    this.card.scrollTop = 0;
    if (this.card.getBoundingClientRect().top < 0) this.card.scrollIntoView();
  }

  private inLungs(slice: number | undefined): number | undefined {
    if (slice === undefined || this.outline === undefined) return slice;
    const [first, last] = this.outline.lungs;
    return Math.min(Math.max(slice, first), last);
  }

  /** To another step, which the way back leads out of again. */
  private go(state: State): void {
    this.state = state;
    this.keepInAddress(true);
    this.showStep();
    this.toTop();
    void this.render();
  }

  /** Other settings of the same step. */
  private set(state: State): void {
    this.state = state;
    this.keepInAddress(false);
    this.showSlice();
    void this.render();
  }

  private step(by: 1 | -1): void {
    let step = neighbour(this.state.step, by);
    while (step !== undefined && this.outline !== undefined && !possible(step, this.outline)) step = neighbour(step, by);
    if (step !== undefined) this.go({ ...this.state, step });
  }

  private key(event: KeyboardEvent): void {
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : undefined;
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey;
    const target = event.target instanceof Element ? event.target : document.body;
    if (by === undefined || !plain || target.closest('input, select, textarea, dialog') !== null) return;
    event.preventDefault();
    this.step(by);
  }

  private keepInAddress(newEntry: boolean): void {
    const address = `${location.pathname}${location.search}${format(this.state)}`;
    if (newEntry) history.pushState(null, '', address);
    else history.replaceState(null, '', address);
    for (const link of this.list.querySelectorAll<HTMLAnchorElement>('a')) {
      link.href = format({ ...this.state, step: link.dataset['step'] as StepId });
    }
  }

  /** All that does not wait for the engine. */
  private showStep(): void {
    const { step } = this.state;
    this.heading.textContent = words().titles[step];
    this.select.value = step;
    for (const link of this.list.querySelectorAll<HTMLAnchorElement>('a')) {
      if (link.dataset['step'] === step) link.setAttribute('aria-current', 'step');
      else link.removeAttribute('aria-current');
    }
    this.text.replaceChildren(...written(TEXTS[step]));
    this.previous.disabled = neighbour(step, -1) === undefined;
    this.next.disabled = neighbour(step, 1) === undefined;
    this.place.textContent = words().of(STEPS.indexOf(step) + 1, STEPS.length);
    this.showSlice();
    this.controls = undefined;
    if (this.outline === undefined) return;
    this.controls = new ControlsView(STEP[step].controls, this.outline, (settings) => this.set({ ...this.state, settings }));
    this.controls.set(this.state.settings);
    this.settings.replaceChildren(this.controls.element);
  }

  private showSlice(): void {
    const { slice } = this.state;
    if (slice === undefined || this.outline === undefined) return;
    this.slice.value = String(slice + 1);
    this.sliceOut.value = words().of(slice + 1, this.outline.dims[2]);
  }

  /** Shows the present step; where it changes meanwhile, the last one counts. */
  private async render(): Promise<void> {
    if (this.outline === undefined) return;
    this.again = true;
    if (this.busy) return;
    this.busy = true;
    const late = setTimeout(() => this.showWait(this.wait ?? { what: 'step' }), PATIENCE_MS);
    this.element.setAttribute('aria-busy', 'true');
    while (this.again && !this.ended) {
      this.again = false;
      await this.renderOnce(this.outline);
    }
    clearTimeout(late);
    this.busy = false;
    this.wait = undefined;
    this.hideWait();
    this.element.removeAttribute('aria-busy');
  }

  private async renderOnce(outline: LessonOutline): Promise<void> {
    const { state } = this;
    const { step, slice, settings } = state;
    if (slice === undefined) return;
    if (step !== this.shownStep) {
      this.grid.replaceChildren();
      this.said.replaceChildren();
      this.figures = [];
    }
    try {
      const shown = await STEP[step].show({ session: this.session, outline, k: slice, settings });
      if (this.ended || step !== this.state.step) return;
      this.present(state, shown);
    } catch (error) {
      if (step === this.state.step) this.fail(error);
    }
  }

  private present(state: State, { figures, said }: Shown): void {
    this.problem.hidden = true;
    if (this.figures.length !== figures.length) {
      this.figures = figures.map(() => new FigureView());
      this.grid.replaceChildren(...this.figures.map(({ element }) => element));
    }
    this.shownStep = state.step;
    this.element.dataset['shown'] = format(state);
    for (const [n, figure] of figures.entries()) this.figures[n]?.show(figure);
    this.said.replaceChildren(...said.map((line) => make('li', {}, [line])));
  }

  private fail(error: unknown): void {
    if (this.ended) return;
    const retry = make('button', { type: 'button', class: 'small' }, [words().again]);
    retry.addEventListener('click', () => {
      this.problem.hidden = true;
      void this.render();
    });
    this.problem.replaceChildren(make('h4', {}, [words().failed]), make('p', {}, [messageOf(error)]));
    if (this.outline !== undefined) this.problem.append(retry);
    this.problem.hidden = false;
    this.hideWait();
  }

  private waits(wait: Wait | undefined): void {
    const shown = this.waiting.textContent !== '';
    this.wait = wait;
    if (wait !== undefined && (shown || this.outline === undefined)) this.showWait(wait);
  }

  private showWait({ what, fraction }: Wait): void {
    const text = words().waits[what];
    if (this.waiting.textContent !== text) this.waiting.textContent = text;
    this.bar.hidden = false;
    this.bar.setAttribute('aria-label', text);
    if (fraction === undefined) this.bar.removeAttribute('value');
    else this.bar.value = fraction;
  }

  private hideWait(): void {
    this.waiting.textContent = '';
    this.bar.hidden = true;
  }

  private async copyLink(): Promise<void> {
    try {
      await navigator.clipboard.writeText(location.href);
    } catch {
      // Without a secure address there is no clipboard; the address of the page is the link anyway.
      return;
    }
    this.copy.textContent = words().copied;
    setTimeout(() => (this.copy.textContent = words().copy), 1500);
  }

  private async printAll(): Promise<void> {
    const { outline } = this;
    const { slice, settings } = this.state;
    if (outline === undefined || slice === undefined) return;
    this.print.disabled = true;
    const steps = STEPS.filter((step) => possible(step, outline));
    const here = { session: this.session, outline, k: slice, settings };
    try {
      const handout = await makeHandout(steps, here, this.caption(), (done) => {
        this.waiting.textContent = words().printing;
        this.bar.hidden = false;
        this.bar.value = done / steps.length;
      });
      if (this.ended) return;
      document.body.append(handout);
      document.body.dataset['handout'] = '';
      // Not every browser waits in print() until the paper is out.
      const away = (): void => {
        handout.remove();
        delete document.body.dataset['handout'];
      };
      window.addEventListener('afterprint', away, { once: true });
      window.print();
    } catch (error) {
      this.fail(error);
    } finally {
      this.print.disabled = false;
      this.hideWait();
    }
  }

  /** What the hand-out is about, without the name of a file, which may be a person's. */
  private caption(): string {
    const { slice } = this.state;
    const of = slice === undefined || this.outline === undefined ? '' : words().of(slice + 1, this.outline.dims[2]);
    const subject = this.source.kind === 'demo' ? `${words().demo} · ` : '';
    return `${subject}${words().slice} ${of}`;
  }

  private translate(): void {
    const w = words();
    this.title.textContent = w.title;
    this.name.textContent = this.source.kind === 'demo' ? w.demo : this.source.name;
    this.back.textContent = `← ${w.back}`;
    this.copy.textContent = w.copy;
    this.copy.title = w.linkHint;
    this.print.textContent = w.print;
    this.previous.textContent = w.previous;
    this.next.textContent = w.next;
    this.sliceLabel.textContent = w.slice;
    this.keys.textContent = `${w.keys} ${w.linkHint}`;
    this.english.textContent = w.english;
    this.english.hidden = w.english === '';
    this.list.setAttribute('aria-label', w.steps);
    this.select.setAttribute('aria-label', w.steps);
    this.fillSteps();
    this.showStep();
  }

  private fillSteps(): void {
    const parts: Part[] = ['normnet', 'infnet'];
    const of = (part: Part): StepId[] => STEPS.filter((step) => partOf(step) === part);
    const link = (step: StepId): Node => {
      const address = format({ ...this.state, step });
      return make('li', {}, [make('a', { href: address, 'data-step': step }, [titled(step)])]);
    };
    this.list.replaceChildren(
      ...parts.flatMap((part) => {
        return [make('h3', {}, [PARTS[part]]), make('ol', {}, of(part).map(link))];
      }),
    );
    this.select.replaceChildren(
      ...parts.map((part) =>
        make(
          'optgroup',
          { label: PARTS[part] },
          of(part).map((step) => make('option', { value: step }, [titled(step)])),
        ),
      ),
    );
    this.select.value = this.state.step;
  }
}

/** A step's number and title. */
function titled(step: StepId): string {
  return `${whole(STEPS.indexOf(step) + 1)}. ${words().titles[step]}`;
}
