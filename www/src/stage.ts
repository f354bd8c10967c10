/** The left side of the page: the scan or the picture, and the controls under it. */
import { byId } from './dom.ts';
import { fixed, whole } from './format.ts';
import { Picture } from './picture.ts';
import { axialSlices, inFile } from './slices.ts';
import { HEAD_BYTES, looksLikePicture } from './sniff.ts';
import type { Text } from './status.ts';
import { onLanguage, TEXT } from './strings.ts';
import { ViewWorker } from './view-worker.ts';
import type { Location, Plane, Viewer } from './viewer.ts';
import type { FirstSlice, NamedBytes, ShownScan, Visible } from './protocol.ts';

const PAINT_MS = 200;

export type Shown = 'volume' | 'picture' | 'nothing';

export class Stage {
  readonly picture = new Picture(byId<HTMLCanvasElement>('picture'));
  private loading: Promise<Viewer | undefined> | undefined;
  private loaded: Viewer | undefined;
  private worker: ViewWorker | undefined;
  private scan: Pick<ShownScan, 'dims' | 'steps'> | undefined;
  private info: Text = () => '';
  private said: Text = () => '';
  private location: Location | undefined;
  /** Counts the files: what belongs to an earlier one comes too late. */
  private turn = 0;

  constructor(
    /** No Worker is started before this. */
    private readonly ready: Promise<void>,
  ) {
    for (const button of document.querySelectorAll<HTMLButtonElement>('[data-plane]')) {
      button.addEventListener('click', () => this.choosePlane(button));
    }
    const slice = byId<HTMLInputElement>('slice');
    slice.addEventListener('input', () => this.loaded?.goToAxial(Number(slice.value)));
    onLanguage(() => this.translate());
    const window = byId<HTMLSelectElement>('window');
    window.addEventListener('change', () => void this.chooseWindow(window.value));
  }

  get viewer(): Viewer | undefined {
    return this.loaded;
  }

  /** Shows the file at once, long before it is analysed; says what could be shown. */
  async show(name: string, file: Blob): Promise<Shown> {
    this.turn += 1;
    const { turn } = this;
    this.worker?.end();
    this.worker = undefined;
    this.scan = undefined;
    this.location = undefined;
    const isPicture = looksLikePicture(new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer()));
    if (turn !== this.turn) return 'nothing';
    this.reveal(name, isPicture);
    if (isPicture) {
      await this.picture.show(file);
      return 'picture';
    }
    return this.showVolume(file, turn);
  }

  private async showVolume(file: Blob, turn: number): Promise<Shown> {
    const viewer = await this.ensureViewer();
    await this.ready;
    if (turn !== this.turn) return 'nothing';
    if (viewer === undefined) {
      this.note(() => TEXT.noViewer);
      return 'nothing';
    }
    this.worker = new ViewWorker((slice) => this.showFirst(slice));
    const scan = await this.worker.scan(file, viewer.budget).catch(() => undefined);
    if (turn !== this.turn) return 'nothing';
    if (scan === undefined) {
      // What is wrong with the file the engine says, which reads it with more care.
      viewer.clear();
      this.note(() => TEXT.cantShow);
      return 'nothing';
    }
    this.scan = scan;
    this.showInfo();
    // The first slice comes to the screen before the graphics card is busy with all of them.
    await painted();
    await viewer.show(scan.file);
    byId('first').hidden = true;
    this.note(() => '');
    byId<HTMLSelectElement>('window').value = 'lung';
    return 'volume';
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
  async showLayers(visible: Visible): Promise<void> {
    const codes = await this.worker?.codes(visible);
    if (codes !== undefined) this.loaded?.setOverlay(codes);
  }

  /** Moves the crosshair to a point in RAS mm, and the planes into sight. */
  goTo(mm: readonly [number, number, number]): void {
    this.loaded?.goTo(mm);
    byId('volume-box').scrollIntoView({ block: 'nearest', behavior: 'smooth' });
  }

  setInfo(text: Text): void {
    this.info = text;
    this.showInfo();
  }

  /** A picture that is coarser than the scan says so. */
  private showInfo(): void {
    const thinned = this.scan?.steps.some((step) => step > 1) ?? false;
    byId('file-info').textContent = [this.info(), ...(thinned ? [TEXT.thinned] : [])].join(' · ');
  }

  /** Loads the viewer ahead of the first scan. */
  preload(): void {
    this.loading ??= this.createViewer().catch(() => undefined);
  }

  private async createViewer(): Promise<Viewer> {
    const { Viewer } = await import('./viewer.ts');
    const canvas = byId<HTMLCanvasElement>('planes');
    canvas.addEventListener('webglcontextlost', () => this.lost(canvas), { once: true });
    return Viewer.create(canvas, (location) => this.located(location));
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

  private reveal(name: string, picture: boolean): void {
    byId('drop').hidden = true;
    byId('scan').hidden = false;
    byId('volume-box').hidden = picture;
    byId('picture-box').hidden = !picture;
    byId('scan-controls').hidden = picture;
    byId('file-name').textContent = name;
    byId('first').hidden = true;
    byId('readout').textContent = '';
    this.setInfo(() => '');
  }

  private note(text: Text): void {
    this.said = text;
    byId('canvas-note').textContent = text();
    byId('canvas-note').hidden = text() === '';
    byId('scan-controls').hidden = text() !== '';
  }

  private choosePlane(button: HTMLButtonElement): void {
    for (const other of document.querySelectorAll('[data-plane]')) {
      other.setAttribute('aria-pressed', String(other === button));
    }
    this.loaded?.setPlane((button.dataset['plane'] ?? 'all') as Plane);
  }

  private async chooseWindow(name: string): Promise<void> {
    const { LUNG_WINDOW, SOFT_WINDOW } = await import('./viewer.ts');
    this.loaded?.setWindow(name === 'mediastinum' ? SOFT_WINDOW : LUNG_WINDOW);
  }

  private translate(): void {
    this.showInfo();
    byId('canvas-note').textContent = this.said();
    if (this.location !== undefined) this.located(this.location);
  }

  private located(location: Location): void {
    this.location = location;
    if (this.loaded === undefined || this.scan === undefined) return;
    const slices = axialSlices(this.scan.dims, this.scan.steps, this.loaded.order);
    const slider = byId<HTMLInputElement>('slice');
    slider.max = String(slices.shown - 1);
    slider.value = String(location.slice);
    byId('slice-out').textContent = TEXT.sliceOf(whole(inFile(slices, location.slice) + 1), whole(slices.count));
    byId('readout').textContent = [
      Number.isNaN(location.hu) ? '' : TEXT.hu(whole(location.hu)),
      position(location.mm),
      ...tissue(location.code),
    ]
      .filter((part) => part !== '')
      .join(' · ');
  }
}

/** Resolves once what was drawn is seen; a page in the background is not seen, and waits no longer than this. */
function painted(): Promise<void> {
  return new Promise((resolve) => {
    requestAnimationFrame(() => requestAnimationFrame(() => resolve()));
    setTimeout(resolve, PAINT_MS);
  });
}

/** RAS millimetres with the letter of the side that they lie on. */
function position(mm: readonly [number, number, number]): string {
  const axis = (value: number, plus: string, minus: string): string =>
    `${value < 0 ? minus : plus} ${fixed(Math.abs(value), 1)}`;
  return `${axis(mm[0], 'R', 'L')} ${axis(mm[1], 'A', 'P')} ${axis(mm[2], 'S', 'I')} mm`;
}

/** What the masks say of this voxel; the code is that of `masks.compose`. */
function tissue(code: number): string[] {
  const infnet = Math.floor(code / 6);
  return [
    ['', TEXT.lungRight, TEXT.lungLeft][code % 3] ?? '',
    Math.floor(code / 3) % 2 === 1 ? TEXT.normnetLesion : '',
    ['', TEXT.ggo, TEXT.consolidation][infnet] ?? '',
  ];
}
