/** The correcting Worker as the page sees it: started with the first correction, and anew where one has died. */
import type { Edit, FromCorrect, NamedBytes, NamedFile, ToCorrect } from '../protocol.ts';
import { engineModule } from './module.ts';
import { CPU_SILENCE_S, Peer } from './peer.ts';

/** A finished analysis. */
export interface Finished {
  name: string;
  files: NamedFile[];
  series: string | undefined;
  /** What it gave. */
  made: NamedBytes[];
}

export interface Corrected {
  report: string;
  /** Those of the files that are new. */
  files: NamedBytes[];
}

type Answer = Exclude<FromCorrect, { type: 'heartbeat' | 'broken' | 'panic' }>;

/** The Worker has died, which says nothing against what it was to do. */
class Died extends Error {}

export class Corrector {
  private peer: Peer<ToCorrect, FromCorrect> | undefined;
  /** All that was done, what was undone again included: a new Worker does it over. */
  private readonly done: Edit[] = [];
  private ended = false;
  private settle: { resolve(answer: Answer): void; reject(error: Error): void } | undefined;

  constructor(private readonly finished: Finished) {}

  /** Does these in their order, and measures once; all of them, or none. */
  async edit(edits: Edit[]): Promise<Corrected> {
    const corrected = await this.attempt(edits).catch((error: unknown) => {
      // What has felled one Worker may have been that Worker's own trouble.
      if (error instanceof Died) return this.attempt(edits);
      throw error;
    });
    this.done.push(...edits);
    return corrected;
  }

  end(): void {
    this.ended = true;
    this.drop();
    this.fail(new Error('it was ended'));
  }

  private async attempt(edits: Edit[]): Promise<Corrected> {
    try {
      if (this.peer === undefined) await this.open();
      const answer = await this.ask({ type: 'edit', edits });
      if (answer.type !== 'corrected') throw new Error('the Worker gave another answer than it was asked for');
      return answer;
    } catch (error) {
      // A part of them may have been done.
      this.drop();
      throw error;
    }
  }

  private drop(): void {
    this.peer?.end();
    this.peer = undefined;
  }

  /** A new Worker is brought to where the one before it was. */
  private async open(): Promise<void> {
    const module = await engineModule();
    if (this.ended) throw new Error('it was ended');
    const worker = new Worker(new URL('../worker/correct.ts', import.meta.url), { type: 'module' });
    this.peer = new Peer<ToCorrect, FromCorrect>(worker, {
      message: (answer) => this.receive(answer),
      died: (cause) => {
        this.peer = undefined;
        this.fail(new Died(cause));
      },
    });
    const { name, files, series, made } = this.finished;
    await this.ask({ type: 'open', module, name, files, series, made, edits: this.done });
  }

  private ask(message: ToCorrect): Promise<Answer> {
    this.peer?.expect({ silence: CPU_SILENCE_S });
    this.peer?.post(message);
    return new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
  }

  private receive(answer: Answer): void {
    this.peer?.rest();
    if (answer.type === 'failed') this.fail(new Error(answer.message));
    else this.settle?.resolve(answer);
  }

  private fail(error: Error): void {
    this.settle?.reject(error);
  }
}
