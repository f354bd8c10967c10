/** The view Worker as the page sees it: one for each scan, ended with it. */
import type { Bytes, FirstSlice, FromView, NamedBytes, Order, ShownScan, Steps, ToView, View, Visible } from './protocol.ts';
import type { Comparison } from './truth.ts';

type Reply = Exclude<FromView, { type: 'first' }>;
type Answer<T extends Reply['type']> = Extract<Reply, { type: T }>;
type Question<T extends ToView['type']> = Omit<Extract<ToView, { type: T }>, 'id' | 'type'>;

interface Waiting {
  resolve(answer: Reply): void;
  reject(error: Error): void;
}

export class ViewWorker {
  private readonly worker = new Worker(new URL('./worker/view.ts', import.meta.url), { type: 'module' });
  private readonly waiting = new Map<number, Waiting>();
  private asked = 0;

  constructor(private readonly first: (slice: FirstSlice) => void = () => undefined) {
    this.worker.addEventListener('message', (event: MessageEvent<FromView>) => this.receive(event.data));
    this.worker.addEventListener('error', (event) => {
      event.preventDefault();
      this.fail(event.message || 'the worker could not be started');
    });
  }

  /** The file unpacked and thinned to so many voxels; nothing for what can't be shown. */
  async scan(file: Blob, budget: number): Promise<ShownScan | undefined> {
    return (await this.ask('scan', { file, budget })).scan;
  }

  /** Gives the masks into its keeping; says which layers there are. */
  async masks(files: NamedBytes[], steps: Steps, order: Order): Promise<Visible> {
    return (await this.ask('masks', { files, steps, order })).present;
  }

  /** The overlay's codes, in the viewer's own order. */
  async codes(view: View): Promise<Bytes> {
    return (await this.ask('codes', { view })).codes;
  }

  async isMask(file: Blob): Promise<boolean> {
    return (await this.ask('mask', { file })).is;
  }

  /** The masks against the truth; nothing where that lies on another grid than the scan. */
  async compare(truth: Blob, files: NamedBytes[]): Promise<Comparison | undefined> {
    return (await this.ask('compare', { truth, files })).comparison;
  }

  /** What was asked is never answered. */
  end(): void {
    this.worker.terminate();
    this.fail('a new scan has taken its place');
  }

  private ask<T extends ToView['type']>(type: T, question: Question<T>): Promise<Answer<T>> {
    this.asked += 1;
    const id = this.asked;
    this.worker.postMessage({ ...question, type, id });
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve: (answer) => resolve(answer as Answer<T>), reject });
    });
  }

  private receive(answer: FromView): void {
    if (answer.type === 'first') {
      this.first(answer.slice);
      return;
    }
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if (answer.type === 'failed') waiting?.reject(new Error(answer.message));
    else waiting?.resolve(answer);
  }

  private fail(message: string): void {
    for (const { reject } of this.waiting.values()) reject(new Error(message));
    this.waiting.clear();
  }
}
