/** The correcting Worker as the page sees it: started with the first correction, and anew where one has died. */
import type { FromCorrect, NamedBytes, NamedFile, Removal, ToCorrect } from '../protocol.ts';
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

export class Corrector {
  private peer: Peer<ToCorrect, FromCorrect> | undefined;
  private readonly removals: Removal[] = [];
  private settle: { resolve(answer: Answer): void; reject(error: Error): void } | undefined;

  constructor(private readonly finished: Finished) {}

  async remove(removal: Removal): Promise<Corrected> {
    const corrected = await this.correct({ type: 'remove', ...removal });
    this.removals.push(removal);
    return corrected;
  }

  /** Takes the last removal back. */
  async undo(): Promise<Corrected> {
    const corrected = await this.correct({ type: 'undo' });
    this.removals.pop();
    return corrected;
  }

  end(): void {
    this.peer?.end();
    this.peer = undefined;
    this.fail('it was ended');
  }

  private async correct(message: ToCorrect): Promise<Corrected> {
    if (this.peer === undefined) await this.open();
    const answer = await this.ask(message);
    if (answer.type !== 'corrected') throw new Error('the Worker gave another answer than it was asked for');
    return answer;
  }

  /** A new Worker is brought to where the one before it was. */
  private async open(): Promise<void> {
    const module = await engineModule();
    const worker = new Worker(new URL('../worker/correct.ts', import.meta.url), { type: 'module' });
    this.peer = new Peer<ToCorrect, FromCorrect>(worker, {
      message: (answer) => this.receive(answer),
      died: (cause) => {
        this.peer = undefined;
        this.fail(cause);
      },
    });
    const { name, files, series, made } = this.finished;
    try {
      await this.ask({ type: 'open', module, name, files, series, made, removals: this.removals });
    } catch (error) {
      this.end();
      throw error;
    }
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
    if (answer.type === 'failed') this.fail(answer.message);
    else this.settle?.resolve(answer);
  }

  private fail(message: string): void {
    this.settle?.reject(new Error(message));
  }
}
