/** The view Worker: unpacks, thins and turns what is shown, so that the page never stands still for it. */
import './leaves.ts';
import { firstSlice } from '../first-slice.ts';
import { compose, readLabels, type Layers } from '../masks.ts';
import { axesOf, layoutOf, stepsFor, thin, toRas } from '../preview.ts';
import type { FromView, NamedBytes, ShownScan, ToView, Visible } from '../protocol.ts';
import { headerOf, isMask, overlap, sameGrid, truthOf, type Comparison } from '../truth.ts';
import { gunzip, gunzipScan } from '../unpack.ts';

const scope = self as unknown as DedicatedWorkerGlobalScope;
/** The masks as the viewer holds them. */
let layers: Layers = {};
let voxels = 0;
/** Of the scan, for what must lie on its grid. */
let scanHeader: Uint8Array = new Uint8Array();

scope.addEventListener('message', (event: MessageEvent<ToView>) => {
  const { id } = event.data;
  answer(event.data).catch((error: unknown) => post({ type: 'failed', id, message: String(error) }));
});

async function answer(message: ToView): Promise<void> {
  switch (message.type) {
    case 'scan': {
      const scan = await shownScan(message.file, message.budget);
      post({ type: 'scan', id: message.id, scan }, scan === undefined ? [] : [scan.file.buffer]);
      return;
    }
    case 'masks':
      post({ type: 'masks', id: message.id, present: await keepMasks(message) });
      return;
    case 'mask': {
      const raw = await gunzip(message.file);
      const layout = layoutOf(raw);
      post({ type: 'mask', id: message.id, is: layout !== undefined && isMask(raw, layout) });
      return;
    }
    case 'compare':
      post({ type: 'compare', id: message.id, comparison: await compare(message.truth, message.files) });
      return;
    case 'codes': {
      const codes = compose(layers, message.view, voxels);
      post({ type: 'codes', id: message.id, codes }, [codes.buffer]);
      return;
    }
  }
}

function post(message: FromView, transfer: Transferable[] = []): void {
  scope.postMessage(message, transfer);
}

async function shownScan(file: Blob, budget: number): Promise<ShownScan | undefined> {
  const raw = await gunzipScan(file, (half, layout) => {
    const slice = firstSlice(half, layout);
    if (slice !== undefined) post({ type: 'first', slice }, [slice.pixels.buffer]);
  });
  const layout = layoutOf(raw);
  if (layout === undefined) return undefined;
  scanHeader = headerOf(raw);
  const steps = stepsFor(layout, budget);
  return { file: thin(raw, layout, steps), dims: layout.dims, steps };
}

async function keepMasks({ files, steps, order }: Extract<ToView, { type: 'masks' }>): Promise<Visible> {
  layers = {};
  for (const name of ['lungs', 'normnet', 'infnet'] as const) {
    const file = files.find((candidate) => candidate.name.includes(`_${name}.`));
    if (file === undefined) continue;
    const raw = await gunzip(new Blob([file.bytes]));
    const layout = layoutOf(raw);
    if (layout === undefined) throw new Error(`${file.name} is not whole`);
    const { dims, labels } = readLabels(thin(raw, layout, steps));
    layers[name] = toRas(labels, dims, order);
    voxels = labels.length;
  }
  const infnet = layers.infnet !== undefined;
  return { lungs: layers.lungs !== undefined, normnet: layers.normnet !== undefined, ggo: infnet, consolidation: infnet };
}

async function labelsInRas({ name, bytes }: NamedBytes): Promise<Uint8Array> {
  const raw = await gunzip(new Blob([bytes]));
  const layout = layoutOf(raw);
  if (layout === undefined) throw new Error(`${name} is not whole`);
  return toRas(readLabels(raw).labels, layout.dims, axesOf(raw, layout));
}

/** With the masks as the engine wrote them, not as they are shown. */
async function compare(file: Blob, files: NamedBytes[]): Promise<Comparison | undefined> {
  const raw = await gunzip(file);
  const layout = layoutOf(raw);
  if (layout === undefined || !sameGrid(raw, scanHeader)) return undefined;
  const truth = toRas(truthOf(raw, layout), layout.dims, axesOf(raw, layout));
  const comparison: Comparison = {};
  for (const network of ['normnet', 'infnet'] as const) {
    const mask = files.find(({ name }) => name.includes(`_${network}.`));
    if (mask !== undefined) comparison[network] = overlap(truth, await labelsInRas(mask));
  }
  return comparison;
}
