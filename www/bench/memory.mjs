// Notes what is allocated in this Worker, by whichever engine: WebAssembly memories and GPU buffers.
// Import it before anything that allocates.

const memories = new Set();
const { instantiate, instantiateStreaming } = WebAssembly;

/** A module brings its memory along or takes one from outside. */
function note(imports, { exports }) {
  const groups = [exports, ...Object.values(imports ?? {})];
  for (const value of groups.flatMap((group) => Object.values(group))) if (value instanceof WebAssembly.Memory) memories.add(value);
}

WebAssembly.instantiate = async (source, imports) => {
  const result = await instantiate.call(WebAssembly, source, imports);
  note(imports, result.instance ?? result);
  return result;
};
WebAssembly.instantiateStreaming = async (source, imports) => {
  const result = await instantiateStreaming.call(WebAssembly, source, imports);
  note(imports, result.instance);
  return result;
};

let gpuBytes = 0;
let gpuPeak = 0;
const release = (bytes) => {
  gpuBytes -= bytes;
};
/** Buffers that are forgotten instead of destroyed go when the garbage collector finds them. */
const forgotten = new FinalizationRegistry(release);

if (globalThis.GPUDevice !== undefined) {
  const { createBuffer } = GPUDevice.prototype;
  const { destroy } = GPUBuffer.prototype;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    gpuBytes += buffer.size;
    gpuPeak = Math.max(gpuPeak, gpuBytes);
    forgotten.register(buffer, buffer.size, buffer);
    return buffer;
  };
  GPUBuffer.prototype.destroy = function () {
    if (forgotten.unregister(this)) release(this.size);
    return destroy.call(this);
  };
}

/** Bytes: WebAssembly memory never shrinks, so its size is its peak. */
export function peakMemory() {
  const wasm = [...memories].reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
  return { wasm, gpu: gpuPeak };
}
