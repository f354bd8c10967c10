/** The case Worker of one task: it holds the scan and the merged results, and is started anew when it dies. */
import type { FromAny, FromCase, ToCase } from '../protocol.ts';
import { messageOf } from './events.ts';
import { engineModule } from './module.ts';
import { CPU_SILENCE_S, Peer } from './peer.ts';
import { placed } from './places.ts';

/** Nothing makes a case smaller: a scan that has killed so many Workers will kill the next. */
const LIVES = 3;

export interface CaseEvents {
  message(message: Exclude<FromCase, FromAny>): void;
  /** The Worker died; the next one begins from the start, unless it was the last. */
  died(cause: string, last: boolean): void;
  /** The engine can't be loaded at all. */
  failed(message: string): void;
}

export class CaseWorker {
  private peer: Peer<ToCase, FromCase> | undefined;
  private deaths = 0;
  private ended = false;

  constructor(
    /** What a new Worker is told first; nothing if the task failed in the meantime. */
    private readonly opening: (module: WebAssembly.Module) => Promise<ToCase | undefined>,
    private readonly events: CaseEvents,
    /** No Worker is started before this. */
    private readonly ready: Promise<void>,
  ) {
    void this.start();
  }

  post(message: ToCase): void {
    this.peer?.post(message);
  }

  end(): void {
    this.ended = true;
    this.peer?.end();
    this.peer = undefined;
  }

  private async start(): Promise<void> {
    try {
      const opening = await this.opening(await engineModule());
      await this.ready;
      if (opening === undefined || this.ended) return;
      const place = placed('case.js');
      const worker =
        place === undefined
          ? new Worker(new URL('../worker/case.ts', import.meta.url), { type: 'module' })
          : new Worker(place, { type: 'module' });
      this.peer = new Peer<ToCase, FromCase>(worker, {
        message: (message) => this.events.message(message),
        died: (cause) => this.died(cause),
      });
      this.peer.expect({ silence: CPU_SILENCE_S });
      this.peer.post(opening);
    } catch (error) {
      if (!this.ended) this.events.failed(messageOf(error));
    }
  }

  private died(cause: string): void {
    this.peer = undefined;
    this.deaths += 1;
    const last = this.deaths >= LIVES;
    this.events.died(cause, last);
    if (!last && !this.ended) void this.start();
  }
}
