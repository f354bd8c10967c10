/** The brush: infection painted and erased on the axial picture. Its canvas lies over the viewer's while it is on, and only then. */
import type { Spot } from './axial.ts';
import { byId } from './dom.ts';
import { whole } from './format.ts';
import type { NetworkName, Stroke } from './protocol.ts';
import { onLanguage, TEXT } from './strings.ts';
import type { Viewer } from './viewer.ts';

export type BrushMode = 'add' | 'erase';

export interface BrushEvents {
  painted(stroke: Stroke): void;
  undo(): void;
  /** This network's mask is about to be painted on. */
  turnedTo(network: NetworkName): void;
}

/** A stroke that is seen before it is measured. */
interface Ink {
  spots: Spot[];
  mode: BrushMode;
  diameter: number;
}

const MODES: BrushMode[] = ['add', 'erase'];
const COLOURS: Record<BrushMode, string> = { add: 'rgb(240 228 66 / 55%)', erase: 'rgb(0 0 0 / 55%)' };
const RING = '#ffffff';
/** What the viewer hears although the brush's canvas lies over it. */
const PASSED_ON = { wheel: WheelEvent, pointermove: PointerEvent, pointerleave: PointerEvent } as const;

export class Brush {
  private readonly canvas = byId<HTMLCanvasElement>('brush');
  private readonly network = byId<HTMLSelectElement>('brush-network');
  private readonly size = byId<HTMLInputElement>('brush-size');
  private mode: BrushMode | undefined;
  private ink: Ink[] = [];
  /** The one that is being drawn, the last of the ink. */
  private stroke: Ink | undefined;
  private pointer: [number, number] | undefined;

  constructor(
    private readonly viewer: () => Viewer | undefined,
    private readonly heard: BrushEvents,
  ) {
    for (const mode of MODES) byId(`brush-${mode}`).addEventListener('click', () => this.toggle(mode));
    byId('brush-undo').addEventListener('click', () => heard.undo());
    this.network.addEventListener('change', () => heard.turnedTo(this.network.value as NetworkName));
    this.size.addEventListener('input', () => this.showSize());
    onLanguage(() => this.showSize());
    this.listen();
  }

  /** There are masks to paint on, of these networks; the first is chosen where the chosen one is not among them. */
  offer(networks: NetworkName[], undoable: boolean): void {
    byId('brush-controls').hidden = false;
    byId<HTMLButtonElement>('brush-undo').disabled = !undoable;
    byId('brush-network-label').hidden = networks.length < 2;
    for (const option of this.network.options) option.hidden = !networks.includes(option.value as NetworkName);
    if (!networks.includes(this.network.value as NetworkName)) this.network.value = networks[0] ?? '';
  }

  withdraw(): void {
    byId('brush-controls').hidden = true;
    this.switch(undefined);
    this.settle();
  }

  /** What was painted is now in the masks. */
  settle(): void {
    this.ink = this.stroke === undefined ? [] : [this.stroke];
    this.draw();
  }

  /** The results that are looked at are those that are painted on. */
  follow(network: NetworkName): void {
    this.network.value = network;
  }

  /** On, or off where it was on. */
  toggle(mode: BrushMode): void {
    if (!byId('brush-controls').hidden) this.switch(this.mode === mode ? undefined : mode);
  }

  /** Paints once where the crosshair is. */
  dab(): void {
    const spot = this.viewer()?.axial()?.crosshair();
    if (this.mode === undefined || spot === undefined) return;
    this.begin(spot, this.mode);
    this.end();
  }

  /** The viewer has drawn: what lies over it moves along. */
  draw(): void {
    const { canvas } = this;
    const context = canvas.getContext('2d');
    const picture = this.viewer()?.axial();
    if (context === null || canvas.hidden) return;
    canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
    canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
    if (picture === undefined) return;
    context.scale(devicePixelRatio, devicePixelRatio);
    context.lineCap = 'round';
    context.lineJoin = 'round';
    for (const { spots, mode, diameter } of this.ink.filter(({ spots }) => spots[0]?.slice === picture.slice)) {
      context.strokeStyle = COLOURS[mode];
      context.lineWidth = diameter * picture.pixelsPerMm;
      context.beginPath();
      const [first, ...rest] = spots.map(({ flat }) => picture.onPage(flat));
      if (first === undefined) continue;
      context.moveTo(...first);
      // A line of no length still gets its round ends.
      for (const point of rest.length > 0 ? rest : [first]) context.lineTo(...point);
      context.stroke();
    }
    if (this.pointer === undefined || picture.at(...this.pointer) === undefined) return;
    context.strokeStyle = RING;
    context.lineWidth = 1.5;
    context.beginPath();
    context.arc(...this.pointer, Math.max((this.diameter * picture.pixelsPerMm) / 2, 1), 0, 2 * Math.PI);
    context.stroke();
  }

  private get diameter(): number {
    return Number(this.size.value);
  }

  private switch(mode: BrushMode | undefined): void {
    this.mode = mode;
    this.drop();
    for (const each of MODES) byId(`brush-${each}`).setAttribute('aria-pressed', String(each === mode));
    this.canvas.hidden = mode === undefined;
    byId('brush-options').hidden = mode === undefined;
    if (mode !== undefined) this.heard.turnedTo(this.network.value as NetworkName);
    this.showSize();
  }

  private showSize(): void {
    byId('brush-size-out').textContent = TEXT.millimetres(whole(this.diameter));
    this.draw();
  }

  private listen(): void {
    const { canvas } = this;
    canvas.addEventListener('pointerdown', (event) => this.down(event));
    canvas.addEventListener('pointermove', (event) => this.move(event));
    canvas.addEventListener('pointerup', () => this.end());
    canvas.addEventListener('pointercancel', () => this.drop());
    canvas.addEventListener('pointerleave', () => {
      this.pointer = undefined;
      this.draw();
    });
    canvas.addEventListener('contextmenu', (event) => event.preventDefault());
    for (const [type, Kind] of Object.entries(PASSED_ON)) {
      canvas.addEventListener(type, (event) => {
        event.preventDefault();
        // Through the slices only between two strokes.
        if (this.stroke === undefined) byId('planes').dispatchEvent(new Kind(type, event as WheelEvent & PointerEvent));
      });
    }
  }

  private down(event: PointerEvent): void {
    if (this.mode === undefined || event.button !== 0 || !event.isPrimary) return;
    const spot = this.viewer()?.axial()?.at(event.offsetX, event.offsetY);
    if (spot === undefined) {
      // The other planes move the crosshair as ever.
      this.viewer()?.pointAt(event.offsetX, event.offsetY);
      return;
    }
    this.canvas.setPointerCapture(event.pointerId);
    this.begin(spot, this.mode);
  }

  private move(event: PointerEvent): void {
    if (!event.isPrimary) return;
    this.pointer = [event.offsetX, event.offsetY];
    const picture = this.viewer()?.axial();
    const moves = event.getCoalescedEvents();
    for (const { offsetX, offsetY } of this.stroke === undefined ? [] : moves.length > 0 ? moves : [event]) {
      const spot = picture?.at(offsetX, offsetY);
      if (spot !== undefined) this.stroke?.spots.push(spot);
    }
    this.draw();
  }

  private begin(spot: Spot, mode: BrushMode): void {
    this.stroke = { spots: [spot], mode, diameter: this.diameter };
    this.ink.push(this.stroke);
    this.draw();
  }

  private end(): void {
    if (this.stroke === undefined) return;
    const { spots, mode, diameter } = this.stroke;
    this.stroke = undefined;
    this.heard.painted({
      network: this.network.value as NetworkName,
      erase: mode === 'erase',
      diameter_mm: diameter,
      points_mm: spots.map(({ mm }) => mm),
    });
  }

  /** A stroke that the browser has taken away, or that the brush was switched off in, was none. */
  private drop(): void {
    this.ink = this.ink.filter((ink) => ink !== this.stroke);
    this.stroke = undefined;
    this.draw();
  }
}
