/**
 * The engine as the page sees it: one task at a time, a demo case or an analysis. What it does is
 * heard as events; it can be cancelled at any moment.
 */
import type { Demo, EngineSettings, Job } from '../protocol.ts';
import { CaseWorker } from './case-worker.ts';
import { Crew } from './crew.ts';
import { messageOf, type EngineEvent } from './events.ts';
import { Run } from './run.ts';
import { Weights, type Locate } from './weights.ts';

export class EngineClient {
  readonly weights: Weights;
  private readonly crew: Crew;
  private task: { end(): void } | undefined;
  private run: Run | undefined;
  private deviceKnown = false;

  constructor(
    settings: EngineSettings,
    locate: Locate,
    private readonly emit: (event: EngineEvent) => void,
    /** No Worker is started before this. */
    private readonly ready: Promise<void>,
  ) {
    this.weights = new Weights(locate);
    this.crew = new Crew(
      settings,
      {
        device: (version, device) => {
          this.deviceKnown = true;
          this.emit({ type: 'device', version, device });
        },
        loaded: (file) => this.run?.loaded(file),
        unfit: (file, weight, message) => this.run?.unfit(file, weight, message),
        tile: (worker, tile) => this.run?.tile(worker, tile),
        left: (worker) => this.run?.left(worker),
        fell: (cause, recovery) => {
          if (this.run !== undefined) this.run.fell(cause, recovery);
          else if (recovery === 'stop') this.emit({ type: 'died', worker: 'compute', cause, recovery, kept: 0 });
        },
      },
      ready,
    );
  }

  /** Looks for the device, compiles the engine and reads the manifest ahead of the first file. */
  warmUp(): void {
    if (this.deviceKnown) return;
    // If this fails, the first task reads it again and says why.
    this.weights.manifest().catch(() => undefined);
    // The warm-up and a task behind it fail for one reason: the task says it.
    this.crew.warmUp().catch((error: unknown) => {
      if (this.task === undefined) this.emit({ type: 'failed', stage: 'engine', message: messageOf(error) });
    });
  }

  /** Takes effect with the next task; a running one is not disturbed. */
  configure(settings: EngineSettings): void {
    this.crew.configure(settings);
  }

  demo(demo: Demo): void {
    this.cancel();
    this.warmUp();
    const maker: CaseWorker = new CaseWorker(
      async (module) => ({ type: 'demo', module, demo }),
      {
        message: (message) => {
          if (message.type === 'demo' || message.type === 'failed') this.settle(maker, message);
        },
        died: (cause, last) => {
          const recovery = last ? 'stop' : 'again';
          this.settle(maker, { type: 'died', worker: 'case', cause, recovery, kept: 0 });
        },
        failed: (message) => this.settle(maker, { type: 'failed', stage: 'engine', message }),
      },
      this.ready,
    );
    this.task = maker;
  }

  analyse(job: Job): void {
    this.cancel();
    const run: Run = new Run(job, this.crew, this.weights, (event) => this.settle(run, event), this.ready);
    this.task = run;
    this.run = run;
  }

  /** Which series the running analysis is to take, when it has asked. */
  choose(series: string): void {
    this.run?.choose(series);
  }

  /** Ends the running task and all Workers at once. Workers that only wait for a task stay. */
  cancel(): void {
    if (this.task === undefined) return;
    this.forget();
    this.crew.end();
  }

  /** Ends everything, Workers that wait for a task included. */
  end(): void {
    this.forget();
    this.crew.end();
  }

  /** Passes on what a task says, as long as it is the present one, and ends it with its last word. */
  private settle(task: { end(): void }, event: EngineEvent): void {
    if (task !== this.task) return;
    const broken = event.type === 'failed' || (event.type === 'died' && event.recovery === 'stop');
    if (broken || event.type === 'result' || event.type === 'demo') {
      const analysed = this.run !== undefined;
      this.forget();
      if (broken) this.crew.end();
      else if (analysed) this.crew.rest();
    }
    this.emit(event);
  }

  private forget(): void {
    this.task?.end();
    this.task = undefined;
    this.run = undefined;
  }
}
