/** The axial picture on the canvas: the way from a pixel of the page to a place in the scan, and back. */
import { SLICE_TYPE, type Niivue } from '@niivue/niivue';

type Mm = [number, number, number];

/** A place on an axial slice. */
export interface Spot {
  /** mm within the picture, from anywhere; only differences mean something. */
  flat: [number, number];
  /** RAS, in the middle of the slice. */
  mm: Mm;
  /** The viewer's number of the slice. */
  slice: number;
}

export class AxialPicture {
  private constructor(
    private readonly nv: Niivue,
    private readonly tile: Niivue['screenSlices'][number],
    /** Pixels of the canvas for one of the page. */
    private readonly density: number,
  ) {}

  /** Nothing where no axial plane is shown. */
  static of(nv: Niivue, density: number): AxialPicture | undefined {
    const tile = nv.screenSlices.find(({ axCorSag }) => axCorSag === SLICE_TYPE.AXIAL);
    return tile === undefined ? undefined : new AxialPicture(nv, tile, density);
  }

  get pixelsPerMm(): number {
    const [, , width = 0] = this.tile.leftTopWidthHeight;
    return Math.abs(width / (this.tile.fovMM[0] as number)) / this.density;
  }

  /** The viewer's number of the slice that is shown. */
  get slice(): number {
    return this.nv.frac2vox(this.nv.scene.crosshairPos)[2] as number;
  }

  /** The spot under a pixel of the page; nothing beside the scan. */
  at(x: number, y: number): Spot | undefined {
    const frac = this.nv.screenXY2TextureFrac(x * this.density, y * this.density, this.nv.screenSlices.indexOf(this.tile));
    return (frac[0] as number) < 0 ? undefined : this.spot(frac);
  }

  /** Where the crosshair is. */
  crosshair(): Spot {
    return this.spot(this.nv.scene.crosshairPos);
  }

  /** A place of the picture in pixels of the page. */
  onPage([u, v]: Spot['flat']): [number, number] {
    // A mirrored picture has a negative width.
    const [left = 0, top = 0, width = 0, height = 0] = this.tile.leftTopWidthHeight;
    const right = (u - (this.tile.leftTopMM[0] as number)) / (this.tile.fovMM[0] as number);
    const up = (v - (this.tile.leftTopMM[1] as number)) / (this.tile.fovMM[1] as number);
    return [(left + right * width) / this.density, (top + (1 - up) * height) / this.density];
  }

  private spot(frac: Niivue['scene']['crosshairPos']): Spot {
    const slice = this.nv.frac2vox(frac)[2] as number;
    const count = this.nv.volumes[0]?.dimsRAS?.[3] ?? 1;
    const [u, v] = this.nv.frac2mm(frac);
    // NiiVue shows a tilted scan as if it were straight: the engine gets its real place.
    const middle = [frac[0], frac[1], (slice + 0.5) / count] as unknown as typeof frac;
    return { flat: [u as number, v as number], mm: [...this.nv.frac2mm(middle, 0, true)].slice(0, 3) as Mm, slice };
  }
}
