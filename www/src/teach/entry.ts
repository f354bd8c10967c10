/** The ways into the lesson and out of it. All the rest of it is loaded when somebody goes in. */
import { byId } from '../dom.ts';
import type { Demo } from '../protocol.ts';
import type { Context, Source } from './session.ts';
import { format, parse, STEPS, type State } from './state.ts';
import type { View } from './view.ts';

const FIRST: State = { step: STEPS[0], slice: undefined, settings: {} };

type Scan = Extract<Source, { kind: 'scan' }>;

export class Lesson {
  private view: View | undefined;
  private scan: Scan | undefined;
  /** Where it was left. */
  private last: State | undefined;
  private opening = false;
  /** What had the focus before. */
  private from: Element | null = null;

  constructor(
    private readonly context: () => Context,
    /** What it is about where no scan has been analysed. */
    private readonly demo: Demo,
  ) {
    for (const button of document.querySelectorAll('[data-action="teach"]')) {
      button.addEventListener('click', () => {
        // The way back leads out of the lesson again.
        history.pushState(null, '', format(this.last ?? FIRST));
        void this.open();
      });
    }
    window.addEventListener('hashchange', () => this.follow());
  }

  /** Opens it if the address asks for it; says whether it does. */
  follow(): boolean {
    const state = parse(location.hash);
    if (state === undefined) return false;
    if (this.view === undefined) void this.open(state);
    return true;
  }

  get isOpen(): boolean {
    return this.opening || this.view !== undefined;
  }

  /** This scan was analysed. */
  offer(scan: Scan): void {
    this.scan = scan;
    byId('teach-scan').hidden = false;
  }

  /** There is no analysed scan any more, because another one was opened. */
  withdraw(): void {
    this.leave();
    this.scan = undefined;
    byId('teach-scan').hidden = true;
  }

  private async open(state = this.last ?? FIRST): Promise<void> {
    if (this.isOpen) return;
    this.opening = true;
    this.from = document.activeElement;
    try {
      const { View } = await import('./view.ts');
      const source: Source = this.scan ?? { kind: 'demo', demo: this.demo };
      const view = new View(source, this.context(), state, () => this.leave());
      this.view = view;
      document.body.dataset['teach'] = '';
      document.querySelector('main')?.after(view.element);
      byId('teach-title').focus();
    } finally {
      this.opening = false;
    }
  }

  private leave(): void {
    if (this.view === undefined) return;
    this.last = this.view.at;
    this.view.end();
    this.view = undefined;
    delete document.body.dataset['teach'];
    history.replaceState(null, '', `${location.pathname}${location.search}`);
    if (this.from instanceof HTMLElement) this.from.focus();
  }
}
