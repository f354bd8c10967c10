/** The way from lesion to lesion, in the order of the table. */
import { byId } from './dom.ts';
import type { Lesion, Report } from './report.ts';
import type { Mark } from './ruler.ts';

export interface Stop {
  network: Mark['network'];
  lesion: Lesion;
}

export function stopsOf(report: Report): Stop[] {
  return (['normnet', 'infnet'] as const).flatMap((network) =>
    (report[network]?.listed ?? []).map((lesion) => ({ network, lesion })),
  );
}

export class Tour {
  private stops: Stop[] = [];
  private at: number | undefined;

  constructor(private readonly visit: (lesion: Lesion) => void) {
    byId('previous-lesion').addEventListener('click', () => this.step(-1));
    byId('next-lesion').addEventListener('click', () => this.step(1));
  }

  set(stops: Stop[]): void {
    this.stops = stops;
    this.at = undefined;
    byId('tour').hidden = stops.length === 0;
  }

  /** Behind the last comes the first again. */
  step(by: number): void {
    const count = this.stops.length;
    if (count === 0) return;
    this.go((((this.at ?? (by > 0 ? -1 : 0)) + by) % count + count) % count);
  }

  /** From the table: the next step goes on from there. */
  start(lesion: Lesion): void {
    const at = this.stops.findIndex((stop) => stop.lesion === lesion);
    if (at >= 0) this.go(at);
  }

  private go(at: number): void {
    this.at = at;
    const stop = this.stops[at];
    if (stop === undefined) return;
    this.visit(stop.lesion);
    for (const row of document.querySelectorAll('[data-stop]')) row.removeAttribute('aria-current');
    document.querySelector(`[data-stop="${at}"]`)?.setAttribute('aria-current', 'true');
  }
}
