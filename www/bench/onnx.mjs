// The shipped networks as ONNX files, from the same int8 weights expanded to f32: what onnxruntime-web runs in the
// benchmark. One function a block, named as in src/infnet/, src/normnet/model.rs and src/infnet/classes.rs.
//
//   node bench/onnx.mjs FOLDER     writes them; the benchmark makes them in memory
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Graph } from './graph.mjs';
import { manifestEntry, readWeights } from './weights.mjs';

const CORNERS = 'align_corners';
const CENTERS = 'half_pixel';

// ---- Inf-Net ----

/** Folded convolution units in a row, linear. */
function fold(g, base, count, x) {
  for (let i = 0; i < count; i += 1) x = g.conv(`${base}.${i}.conv`, x);
  return x;
}

/** lite0.rs: stride of a stage's first block, and blocks; f2…f5 are taken behind the stages with `tap`. */
const STAGES = [
  { stride: 1, blocks: 1 },
  { stride: 2, blocks: 2, tap: true },
  { stride: 2, blocks: 2, tap: true },
  { stride: 2, blocks: 3 },
  { stride: 1, blocks: 3, tap: true },
  { stride: 2, blocks: 4 },
  { stride: 1, blocks: 1, tap: true },
];

function lite0(g, x) {
  const base = 'encoder.Lite0';
  const limits = [g.constant(new Float32Array([0]), []), g.constant(new Float32Array([6]), [])];
  const unit = (name, value, shape) => g.node('Clip', [g.conv(`${base}.${name}.conv`, value, shape), ...limits]);
  const channels = (name) => g.tensor(`${base}.${name}.conv.weight`).dims;
  const taps = [];
  let input = channels('stem')[0];
  let at = 0;
  x = unit('stem', x, { stride: 2 });
  for (const { stride: first, blocks, tap } of STAGES) {
    for (let i = 0; i < blocks; i += 1) {
      const block = `blocks.${at}`;
      const stride = i === 0 ? first : 1;
      const output = channels(`${block}.project`)[0];
      const wide = at === 0 ? x : unit(`${block}.expand`, x);
      const y = g.conv(`${base}.${block}.project.conv`, unit(`${block}.depthwise`, wide, { stride, depthwise: true }));
      x = stride === 1 && input === output ? g.add(y, x) : y;
      input = output;
      at += 1;
    }
    if (tap) taps.push(x);
  }
  return taps;
}

function edgeBranch(g, f2) {
  // The fourth convolution makes the edge map, which training needs and the prediction does not.
  ['weight', 'bias'].forEach((part) => g.unused.delete(`edge.convs.3.conv.${part}`));
  return fold(g, 'edge.convs', 3, f2);
}

function rfb(g, base, x) {
  const views = [g.conv(`${base}.branch0.conv`, x)];
  [3, 5, 7].forEach((dilation, i) => {
    const y = fold(g, `${base}.branches.${i}`, 3, x);
    views.push(g.conv(`${base}.branches.${i}.3.conv`, y, { dilation }));
  });
  return g.relu(g.add(g.conv(`${base}.conv_cat.conv`, g.concat(...views)), g.conv(`${base}.conv_res.conv`, x)));
}

/** decoder.rs, by the same letters. */
function partialDecoder(g, a, b, d) {
  const up = (x) => g.scale(x, 2, CORNERS);
  const conv = (i, x) => g.conv(`decoder.conv_upsample.${i}.conv`, x);
  const times = (x, y) => g.node('Mul', [x, y]);
  const a2 = up(a);
  const b1 = times(conv(0, a2), b);
  const d1 = times(times(conv(1, up(a2)), conv(2, up(b))), d);
  const b2 = g.conv('decoder.conv_concat2.conv', g.concat(b1, conv(3, a2)));
  const d2 = g.conv('decoder.conv_concat3.conv', g.concat(d1, conv(4, up(b2))));
  return g.conv('decoder.conv5', g.conv('decoder.conv4.conv', d2));
}

/** reverse.rs; `layers` convolutions with ReLU. */
function reverseAttention(g, base, layers, feature, coarser, edge) {
  const attention = g.node('Sigmoid', [g.node('Neg', [coarser])]);
  let x = g.conv(`${base}.convs.0.conv`, g.node('Mul', [feature, attention]));
  x = g.concat(x, edge);
  for (let i = 1; i <= layers; i += 1) x = g.relu(g.conv(`${base}.convs.${i}.conv`, x));
  return g.add(g.conv(`${base}.convs.${layers + 1}.conv`, x), coarser);
}

function infnet(g, { config: { side, parts } }) {
  const [f2, f3, f4, f5] = lite0(g, g.input('input', [1, 3, side, side]));
  const edges = edgeBranch(g, f2);
  const [b3, b4, b5] = [f3, f4, f5].map((f, i) => rfb(g, `rfb${i + 2}`, f));
  const global = partialDecoder(g, b5, b4, b3);
  const resize = (x, factor) => g.scale(x, factor, CENTERS);
  const s5 = reverseAttention(g, 'ra5', 3, f5, resize(global, 1 / 4), resize(edges, 1 / 8));
  const s4 = reverseAttention(g, 'ra4', 2, f4, resize(s5, 2), resize(edges, 1 / 4));
  const s3 = reverseAttention(g, 'ra3', 2, f3, resize(s4, 2), resize(edges, 1 / 2));
  const finest = parts.fine ? resize(reverseAttention(g, 'ra2', 2, f2, resize(s3, 2), edges), 4) : resize(s3, 8);
  g.output(finest, 'logits', [1, 1, side, side]);
}

// ---- Class network ----

function double(g, base, x) {
  for (const half of ['first', 'second']) x = g.relu(g.conv(`${base}.${half}.conv`, x));
  return x;
}

const INPUTS = 6;
const EVEN_INPUTS = 8;

/** onnxruntime-web miscomputes a convolution of 6 channels on WebGPU (its issue 29651): two channels of zeros more. */
function evenInputs(g, x) {
  const path = 'inc.first.conv.weight';
  const { dims: [output, , ...kernel], data } = g.tensor(path);
  const each = data.length / output;
  const even = new Float32Array((data.length / INPUTS) * EVEN_INPUTS);
  for (let o = 0; o < output; o += 1) even.set(data.subarray(o * each, (o + 1) * each), (o * each * EVEN_INPUTS) / INPUTS);
  g.weights.set(path, { dims: [output, EVEN_INPUTS, ...kernel], data: even });
  return g.node('Pad', [x, g.integers(0, 0, 0, 0, 0, EVEN_INPUTS - INPUTS, 0, 0)]);
}

function classes(g, { config: { side } }, webgpu) {
  const input = g.input('input', [1, INPUTS, side, side]);
  const levels = [double(g, 'inc', webgpu ? evenInputs(g, input) : input)];
  for (let i = 0; i < 4; i += 1) {
    const pooled = g.node('MaxPool', [levels[i]], { kernel_shape: [2, 2], strides: [2, 2] });
    levels.push(double(g, `down.${i}`, pooled));
  }
  let x = levels.pop();
  for (let i = 0; i < 4; i += 1) x = double(g, `up.${i}`, g.concat(levels.pop(), g.scale(x, 2, CORNERS)));
  g.output(g.conv('outc', x), 'logits', [1, 3, side, side]);
}

// ---- NormNet ----

const EPSILON = 1e-5;

/** Instance norm (not affine) and PReLU. */
function settle(g, base, x, channels) {
  const scale = g.constant(new Float32Array(channels).fill(1));
  const shift = g.constant(new Float32Array(channels));
  const y = g.node('InstanceNormalization', [x, scale, shift], { epsilon: EPSILON });
  return g.node('PRelu', [y, g.weight(`${base}.slope`)]);
}

/** Units in a row, the last one bare if `bare`, and the input added. */
function step(g, base, x, units, stride, bare = false) {
  let y = x;
  for (let i = 0; i < units; i += 1) {
    const conv = `${base}.convs.${i}`;
    y = g.conv(conv, y, { stride: i === 0 ? stride : 1 });
    if (!bare) y = settle(g, `${base}.settles.${i}`, y, g.tensor(`${conv}.weight`).dims[0]);
  }
  const shortcut = `${base}.shortcut`;
  return g.add(y, g.weights.has(`${shortcut}.weight`) ? g.conv(shortcut, x, { stride }) : x);
}

function convTransposed(g, base, x) {
  return g.node('ConvTranspose', [x, g.weight(`${base}.weight`), g.weight(`${base}.bias`)], {
    kernel_shape: [3, 3, 3],
    strides: [2, 2, 2],
    pads: [1, 1, 1, 1, 1, 1],
    output_padding: [1, 1, 1],
  });
}

/**
 * The same numbers from convolutions: onnxruntime-web has no 3D ConvTranspose on WebGPU. Along an axis the outputs at
 * even places are w₁·x[i], at odd places w₂·x[i] + w₀·x[i + 1]; so each of the eight parities is a small convolution.
 */
function convTransposedByParts(g, base, x, [d, h, w]) {
  const { dims: [input, output], data } = g.tensor(`${base}.weight`);
  const bias = g.weight(`${base}.bias`);
  const taps = [[1], [2, 0]];
  const parts = [];
  for (let parity = 0; parity < 8; parity += 1) {
    const odd = [parity >> 2, (parity >> 1) & 1, parity & 1];
    const [tz, ty, tx] = odd.map((o) => taps[o]);
    const kernel = [];
    for (let o = 0; o < output; o += 1) {
      for (let i = 0; i < input; i += 1) {
        const at = (i * output + o) * 27;
        for (const z of tz) for (const y of ty) for (const k of tx) kernel.push(data[at + z * 9 + y * 3 + k]);
      }
    }
    const shape = odd.map((o) => o + 1);
    const weight = g.constant(new Float32Array(kernel), [output, input, ...shape]);
    parts.push(g.node('Conv', [x, weight, bias], { kernel_shape: shape, pads: [0, 0, 0, ...odd] }));
  }
  // [z parity, y parity, x parity, channel, z, y, x] → the parities go behind their axes.
  const apart = g.reshape(g.concat(...parts), 2, 2, 2, output, d, h, w);
  const together = g.node('Transpose', [apart], { perm: [3, 4, 0, 5, 1, 6, 2] });
  return g.reshape(together, 1, output, 2 * d, 2 * h, 2 * w);
}

function normnet(g, { config, input: { extent } }, webgpu) {
  const rise = webgpu ? convTransposedByParts : convTransposed;
  const { channels, residual_units: units } = config;
  const depth = channels.length - 1;
  const levels = [];
  let x = g.input('input', [1, 1, ...extent]);
  for (let k = 0; k < depth; k += 1) {
    x = step(g, `down.${k}`, x, units, 2);
    levels.push(x);
  }
  x = step(g, 'bottom', x, units, 1);
  for (let k = depth - 1; k >= 0; k -= 1) {
    const small = extent.map((side) => side >> (k + 1));
    x = rise(g, `up.${k}.conv`, g.concat(levels.pop(), x), small);
    x = settle(g, `up.${k}.settle`, x, k === 0 ? 1 : channels[k - 1]);
    x = step(g, `up.${k}.refine`, x, 1, 1, k === 0);
  }
  g.output(x, 'logits', [1, 1, ...extent]);
}

// ---- Files ----

/** What is benchmarked: weight file, shape and usual range of the input, graph. */
export const NETWORKS = {
  normnet: { title: 'NormNet slab', file: 'normnet-1.int8.safetensors', dims: [1, 1, 32, 256, 256], range: [0, 1], build: normnet },
  infnet: { title: 'Inf-Net slice', file: 'infnet-semi.int8.safetensors', dims: [1, 3, 352, 352], range: [-2, 2], build: infnet },
  classes: { title: 'Class network slice', file: 'classes.int8.safetensors', dims: [1, 6, 352, 352], range: [-2, 2], build: classes },
};

/** A network as the bytes of an ONNX file. `webgpu`: with operators that onnxruntime-web has on WebGPU. */
export async function onnx(name, webgpu = false) {
  const { file, build } = NETWORKS[name];
  const graph = new Graph(name, await readWeights(file));
  build(graph, await manifestEntry(file), webgpu);
  return graph.encode();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2];
  if (folder === undefined) {
    console.error('usage: node bench/onnx.mjs FOLDER');
    process.exit(2);
  }
  await mkdir(folder, { recursive: true });
  for (const name of Object.keys(NETWORKS)) {
    for (const webgpu of [false, true]) {
      const bytes = await onnx(name, webgpu);
      await writeFile(path.join(folder, `${name}${webgpu ? '.webgpu' : ''}.onnx`), bytes);
    }
  }
}
