/** The case Worker: it holds one scan, hands out the inputs of its tiles and merges their results. No network runs here. */
import { Analysis, needs, phantom } from '../../pkg/pleura.js';
import type { Bytes, Demo, FromCase, Job, NamedBytes, ScanInfo, Stage, ToCase } from '../protocol.ts';
import { looksLikePicture } from '../sniff.ts';
import { instantiate, listen, own, scope, text } from './scope.ts';

let opened: Analysis | undefined;

listen<ToCase>(async (message) => {
  switch (message.type) {
    case 'demo':
      await instantiate(message.module);
      attempt('demo', () => makeDemo(message.demo));
      return;
    case 'open':
      await instantiate(message.module);
      open(message.job, message.manifest, new Uint8Array(await message.job.file.arrayBuffer()));
      return;
    case 'input': {
      const work = analysis().tile(message.index);
      const input = own(analysis().input(message.index));
      post({ type: 'input', index: message.index, work, input }, [input.buffer]);
      return;
    }
    case 'merge':
      analysis().merge(...message.tile);
      return;
    case 'finish':
      attempt('finish', () => finish(message.device));
      return;
  }
});

function post(message: FromCase, transfer: Transferable[] = []): void {
  scope.postMessage(message, transfer);
}

function analysis(): Analysis {
  if (opened === undefined) throw new Error('no scan is open');
  return opened;
}

/**
 * Runs one stage. A plain error is an answer for the person; a WebAssembly trap leaves the module's
 * memory in doubt, so the page must start a new Worker. Says whether the stage was passed.
 */
function attempt(stage: Stage, work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) throw error;
    post({ type: 'failed', stage, message: text(error) });
    return false;
  }
}

function makeDemo(demo: Demo): void {
  const bytes = own(phantom(BigInt(demo.seed), demo.lesions, demo.pieceMm));
  post({ type: 'demo', file: { name: 'phantom.nii.gz', bytes } }, [bytes.buffer]);
}

/** Opens the file and finds the lungs. What the compute Workers need is said first, so that they load meanwhile. */
function open(job: Job, manifest: Bytes, bytes: Uint8Array): void {
  const options = JSON.stringify(job.options);
  const say = (image: boolean): boolean =>
    attempt('weights', () => post({ type: 'needs', files: JSON.parse(needs(manifest, options, image)) as string[] }));

  const likely = looksLikePicture(bytes);
  if (!say(likely)) return;
  if (!attempt('open', () => (opened = Analysis.open(job.name, bytes, options)))) return;
  const info = JSON.parse(analysis().info()) as ScanInfo;
  post({ type: 'info', info });
  const image = info.kind === 'image';
  if (image !== likely && !say(image)) return;

  const prepared = attempt('prepare', () => {
    post({ type: 'prepare', fraction: 0 });
    analysis().prepare(manifest, (fraction: number) => post({ type: 'prepare', fraction }));
  });
  if (!prepared) return;
  const labels = Array.from({ length: analysis().tile_count() }, (_, i) => analysis().tile_label(i));
  post({ type: 'plan', labels });
}

function finish(device: string): void {
  const result = analysis().finish(device);
  const files: NamedBytes[] = result.files().map((name) => ({ name, bytes: own(result.file(name)) }));
  post(
    { type: 'result', report: result.report(), files },
    files.map((file) => file.bytes.buffer),
  );
}
