/** An axial slice of a scan as a grey picture: the middle one, for the moment before the viewer has it all, or any. */
import { axesOf, voxelReader, type Layout } from './preview.ts';
import type { FirstSlice, Order } from './protocol.ts';
import { sliceBytes } from './unpack.ts';
import { edges, WINDOWS, type HuWindow } from './windows.ts';

type Axis = 0 | 1 | 2;

/** The middle slice in the lung window; nothing where the file's slices are not axial or its voxels no plain numbers. */
export function firstSlice(raw: Uint8Array, layout: Layout): FirstSlice | undefined {
  const order = axesOf(raw, layout);
  // No more than the middle slice needs be there yet.
  const middle = Math.floor(layout.dims[2] / 2);
  const slice = order[2] < 0 ? layout.dims[2] - 1 - middle : middle;
  return Math.abs(order[2]) === 3 ? axialSlice(raw, layout, order, slice, WINDOWS.lung) : undefined;
}

/** A slice, counted from the feet up, on the radiological display; nothing where the voxels are no plain numbers. */
export function axialSlice(raw: Uint8Array, layout: Layout, order: Order, slice: number, window: HuWindow): FirstSlice | undefined {
  const read = voxelReader(raw, layout);
  if (read === undefined) return undefined;
  const { low, high } = edges(window);
  const axes = order.map((axis) => Math.abs(axis) - 1) as [Axis, Axis, Axis];
  const strides = [1, layout.dims[0], sliceBytes(layout) / layout.bytesPerVoxel];
  /** From the end of an axis to which R, A or S points, or from the other one. */
  const path = (along: Axis, plus: boolean): { step: number; start: number } => {
    const [axis, stride] = [axes[along], strides[axes[along]] ?? 1];
    const last = order[along] > 0 === plus;
    return last ? { step: -stride, start: stride * (layout.dims[axis] - 1) } : { step: stride, start: 0 };
  };
  // From the patient's right to the left, and from the nose down: both axes begin at their plus end.
  const [across, down, up] = [path(0, true), path(1, true), path(2, false)];
  const [width, height] = [layout.dims[axes[0]], layout.dims[axes[1]]];
  const begin = across.start + down.start + up.start + slice * up.step;
  const pixels = new Uint8ClampedArray(4 * width * height);
  let at = 0;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const voxel = begin + x * across.step + y * down.step;
      const grey = (255 * (read(layout.offset + voxel * layout.bytesPerVoxel) - low)) / (high - low);
      pixels[at] = grey;
      pixels[at + 1] = grey;
      pixels[at + 2] = grey;
      pixels[at + 3] = 255;
      at += 4;
    }
  }
  return { pixels, width, height };
}
