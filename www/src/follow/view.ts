/** The comparison: a dialog with the dates, what changed, two linked pictures, the chart, the table, and what can be saved. */
import '../style/follow.css';
import { make } from '../dom.ts';
import { messageOf } from '../engine/events.ts';
import { save } from '../saves.ts';
import { locale, TEXT } from '../strings.ts';
import { chart, chartTexts } from './chart.ts';
import type { FollowClient } from './client.ts';
import { dateOf, type Dates, type Entry } from './dates.ts';
import { Panes } from './panes.ts';
import type { Compared } from './protocol.ts';
import { sentences, tables } from './table.ts';

export interface ViewEvents {
  /** The person wants to open another scan. */
  more(): void;
  closed(): void;
}

/** A comparison with what can be saved of it. */
interface Made {
  entries: Entry[];
  compared: Compared;
  json: string;
  csv: string;
  svg: string;
}

export class FollowView {
  private readonly dialog = make('dialog', { id: 'follow', 'aria-labelledby': 'follow-title' });
  private readonly list = make('ul', { id: 'follow-dates' });
  private readonly said = make('p', { id: 'follow-said', role: 'status' });
  private readonly result = make('div', { id: 'follow-result' });
  private readonly panes: Panes;
  /** Counts the comparisons: an earlier one may come late. */
  private turn = 0;

  constructor(
    private readonly client: FollowClient,
    private readonly dates: Dates,
    private readonly heard: ViewEvents,
  ) {
    this.panes = new Panes(client);
    this.dialog.addEventListener('close', () => heard.closed());
    this.dialog.addEventListener('keydown', (event) => this.panes.key(event));
    document.body.append(this.dialog);
  }

  get isOpen(): boolean {
    return this.dialog.open;
  }

  open(): void {
    this.fill();
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.scrollTo(0, 0);
    void this.compare();
  }

  private fill(): void {
    const close = make('button', { type: 'button', id: 'follow-close' }, [TEXT.page.close]);
    close.addEventListener('click', () => this.dialog.close());
    const add = make('button', { type: 'button', class: 'small', id: 'follow-add' }, [TEXT.follow.add]);
    add.addEventListener('click', () => {
      this.dialog.close();
      this.heard.more();
    });
    this.dialog.replaceChildren(
      make('header', {}, [make('h2', { id: 'follow-title', tabindex: '-1' }, [TEXT.follow.title]), close]),
      make('p', { class: 'quiet' }, [TEXT.follow.basis]),
      make('section', { class: 'follow-dates' }, [make('h3', {}, [TEXT.follow.dates]), this.list, add]),
      this.said,
      this.result,
      make('p', { class: 'follow-notice' }, [make('strong', {}, [TEXT.page.notice])]),
    );
  }

  /** Says and shows what the dates give that are there. */
  private async compare(): Promise<void> {
    this.turn += 1;
    const { turn } = this;
    this.list.replaceChildren(...this.dates.entries.map((entry) => this.entry(entry)));
    const entries = this.dates.entries.filter((entry) => dateOf(entry) !== undefined);
    if (entries.length < 2) {
      this.said.textContent = TEXT.follow.needTwo;
      this.result.replaceChildren();
      return;
    }
    this.said.textContent = TEXT.follow.comparing;
    try {
      const made = await this.made(entries);
      if (turn !== this.turn) return;
      this.said.textContent = entries.length < this.dates.entries.length ? TEXT.follow.needTwo : '';
      this.show(made);
    } catch (error) {
      if (turn !== this.turn) return;
      this.said.textContent = TEXT.follow.notCompared(messageOf(error));
      this.result.replaceChildren();
    }
  }

  private async made(entries: Entry[]): Promise<Made> {
    const { json, csv } = await this.client.ask('compare', {
      names: entries.map(({ name }) => name),
      reports: entries.map(({ report }) => report),
      dates: entries.map(({ typed }) => typed ?? ''),
    });
    const compared = JSON.parse(json) as Compared;
    const svg = await this.client.ask('chart', { texts: chartTexts(compared) });
    return { entries, compared, json, csv, svg };
  }

  private show(made: Made): void {
    const { compared, entries } = made;
    const remarks = compared.remarks.map(({ code, scans, text }) => {
      const dates = scans.map((scan) => compared.scans[scan]?.date ?? '');
      const when = new Intl.ListFormat(locale(), { type: 'conjunction' }).format(dates);
      return make('li', { 'data-code': code }, [TEXT.follow.remark(code, when, text)]);
    });
    const changes = sentences(compared).map((text) => make('li', {}, [text]));
    this.result.replaceChildren(
      make('ul', { class: 'warnings' }, remarks),
      make('ul', { id: 'follow-changes' }, changes),
      this.panes.element,
      make('div', { class: 'follow-figures' }, [chart(made.svg), make('div', {}, tables(compared))]),
      make('div', { class: 'buttons follow-saves' }, saves(made)),
    );
    this.panes.offer(entries);
  }

  private entry(entry: Entry): HTMLElement {
    const name = entry.name.replace(/_report\.json$/, '');
    const field = make('input', { type: 'date', 'aria-label': TEXT.follow.dateOf(name), min: '1971-01-01' });
    field.value = dateOf(entry) ?? '';
    field.addEventListener('change', () => {
      entry.typed = field.value === '' ? undefined : field.value;
      // The list is sorted anew, and the field is another one then.
      void this.compare();
      this.list.querySelector<HTMLElement>(`[data-name="${CSS.escape(entry.name)}"] input`)?.focus();
    });
    const away = make('button', { type: 'button', class: 'link', title: TEXT.follow.remove(name), 'aria-label': TEXT.follow.remove(name) }, ['×']);
    away.addEventListener('click', () => {
      this.dates.remove(entry);
      void this.compare();
      this.dialog.querySelector<HTMLElement>('#follow-add')?.focus();
    });
    const source = entry.typed === undefined ? entry.found?.date_from : 'given';
    const note = source === undefined ? TEXT.follow.dateMissing : TEXT.follow.dateFrom(source);
    const crowded = entry.crowded ? [make('small', { class: 'quiet' }, [TEXT.follow.crowded])] : [];
    return make('li', { 'data-name': entry.name }, [
      make('b', {}, [name]),
      field,
      make('small', { class: source === undefined ? 'follow-missing' : 'quiet' }, [note]),
      ...crowded,
      away,
    ]);
  }
}

/** Buttons for report, table, chart, and paper. */
function saves({ entries, json, csv, svg }: Made): HTMLElement[] {
  const first = (entries[0]?.name ?? 'case').replace(/(_report)?\.json$/, '');
  const button = (text: string, ending: string, content: string, type: string): HTMLButtonElement => {
    const file = `${first}_followup.${ending}`;
    const made = make('button', { type: 'button', title: file, 'data-file': file }, [text]);
    made.addEventListener('click', () => save(file, new TextEncoder().encode(content), type));
    return made;
  };
  const report = button(TEXT.follow.saveReport, 'json', json, 'application/json');
  report.classList.add('primary');
  const print = make('button', { type: 'button', id: 'follow-print' }, [TEXT.follow.print]);
  print.addEventListener('click', () => window.print());
  return [report, button(TEXT.follow.saveTable, 'csv', csv, 'text/csv'), button(TEXT.follow.saveChart, 'svg', svg, 'image/svg+xml'), print];
}
