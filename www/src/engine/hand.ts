/** One compute Worker with weights of its own, which does what it is asked for in order: for the self-test and the lesson. */
import type { AxialSlice, Bytes, DeviceInfo, Tap } from '../protocol.ts';
import { Member, type Stock } from './member.ts';

export interface Hiring {
  device: 'gpu' | 'cpu';
  maxBufferMb: number;
  module: WebAssembly.Module;
  /** All weights that it needs. */
  stock: Stock;
  /** The Worker has found a file to be what the manifest promises. */
  loaded?(file: string): void;
}

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

export class Hand {
  /** Resolves when the device is open and all weights are loaded. */
  readonly ready: Promise<DeviceInfo>;
  private readonly member: Member;
  private waiting: Waiting | undefined;
  private last: Promise<unknown>;
  private broken: Error | undefined;

  constructor({ device, maxBufferMb, module, stock, loaded }: Hiring) {
    this.ready = new Promise<DeviceInfo>((resolve, reject) => {
      this.waiting = { resolve: resolve as Waiting['resolve'], reject };
    });
    this.last = this.ready.catch(() => undefined);
    let info: DeviceInfo | undefined;
    const fail = (cause: string): void => this.fail(new Error(cause));
    this.member = new Member({ device, maxBufferMb, workers: 1 }, module, {
      ready: (_version, opened) => {
        info = opened;
        this.member.equip(stock);
      },
      refused: fail,
      unfit: (_file, _weight, message) => fail(message),
      died: fail,
      loaded: (file) => {
        loaded?.(file);
        if (info !== undefined && this.member.isFit(stock)) this.answer(info);
      },
      tile: ([, bytes]) => this.answer(bytes),
      tapped: (_id, answer) => {
        if (answer instanceof Error) this.refuse(answer);
        else this.answer(answer);
      },
    });
  }

  /** Whether it can be asked for more. */
  get alive(): boolean {
    return this.broken === undefined;
  }

  /** Runs a tile; the input's buffer is given away. */
  compute(work: string, input: Bytes): Promise<Bytes> {
    return this.ask<Bytes>(() => this.member.compute(0, work, input));
  }

  /** Inf-Net's intermediate tensors of these names. */
  taps(slice: AxialSlice, names: string[]): Promise<Tap[]> {
    return this.ask<Tap[]>(() => this.member.taps(0, slice, names));
  }

  /** Ends the Worker; what is under way throws. */
  end(): void {
    this.fail(new Error('it was ended'));
    this.member.end();
  }

  private ask<Answer>(post: () => void): Promise<Answer> {
    const asked = this.last.then(
      () =>
        new Promise<Answer>((resolve, reject) => {
          if (this.broken !== undefined) {
            reject(this.broken);
            return;
          }
          this.waiting = { resolve: resolve as Waiting['resolve'], reject };
          post();
        }),
    );
    this.last = asked.catch(() => undefined);
    return asked;
  }

  private answer(answer: unknown): void {
    this.waiting?.resolve(answer);
    this.waiting = undefined;
  }

  /** The Worker is sound, but can't do this. */
  private refuse(error: Error): void {
    this.waiting?.reject(error);
    this.waiting = undefined;
  }

  private fail(error: Error): void {
    this.broken ??= error;
    this.refuse(error);
  }
}
