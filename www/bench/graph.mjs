// An ONNX graph under construction. Values are names; every method adds nodes and gives the name of the result.
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

const OPSET = 17;
const IR_VERSION = 8;
const FLOAT = 1;
const INT64 = 7;
/** Field names as ONNX writes them, which is also how the messages below are spelt. */
const schema = new protobuf.Root().loadSync(fileURLToPath(new URL('onnx.proto', import.meta.url)), { keepCase: true });
const Model = schema.lookupType('onnx.ModelProto');
const Type = schema.lookupEnum('onnx.AttributeProto.AttributeType').values;

function attribute([name, value]) {
  if (typeof value === 'string') return { name, type: Type.STRING, s: Buffer.from(value) };
  if (Array.isArray(value)) return { name, type: Type.INTS, ints: value };
  return Number.isInteger(value) ? { name, type: Type.INT, i: value } : { name, type: Type.FLOAT, f: value };
}

function valueInfo(name, dims) {
  return { name, type: { tensor_type: { elem_type: FLOAT, shape: { dim: dims.map((dim_value) => ({ dim_value })) } } } };
}

export class Graph {
  /** @param {Map<string, import('./weights.mjs').Tensor>} weights */
  constructor(name, weights) {
    this.weights = weights;
    this.unused = new Set(weights.keys());
    this.proto = { name, node: [], initializer: [], input: [], output: [] };
  }

  input(name, dims) {
    this.proto.input.push(valueInfo(name, dims));
    return name;
  }

  output(value, name, dims) {
    this.proto.node.push({ name, op_type: 'Identity', input: [value], output: [name] });
    this.proto.output.push(valueInfo(name, dims));
  }

  node(op_type, input, attributes = {}) {
    const name = `${op_type}_${this.proto.node.length}`;
    this.proto.node.push({ name, op_type, input, output: [name], attribute: Object.entries(attributes).map(attribute) });
    return name;
  }

  constant(data, dims = [data.length]) {
    const name = `constant_${this.proto.initializer.length}`;
    const raw_data = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.proto.initializer.push({ name, dims, data_type: data instanceof BigInt64Array ? INT64 : FLOAT, raw_data });
    return name;
  }

  floats(...values) {
    return this.constant(new Float32Array(values));
  }

  integers(...values) {
    return this.constant(new BigInt64Array(values.map(BigInt)));
  }

  /** A parameter by its path in the weight file. */
  tensor(path) {
    const found = this.weights.get(path);
    if (found === undefined) throw new Error(`${this.proto.name}: there is no ${path}`);
    this.unused.delete(path);
    return found;
  }

  weight(path) {
    const { data, dims } = this.tensor(path);
    return this.constant(data, dims);
  }

  /** nn::conv::Conv2d and NormNet's Conv3d: padding keeps the size at stride 1. */
  conv(path, x, { stride = 1, dilation = 1, depthwise = false } = {}) {
    const [output, , ...kernel] = this.tensor(`${path}.weight`).dims;
    const padding = kernel.map((k) => (dilation * (k - 1)) / 2);
    return this.node('Conv', [x, this.weight(`${path}.weight`), this.weight(`${path}.bias`)], {
      kernel_shape: kernel,
      strides: kernel.map(() => stride),
      dilations: kernel.map(() => dilation),
      pads: [...padding, ...padding],
      group: depthwise ? output : 1,
    });
  }

  relu(x) {
    return this.node('Relu', [x]);
  }

  add(a, b) {
    return this.node('Add', [a, b]);
  }

  concat(...values) {
    return this.node('Concat', values, { axis: 1 });
  }

  reshape(x, ...dims) {
    return this.node('Reshape', [x, this.integers(...dims)]);
  }

  /** nn::resize::scale in two dimensions; `align` is 'align_corners' or 'half_pixel'. */
  scale(x, factor, align) {
    return this.node('Resize', [x, '', this.floats(1, 1, factor, factor)], {
      mode: 'linear',
      coordinate_transformation_mode: align,
    });
  }

  /** The file's bytes. Every weight must have found its place. */
  encode() {
    if (this.unused.size > 0) throw new Error(`${this.proto.name}: not used: ${[...this.unused].join(', ')}`);
    const model = {
      ir_version: IR_VERSION,
      producer_name: 'pleura',
      graph: this.proto,
      opset_import: [{ domain: '', version: OPSET }],
    };
    const problem = Model.verify(model);
    if (problem !== null) throw new Error(`${this.proto.name}: ${problem}`);
    return Model.encode(model).finish();
  }
}
