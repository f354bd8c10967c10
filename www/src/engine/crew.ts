/**
 * The compute Workers: as many as the ladder's rung says, equipped with the weights of the run. One
 * that dies is replaced, or the next rung is taken; what it had in hand is the run's to give out again.
 */
import type { Bytes, DeviceInfo, EngineSettings, Tile } from '../protocol.ts';
import { probe } from './device.ts';
import type { OpenedDevice } from './events.ts';
import { Ladder, rungs, type Recovery } from './ladder.ts';
import { Member, type Stock } from './member.ts';
import { engineModule } from './module.ts';
import type { Weight } from './weights.ts';

export interface CrewEvents {
  /** A device is open, or the number of Workers has changed. */
  device(version: string, device: OpenedDevice): void;
  /** A Worker has loaded a file, and may be fit for tiles by that. */
  loaded(file: string): void;
  unfit(file: string, weight: Weight, message: string): void;
  tile(worker: number, tile: Tile): void;
  /** The Worker is gone. */
  left(worker: number): void;
  /** Why a Worker died, and what follows. */
  fell(cause: string, recovery: Recovery): void;
}

export class Crew {
  private readonly members = new Map<number, Member>();
  private nextId = 0;
  /** Changes when everything ends, so that what was under way for the old life stops. */
  private life = 0;
  private built: Promise<Ladder> | undefined;
  private base: { module: WebAssembly.Module; ladder: Ladder } | undefined;
  private stock: Stock | undefined;
  private opened: { version: string; device: DeviceInfo } | undefined;
  private most = 0;

  constructor(
    private settings: EngineSettings,
    private readonly events: CrewEvents,
    /** No Worker is started before this. */
    private readonly ready: Promise<void>,
  ) {}

  /** Takes effect with the next run. */
  configure(settings: EngineSettings): void {
    const { device, maxBufferMb, workers } = this.settings;
    if (settings.device === device && settings.maxBufferMb === maxBufferMb && settings.workers === workers) return;
    this.settings = settings;
    this.built = undefined;
  }

  /** Opens the device with one Worker, ahead of the first run. */
  async warmUp(): Promise<void> {
    await this.hire(1, false);
  }

  /** Brings all Workers of the rung to life, for a new run. */
  async staff(): Promise<void> {
    this.stock = undefined;
    await this.hire(Infinity, true);
  }

  /** Gives every Worker what it lacks; to be called again when more has arrived. */
  equip(stock: Stock): void {
    this.stock = stock;
    const others = [...this.members].filter(([, member]) => member.holdsOther(stock));
    for (const [id] of others) this.dismiss(id);
    if (others.length > 0) this.fill();
    for (const member of this.members.values()) member.equip(stock);
  }

  /** The Workers that have all weights. */
  fit(): number[] {
    const stock = this.stock;
    if (stock === undefined) return [];
    return [...this.members].filter(([, member]) => member.isFit(stock)).map(([id]) => id);
  }

  compute(worker: number, index: number, work: string, input: Bytes): void {
    this.members.get(worker)?.compute(index, work, input);
  }

  /** As the report names the device. */
  get deviceName(): string {
    return this.opened?.device.kind === 'gpu' ? this.opened.device.name : 'CPU (WebAssembly)';
  }

  /** After a run. On the CPU the Workers go: their memory never shrinks, and a new one costs little. */
  rest(): void {
    if (this.base?.ladder.rung.device !== 'gpu') this.end();
  }

  end(): void {
    this.life += 1;
    this.stock = undefined;
    for (const member of this.members.values()) member.end();
    this.members.clear();
  }

  private async hire(most: number, restart: boolean): Promise<void> {
    this.most = most;
    const life = this.life;
    this.built ??= probe(navigator.gpu, this.settings.device).then(
      (found) => new Ladder(rungs(found, this.settings, navigator.hardwareConcurrency)),
    );
    const [module, ladder] = await Promise.all([engineModule(), this.built, this.ready]);
    if (life !== this.life) return;
    this.base = { module, ladder };
    if (restart) ladder.restart();
    this.fill();
  }

  private fill(): void {
    if (this.base === undefined) return;
    const { module, ladder } = this.base;
    const target = Math.min(ladder.rung.workers, this.most);
    for (const [id, member] of this.members) if (!member.suits(ladder.rung)) this.dismiss(id);
    for (const id of [...this.members.keys()].slice(target)) this.dismiss(id);
    while (this.members.size < target) this.add(module, ladder);
    this.announce();
  }

  private add(module: WebAssembly.Module, ladder: Ladder): void {
    const id = this.nextId;
    this.nextId += 1;
    const member = new Member(ladder.rung, module, {
      ready: (version, device) => {
        this.opened = { version, device };
        this.announce();
        if (this.stock !== undefined) member.equip(this.stock);
      },
      refused: (message) => {
        ladder.refused(message);
        this.fill();
      },
      loaded: (file) => this.events.loaded(file),
      unfit: (file, weight, message) => this.events.unfit(file, weight, message),
      tile: (tile) => {
        ladder.succeeded();
        this.events.tile(id, tile);
      },
      died: (cause) => this.died(id, ladder, cause),
    });
    this.members.set(id, member);
  }

  /** Says which device there is, once one is open. */
  private announce(): void {
    const rung = this.base?.ladder.rung;
    if (rung === undefined || this.opened?.device.kind !== rung.device) return;
    const reason = rung.reason === undefined ? {} : { reason: rung.reason };
    this.events.device(this.opened.version, { ...this.opened.device, workers: rung.workers, ...reason });
  }

  private died(id: number, ladder: Ladder, cause: string): void {
    this.dismiss(id);
    const recovery = ladder.failed();
    if (recovery === 'stop') this.end();
    else this.fill();
    this.events.fell(cause, recovery);
  }

  private dismiss(id: number): void {
    this.members.get(id)?.end();
    this.members.delete(id);
    this.events.left(id);
  }
}
