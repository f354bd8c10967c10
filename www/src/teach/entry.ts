/** The ways into the lesson and out of it. All the rest of it is loaded when somebody goes in. */
import { byId } from '../dom.ts';
import type { Demo } from '../protocol.ts';
import type { Context, Source } from './session.ts';
import { parse, STEPS, type State } from './state.ts';
import type { View } from './view.ts';

type Scan = Extract<Source, { kind: 'scan' }>;

export class Lesson {
  private view: View | undefined;
  private scan: Scan | undefined;
  /** Where it was left. */
  private last: State | undefined;
  private opening = false;

  constructor(
    private readonly context: () => Context,
    /** What it is about where no scan has been analysed. */
    private readonly demo: Demo,
  ) {
    for (const button of document.querySelectorAll('[data-action="teach"]')) {
      button.addEventListener('click', () => void this.open());
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

  /** There is no analysed scan any more. */
  withdraw(): void {
    this.scan = undefined;
    byId('teach-scan').hidden = true;
  }

  private async open(state = this.last): Promise<void> {
    if (this.isOpen) return;
    this.opening = true;
    const from = document.activeElement;
    try {
      const { View } = await import('./view.ts');
      const source: Source = this.scan ?? { kind: 'demo', demo: this.demo };
      const start: State = state ?? { step: STEPS[0], slice: undefined, settings: {} };
      const view = new View(source, this.context(), start, () => this.leave(from));
      this.view = view;
      document.body.dataset['teach'] = '';
      document.querySelector('main')?.after(view.element);
      byId('teach-title').focus();
    } finally {
      this.opening = false;
    }
  }

  private leave(to: Element | null): void {
    if (this.view === undefined) return;
    this.last = this.view.at;
    this.view.end();
    this.view = undefined;
    delete document.body.dataset['teach'];
    history.replaceState(null, '', `${location.pathname}${location.search}`);
    if (to instanceof HTMLElement) to.focus();
  }
}
