/** The page: brings the file, the engine, the viewer and the panel together. */
import { showDevice, showNoDevice } from './device-line.ts';
import { byId } from './dom.ts';
import { EngineClient } from './engine/client.ts';
import type { EngineEvent } from './engine/events.ts';
import { duration, fixed, whole } from './format.ts';
import { listen } from './intake.ts';
import { startLanguage } from './language.ts';
import { Outcome } from './outcome.ts';
import { Overlay } from './overlay.ts';
import { Progress } from './progress.ts';
import type { NamedBytes, ScanInfo } from './protocol.ts';
import { classified, readReport } from './report.ts';
import { registerServiceWorker } from './service-worker.ts';
import { demoCase, engineSettings, fromAddress, fromForm, intoForm } from './settings.ts';
import { Stage } from './stage.ts';
import { hideMessage, hideStatus, showBusy, showDone, showMessage, showProgress, type Text } from './status.ts';
import { TEXT } from './strings.ts';

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
  private readonly outcome = new Outcome((mm) => this.stage.goTo(mm));
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
    if (files.length > 1) showMessage(() => TEXT.tooMany, () => '', 'note');
    this.open({ name: file.name, file });
  }

  private openDemo(pieceMm: number): void {
    this.reset();
    showBusy(() => TEXT.makingDemo);
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
    this.outcome.clear();
    this.overlay.clear();
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
    if (this.scan !== undefined) showMessage(() => TEXT.cancelled, () => '', 'note');
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
        this.progress?.crew(event.device.kind, event.device.workers);
        showDevice(event.device, event.version);
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
        this.failed(() => TEXT.failed(event.stage), () => event.message);
        if (event.stage === 'engine') showNoDevice();
        return;
    }
  }

  private showInfo(info: ScanInfo): void {
    this.stage.setInfo(() =>
      info.kind === 'image'
        ? TEXT.pixels(info.dims.slice(0, 2).map(whole).join(' × '))
        : TEXT.dims(info.dims.map(whole).join(' × '), info.spacing.map((mm) => fixed(mm, 2)).join(' × ')),
    );
    this.outcome.setWarnings(info.warnings);
  }

  private async finished(json: string, files: NamedBytes[]): Promise<void> {
    const seconds = this.now();
    this.stopProgress();
    showDone(() => TEXT.finished(duration(seconds)));
    this.outcome.setFiles(files);
    // The masks go over the scan, which may still be on its way to the screen.
    await this.shown;
    const classes = files.find((file) => file.name.endsWith('_classes.png'));
    if (classes !== undefined) {
      this.outcome.setAreas(await this.overlay.showPicture(classes));
      return;
    }
    const report = readReport(json);
    this.outcome.setReport(report);
    await this.overlay.showVolume(files, classified(report));
  }

  private failed(title: Text, text: Text): void {
    this.stopProgress();
    hideStatus();
    showMessage(title, text, 'problem');
  }

  private died({ cause, recovery, kept, worker }: Extract<EngineEvent, { type: 'died' }>): void {
    if (recovery === 'stop') {
      showNoDevice();
      this.failed(() => TEXT.recovery(recovery, kept), () => `${TEXT.stopAdvice} ${TEXT.recoveryCause(cause)}`);
      return;
    }
    if (worker === 'case') this.progress?.restarted(this.now());
    if (this.progress !== undefined) showMessage(() => TEXT.recovery(recovery, kept), () => TEXT.recoveryCause(cause), 'note');
  }
}

startLanguage();
new Page().start();
