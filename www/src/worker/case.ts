/** The case Worker: it holds one scan, hands out the inputs of its tiles and merges their results. No network runs here. */
import { Analysis, lung_weights, needs, phantom, series } from '../../pkg/pleura.js';
import type {
  Bytes,
  Demo,
  FromCase,
  Job,
  LessonAsk,
  LessonOutline,
  LessonShown,
  NamedBytes,
  ScanInfo,
  SeriesInfo,
  Stage,
  ToCase,
} from '../protocol.ts';
import { choices } from '../series-choices.ts';
import { HEAD_BYTES, looksLikePicture, looksLikeZip } from '../sniff.ts';
import { readFiles, type Contents } from './files.ts';
import { instantiate, listen, own, scope, text } from './scope.ts';

interface Read {
  job: Job;
  manifest: Bytes;
  contents: Contents;
  /** The weights of a picture were asked for, not those of a volume. */
  picture: boolean;
}

let opened: Analysis | undefined;
/** Opened, and waiting for the lung network's weights. */
let unprepared: { manifest: Bytes } | undefined;
/** Read, and waiting for the choice of a series. */
let waiting: Read | undefined;

listen<ToCase>(async (message) => {
  switch (message.type) {
    case 'demo':
      await instantiate(message.module);
      attempt('demo', () => makeDemo(message.demo));
      return;
    case 'open':
      await instantiate(message.module);
      await begin(message.job, message.manifest);
      return;
    case 'choose':
      if (waiting !== undefined) open({ ...waiting, job: { ...waiting.job, series: message.series } });
      return;
    case 'lungs':
      if (unprepared !== undefined) take(unprepared.manifest, message.file, new Uint8Array(await message.blob.arrayBuffer()));
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
    case 'outline':
      attempt('prepare', () => post({ type: 'outline', outline: JSON.parse(analysis().lesson_outline()) as LessonOutline }));
      return;
    case 'lesson':
      lesson(message.id, message.ask);
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

/** Reads the files, and asks which series is meant where there are several. */
async function begin(job: Job, manifest: Bytes): Promise<void> {
  const picture = job.files.length === 1 && looksLikePicture(await headOf(job));
  // What the compute Workers need is said first, so that they load meanwhile.
  if (!say(job, manifest, picture)) return;
  let contents: Contents;
  try {
    contents = await readFiles(job.files);
  } catch (error) {
    post({ type: 'failed', stage: 'open', message: text(error) });
    return;
  }
  let found: SeriesInfo[] = [];
  // The engine takes the files' bytes into its memory to look at them: only where there may be a choice.
  const several = contents.names.length > 1 || contents.bytes.some(looksLikeZip);
  const look = (): void => {
    found = choices(JSON.parse(series(job.name, contents.names, contents.bytes)) as SeriesInfo[]);
  };
  if (several && job.series === undefined && !attempt('open', look)) return;
  if (found.length > 1) {
    waiting = { job, manifest, contents, picture };
    post({ type: 'series', series: found });
  } else open({ job, manifest, contents, picture });
}

async function headOf(job: Job): Promise<Uint8Array> {
  return new Uint8Array((await job.files[0]?.file.slice(0, HEAD_BYTES).arrayBuffer()) ?? []);
}

function say(job: Job, manifest: Bytes, image: boolean): boolean {
  const options = JSON.stringify(job.options);
  return attempt('weights', () => post({ type: 'needs', files: JSON.parse(needs(manifest, options, image)) as string[] }));
}

/** Opens the scan, and asks for the network that draws the lungs if there is one. */
function open({ job, manifest, contents, picture }: Read): void {
  waiting = undefined;
  const { names, bytes } = contents;
  const options = JSON.stringify(job.options);
  if (!attempt('open', () => (opened = Analysis.open_files(job.name, names, bytes, job.series, options)))) return;
  const info = JSON.parse(analysis().info()) as ScanInfo;
  post({ type: 'info', info });
  if (job.show && !attempt('open', show)) return;
  const image = info.kind === 'image';
  if (image !== picture && !say(job, manifest, image)) return;
  const { lungs } = job;
  if (lungs !== undefined) {
    if (attempt('prepare', () => analysis().set_lungs(job.name, lungs))) prepare(manifest);
    return;
  }

  let file: string | undefined;
  if (!image && !attempt('weights', () => (file = lung_weights(manifest, options)))) return;
  if (file === undefined) {
    prepare(manifest);
    return;
  }
  unprepared = { manifest };
  post({ type: 'lungs', file });
}

/** The lung network's weights have come. */
function take(manifest: Bytes, file: string, bytes: Bytes): void {
  try {
    analysis().set_lung_network(manifest, file, bytes);
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) throw error;
    post({ type: 'lungs-unfit', message: text(error) });
    return;
  }
  unprepared = undefined;
  post({ type: 'lungs-loaded' });
  prepare(manifest);
}

/** Finds the lungs and plans the tiles. */
function prepare(manifest: Bytes): void {
  const prepared = attempt('prepare', () => {
    post({ type: 'prepare', fraction: 0 });
    analysis().prepare(manifest, (fraction: number) => post({ type: 'prepare', fraction }));
  });
  if (!prepared) return;
  const labels = Array.from({ length: analysis().tile_count() }, (_, i) => analysis().tile_label(i));
  post({ type: 'plan', labels });
}

function show(): void {
  const file = own(analysis().shown());
  post({ type: 'shown', file }, [file.buffer]);
}

function finish(device: string): void {
  const result = analysis().finish(device);
  const files: NamedBytes[] = result.files().map((name) => ({ name, bytes: own(result.file(name)) }));
  post(
    { type: 'result', report: result.report(), files },
    files.map((file) => file.bytes.buffer),
  );
}

function lesson(id: number, ask: LessonAsk): void {
  const shown: LessonShown = { pictures: {}, facts: {} };
  try {
    const made = analysis().lesson(JSON.stringify(ask));
    for (const name of made.names()) {
      const [width = 0, height = 0] = made.size(name);
      // A view of the engine's memory would not outlive it: this is a copy.
      shown.pictures[name] = { width, height, values: new Float32Array(made.values(name)) };
    }
    shown.facts = JSON.parse(made.facts()) as Record<string, number>;
    made.free();
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) throw error;
    post({ type: 'unshown', id, message: text(error) });
    return;
  }
  post(
    { type: 'lesson', id, shown },
    Object.values(shown.pictures).map(({ values }) => values.buffer),
  );
}
