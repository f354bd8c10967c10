/**
 * One analysis: the case Worker has the scan, the compute Workers the networks, and the tiles pass
 * through here. A Worker that dies takes nothing with it, for every finished tile is kept.
 */
import type { Bytes, FromAny, FromCase, Job, Tile } from '../protocol.ts';
import { CaseWorker } from './case-worker.ts';
import type { Crew, CrewEvents } from './crew.ts';
import { messageOf, type EngineEvent } from './events.ts';
import type { Recovery } from './ladder.ts';
import { LungWeights } from './lungs.ts';
import { Scheduler } from './scheduler.ts';
import { Supply } from './supply.ts';
import type { Manifest, Weight, Weights } from './weights.ts';

export class Run implements Omit<CrewEvents, 'device'> {
  private readonly kept = new Map<number, Bytes>();
  /** NormNet's tiles. */
  private slabs = new Set<number>();
  private readonly scheduler = new Scheduler();
  private readonly supply: Supply;
  private readonly lungs: LungWeights;
  private readonly caseWorker: CaseWorker;
  private manifest: Manifest | undefined;
  /** The present case Worker has its tiles and takes results. */
  private planned = false;
  private finishing = false;
  private ended = false;
  /** What a new case Worker is told; it need not ask or show again what was answered and shown. */
  private readonly job: Job;

  constructor(
    job: Job,
    private readonly crew: Crew,
    private readonly weights: Weights,
    private readonly emit: (event: EngineEvent) => void,
    ready: Promise<void>,
  ) {
    this.job = { ...job };
    this.supply = new Supply(weights, crew, {
      progress: (done, total, cached) => emit({ type: 'weights', done, total, cached }),
      failed: (message) => emit({ type: 'failed', stage: 'weights', message }),
    });
    this.lungs = new LungWeights(weights, (message) => this.caseWorker.post(message));
    this.caseWorker = new CaseWorker(
      async (module) => {
        const manifest = await this.readManifest();
        return manifest && { type: 'open', module, manifest: manifest.bytes, job: this.job };
      },
      {
        message: (message) => this.receive(message),
        died: (cause, last) => this.caseDied(cause, last),
        failed: (message) => emit({ type: 'failed', stage: 'engine', message }),
      },
      ready,
    );
    // The compute Workers start, and take their weights, while the file is opened.
    crew.staff().catch((error: unknown) => emit({ type: 'failed', stage: 'engine', message: messageOf(error) }));
  }

  /** Ends the run's own Worker; the compute Workers are the crew's. */
  end(): void {
    this.ended = true;
    this.caseWorker.end();
    this.supply.end();
    this.lungs.end();
  }

  /** Answers the question which series it is to be. */
  choose(series: string): void {
    this.job.series = series;
    this.caseWorker.post({ type: 'choose', series });
  }

  loaded(file: string): void {
    this.supply.verified(file);
    this.dispatch();
  }

  unfit(file: string, weight: Weight, message: string): void {
    this.supply.refused(file, weight, message);
  }

  tile(worker: number, tile: Tile): void {
    const [index, bytes] = tile;
    this.kept.set(index, bytes);
    this.scheduler.done(worker, index);
    if (this.planned) this.caseWorker.post({ type: 'merge', tile });
    this.emit({ type: 'tile', index });
    this.announceRunning(worker);
    this.dispatch();
  }

  left(worker: number): void {
    for (const index of this.scheduler.leave(worker)) this.emit({ type: 'tile-lost', index });
    this.dispatch();
  }

  fell(cause: string, recovery: Recovery): void {
    this.emit({ type: 'died', worker: 'compute', cause, recovery, kept: this.kept.size });
  }

  private async readManifest(): Promise<Manifest | undefined> {
    try {
      this.manifest = await this.weights.manifest();
    } catch (error) {
      this.emit({ type: 'failed', stage: 'weights', message: messageOf(error) });
    }
    return this.manifest;
  }

  private receive(message: Exclude<FromCase, FromAny>): void {
    switch (message.type) {
      case 'needs':
        this.emit({ type: 'reading' });
        if (this.manifest !== undefined) this.supply.need(this.manifest, message.files);
        return;
      case 'lungs':
        this.bring((manifest) => this.lungs.need(manifest, message.file));
        return;
      case 'lungs-loaded':
        this.lungs.verified();
        return;
      case 'lungs-unfit':
        this.bring((manifest) => this.lungs.refused(manifest, message.message));
        return;
      case 'plan':
        this.plan(message.labels);
        return;
      case 'input':
        this.send(message.index, message.work, message.input);
        return;
      case 'shown':
        this.job.show = false;
        this.emit(message);
        return;
      case 'result':
        this.emit({ ...message, tiles: [...this.kept].filter(([index]) => this.slabs.has(index)) });
        return;
      case 'series':
      case 'info':
      case 'prepare':
      case 'failed':
        this.emit(message);
        return;
      case 'demo':
      case 'outline':
      case 'lesson':
      case 'unshown':
        return;
    }
  }

  /** Brings the lung network's weights to the case Worker. */
  private bring(work: (manifest: Manifest) => Promise<void>): void {
    if (this.manifest === undefined) return;
    work(this.manifest).catch((error: unknown) => {
      if (!this.ended) this.emit({ type: 'failed', stage: 'weights', message: messageOf(error) });
    });
  }

  private plan(labels: string[]): void {
    this.scheduler.plan(labels.length);
    this.slabs = new Set(labels.flatMap((label, index) => (label.startsWith('NormNet') ? index : [])));
    this.planned = true;
    for (const tile of this.kept) this.caseWorker.post({ type: 'merge', tile });
    this.emit({ type: 'plan', labels, done: [...this.kept.keys()] });
    this.dispatch();
  }

  private dispatch(): void {
    if (!this.planned || this.finishing) return;
    for (const worker of this.crew.fit()) this.scheduler.join(worker);
    for (const index of this.scheduler.assign()) this.caseWorker.post({ type: 'input', index });
    if (!this.scheduler.complete) return;
    this.finishing = true;
    this.emit({ type: 'finishing' });
    this.caseWorker.post({ type: 'finish', device: this.crew.deviceName });
  }

  private send(index: number, work: string, input: Bytes): void {
    const worker = this.scheduler.send(index);
    // The Worker that wanted it has died; the tile waits again.
    if (worker === undefined) return;
    this.crew.compute(worker, index, work, input);
    this.announceRunning(worker);
  }

  private announceRunning(worker: number): void {
    const index = this.scheduler.running(worker);
    if (index !== undefined) this.emit({ type: 'tile-start', index });
  }

  private caseDied(cause: string, last: boolean): void {
    this.planned = false;
    this.finishing = false;
    this.scheduler.withdraw();
    this.emit({ type: 'died', worker: 'case', cause, recovery: last ? 'stop' : 'again', kept: this.kept.size });
  }
}
