/**
 * A Worker as the page sees it: what is said to it, what it says, and its death. A Worker is dead when
 * it panics, gives up, can't be started, or has work and shows no sign of life.
 */
import type { FromAny } from '../protocol.ts';

/** Computing on the CPU blocks a Worker, and with it the heartbeat, for as long as a tile takes. */
export const CPU_SILENCE_S = 300;
/** On the GPU the Worker only waits and its heartbeat never pauses: this long without it means dead. */
export const GPU_SILENCE_S = 30;
/** A GPU can hang while the heartbeat goes on: neither a tile nor the start takes this long. */
export const GPU_WORK_S = 600;
const WATCH_MS = 1000;

/** How long a Worker with work may be silent, and how long the work may take; in seconds. */
export interface Patience {
  silence: number;
  work?: number;
}

export interface PeerEvents<From> {
  message(message: From): void;
  /** The Worker has been ended; nothing more comes. */
  died(cause: string): void;
}

export class Peer<To, From extends { type: string }> {
  private alive = true;
  private patience: Patience | undefined;
  /** Counted in ticks, not by the clock: a computer that slept has not been silent. */
  private silent = 0;
  private working = 0;
  private readonly watch = setInterval(() => this.check(), WATCH_MS);

  constructor(
    private readonly worker: Worker,
    private readonly events: PeerEvents<Exclude<From, FromAny>>,
  ) {
    worker.addEventListener('message', (event: MessageEvent<From | FromAny>) => {
      if (this.alive) this.receive(event.data);
    });
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      this.dead(event.message || 'the worker could not be started');
    });
  }

  post(message: To, transfer: Transferable[] = []): void {
    if (this.alive) this.worker.postMessage(message, transfer);
  }

  /** The Worker has work from now on, or a new piece of it. */
  expect(patience: Patience): void {
    this.patience = patience;
    this.silent = 0;
    this.working = 0;
  }

  /** Nothing is expected of the Worker. */
  rest(): void {
    this.patience = undefined;
  }

  end(): void {
    this.alive = false;
    clearInterval(this.watch);
    this.worker.terminate();
  }

  private receive(message: From | FromAny): void {
    this.silent = 0;
    const common = message as FromAny;
    switch (common.type) {
      case 'heartbeat':
        return;
      case 'panic':
        this.dead(common.text);
        return;
      case 'broken':
        this.dead(common.message);
        return;
      default:
        this.events.message(message as Exclude<From, FromAny>);
    }
  }

  private check(): void {
    if (this.patience === undefined) return;
    this.silent += 1;
    this.working += 1;
    const { silence, work } = this.patience;
    const seconds = (ticks: number): number => (ticks * WATCH_MS) / 1000;
    if (seconds(this.silent) > silence) this.dead(`no sign of life for ${silence} s`);
    else if (work !== undefined && seconds(this.working) > work) this.dead(`the GPU gave no answer for ${work} s`);
  }

  private dead(cause: string): void {
    if (!this.alive) return;
    this.end();
    this.events.died(cause);
  }
}
