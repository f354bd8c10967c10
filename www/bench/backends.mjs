// The engines under test. Each opens one network and gives { run(input), version }.

export async function bytes(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function ours(device, { file }) {
  const { default: init, Engine, version } = await import('/pkg/pleura.js');
  await init();
  const engine = await Engine.create(device, 0);
  engine.set_manifest(await bytes('/models/manifest.json'));
  await engine.load_weights(file, await bytes(`/models/${file}`));
  return { version: version(), run: (input) => engine.forward(file, input) };
}

async function ort(build, provider, { name, dims }) {
  const { InferenceSession, Tensor, env } = await import(`/ort/${build}`);
  env.wasm.wasmPaths = '/ort/';
  env.wasm.numThreads = 1;
  const model = await bytes(`/onnx/${name}${provider === 'webgpu' ? '.webgpu' : ''}.onnx`);
  const session = await InferenceSession.create(model, { executionProviders: [provider] });
  const run = async (input) => {
    const { logits } = await session.run({ input: new Tensor('float32', input, dims) });
    const values = await logits.getData();
    logits.dispose();
    return values;
  };
  return { version: env.versions.web, run };
}

export const BACKENDS = {
  'ours-cpu': (network) => ours('cpu', network),
  'ort-wasm': (network) => ort('ort.wasm.min.mjs', 'wasm', network),
  'ours-gpu': (network) => ours('gpu', network),
  'ours-gpu-reference': (network) => ours('gpu-reference', network),
  'ort-webgpu': (network) => ort('ort.webgpu.min.mjs', 'webgpu', network),
};
