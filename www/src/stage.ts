/** The left side of the page: the scan or the picture, and the controls under it. */
import { byId } from './dom.ts';
import { gunzip } from './masks.ts';
import { Picture } from './picture.ts';
import { HEAD_BYTES, looksLikePicture } from './sniff.ts';
import { TEXT } from './strings.ts';
import type { Location, Plane, Viewer } from './viewer.ts';

export type Shown = 'volume' | 'picture' | 'nothing';

export class Stage {
  readonly picture = new Picture(byId<HTMLCanvasElement>('picture'));
  private loading: Promise<Viewer | undefined> | undefined;
  private loaded: Viewer | undefined;

  constructor() {
    for (const button of document.querySelectorAll<HTMLButtonElement>('[data-plane]')) {
      button.addEventListener('click', () => this.choosePlane(button));
    }
    const slice = byId<HTMLInputElement>('slice');
    slice.addEventListener('input', () => this.loaded?.goToAxial(Number(slice.value)));
    const window = byId<HTMLSelectElement>('window');
    window.addEventListener('change', () => void this.chooseWindow(window.value));
  }

  get viewer(): Viewer | undefined {
    return this.loaded;
  }

  /** Shows the file at once, long before it is analysed; says what could be shown. */
  async show(name: string, file: Blob): Promise<Shown> {
    const isPicture = looksLikePicture(new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer()));
    this.reveal(name, isPicture);
    if (isPicture) {
      await this.picture.show(file);
      return 'picture';
    }
    const viewer = await this.ensureViewer();
    if (viewer === undefined) {
      this.note(TEXT.noViewer);
      return 'nothing';
    }
    try {
      await viewer.show(await gunzip(new Uint8Array(await file.arrayBuffer())));
    } catch {
      // What is wrong with the file the engine says, which reads it with more care.
      viewer.clear();
      this.note(TEXT.cantShow);
      return 'nothing';
    }
    this.note('');
    byId<HTMLSelectElement>('window').value = 'lung';
    return 'volume';
  }

  /** Moves the crosshair to a point in RAS mm, and the planes into sight. */
  goTo(mm: readonly [number, number, number]): void {
    this.loaded?.goTo(mm);
    byId('volume-box').scrollIntoView({ block: 'nearest', behavior: 'smooth' });
  }

  setInfo(text: string): void {
    byId('file-info').textContent = text;
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
    this.note(TEXT.viewerLost);
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
    byId('readout').textContent = '';
    this.setInfo('');
  }

  private note(text: string): void {
    byId('canvas-note').textContent = text;
    byId('canvas-note').hidden = text === '';
    byId('scan-controls').hidden = text !== '';
  }

  private choosePlane(button: HTMLButtonElement): void {
    for (const other of document.querySelectorAll('[data-plane]')) {
      other.setAttribute('aria-pressed', String(other === button));
    }
    this.loaded?.setPlane((button.dataset['plane'] ?? 'all') as Plane);
  }

  private async chooseWindow(name: string): Promise<void> {
    const { LUNG_WINDOW, SOFT_WINDOW } = await import('./viewer.ts');
    this.loaded?.setWindow(name === 'soft' ? SOFT_WINDOW : LUNG_WINDOW);
  }

  private located(location: Location): void {
    const slice = byId<HTMLInputElement>('slice');
    slice.max = String(location.axial.count - 1);
    slice.value = String(location.axial.slice);
    byId('slice-out').textContent = TEXT.sliceOf(location.axial.slice + 1, location.axial.count);
    byId('readout').textContent = [
      Number.isNaN(location.hu) ? '' : TEXT.hu(Math.round(location.hu)),
      position(location.mm),
      ...tissue(location.code),
    ]
      .filter((part) => part !== '')
      .join(' · ');
  }
}

/** RAS millimetres with the letter of the side that they lie on. */
function position(mm: readonly [number, number, number]): string {
  const axis = (value: number, plus: string, minus: string): string =>
    `${value < 0 ? minus : plus} ${Math.abs(value).toFixed(1)}`;
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
