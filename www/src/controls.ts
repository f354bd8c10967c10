/** What moves the picture: planes, window, slices, zoom; and the line that says what is under the pointer. */
import { byId } from './dom.ts';
import { fixed, whole } from './format.ts';
import { ZOOM_STEP, type Actions } from './keys.ts';
import { Ruler } from './ruler.ts';
import { inFile, inViewer, type Slices } from './slices.ts';
import { onLanguage, TEXT } from './strings.ts';
import type { Location, Plane, Viewer } from './viewer.ts';
import { WINDOWS, type WindowName } from './windows.ts';

export class Controls implements Omit<Actions, 'toggleOverlay' | 'opacity' | 'lesion' | 'brush' | 'dab' | 'undo'> {
  readonly ruler = new Ruler((slice) => this.viewer()?.goToAxial(slice));
  private readonly slider = byId<HTMLInputElement>('slice');
  private readonly choice = byId<HTMLSelectElement>('window');
  private grid: Slices | undefined;
  private location: Location | undefined;

  constructor(private readonly viewer: () => Viewer | undefined) {
    for (const button of document.querySelectorAll<HTMLButtonElement>('[data-plane]')) {
      button.addEventListener('click', () => this.plane((button.dataset['plane'] ?? 'all') as Plane));
    }
    this.slider.addEventListener('input', () => viewer()?.goToAxial(Number(this.slider.value)));
    this.choice.addEventListener('change', () => this.window(this.choice.value as WindowName));
    byId('zoom-in').addEventListener('click', () => this.zoom(ZOOM_STEP));
    byId('zoom-out').addEventListener('click', () => this.zoom(1 / ZOOM_STEP));
    byId('reset').addEventListener('click', () => this.reset());
    onLanguage(() => this.translate());
  }

  /** A new scan, in the lung window; nothing while there is none. */
  begin(slices: Slices | undefined): void {
    this.grid = slices;
    this.location = undefined;
    this.choice.value = 'lung';
    byId('readout').textContent = '';
    if (slices === undefined) return;
    this.slider.max = String(slices.shown - 1);
    this.ruler.setSlices(slices);
  }

  /** Where the crosshair is. */
  located(location: Location): void {
    this.location = location;
    this.readOut(location);
    if (this.grid === undefined) return;
    this.slider.value = String(location.slice);
    this.ruler.setSlice(location.slice);
    const text = TEXT.sliceOf(whole(inFile(this.grid, location.slice) + 1), whole(this.grid.count));
    byId('slice-out').textContent = text;
    this.slider.setAttribute('aria-valuetext', text);
  }

  /** What the pointer is over; where it has left, the crosshair counts again. */
  hovered(location: Location | undefined): void {
    const at = location ?? this.location;
    if (at !== undefined) this.readOut(at);
  }

  /** The person has drawn a window of their own with the mouse. */
  windowed(): void {
    this.choice.value = 'own';
  }

  plane(plane: Plane): void {
    for (const button of document.querySelectorAll<HTMLElement>('[data-plane]')) {
      button.setAttribute('aria-pressed', String(button.dataset['plane'] === plane));
    }
    this.viewer()?.setPlane(plane);
  }

  window(name: WindowName): void {
    this.choice.value = name;
    this.viewer()?.setWindow(WINDOWS[name]);
  }

  move(right: number, up: number): void {
    // On the radiological display the picture's left is the patient's right, which is plus in RAS.
    this.viewer()?.moveBy([-right, up, 0]);
  }

  slices(by: number): void {
    this.viewer()?.moveBy([0, 0, by]);
  }

  lastSlice(last: boolean): void {
    if (this.grid !== undefined) this.viewer()?.goToAxial(inViewer(this.grid, last ? this.grid.count - 1 : 0));
  }

  zoom(factor: number): void {
    this.viewer()?.zoomBy(factor);
  }

  reset(): void {
    this.window('lung');
    this.viewer()?.reset();
  }

  private translate(): void {
    if (this.grid !== undefined) this.ruler.setSlices(this.grid);
    if (this.location !== undefined) this.located(this.location);
  }

  private readOut(location: Location): void {
    byId('readout').textContent = [
      Number.isNaN(location.hu) ? '' : TEXT.hu(whole(location.hu)),
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
