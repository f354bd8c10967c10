/** The page: brings the file, the engine, the viewer and the panel together. */
import { byId, fillTexts } from './dom.ts';
import { EngineClient } from './engine/client.ts';
import type { EngineEvent, OpenedDevice } from './engine/events.ts';
import { duration } from './format.ts';
import { listen } from './intake.ts';
import { Overlay } from './overlay.ts';
import { Progress } from './progress.ts';
import type { NamedBytes, ScanInfo } from './protocol.ts';
import { classified, readReport } from './report.ts';
import { hideFindings, showAreas, showFindings, showWarnings } from './results.ts';
import { saveButtons } from './saves.ts';
import { registerServiceWorker } from './service-worker.ts';
import { demoCase, engineSettings, fromAddress, fromForm, intoForm } from './settings.ts';
import { Stage } from './stage.ts';
import { hideMessage, hideStatus, showBusy, showDone, showMessage, showProgress } from './status.ts';
import { STATIC, TEXT } from './strings.ts';

/** Four times a second: the bar moves although a tile may take a minute. */
const TICK_MS = 250;

interface Scan {
  name: string;
  file: Blob;
}

class Page {
  private readonly asked = fromAddress(location.search);
  private readonly form = byId<HTMLFormElement>('options');
  private readonly ready = registerServiceWorker();
  private readonly stage = new Stage(this.ready);
  private readonly overlay = new Overlay(this.stage);
  private readonly client = new EngineClient(
    engineSettings(this.asked, this.asked.device),
    new URL('models/', document.baseURI).href,
    (event) => this.receive(event),
    this.ready,
  );
  private scan: Scan | undefined;
  private shown: Promise<unknown> = Promise.resolve();
  private progress: Progress | undefined;
  private started = 0;
  private cachedWeights = false;

  start(): void {
    intoForm(this.form, this.asked);
    byId('device').textContent = TEXT.deviceWaiting;
    listen({ files: (files) => this.openFiles(files) });
    for (const button of document.querySelectorAll('[data-action="demo"]')) {
      button.addEventListener('click', () => this.openDemo(0));
    }
    byId('cancel').addEventListener('click', () => this.cancel());
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.analyse();
    });
    setInterval(() => this.tick(), TICK_MS);
    this.stage.preload();
    if (this.asked.demo !== undefined) this.openDemo(this.asked.demo.pieceMm);
    else this.client.warmUp();
  }

  private openFiles(files: File[]): void {
    const file = files[0];
    if (file === undefined) return;
    this.reset();
    if (files.length > 1) showMessage(TEXT.tooMany, '', 'note');
    this.open({ name: file.name, file });
  }

  private openDemo(pieceMm: number): void {
    this.reset();
    showBusy(TEXT.makingDemo);
    byId('cancel').hidden = false;
    this.client.demo(demoCase(pieceMm));
  }

  private open(scan: Scan): void {
    this.scan = scan;
    document.querySelector('main')?.setAttribute('data-state', 'open');
    // A picture that the browser can't decode may still be analysed, or be refused with a reason.
    this.shown = this.stage.show(scan.name, scan.file).catch(() => undefined);
    this.analyse();
  }

  private reset(): void {
    this.client.cancel();
    this.scan = undefined;
    this.stopProgress();
    hideMessage();
    hideStatus();
    this.clearResults();
  }

  private clearResults(): void {
    hideFindings();
    this.overlay.clear();
    byId('saves').hidden = true;
  }

  private analyse(): void {
    if (this.scan === undefined) return;
    hideMessage();
    this.clearResults();
    const { options, device } = fromForm(this.form);
    this.client.configure(engineSettings(this.asked, device));
    this.started = performance.now();
    this.progress = new Progress(0);
    this.cachedWeights = false;
    byId('cancel').hidden = false;
    byId('analyse').hidden = true;
    this.client.analyse({ ...this.scan, options });
    this.tick();
  }

  private cancel(): void {
    this.client.cancel();
    this.stopProgress();
    hideStatus();
    if (this.scan !== undefined) showMessage(TEXT.cancelled, '', 'note');
    // Where the cancel came before the device was known, it is still to be found.
    this.client.warmUp();
  }

  private stopProgress(): void {
    this.progress = undefined;
    byId('cancel').hidden = true;
    byId('analyse').hidden = this.scan === undefined;
  }

  private now(): number {
    return (performance.now() - this.started) / 1000;
  }

  private tick(): void {
    if (this.progress !== undefined) showProgress(this.progress.view(this.now()), this.cachedWeights);
  }

  private receive(event: EngineEvent): void {
    const now = this.now();
    switch (event.type) {
      case 'device':
        this.showDevice(event.device, event.version);
        return;
      case 'demo':
        this.open({ name: event.file.name, file: new Blob([event.file.bytes]) });
        return;
      case 'reading':
        this.progress?.reading(now);
        return;
      case 'info':
        this.showInfo(event.info);
        return;
      case 'weights':
        this.cachedWeights = event.cached;
        this.progress?.weights(event.done, event.total, now);
        return;
      case 'prepare':
        this.progress?.prepare(event.fraction, now);
        return;
      case 'plan':
        this.progress?.plan(event.labels, event.done, now);
        return;
      case 'tile-start':
        this.progress?.tileStarted(event.index, now);
        return;
      case 'tile-lost':
        this.progress?.tileLost(event.index);
        return;
      case 'tile':
        this.progress?.tileDone(event.index, now);
        return;
      case 'finishing':
        this.progress?.finishing(now);
        return;
      case 'result':
        void this.finished(event.report, event.files);
        return;
      case 'died':
        this.died(event);
        return;
      case 'failed':
        this.failed(TEXT.failed(event.stage), event.message);
        if (event.stage === 'engine') byId('device').textContent = TEXT.deviceFailed;
        return;
    }
  }

  private showDevice(device: OpenedDevice, version: string): void {
    this.progress?.crew(device.kind, device.workers);
    const line = byId('device');
    line.dataset['kind'] = device.kind;
    line.textContent = deviceText(device);
    byId('version').textContent = `${TEXT.title} ${version}`;
  }

  private showInfo(info: ScanInfo): void {
    this.stage.setInfo(
      info.kind === 'image'
        ? TEXT.pixels(info.dims.slice(0, 2).join(' × '))
        : TEXT.dims(info.dims.join(' × '), info.spacing.map((mm) => mm.toFixed(2)).join(' × ')),
    );
    if (info.warnings.length > 0) {
      showWarnings(info.warnings);
      byId('results').hidden = false;
    }
  }

  private async finished(json: string, files: NamedBytes[]): Promise<void> {
    const seconds = this.now();
    this.stopProgress();
    showDone(TEXT.finished(duration(seconds)));
    byId('save-buttons').replaceChildren(...saveButtons(files));
    byId('saves').hidden = false;
    // The masks go over the scan, which may still be on its way to the screen.
    await this.shown;
    const classes = files.find((file) => file.name.endsWith('_classes.png'));
    if (classes !== undefined) {
      showAreas(await this.overlay.showPicture(classes));
      return;
    }
    const report = readReport(json);
    showFindings(report, (mm) => this.stage.goTo(mm));
    await this.overlay.showVolume(files, classified(report));
  }

  private failed(title: string, text: string): void {
    this.stopProgress();
    hideStatus();
    showMessage(title, text, 'problem');
  }

  private died({ cause, recovery, kept, worker }: Extract<EngineEvent, { type: 'died' }>): void {
    if (recovery === 'stop') {
      if (byId('device').dataset['kind'] === undefined) byId('device').textContent = TEXT.deviceFailed;
      this.failed(TEXT.recovery(recovery, kept), `${TEXT.stopAdvice} ${TEXT.recoveryCause(cause)}`);
      return;
    }
    if (worker === 'case') this.progress?.restarted(this.now());
    if (this.progress !== undefined) showMessage(TEXT.recovery(recovery, kept), TEXT.recoveryCause(cause), 'note');
  }
}

function deviceText(device: OpenedDevice): string {
  if (device.kind === 'gpu') {
    return device.software ? TEXT.deviceGpuSoftware(device.name) : TEXT.deviceGpu(device.name);
  }
  return TEXT.deviceCpu(device.workers, device.reason === undefined ? device.name : TEXT.cpuReason(device.reason));
}

fillTexts(STATIC);
new Page().start();
