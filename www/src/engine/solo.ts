/** One compute Worker by itself, beside the crew: for what is no analysis. It does what it is asked, and ends with its first trouble. */
import type { AxialSlice, Bytes, DeviceInfo, Tap } from '../protocol.ts';
import type { Rung } from './ladder.ts';
import { Member, type Stock } from './member.ts';

/** The Worker is gone, or its GPU would not open: another may do better. */
export class Gone extends Error {}

interface Asked {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

export class Solo {
  private readonly member: Member;
  private readonly asked = new Map<number, Asked>();
  private nextId = 0;
  private gone: Error | undefined;
  /** The device, once all weights are loaded. */
  readonly ready: Promise<DeviceInfo>;

  constructor(rung: Rung, module: WebAssembly.Module, stock: Stock) {
    let info: DeviceInfo | undefined;
    let started: (info: DeviceInfo) => void = () => undefined;
    this.ready = this.ask((id) => {
      started = (device) => this.answer(id, device);
    });
    this.member = new Member(rung, module, {
      ready: (_version, device) => {
        info = device;
        this.member.equip(stock);
      },
      loaded: () => {
        if (info !== undefined && this.member.isFit(stock)) started(info);
      },
      refused: (message) => this.fail(new Gone(message)),
      unfit: (_file, _weight, message) => this.fail(new Error(message)),
      died: (cause) => this.fail(new Gone(cause)),
      tile: ([id, bytes]) => this.answer(id, bytes),
      tapped: (id, answer) => this.answer(id, answer),
    });
  }

  compute(work: string, input: Bytes): Promise<Bytes> {
    return this.ask((id) => this.member.compute(id, work, input));
  }

  /** Inf-Net's intermediate tensors of these names. */
  taps(slice: AxialSlice, names: string[]): Promise<Tap[]> {
    return this.ask((id) => this.member.taps(id, slice, names));
  }

  end(): void {
    this.fail(new Error('it was ended'));
  }

  private ask<T>(begin: (id: number) => void): Promise<T> {
    if (this.gone !== undefined) return Promise.reject(this.gone);
    const id = this.nextId;
    this.nextId += 1;
    return new Promise<T>((resolve, reject) => {
      this.asked.set(id, { resolve: resolve as Asked['resolve'], reject });
      begin(id);
    });
  }

  private answer(id: number, answer: unknown): void {
    const asked = this.asked.get(id);
    this.asked.delete(id);
    if (answer instanceof Error) asked?.reject(answer);
    else asked?.resolve(answer);
  }

  private fail(error: Error): void {
    if (this.gone !== undefined) return;
    this.gone = error;
    this.member.end();
    for (const { reject } of this.asked.values()) reject(error);
    this.asked.clear();
  }
}
