/** The follow-up on the page: it collects what is analysed while it is on, and opens the comparison. */
import { byId, make } from '../dom.ts';
import { messageOf } from '../engine/events.ts';
import type { Opened } from '../folder.ts';
import type { NamedBytes } from '../protocol.ts';
import { scanOf, type FindMask, type Scan } from '../scan.ts';
import { showMessage } from '../status.ts';
import { onLanguage, TEXT } from '../strings.ts';
import { apart, areReports } from './apart.ts';
import { FollowClient } from './client.ts';
import { Dates, heldBy, MOST_DATES, masksOf, packed, type Entry, type Picture } from './dates.ts';
import type { FollowView } from './view.ts';

/** No report is longer; the engine says of a longer one that it is none. */
const MOST_REPORT_BYTES = 17e6;

/** A result that is on the page: the person may want to compare it. */
export interface Result {
  scan: Scan;
  /** What the viewer shows of it. */
  seen: Blob | undefined;
  files: NamedBytes[];
}

export class FollowUp {
  private readonly dates = new Dates();
  private readonly client = new FollowClient();
  private readonly card = byId('follow-card');
  private on = false;
  private latest: Result | undefined;
  private waiting: Scan[] = [];
  /** Scans that could not be analysed, and why. */
  private refused: { name: string; why: string }[] = [];
  private view: FollowView | undefined;

  constructor(
    /** Opens and analyses a scan, in the place of what is open. */
    private readonly analyse: (scan: Scan) => void,
  ) {
    onLanguage(() => this.render());
  }

  /** Takes saved reports; says whether these are some. */
  takes(opened: Opened): boolean {
    if (!areReports(opened)) return false;
    void this.work(() => this.takeReports(opened));
    return true;
  }

  /** Of several scans that were opened together the one to begin with; the others wait. */
  async first(scan: Scan, findMask: FindMask): Promise<Scan> {
    const found = await apart(scan, findMask);
    if (found.length === 1) return scan;
    const [first = scan, ...rest] = await Promise.all(found.map((opened) => scanOf(opened, async () => undefined)));
    this.queue(rest);
    return first;
  }

  /** These come behind the scan that is analysed now, each as another date. */
  queue(scans: Scan[]): void {
    this.on = true;
    this.waiting.push(...scans);
    this.render();
  }

  /** A result is shown, or shown again after a correction. */
  presented(result: Result): void {
    this.latest = result;
    this.render();
    if (!this.on) return;
    const anew = !this.dates.entries.some(({ of }) => of === result.scan);
    void this.work(async () => {
      await this.collect(result);
      if (anew && this.latest === result) await this.next();
    });
  }

  /** A scan could not be analysed: those that wait still can. */
  failed(name: string, why: string): void {
    if (this.waiting.length === 0) return;
    this.refused.push({ name, why });
    void this.work(() => this.next());
  }

  /** Another scan takes the place of the result. */
  left(): void {
    this.latest = undefined;
    this.render();
  }

  /** The person has begun something else: what waits is forgotten. */
  stopped(): void {
    this.waiting = [];
    this.refused = [];
    this.render();
  }

  private start(): void {
    this.on = true;
    this.refused = [];
    const { latest } = this;
    void this.work(async () => {
      if (latest !== undefined) await this.collect(latest);
    });
  }

  private end(): void {
    this.on = false;
    this.stopped();
    this.dates.clear();
    this.client.end();
    this.render();
  }

  /** The next scan of those that wait; behind the last, the comparison. */
  private async next(): Promise<void> {
    const scan = this.waiting.shift();
    this.render();
    if (scan !== undefined) this.analyse(scan);
    else if (this.dates.entries.length > 1) await this.show();
  }

  private async takeReports({ files }: Opened): Promise<void> {
    if (!this.on && this.latest !== undefined) await this.collect(this.latest);
    for (const { name, file } of files) {
      const report = new Uint8Array(await file.slice(0, MOST_REPORT_BYTES).arrayBuffer());
      await this.add({ of: file, name: fileName(name), report, typed: undefined, picture: undefined, crowded: false });
    }
    this.on = true;
    if (this.dates.entries.length > 1) await this.show();
  }

  private async collect({ scan, seen, files }: Result): Promise<void> {
    const report = files.find(({ name }) => name.endsWith('_report.json'));
    if (report === undefined) return;
    let picture: Picture | undefined = seen && { scan: await packed(seen), masks: masksOf(files) };
    const crowded = !this.dates.hasRoom(heldBy(picture), scan);
    if (crowded) picture = undefined;
    await this.add({ of: scan, name: report.name, report: report.bytes, typed: undefined, picture, crowded });
  }

  private async add(entry: Omit<Entry, 'found'>): Promise<void> {
    if (this.dates.full) throw new Error(TEXT.follow.full(MOST_DATES));
    const found = await this.client.ask('date', { name: entry.name, report: entry.report });
    this.dates.add({ ...entry, found });
  }

  /** Opens the comparison. */
  private async show(): Promise<void> {
    const { FollowView } = await import('./view.ts');
    this.view ??= new FollowView(this.client, this.dates, {
      more: () => byId('file-input').click(),
      closed: () => {
        this.client.end();
        this.render();
      },
    });
    this.view.open();
  }

  /** Does it, and says what went wrong. Without the comparison on the page its Worker is not kept. */
  private async work(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      showMessage(() => TEXT.follow.notAdded, () => messageOf(error), 'problem');
    }
    if (this.view?.isOpen !== true) this.client.end();
    this.render();
  }

  private render(): void {
    const { on, latest, waiting, refused } = this;
    this.card.hidden = !on && latest === undefined;
    if (this.card.hidden) return;
    const title = make('h2', { id: 'follow-card-title' }, [TEXT.follow.title]);
    if (!on) {
      this.card.replaceChildren(title, make('p', {}, [TEXT.follow.offer]), buttons(button('follow-start', TEXT.follow.start, () => this.start(), 'primary')));
      return;
    }
    const { entries } = this.dates;
    const list = entries.map(({ name }) => make('li', {}, [name.replace(/_report\.json$/, '')]));
    const also = [
      ...waiting.map(({ name }) => make('li', { class: 'quiet' }, [TEXT.follow.waits(name)])),
      ...refused.map(({ name, why }) => make('li', { class: 'quiet' }, [TEXT.follow.refused(name, why)])),
    ];
    const choose = (kind: 'file' | 'folder'): void => byId(`${kind}-input`).click();
    const folder = button('follow-folder', TEXT.page.openFolder, () => choose('folder'));
    folder.hidden = !('webkitdirectory' in byId('folder-input'));
    const show = button('follow-show', TEXT.follow.show, () => void this.work(() => this.show()), 'primary small');
    show.hidden = entries.length < 2;
    this.card.replaceChildren(
      title,
      make('p', { role: 'status' }, [TEXT.follow.collecting]),
      make('ul', { class: 'follow-list' }, [...list, ...also]),
      buttons(show, button('follow-open', TEXT.page.open, () => choose('file')), folder, button('follow-end', TEXT.follow.end, () => this.end())),
    );
  }
}

function fileName(path: string): string {
  return path.split('/').at(-1) ?? path;
}

function button(id: string, text: string, act: () => void, kind = 'small'): HTMLButtonElement {
  const made = make('button', { type: 'button', id, class: kind }, [text]);
  made.addEventListener('click', act);
  return made;
}

function buttons(...all: HTMLElement[]): HTMLElement {
  return make('div', { class: 'buttons' }, all);
}
