/** The middle slice of a scan as a picture in the lung window, for the moment before the viewer has it all. */
import { axesOf, voxelReader, type Layout } from './preview.ts';
import type { FirstSlice } from './protocol.ts';
import { middleOf } from './unpack.ts';
import { edges, WINDOWS } from './windows.ts';

const { low, high } = edges(WINDOWS.lung);
/** On the radiological display; nothing where the file's slices are not axial or its voxels no plain numbers. */
export function firstSlice(raw: Uint8Array, layout: Layout): FirstSlice | undefined {
  const order = axesOf(raw, layout);
  const read = voxelReader(raw, layout);
  if (read === undefined || Math.abs(order[2]) !== 3) return undefined;
  const [columns, rows] = Math.abs(order[0]) === 1 ? ([0, 1] as const) : ([1, 0] as const);
  // From the patient's right to the left, and from the nose down: both axes begin at their plus end.
  const path = (axis: 0 | 1): { step: number; start: number } => {
    const stride = axis === 0 ? 1 : layout.dims[0];
    return order.includes(axis + 1) ? { step: -stride, start: stride * (layout.dims[axis] - 1) } : { step: stride, start: 0 };
  };
  const [across, down] = [path(columns), path(rows)];
  const [width, height] = [layout.dims[columns], layout.dims[rows]];
  const { begin } = middleOf(layout);
  const pixels = new Uint8ClampedArray(4 * width * height);
  let at = 0;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const voxel = across.start + x * across.step + down.start + y * down.step;
      const hu = read(begin + voxel * layout.bytesPerVoxel);
      const grey = (255 * (hu - low)) / (high - low);
      pixels.fill(grey, at, at + 3);
      pixels[at + 3] = 255;
      at += 4;
    }
  }
  return { pixels, width, height };
}
