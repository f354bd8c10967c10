/** How many voxels the viewer may hold on this machine. */

/** Six bytes a voxel on the graphics card, and four more while it loads. */
const VOXELS_DESKTOP = 80e6;
const VOXELS_PHONE = 20e6;
/** Where the processor draws, a million voxels take a tenth of a second, and again whenever the window changes. */
const VOXELS_SOFTWARE = 10e6;
const LITTLE_MEMORY_GB = 4;

export function voxelBudget(gl: WebGL2RenderingContext): number {
  if (isSoftware(rendererOf(gl))) return VOXELS_SOFTWARE;
  const memory = (navigator as { deviceMemory?: number }).deviceMemory ?? Infinity;
  return memory <= LITTLE_MEMORY_GB || matchMedia('(pointer: coarse)').matches ? VOXELS_PHONE : VOXELS_DESKTOP;
}

/** Whether WebGL has no graphics card behind it, by the name of what draws. */
export function isSoftware(renderer: string): boolean {
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer);
}

function rendererOf(gl: WebGL2RenderingContext): string {
  const info = gl.getExtension('WEBGL_debug_renderer_info');
  return String(gl.getParameter(info === null ? gl.RENDERER : info.UNMASKED_RENDERER_WEBGL));
}
