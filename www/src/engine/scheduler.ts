/**
 * Which compute Worker gets which tile. A Worker has at most two: one that runs and one that waits
 * behind it, so that it never stands idle while the next input is on its way, and a GPU uploads one
 * tile while it computes another. Pure.
 */

interface Assigned {
  tile: number;
  /** Its input has reached the Worker. */
  sent: boolean;
}

const IN_HAND = 2;

export class Scheduler {
  private waiting: number[] = [];
  private readonly hands = new Map<number, Assigned[]>();
  private readonly finished = new Set<number>();
  private planned = false;

  /** The tiles of the analysis. Called again for a new case Worker, it changes nothing. */
  plan(count: number): void {
    if (this.planned) return;
    this.planned = true;
    this.waiting = Array.from({ length: count }, (_, tile) => tile);
  }

  /** Every tile is done. */
  get complete(): boolean {
    return this.planned && this.waiting.length === 0 && [...this.hands.values()].every((hand) => hand.length === 0);
  }

  join(worker: number): void {
    if (!this.hands.has(worker)) this.hands.set(worker, []);
  }

  /** The Worker is gone: its tiles wait again, and are given. */
  leave(worker: number): number[] {
    const given = (this.hands.get(worker) ?? []).map(({ tile }) => tile);
    this.hands.delete(worker);
    this.putBack(given);
    return given;
  }

  /** The case Worker is gone, and with it the inputs that it was asked for: they will be asked for again. */
  withdraw(): void {
    for (const [worker, hand] of this.hands) {
      this.putBack(hand.filter(({ sent }) => !sent).map(({ tile }) => tile));
      this.hands.set(worker, hand.filter(({ sent }) => sent));
    }
  }

  /** Fills the Workers' hands; gives the tiles whose inputs are wanted. */
  assign(): number[] {
    const wanted: number[] = [];
    const give = (hand: Assigned[]): void => {
      const tile = this.waiting.shift();
      if (tile === undefined) return;
      hand.push({ tile, sent: false });
      wanted.push(tile);
    };
    for (let round = 1; round <= IN_HAND; round += 1) {
      for (const hand of this.hands.values()) {
        // Of the last tiles none is put behind a running one, where it could wait while another Worker is idle.
        const enough = round === 1 || this.waiting.length >= this.hands.size;
        if (hand.length < round && enough) give(hand);
      }
    }
    return wanted;
  }

  /** The Worker that waits for this tile's input, which is then taken as sent. */
  send(tile: number): number | undefined {
    for (const [worker, hand] of this.hands) {
      const assigned = hand.find((candidate) => candidate.tile === tile);
      if (assigned === undefined || assigned.sent) continue;
      assigned.sent = true;
      return worker;
    }
    return undefined;
  }

  /** The Worker has done the tile. */
  done(worker: number, tile: number): void {
    this.finished.add(tile);
    const hand = this.hands.get(worker);
    if (hand !== undefined) this.hands.set(worker, hand.filter((assigned) => assigned.tile !== tile));
  }

  /** The tile that the Worker computes; none while its input is on the way. */
  running(worker: number): number | undefined {
    return this.hands.get(worker)?.find(({ sent }) => sent)?.tile;
  }

  private putBack(tiles: number[]): void {
    const again = tiles.filter((tile) => !this.finished.has(tile));
    this.waiting = [...again, ...this.waiting].sort((a, b) => a - b);
  }
}
