/** The left side of the page: the scan or the picture, and the controls under it. */
import { Controls } from './controls.ts';
import { byId } from './dom.ts';
import { Picture } from './picture.ts';
import { axialSlices } from './slices.ts';
import { HEAD_BYTES, looksLikePicture } from './sniff.ts';
import type { Text } from './status.ts';
import { onLanguage, TEXT } from './strings.ts';
import { ViewWorker } from './view-worker.ts';
import type { Comparison } from './truth.ts';
import type { Viewer } from './viewer.ts';
import type { FirstSlice, NamedBytes, NamedFile, ShownScan, View, Visible } from './protocol.ts';

const PAINT_MS = 200;

type Shown = 'volume' | 'picture' | 'nothing';

export class Stage {
  readonly controls = new Controls(() => this.loaded);
  readonly picture = new Picture(byId<HTMLCanvasElement>('picture'));
  private loading: Promise<Viewer | undefined> | undefined;
  private loaded: Viewer | undefined;
  private worker: ViewWorker | undefined;
  private scan: Pick<ShownScan, 'dims' | 'steps'> | undefined;
  private shows: Shown = 'nothing';
  private info: Text = () => '';
  private said: Text = () => '';
  /** The planes were drawn anew. */
  onDrawn: () => void = () => undefined;
  /** Counts the files: what belongs to an earlier one comes too late. */
  private turn = 0;

  constructor(
    /** No Worker is started before this. */
    private readonly ready: Promise<void>,
  ) {
    onLanguage(() => this.translate());
  }

  get viewer(): Viewer | undefined {
    return this.loaded;
  }

  get showsNothing(): boolean {
    return this.shows === 'nothing';
  }

  get showsVolume(): boolean {
    return this.scan !== undefined && this.loaded !== undefined;
  }

  /** Makes room for a scan, whose picture is still to come. */
  begin(name: string): void {
    this.turn += 1;
    this.worker?.end();
    this.worker = undefined;
    this.scan = undefined;
    this.shows = 'nothing';
    this.loaded?.clear();
    byId('drop').hidden = true;
    byId('scan').hidden = false;
    byId('file-name').textContent = name;
    this.controls.begin(undefined);
    this.setInfo(() => '');
    this.note(() => '');
    this.reveal(false);
  }

  /** Shows a NIfTI file or a picture. */
  async show(file: Blob): Promise<void> {
    const { turn } = this;
    const isPicture = looksLikePicture(new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer()));
    if (turn !== this.turn) return;
    this.reveal(isPicture);
    if (isPicture) {
      await this.picture.show(file);
      this.shows = 'picture';
    } else await this.showVolume(file, turn);
  }

  /** There will be nothing to see of this scan. */
  giveUp(): void {
    if (this.shows === 'nothing' && this.said() === '') this.note(() => TEXT.cantShow);
  }

  private async showVolume(file: Blob, turn: number): Promise<void> {
    const viewer = await this.ensureViewer();
    await this.ready;
    if (turn !== this.turn) return;
    if (viewer === undefined) {
      this.note(() => TEXT.noViewer);
      return;
    }
    this.worker = new ViewWorker((slice) => this.showFirst(slice));
    const scan = await this.worker.scan(file, viewer.budget).catch(() => undefined);
    if (turn !== this.turn) return;
    if (scan === undefined) {
      // What is wrong with the file the engine says, which reads it with more care.
      this.giveUp();
      return;
    }
    this.scan = scan;
    this.showInfo();
    // The first slice comes to the screen before the graphics card is busy with all of them.
    await painted();
    await viewer.show(scan.file, (order) => this.controls.begin(axialSlices(scan.dims, scan.steps, order)));
    byId('first').hidden = true;
    this.note(() => '');
    this.shows = 'volume';
  }

  /** The middle slice lies over the viewer until that has the whole scan. */
  private showFirst(slice: FirstSlice): void {
    const canvas = byId<HTMLCanvasElement>('first');
    canvas.width = slice.width;
    canvas.height = slice.height;
    canvas.getContext('2d')?.putImageData(new ImageData(slice.pixels, slice.width, slice.height), 0, 0);
    canvas.hidden = false;
  }

  /** Takes the masks of the scan that is shown; says which layers there are. */
  async setMasks(files: NamedBytes[]): Promise<Visible | undefined> {
    if (this.loaded === undefined || this.scan === undefined) return undefined;
    return this.worker?.masks(files, this.scan.steps, this.loaded.order).catch(() => undefined);
  }

  /** Puts these of the layers over the scan. */
  async showLayers(visible: View): Promise<void> {
    const codes = await this.worker?.codes(visible);
    if (codes !== undefined) this.loaded?.setOverlay(codes);
  }

  /** The masks against the truth; nothing where that lies on another grid than the scan. */
  async compare(truth: Blob, files: NamedBytes[]): Promise<Comparison | undefined> {
    return this.worker?.compare(truth, files);
  }

  /** Which of these files is a mask of lesions, if one is. */
  async findMask(files: NamedFile[]): Promise<NamedFile | undefined> {
    await this.ready;
    const worker = new ViewWorker();
    const are = await Promise.all(files.map(({ file }) => worker.isMask(file).catch(() => false)));
    worker.end();
    return files.find((_, i) => are[i]);
  }

  /** Moves the crosshair to a point in RAS mm, and the planes into sight. */
  goTo(mm: readonly [number, number, number]): void {
    this.loaded?.goTo(mm);
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    byId('volume-box').scrollIntoView({ block: 'nearest', behavior: calm ? 'auto' : 'smooth' });
  }

  setInfo(text: Text): void {
    this.info = text;
    this.showInfo();
  }

  /** A picture that is coarser than the scan says so. */
  private showInfo(): void {
    const info = this.info();
    const thinned = this.scan?.steps.some((step) => step > 1) ?? false;
    byId('file-info').textContent = info === '' || !thinned ? info : `${info} · ${TEXT.thinned}`;
  }

  /** Loads the viewer ahead of the first scan. */
  preload(): void {
    this.loading ??= this.createViewer().catch(() => undefined);
  }

  private async createViewer(): Promise<Viewer> {
    const { Viewer } = await import('./viewer.ts');
    const canvas = byId<HTMLCanvasElement>('planes');
    canvas.addEventListener('webglcontextlost', () => this.lost(canvas), { once: true });
    const { controls } = this;
    return Viewer.create(canvas, {
      located: (location) => controls.located(location),
      hovered: (location) => controls.hovered(location),
      windowed: () => controls.windowed(),
      drawn: () => this.onDrawn(),
    });
  }

  /** A lost context never comes back to its canvas: the next scan gets a new one. */
  private lost(canvas: HTMLCanvasElement): void {
    canvas.replaceWith(canvas.cloneNode());
    this.loaded = undefined;
    this.loading = undefined;
    this.note(() => TEXT.viewerLost);
  }

  private async ensureViewer(): Promise<Viewer | undefined> {
    this.preload();
    this.loaded = await this.loading;
    return this.loaded;
  }

  private reveal(picture: boolean): void {
    byId('volume-box').hidden = picture;
    byId('picture-box').hidden = !picture;
    byId('scan-controls').hidden = picture;
    byId('first').hidden = true;
  }

  private note(text: Text): void {
    this.said = text;
    byId('canvas-note').textContent = text();
    byId('canvas-note').hidden = text() === '';
    byId('scan-controls').hidden = text() !== '';
  }

  private translate(): void {
    this.showInfo();
    byId('canvas-note').textContent = this.said();
  }
}

/** Resolves once what was drawn is seen; a page in the background is not seen, and waits no longer than this. */
function painted(): Promise<void> {
  return new Promise((resolve) => {
    requestAnimationFrame(() => requestAnimationFrame(() => resolve()));
    setTimeout(resolve, PAINT_MS);
  });
}
