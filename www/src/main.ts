/** The page: brings the file, the engine, the viewer and the panel together. */
import { startBadge } from './badge.ts';
import { SelfTest, type Setup } from './check.ts';
import { Brush, type BrushMode } from './brush.ts';
import { Correcting } from './correcting.ts';
import { showDevice, showNoDevice } from './device-line.ts';
import { byId } from './dom.ts';
import { EngineClient } from './engine/client.ts';
import { messageOf, type EngineEvent } from './engine/events.ts';
import { duration, fixed, whole } from './format.ts';
import { MOST_FILES, TooManyFiles, type Opened } from './folder.ts';
import { FollowUp } from './follow/follow.ts';
import { listen } from './intake.ts';
import { startKeys } from './keys.ts';
import { startLanguage } from './language.ts';
import { Outcome } from './outcome.ts';
import { Overlay } from './overlay.ts';
import { startPaper } from './paper.ts';
import { Progress } from './progress.ts';
import type { NamedBytes, Options, ScanInfo, Tile } from './protocol.ts';
import { Replay } from './replay.ts';
import { classified, isEdited, networksOf, readReport } from './report.ts';
import { scanOf, type FindMask, type Scan } from './scan.ts';
import { SeriesChoice } from './series.ts';
import { registerServiceWorker } from './service-worker.ts';
import { demoCase, engineSettings, fromAddress, fromForm, intoForm, TEST_PIECE } from './settings.ts';
import { Stage } from './stage.ts';
import { hideMessage, hideStatus, showBusy, showDone, showMessage, showProgress, type Text } from './status.ts';
import { TEXT } from './strings.ts';
import { Lesson } from './teach/entry.ts';
import type { Plane } from './viewer.ts';
import type { WindowName } from './windows.ts';

/** Four times a second: the bar moves although a tile may take a minute. */
const TICK_MS = 250;

class Page {
  private readonly asked = fromAddress(location.search);
  private readonly form = byId<HTMLFormElement>('options');
  private readonly ready = registerServiceWorker();
  private readonly stage = new Stage(this.ready);
  private readonly overlay = new Overlay(this.stage, (network) => this.brush.follow(network));
  private readonly correcting = new Correcting({
    present: (report, files) => this.present(report, files),
    settled: () => this.brush.settle(),
  });
  private readonly brush = new Brush(() => this.stage.viewer, {
    painted: (stroke) => this.correcting.edit({ type: 'paint', ...stroke }),
    undo: () => this.undo(),
    turnedTo: (network) => this.overlay.reveal(network),
  });
  private readonly outcome = new Outcome(this.stage, {
    remove: (removal) => this.correcting.edit({ type: 'remove', ...removal }),
    undo: () => this.undo(),
  });
  private readonly client = new EngineClient(
    engineSettings(this.asked, this.asked.device),
    (file) => new URL(`models/${file}`, document.baseURI).href,
    (event) => this.receive(event),
    this.ready,
  );
  private readonly series = new SeriesChoice(
    (uid) => this.choose(uid),
    () => this.cancel(),
    (uids) => this.chooseEach(uids),
  );
  private readonly replay = new Replay(this.form, {
    open: (opened) => void this.openFiles(opened),
    again: () => this.again(),
    stop: () => this.stop(),
  });
  private readonly lesson = new Lesson(
    () => ({ weights: this.client.weights, settings: this.setup().settings, ready: this.ready }),
    this.asked.demo ?? demoCase(0),
  );
  private readonly follow = new FollowUp((scan) => this.openScan(scan));
  private scan: Scan | undefined;
  private shown: Promise<unknown> = Promise.resolve();
  /** What the stage was given of it. */
  private seen: Blob | undefined;
  private progress: Progress | undefined;
  /** What the last analysis was asked for. */
  private analysed: Options | undefined;
  private started = 0;
  private cachedWeights = false;
  /** Counts what is opened: what is still read of something earlier comes too late. */
  private turn = 0;

  start(): void {
    intoForm(this.form, this.asked);
    this.stage.onDrawn = () => this.brush.draw();
    listen({
      opened: (opened) => void this.replay.opened(opened),
      refused: (error) => this.refuse(error),
    });
    for (const button of document.querySelectorAll('[data-action="demo"]')) {
      button.addEventListener('click', () => this.openDemo(0));
    }
    byId('cancel').addEventListener('click', () => this.cancel());
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      hideMessage();
      this.replay.forget();
      this.analyse();
    });
    this.startKeys();
    new SelfTest(TEST_PIECE, this.client.weights, () => this.setup(), this.ready);
    startPaper(() => this.stage.viewer);
    setInterval(() => this.tick(), TICK_MS);
    this.stage.preload();
    if (this.lesson.follow()) this.client.warmUp();
    else if (this.asked.demo !== undefined) this.openDemo(this.asked.demo.pieceMm);
    else this.client.warmUp();
  }

  private startKeys(): void {
    const { controls } = this.stage;
    const actions = {
      move: (right: number, up: number) => controls.move(right, up),
      slices: (by: number) => controls.slices(by),
      lastSlice: (last: boolean) => controls.lastSlice(last),
      plane: (plane: Plane) => controls.plane(plane),
      window: (name: WindowName) => controls.window(name),
      toggleOverlay: () => this.overlay.toggle(),
      opacity: (by: number) => this.overlay.changeOpacity(by),
      lesion: (by: number) => this.outcome.tour.step(by),
      zoom: (factor: number) => controls.zoom(factor),
      reset: () => controls.reset(),
      brush: (mode: BrushMode) => this.brush.toggle(mode),
      dab: () => this.brush.dab(),
      undo: () => this.undo(),
    };
    startKeys(actions, () => this.stage.showsVolume && !this.lesson.isOpen);
  }

  private async openFiles(opened: Opened): Promise<void> {
    if (this.follow.takes(opened)) return;
    this.begin();
    showBusy(() => TEXT.steps.open);
    const { turn } = this;
    const findMask: FindMask = (files) => this.stage.findMask(files);
    const scan = await scanOf(opened, findMask);
    if (turn !== this.turn) return;
    const first = await this.follow.first(scan, findMask);
    if (turn === this.turn) this.open(first);
  }

  /** In the place of what is open, by the page itself. */
  private openScan(scan: Scan): void {
    this.reset();
    this.open(scan);
  }

  private refuse(error: unknown): void {
    this.begin();
    const text = (): string => (error instanceof TooManyFiles ? TEXT.tooManyFiles(whole(MOST_FILES)) : messageOf(error));
    showMessage(() => TEXT.failed('open'), text, 'problem');
  }

  private openDemo(pieceMm: number): void {
    this.begin();
    showBusy(() => TEXT.makingDemo);
    byId('cancel').hidden = false;
    this.client.demo(demoCase(pieceMm));
  }

  private openDemoFile({ name, bytes }: NamedBytes): void {
    const file = new Blob([bytes]);
    this.open({ name, files: [{ name, file }], own: file });
  }

  private open(scan: Scan): void {
    this.scan = scan;
    this.replay.begin();
    if (this.replay.series !== undefined) scan.series = this.replay.series;
    document.querySelector('main')?.setAttribute('data-state', 'open');
    this.stage.begin(scan.name);
    if (scan.own !== undefined) this.show(scan.own);
    this.analyse();
  }

  private show(file: Blob): void {
    this.seen = file;
    // A picture that the browser can't decode may still be analysed, or be refused with a reason.
    this.shown = this.stage.show(file).catch(() => undefined);
  }

  private choose(series: string): void {
    if (this.scan !== undefined) this.scan.series = series;
    this.client.choose(series);
  }

  /** One of each date, one after the other. */
  private chooseEach([first = '', ...others]: string[]): void {
    const { scan } = this;
    if (scan !== undefined) this.follow.queue(others.map((series) => ({ ...scan, series })));
    this.choose(first);
  }

  /** The person opens something. */
  private begin(): void {
    this.follow.stopped();
    this.reset();
  }

  private reset(): void {
    this.turn += 1;
    this.client.cancel();
    this.series.close();
    this.follow.left();
    this.scan = undefined;
    this.seen = undefined;
    this.stopProgress();
    hideMessage();
    hideStatus();
    this.clearResults();
  }

  private undo(): void {
    this.correcting.edit({ type: 'undo' });
  }

  private clearResults(): void {
    this.lesson.withdraw();
    this.brush.withdraw();
    this.correcting.clear();
    this.outcome.clear();
    this.overlay.clear();
  }

  private analyse(): void {
    if (this.scan === undefined) return;
    this.clearResults();
    const { options: asked, settings } = this.setup();
    const options = this.replay.options(asked);
    this.analysed = options;
    this.client.configure(settings);
    this.started = performance.now();
    this.progress = new Progress(0);
    this.cachedWeights = false;
    byId('cancel').hidden = false;
    byId('analyse').hidden = true;
    const { name, files, series, own } = this.scan;
    const show = own === undefined && this.stage.showsNothing;
    this.client.analyse({ name, files, series, show, options });
    this.tick();
  }

  /** What address and form ask for. */
  private setup(): Setup {
    const { options, device } = fromForm(this.form);
    return { options, settings: engineSettings(this.asked, device) };
  }

  /** Analyses the scan that is open as a recorded run was; false where there is none. */
  private again(): boolean {
    if (this.scan === undefined) return false;
    hideMessage();
    this.replay.begin();
    this.analyse();
    return true;
  }

  private stop(): void {
    this.follow.stopped();
    this.client.cancel();
    this.stopProgress();
    hideStatus();
  }

  private cancel(): void {
    this.stop();
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
    this.progress?.hear(event, this.now());
    switch (event.type) {
      case 'device':
        showDevice(event.device, event.version);
        return;
      case 'demo':
        this.openDemoFile(event.file);
        return;
      case 'series':
        this.series.ask(event.series);
        return;
      case 'info':
        this.showInfo(event.info);
        return;
      case 'shown':
        this.show(new Blob([event.file]));
        return;
      case 'weights':
        this.cachedWeights = event.cached;
        return;
      case 'result':
        void this.finished(event.report, event.files, event.tiles);
        return;
      case 'died':
        this.died(event);
        return;
      case 'failed':
        this.failed(() => TEXT.failed(event.stage), () => event.message);
        this.stage.giveUp();
        if (event.stage === 'engine') showNoDevice();
        this.follow.failed(this.scan?.name ?? '', event.message);
        return;
      default:
        // What only moves the progress.
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
    void this.replay.check(info, this.client.weights.manifest());
  }

  private async finished(json: string, files: NamedBytes[], tiles: Tile[]): Promise<void> {
    const seconds = this.now();
    this.stopProgress();
    showDone(() => TEXT.finished(duration(seconds)));
    this.outcome.setFiles(files);
    this.replay.finished(files);
    const { turn } = this;
    // The masks go over the scan, which may still be on its way to the screen.
    await this.shown;
    if (turn !== this.turn) return;
    const classes = files.find((file) => file.name.endsWith('_classes.png'));
    if (classes !== undefined) {
      this.outcome.setAreas(await this.overlay.showPicture(classes));
      return;
    }
    if (this.scan !== undefined) {
      this.correcting.begin({ series: undefined, ...this.scan, made: files });
      this.teach(this.scan, files, tiles);
    }
    await this.present(json, files);
  }

  /** Offers to show how the masks came about. */
  private teach({ name, files, series }: Scan, made: NamedBytes[], tiles: Tile[]): void {
    const lungs = made.find((file) => file.name.endsWith('_lungs.nii.gz'));
    if (lungs === undefined || this.analysed === undefined) return;
    this.lesson.offer({ kind: 'scan', name, files, series, options: this.analysed, lungs: lungs.bytes, tiles });
  }

  /** Shows a result of the scan, in the place of the one before if there is one. */
  private async present(json: string, files: NamedBytes[]): Promise<void> {
    const report = readReport(json);
    this.outcome.setFiles(files);
    this.outcome.setReport(report);
    const { turn } = this;
    await this.compare(files);
    if (turn !== this.turn) return;
    await this.overlay.showVolume(files, classified(report));
    if (turn !== this.turn) return;
    if (this.stage.showsVolume) this.brush.offer(networksOf(report), isEdited(report));
    if (this.scan !== undefined) this.follow.presented({ scan: this.scan, seen: this.seen, files });
  }

  /** Before the masks are shown, which is quick, so that all findings are there by then. */
  private async compare(files: NamedBytes[]): Promise<void> {
    const truth = this.scan?.truth;
    if (truth === undefined) return;
    const turn = this.turn;
    const comparison = await this.stage.compare(truth.file, files).catch(() => undefined);
    if (turn === this.turn) this.outcome.setTruth(truth.name, comparison);
  }

  private failed(title: Text, text: Text): void {
    this.stopProgress();
    hideStatus();
    showMessage(title, text, 'problem');
  }

  private died({ cause, recovery, kept }: Extract<EngineEvent, { type: 'died' }>): void {
    if (recovery === 'stop') {
      showNoDevice();
      this.follow.stopped();
      this.failed(() => TEXT.recovery(recovery, kept), () => `${TEXT.stopAdvice} ${TEXT.recoveryCause(cause)}`);
      return;
    }
    if (this.progress !== undefined) showMessage(() => TEXT.recovery(recovery, kept), () => TEXT.recoveryCause(cause), 'note');
  }
}

startBadge();
startLanguage();
new Page().start();
