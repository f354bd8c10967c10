/** A compute Worker: an engine with its weights. It knows nothing of the scan; tiles come with all that they need. */
import { Engine, grey, version } from '../../pkg/pleura.js';
import { adapterFacts } from '../engine/device.ts';
import type { DeviceInfo, FromCompute, Tap, ToCompute } from '../protocol.ts';
import { instantiate, listen, own, scope, text } from './scope.ts';

let opened: Engine | undefined;
let manifestSet = false;

listen<ToCompute>(async (message) => {
  switch (message.type) {
    case 'start':
      await instantiate(message.module);
      await start(message.device, message.maxBufferMb);
      return;
    case 'weights':
      await load(message);
      return;
    case 'compute': {
      // On the GPU this is called again before the answer is there: one tile computes while the next is uploaded.
      const bytes = own(await engine().compute(message.work, message.input));
      post({ type: 'tile', tile: [message.index, bytes] }, [bytes.buffer]);
      return;
    }
    case 'taps':
      await tap(message);
      return;
  }
});

function post(message: FromCompute, transfer: Transferable[] = []): void {
  scope.postMessage(message, transfer);
}

function engine(): Engine {
  if (opened === undefined) throw new Error('no device is open');
  return opened;
}

async function start(device: 'gpu' | 'cpu', maxBufferMb: number): Promise<void> {
  try {
    opened = await Engine.create(device, maxBufferMb);
  } catch (error) {
    // A trap leaves the module unusable; only a refusal can be worked round, on the CPU.
    if (device === 'cpu' || error instanceof WebAssembly.RuntimeError) throw error;
    post({ type: 'refused', message: text(error) });
    return;
  }
  const info = JSON.parse(opened.device()) as DeviceInfo;
  // Of a GPU's name the engine learns nothing from the browser.
  const name = info.kind === 'gpu' ? (await adapterFacts(navigator.gpu))?.name : undefined;
  post({ type: 'ready', version: version(), device: { ...info, name: name ?? info.name } });
}

async function load({ manifest, file, blob }: Extract<ToCompute, { type: 'weights' }>): Promise<void> {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  try {
    if (!manifestSet) engine().set_manifest(manifest);
    manifestSet = true;
    engine().load_weights(file, bytes);
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) throw error;
    post({ type: 'unfit', file, message: text(error) });
    return;
  }
  post({ type: 'loaded', file });
}

async function tap({ id, slice, names }: Extract<ToCompute, { type: 'taps' }>): Promise<void> {
  let taps: Tap[];
  try {
    const input = engine().network_input('grey' in slice ? slice.grey : grey(slice.hu), slice.width, slice.height);
    const tapped = await engine().taps(input, names);
    const tensor = (name: string): Tap => {
      const values = new Float32Array(tapped.values(name));
      return { name, shape: [...tapped.shape(name)], values };
    };
    taps = tapped.names().map(tensor);
    tapped.free();
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) throw error;
    post({ type: 'untapped', id, message: text(error) });
    return;
  }
  post({ type: 'taps', id, taps }, taps.map(({ values }) => values.buffer));
}
