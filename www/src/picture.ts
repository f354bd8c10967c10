/** A single slice: the picture and the lesions over it on one canvas. */
import { COLOURS, type LabelVolume, type Rgb } from './masks.ts';
import type { Visible } from './protocol.ts';

/** Pixels of each kind. */
export interface Areas {
  ggo: number;
  consolidation: number;
  all: number;
}

export class Picture {
  private image: ImageBitmap | undefined;
  /** Per pixel: 0 nothing, 1 ground glass, 2 consolidation. */
  private classes: Uint8Array | undefined;
  private visible: Visible = { lungs: true, normnet: true, ggo: true, consolidation: true };
  private opacity = 0.4;

  constructor(private readonly canvas: HTMLCanvasElement) {}

  /** Throws where the browser can't decode the file. */
  async show(file: Blob): Promise<void> {
    this.image?.close();
    this.image = undefined;
    this.classes = undefined;
    // Masks lie on the file's own pixels: no turning by EXIF.
    this.image = await createImageBitmap(file, { imageOrientation: 'none' });
    this.draw();
  }

  /** Lays the class mask over the picture and counts it. */
  async setClasses(png: Uint8Array<ArrayBuffer>): Promise<Areas> {
    const { labels } = await readLevels(png);
    this.classes = labels;
    this.draw();
    const count = (label: number): number => labels.reduce((sum, at) => sum + (at === label ? 1 : 0), 0);
    return { ggo: count(1), consolidation: count(2), all: labels.length };
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
    if (this.classes?.length !== width * height) return;
    const pixels = context.getImageData(0, 0, width, height);
    for (let i = 0; i < this.classes.length; i += 1) {
      const colour = this.colour(this.classes[i] ?? 0);
      if (colour !== undefined) blend(pixels.data, 4 * i, colour, this.opacity);
    }
    context.putImageData(pixels, 0, 0);
  }

  private colour(label: number): Rgb | undefined {
    if (label === 1 && this.visible.ggo) return COLOURS.ggo;
    return label === 2 && this.visible.consolidation ? COLOURS.consolidation : undefined;
  }
}

function blend(data: Uint8ClampedArray, at: number, colour: Rgb, opacity: number): void {
  for (let c = 0; c < 3; c += 1) {
    data[at + c] = (data[at + c] ?? 0) * (1 - opacity) + (colour[c] ?? 0) * opacity;
  }
}

/** A mask picture's grey levels, one a pixel. */
export async function readLevels(png: Uint8Array<ArrayBuffer>): Promise<LabelVolume> {
  const bitmap = await createImageBitmap(new Blob([png], { type: 'image/png' }), { colorSpaceConversion: 'none' });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d');
  context?.drawImage(bitmap, 0, 0);
  bitmap.close();
  const rgba = context?.getImageData(0, 0, width, height).data;
  return { dims: [width, height, 1], labels: Uint8Array.from({ length: width * height }, (_, i) => rgba?.[4 * i] ?? 0) };
}
