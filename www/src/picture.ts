/** A single slice: the picture and the lesions over it on one canvas. */
import { COLOURS, type Rgb, type Visible } from './masks.ts';

/** Per pixel: 0 nothing, 1 lesion of no known class, 2 ground glass, 3 consolidation. */
type Kinds = Uint8Array;

/** Greys up to here are the first of two classes. */
const HALF_GREY = 191;

export class Picture {
  private image: ImageBitmap | undefined;
  private kinds: Kinds | undefined;
  private visible: Visible = { lungs: true, normnet: true, ggo: true, consolidation: true };
  private opacity = 0.4;

  constructor(private readonly canvas: HTMLCanvasElement) {}

  /** Throws where the browser can't decode the file. */
  async show(file: Blob): Promise<void> {
    this.image?.close();
    this.kinds = undefined;
    this.image = await createImageBitmap(file, { imageOrientation: 'none' });
    this.draw();
  }

  async setMasks(lesion: Uint8Array<ArrayBuffer> | undefined, classes: Uint8Array<ArrayBuffer> | undefined): Promise<void> {
    if (this.image === undefined) return;
    const { width, height } = this.image;
    const [infected, ggo] = await Promise.all([levels(lesion, width, height), levels(classes, width, height)]);
    this.kinds = merge(infected, ggo, width * height);
    this.draw();
  }

  setVisible(visible: Visible): void {
    this.visible = visible;
    this.draw();
  }

  setOpacity(opacity: number): void {
    this.opacity = opacity;
    this.draw();
  }

  private draw(): void {
    const context = this.canvas.getContext('2d');
    if (context === null || this.image === undefined) return;
    const { width, height } = this.image;
    this.canvas.width = width;
    this.canvas.height = height;
    context.drawImage(this.image, 0, 0);
    if (this.kinds === undefined) return;
    const pixels = context.getImageData(0, 0, width, height);
    for (let i = 0; i < this.kinds.length; i += 1) {
      const colour = this.colour(this.kinds[i] ?? 0);
      if (colour !== undefined) blend(pixels.data, 4 * i, colour, this.opacity);
    }
    context.putImageData(pixels, 0, 0);
  }

  private colour(kind: number): Rgb | undefined {
    if (kind === 2) return this.visible.ggo ? COLOURS.ggo : undefined;
    if (kind === 3) return this.visible.consolidation ? COLOURS.consolidation : undefined;
    return kind === 1 && this.visible.ggo ? COLOURS.normnet : undefined;
  }
}

function blend(data: Uint8ClampedArray, at: number, colour: Rgb, opacity: number): void {
  for (let c = 0; c < 3; c += 1) {
    data[at + c] = (data[at + c] ?? 0) * (1 - opacity) + (colour[c] ?? 0) * opacity;
  }
}

/** A mask picture's grey levels, one a pixel. */
async function levels(png: Uint8Array<ArrayBuffer> | undefined, width: number, height: number): Promise<Uint8Array | undefined> {
  if (png === undefined) return undefined;
  const bitmap = await createImageBitmap(new Blob([png], { type: 'image/png' }), { colorSpaceConversion: 'none' });
  const context = new OffscreenCanvas(width, height).getContext('2d');
  if (context === null) return undefined;
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const rgba = context.getImageData(0, 0, width, height).data;
  return Uint8Array.from({ length: width * height }, (_, i) => rgba[4 * i] ?? 0);
}

function merge(infected: Uint8Array | undefined, classes: Uint8Array | undefined, pixels: number): Kinds {
  const kinds = new Uint8Array(pixels);
  for (let i = 0; i < pixels; i += 1) {
    const kind = classOf(classes?.[i] ?? 0);
    if (kind > 0) kinds[i] = kind + 1;
    else if ((infected?.[i] ?? 0) > 0) kinds[i] = 1;
  }
  return kinds;
}

/** Class masks hold labels (1, 2), or greys that can be told apart by eye (half, full). */
function classOf(level: number): number {
  return level <= 2 ? level : level <= HALF_GREY ? 1 : 2;
}
