// Reads the project's weight files: safetensors, int8 with one scale an output channel.
import { readFile } from 'node:fs/promises';

const MODELS = new URL('../../models/', import.meta.url);
const LENGTH_BYTES = 8;

/** @typedef {{ dims: number[], data: Float32Array }} Tensor */

/** The tensors of models/<file> by name, as f32. @returns {Promise<Map<string, Tensor>>} */
export async function readWeights(file) {
  const bytes = await readFile(new URL(file, MODELS));
  const start = LENGTH_BYTES + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(LENGTH_BYTES, start));
  const raw = (name) => {
    const { data_offsets: [from, to], shape, dtype } = header[name];
    // A copy, because typed arrays must start at a multiple of their element's size.
    return { dims: shape, dtype, buffer: new Uint8Array(bytes.subarray(start + from, start + to)).buffer };
  };
  const tensors = new Map();
  const isScale = (name) => header[name.replace(/\.scale$/, '')]?.dtype === 'I8' && name.endsWith('.scale');
  for (const name of Object.keys(header).filter((key) => key !== '__metadata__' && !isScale(key))) {
    const { dims, dtype, buffer } = raw(name);
    if (dtype === 'I8') {
      const scale = raw(`${name}.scale`);
      tensors.set(name, { dims, data: dequantized(new Int8Array(buffer), dims, new Float32Array(scale.buffer), scale.dims) });
    } else if (dtype === 'F32') {
      tensors.set(name, { dims, data: new Float32Array(buffer) });
    } else {
      throw new Error(`${file}: ${name} is ${dtype}, which is neither I8 nor F32`);
    }
  }
  return tensors;
}

/** The scales' shape has the output channels along one axis and 1 elsewhere. */
function dequantized(integers, dims, scale, scaleDims) {
  const axis = Math.max(0, scaleDims.findIndex((side) => side !== 1));
  const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  return Float32Array.from(integers, (q, i) => q * scale[Math.floor(i / inner) % scale.length]);
}

/** models/manifest.json's entry of a file. */
export async function manifestEntry(file) {
  const { models } = JSON.parse(await readFile(new URL('manifest.json', MODELS), 'utf8'));
  const entry = models.find((candidate) => candidate.file === file);
  if (entry === undefined) throw new Error(`models/manifest.json does not list ${file}`);
  return entry;
}
