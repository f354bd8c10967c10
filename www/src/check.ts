/** The dialog "Does it work here?": what this device computes, held against the CPU. */
import { deviceText } from './device-line.ts';
import { byId, make } from './dom.ts';
import { Check, type Checked } from './engine/check.ts';
import { LARGEST, RECLASSIFIED } from './engine/compare.ts';
import { adapterFacts, type Probe } from './engine/device.ts';
import { messageOf } from './engine/events.ts';
import type { Weights } from './engine/weights.ts';
import { fixed, number, whole } from './format.ts';
import type { Demo, DeviceInfo, EngineSettings, Options } from './protocol.ts';
import type { Text } from './status.ts';
import { onLanguage, TEXT } from './strings.ts';

/** What an analysis started now would take. */
export interface Setup {
  settings: EngineSettings;
  options: Options;
}

export class SelfTest {
  private readonly dialog = byId<HTMLDialogElement>('check');
  private running: Check | undefined;
  private said: Text = () => '';
  private device: Text = () => '';
  private results: Checked[] = [];

  constructor(
    /** The demo piece whose tiles are computed. */
    private readonly demo: Demo,
    private readonly weights: Weights,
    private readonly setup: () => Setup,
    private readonly ready: Promise<void>,
  ) {
    byId('check-open').addEventListener('click', () => this.dialog.showModal());
    byId('check-run').addEventListener('click', () => void this.run());
    // A closed dialog computes nothing.
    this.dialog.addEventListener('close', () => this.running?.end());
    onLanguage(() => this.write());
    this.write();
  }

  private async run(): Promise<void> {
    const { settings, options } = this.setup();
    this.results = [];
    this.device = () => '';
    this.say(() => TEXT.checkPreparing, 'running');
    void this.showLimits();
    this.running = new Check(
      settings,
      this.weights,
      {
        device: (found, device) => {
          this.device = () => describe(found, device);
          this.write();
        },
        computing: (network, on) => this.say(() => TEXT.checkComputing(TEXT.networks[network], on === 'cpu'), 'running'),
        checked: (result) => {
          this.results.push(result);
          this.write();
        },
      },
      this.ready,
    );
    try {
      await this.running.run(this.demo, { ...options, model: 'both' });
      const passed = this.results.every((result) => result.passed);
      this.say(() => (passed ? TEXT.checkPassed : TEXT.checkFailed), passed ? 'passed' : 'failed');
    } catch (error) {
      this.say(() => TEXT.checkBroken(messageOf(error)), 'failed');
    }
    this.running = undefined;
  }

  private say(text: Text, state: 'running' | 'passed' | 'failed'): void {
    this.said = text;
    this.dialog.dataset['state'] = state;
    byId<HTMLButtonElement>('check-run').disabled = state === 'running';
    this.write();
  }

  private async showLimits(): Promise<void> {
    const facts = await adapterFacts(navigator.gpu);
    byId('check-limits').replaceChildren(
      ...(facts?.limits ?? []).flatMap(([name, value]) => [make('dt', {}, [name]), make('dd', {}, [whole(value)])]),
    );
    byId('check-adapter').textContent = facts === undefined ? TEXT.checkNoAdapter : facts.name;
    byId('check-gpu').hidden = false;
  }

  private write(): void {
    byId('check-said').textContent = this.said();
    byId('check-device').textContent = this.device();
    byId('check-results').replaceChildren(...(this.results.length > 0 ? [table(this.results)] : []));
    byId('check-limit').textContent = TEXT.checkAllowed(fixed(LARGEST, 2), number(100 * RECLASSIFIED));
  }
}

function describe(found: Probe, device: DeviceInfo): string {
  const reason = found.device === 'cpu' ? { reason: found.reason } : {};
  return deviceText({ ...device, workers: 1, ...reason });
}

function table(results: Checked[]): HTMLTableElement {
  const { network, difference, classes, device, cpu, verdict } = TEXT.checkColumns;
  const columns = [network, difference, classes, device, cpu, verdict];
  const rows = results.map((result) =>
    make('tr', { 'data-network': result.network, 'data-passed': String(result.passed) }, [
      make('th', { scope: 'row' }, [TEXT.networks[result.network]]),
      ...[
        fixed(result.largest, 3),
        result.reclassified === undefined ? '–' : TEXT.percent(number(100 * result.reclassified)),
        TEXT.seconds(fixed(result.seconds.device, 1)),
        TEXT.seconds(fixed(result.seconds.cpu, 1)),
        result.passed ? TEXT.passed : TEXT.notPassed,
      ].map((text) => make('td', {}, [text])),
    ]),
  );
  const head = make('tr', {}, columns.map((text) => make('th', { scope: 'col' }, [text])));
  return make('table', {}, [make('thead', {}, [head]), make('tbody', {}, rows)]);
}
