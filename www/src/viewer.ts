/** The scan in three planes with the masks over it. Wraps NiiVue and hides it from the rest of the page. */
import { cmapper, DRAG_MODE, Niivue, NVImage, SHOW_RENDER, SLICE_TYPE } from '@niivue/niivue';
import { AxialPicture } from './axial.ts';
import { voxelBudget } from './budget.ts';
import { overlayLut } from './masks.ts';
import type { Bytes, Order } from './protocol.ts';
import { edges, WINDOWS, type HuWindow } from './windows.ts';

export type Plane = 'all' | 'axial' | 'coronal' | 'sagittal';

export interface Location {
  /** RAS, mm. */
  mm: [number, number, number];
  hu: number;
  /** Overlay code of `masks.compose` at this voxel. */
  code: number;
  /** The viewer's axial slice, from the feet up. */
  slice: number;
}

/** What the viewer tells of. */
export interface ViewerEvents {
  /** The crosshair has a new place. */
  located(location: Location): void;
  /** The pointer is over this, or has left. */
  hovered(location: Location | undefined): void;
  /** A window was drawn with the mouse. */
  windowed(): void;
  /** The planes were drawn anew: they may lie elsewhere on the canvas. */
  drawn(): void;
}

const PLANES: Record<Exclude<Plane, 'all'>, SLICE_TYPE> = {
  axial: SLICE_TYPE.AXIAL,
  coronal: SLICE_TYPE.CORONAL,
  sagittal: SLICE_TYPE.SAGITTAL,
};
/** HU from air to dense bone. */
const CT_RANGE = { global_min: -1024, global_max: 3071 };
const LEAST_ZOOM = 0.5;
const MOST_ZOOM = 12;
const RIM_OPACITY = 0.95;
/** The shader drops what is fully transparent, rims included. */
const LEAST_FILL = 0.004;

export class Viewer {
  private readonly nv: Niivue;
  private plane: Plane = 'all';
  private hasScan = false;
  private outlines = true;
  /** Where the pointer is, in pixels of the page. */
  private pointer: [number, number] | undefined;
  private window = WINDOWS.lung;

  private constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly heard: ViewerEvents,
  ) {
    this.nv = new Niivue({
      backColor: [0, 0, 0, 1],
      crosshairColor: [0.38, 0.77, 0.86, 1],
      crosshairWidth: 0.2,
      crosshairWidthUnit: 'percent',
      crosshairGap: 10,
      fontColor: [0.85, 0.88, 0.9, 1],
      showAllOrientationMarkers: true,
      fontMinPx: 14,
      fontSizeScaling: 0.3,
      multiplanarShowRender: SHOW_RENDER.NEVER,
      isRadiologicalConvention: true,
      sagittalNoseLeft: true,
      dragAndDropEnabled: false,
      dragMode: DRAG_MODE.windowing,
      loadingText: '',
      // What it can't read the engine refuses too, and says why.
      logLevel: 'silent',
      // Its own hot keys switch to views that this page does not have.
      viewModeHotKey: '',
      clipPlaneHotKey: '',
      cycleClipPlaneHotKey: '',
    });
    this.nv.drawLut = cmapper.makeDrawLut(overlayLut());
    this.nv.onIntensityChange = () => heard.windowed();
    leaveOutGradient(this.nv);
    const draw = this.nv.drawScene.bind(this.nv);
    this.nv.drawScene = () => {
      const drawn = draw();
      heard.drawn();
      return drawn;
    };
    this.nv.onLocationChange = () => heard.located(this.locationAt(this.nv.scene.crosshairPos));
  }

  /** Throws where the browser has no WebGL 2. */
  static async create(canvas: HTMLCanvasElement, heard: ViewerEvents): Promise<Viewer> {
    const viewer = new Viewer(canvas, heard);
    await viewer.nv.attachToCanvas(canvas, false);
    // NiiVue's own keys stay unheard; what else is in the box has its own.
    const mute = (event: Event): void => {
      if (event.target === canvas) event.stopPropagation();
    };
    canvas.parentElement?.addEventListener('keydown', mute, { capture: true });
    canvas.addEventListener('pointermove', (event) => viewer.hover([event.offsetX, event.offsetY]));
    canvas.addEventListener('pointerleave', () => viewer.hover(undefined));
    new ResizeObserver(() => viewer.layout()).observe(canvas);
    viewer.setOpacity(0.4);
    return viewer;
  }

  /** How many voxels it takes. */
  get budget(): number {
    return voxelBudget(this.nv.gl);
  }

  /** The order of the scan's axes, as the overlay's codes must have it. */
  get order(): Order {
    return orderOf(this.nv.volumes[0]);
  }

  /** Shows an unpacked NIfTI file; the masks of the scan before go. `begin` is told how it lies before its first location. */
  async show(file: Bytes, begin: (order: Order) => void): Promise<void> {
    this.clear();
    const { low, high } = edges(WINDOWS.lung);
    this.window = WINDOWS.lung;
    // From memory: NiiVue's own `loadVolumes` would ask the server for a file of this name.
    const volume = await NVImage.loadFromUrl({
      url: 'scan.nii',
      name: 'scan.nii',
      buffer: file.buffer,
      colormap: 'gray',
      cal_min: low,
      cal_max: high,
    });
    this.nv.addVolume(volume);
    begin(this.order);
    this.hasScan = true;
    this.nv.scene.crosshairPos = [0.5, 0.5, 0.5];
    this.nv.scene.pan2Dxyzmm = [0, 0, 0, 1];
    this.layout();
    this.moved();
  }

  clear(): void {
    this.hasScan = false;
    if (this.nv.drawBitmap !== null) this.nv.closeDrawing();
    for (const volume of [...this.nv.volumes]) this.nv.removeVolume(volume);
    this.nv.drawScene();
  }

  /** Puts overlay codes on the scan, in the order of R, A and S. */
  setOverlay(codes: Bytes): void {
    const dims = this.nv.back?.dims;
    if (!this.hasScan || dims === undefined) return;
    // NiiVue's own way to load a drawing turns it voxel by voxel and packs it for an undo, here, where the page would stand still.
    if (this.nv.drawBitmap === null) {
      this.nv.drawTexture = this.nv.r8Tex(this.nv.drawTexture, WebGL2RenderingContext.TEXTURE7, dims);
    }
    this.nv.drawBitmap = codes;
    this.nv.refreshDrawing(true);
    // What was said of these voxels may no longer hold.
    this.moved();
    this.hover(this.pointer);
  }

  setOpacity(opacity: number): void {
    this.nv.setDrawOpacity(Math.max(opacity, LEAST_FILL));
  }

  setOutlines(on: boolean): void {
    this.outlines = on;
    this.nv.drawRimOpacity = this.outlines ? RIM_OPACITY : -1;
    this.nv.drawScene();
  }

  setWindow(window: HuWindow): void {
    this.window = window;
    const volume = this.nv.volumes[0];
    if (volume === undefined) return;
    const { low, high } = edges(this.window);
    volume.cal_min = low;
    volume.cal_max = high;
    // Double click and double tap go back to these.
    volume.robust_min = low;
    volume.robust_max = high;
    this.nv.refreshLayers(volume, 0);
    this.nv.drawScene();
  }

  setPlane(plane: Plane): void {
    this.plane = plane;
    this.layout();
  }

  goToAxial(slice: number): void {
    const count = this.nv.volumes[0]?.dimsRAS?.[3] ?? 1;
    const [x, y] = this.nv.scene.crosshairPos;
    this.nv.scene.crosshairPos = [x as number, y as number, (slice + 0.5) / count];
    this.moved();
  }

  /** Moves the crosshair to a point in RAS mm. */
  goTo(mm: readonly [number, number, number]): void {
    if (!this.hasScan) return;
    this.nv.scene.crosshairPos = this.nv.mm2frac([mm[0], mm[1], mm[2]]);
    this.moved();
  }

  /** Moves the crosshair to what lies under this place of the canvas, in pixels of the page. */
  pointAt(x: number, y: number): void {
    const frac = this.fracAt(x, y);
    if (frac === undefined) return;
    this.nv.scene.crosshairPos = frac;
    this.moved();
  }

  /** The axial picture; nothing while none is shown. */
  axial(): AxialPicture | undefined {
    return this.hasScan ? AxialPicture.of(this.nv, this.density) : undefined;
  }

  /** Moves the crosshair by voxels along R, A and S. */
  moveBy([right, front, up]: [number, number, number]): void {
    if (this.hasScan) this.nv.moveCrosshairInVox(right, front, up);
  }

  /** About the crosshair. */
  zoomBy(factor: number): void {
    if (!this.hasScan) return;
    const [x, y, z, before] = this.nv.scene.pan2Dxyzmm as [number, number, number, number];
    const zoom = Math.min(Math.max(before * factor, LEAST_ZOOM), MOST_ZOOM);
    const mm = this.nv.frac2mm(this.nv.scene.crosshairPos);
    const shift = (axis: 0 | 1 | 2): number => (before - zoom) * (mm[axis] as number);
    this.nv.setPan2Dxyzmm([x + shift(0), y + shift(1), z + shift(2), zoom]);
  }

  /** The canvas, freshly drawn: what is on it is good until the task ends. */
  snapshot(): HTMLCanvasElement {
    this.nv.drawScene();
    return this.canvas;
  }

  /** The whole scan, with the crosshair in its middle. */
  reset(): void {
    this.nv.scene.crosshairPos = [0.5, 0.5, 0.5];
    this.nv.setPan2Dxyzmm([0, 0, 0, 1]);
    this.moved();
  }

  private moved(): void {
    if (!this.hasScan) return;
    this.nv.createOnLocationChange();
    this.nv.drawScene();
  }

  private locationAt(frac: Niivue['scene']['crosshairPos']): Location {
    const mm = this.nv.frac2mm(frac);
    const [i, j, k] = this.nv.frac2vox(frac) as [number, number, number];
    const volume = this.nv.volumes[0];
    const dims = volume?.dimsRAS ?? [0, 0, 0, 0];
    const index = i + (dims[1] ?? 0) * (j + (dims[2] ?? 0) * k);
    const vox = volume?.mm2vox([mm[0] as number, mm[1] as number, mm[2] as number]);
    return {
      mm: [mm[0] as number, mm[1] as number, mm[2] as number],
      hu: vox === undefined ? Number.NaN : (volume?.getValue(vox[0] as number, vox[1] as number, vox[2] as number) ?? NaN),
      code: this.nv.drawBitmap?.[index] ?? 0,
      slice: k,
    };
  }

  /** Axial large; the other two beside it on a wide canvas, below it on a tall one. */
  private layout(): void {
    if (this.plane !== 'all') {
      this.nv.clearCustomLayout();
      this.nv.setSliceType(PLANES[this.plane]);
      return;
    }
    this.nv.setSliceType(SLICE_TYPE.MULTIPLANAR);
    const wide = this.canvas.clientWidth > this.canvas.clientHeight;
    const main = 0.62;
    const rest = 1 - main;
    this.nv.setCustomLayout(
      wide
        ? [
            { sliceType: SLICE_TYPE.AXIAL, position: [0, 0, main, 1] },
            { sliceType: SLICE_TYPE.CORONAL, position: [main, 0, rest, 0.5] },
            { sliceType: SLICE_TYPE.SAGITTAL, position: [main, 0.5, rest, 0.5] },
          ]
        : [
            { sliceType: SLICE_TYPE.AXIAL, position: [0, 0, 1, main] },
            { sliceType: SLICE_TYPE.CORONAL, position: [0, main, 0.5, rest] },
            { sliceType: SLICE_TYPE.SAGITTAL, position: [0.5, main, 0.5, rest] },
          ],
    );
  }

  private hover(pointer: [number, number] | undefined): void {
    this.pointer = pointer;
    const frac = pointer && this.fracAt(...pointer);
    this.heard.hovered(frac && this.locationAt(frac));
  }

  /** What lies under this place of the canvas, in pixels of the page. */
  private fracAt(x: number, y: number): Niivue['scene']['crosshairPos'] | undefined {
    if (!this.hasScan) return undefined;
    const frac = this.nv.canvasPos2frac([x * this.density, y * this.density]);
    return (frac[0] as number) < 0 ? undefined : frac;
  }

  /** Pixels of the canvas for one of the page. */
  private get density(): number {
    return this.canvas.width / Math.max(this.canvas.clientWidth, 1);
  }
}

/**
 * With every volume come two textures for lighting in 3D, as large as the volume, which is most of the work of showing it. Of no use
 * here, they stay one voxel wide.
 */
function leaveOutGradient(nv: Niivue): void {
  const units: number[] = [WebGL2RenderingContext.TEXTURE6, WebGL2RenderingContext.TEXTURE8];
  const make = nv.rgbaTex.bind(nv);
  nv.rgbaTex = (texture, unit, dims, filled) => {
    const [rank = 3, , , depth = 1] = dims;
    return make(texture, unit, units.includes(unit) ? [rank, 1, 1, depth] : dims, filled);
  };
}

/** The window is the page's own: NiiVue's search for the brightest and darkest voxels would only take time. */
NVImage.prototype.calMinMax = function calMinMax(this: NVImage): number[] {
  const { low, high } = edges(WINDOWS.lung);
  Object.assign(this, { cal_min: low, cal_max: high, robust_min: low, robust_max: high, ...CT_RANGE });
  return [low, high, CT_RANGE.global_min, CT_RANGE.global_max];
};

function orderOf(volume: NVImage | undefined): Order {
  return (volume?.permRAS as Order | undefined) ?? [1, 2, 3];
}
