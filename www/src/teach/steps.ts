/** What each step shows: figures of what the engine computed, and the settings that change them. */
import { fixed, number, whole } from '../format.ts';
import type { LessonOutline, LessonShown, Picture, Tap } from '../protocol.ts';
import { BLUE, GREEN, ORANGE, PURPLE, VERMILION, YELLOW } from './colours.ts';
import type { Class, Colours, Figure, Plane } from './plot.ts';
import type { Session, Tensors } from './session.ts';
import { partOf, type Setting, type Settings, type StepId } from './state.ts';
import { NAMES, SAYS, TEXTS, type FigureText } from './texts.ts';

export interface Here {
  session: Session;
  outline: LessonOutline;
  k: number;
  settings: Settings;
}

export interface Shown {
  figures: Figure[];
  said: string[];
}

export interface Step {
  controls: readonly Setting[];
  show(here: Here): Promise<Shown>;
}

const THRESHOLDS = ['healthy', 'votes', 'bright', 'full'] as const satisfies readonly Setting[];

type Scaled = Extract<Colours, { kind: 'scale' }>;

/** The window for lungs: 1500 HU about −600. */
const HU: Scaled = { kind: 'scale', scale: 'grey', low: -1350, high: 150, unit: 'HU', digits: 0 };
const INTENSITY: Scaled = { kind: 'scale', scale: 'grey', low: 0, high: 1, unit: 'intensity' };
const PROBABILITY: Scaled = { kind: 'scale', scale: 'viridis', low: 0, high: 1, unit: 'probability' };
const GREY_LEVELS: Scaled = { kind: 'scale', scale: 'grey', low: 0, high: 255, unit: 'grey level', digits: 0 };

const LUNGS: Class[] = [
  { value: 1, name: NAMES.right, colour: BLUE },
  { value: 2, name: NAMES.left, colour: GREEN },
];
const EDGES: Class[] = [
  { value: 1, name: NAMES.kept, colour: [70, 84, 92] },
  { value: 2, name: NAMES.removed, colour: ORANGE },
];
const SHAPE: Class[] = [{ value: 1, name: NAMES.shape, colour: ORANGE }];
const TARGET: Class[] = [{ value: 1, name: NAMES.target, colour: GREEN }];
const HEALTHY: Class[] = [{ value: 1, name: NAMES.healthy, colour: GREEN }];
const SEEDS: Class[] = [{ value: 1, name: NAMES.seeds, colour: YELLOW }];
const REGION: Class[] = [{ value: 1, name: NAMES.region, colour: BLUE }];
const GROWN: Class[] = [
  { value: 1, name: NAMES.dropped, colour: BLUE },
  { value: 2, name: NAMES.lesion, colour: VERMILION },
  { value: 3, name: `${NAMES.seeds}, in it`, colour: YELLOW },
];
const LESION: Class[] = [{ value: 1, name: NAMES.lesion, colour: VERMILION }];
const CLASSES: Class[] = [
  { value: 1, name: NAMES.glass, colour: YELLOW },
  { value: 2, name: NAMES.consolidation, colour: PURPLE },
];
/** Six steps from dark to light. */
const VOTES: Class[] = (
  [
    [40, 26, 84],
    [64, 67, 135],
    [41, 120, 142],
    [34, 167, 132],
    [121, 209, 81],
    [253, 231, 37],
  ] as const
).map((colour, value) => ({ value, name: String(value), colour }));

const NONE = 'n/a';

/** The step's picture of this name. */
function picture({ pictures }: LessonShown, name: string): Picture {
  const found = pictures[name];
  if (found === undefined) throw new Error(`the engine gave no ${name}`);
  return found;
}

function figure(text: FigureText, plane: Plane, colours: Colours, more: Partial<Figure> = {}): Figure {
  return { title: text.title, caption: text.caption, plane, colours, ...more };
}

function map(plane: Plane, of: (value: number, at: number) => number): Plane {
  return { ...plane, values: Float32Array.from(plane.values, (value, at) => of(value, at)) };
}

const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));

function normnet(outline: LessonOutline): NonNullable<LessonOutline['normnet']> {
  if (outline.normnet === null) throw new Error('NormNet has not been planned');
  return outline.normnet;
}

function infnet(outline: LessonOutline): NonNullable<LessonOutline['infnet']> {
  if (outline.infnet === null) throw new Error('Inf-Net has not been planned');
  return outline.infnet;
}

/** Height over width of the scan's voxels in an axial slice. */
function aspect({ spacing_mm }: LessonOutline): number {
  return spacing_mm[1] / spacing_mm[0];
}

/** Those of the settings that are set. */
function pick<Name extends Setting>(settings: Settings, names: readonly Name[]): Partial<Record<Name, number>> {
  const found: Partial<Record<Name, number>> = {};
  for (const name of names) {
    const value = settings[name];
    if (value !== undefined) found[name] = value;
  }
  return found;
}

/** A channel of a tensor, or the mean magnitude of all. */
function channel({ shape, values }: Tap, which: number): Plane {
  const [, channels = 1, height = 1, width = 1] = shape;
  const size = width * height;
  if (which > 0) {
    const from = (Math.min(which, channels) - 1) * size;
    return { width, height, values: values.subarray(from, from + size) };
  }
  const sum = new Float32Array(size);
  for (let at = 0; at < values.length; at += 1) {
    const pixel = at % size;
    sum[pixel] = (sum[pixel] ?? 0) + Math.abs(values[at] ?? 0) / channels;
  }
  return { width, height, values: sum };
}

function tensor(tensors: Tensors, name: string): Tap {
  const found = tensors.get(name);
  if (found === undefined) throw new Error(`the engine gave no tensor ${name}`);
  return found;
}

const single = (tensors: Tensors, name: string): Plane => channel(tensor(tensors, name), 1);

/** Symmetric about 0, as far as the values go. */
function around(plane: Plane, unit: string, least = 0): Colours {
  let most = least;
  for (const value of plane.values) most = Math.max(most, Math.abs(value));
  return { kind: 'scale', scale: 'diverging', low: -most, high: most, unit };
}

function upTo(plane: Plane, unit: string): Colours {
  let [low, high] = [0, 1e-6];
  for (const value of plane.values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return { kind: 'scale', scale: 'viridis', low, high, unit };
}

/** The prediction of the network: S_2, or S_3 where it has no fine branch. */
const prediction = (tensors: Tensors): Plane => single(tensors, tensors.has('S_2') ? 'S_2' : 'S_3');

/** A map and its logits. */
function mapped(step: 'edge' | 'global', name: string): Step {
  return {
    controls: [],
    async show({ session, k }) {
      const tensors = await session.taps(k);
      const logits = single(tensors, name);
      const T = TEXTS[step].figures;
      return {
        figures: [figure(T.map, map(logits, sigmoid), PROBABILITY), figure(T.logits, logits, around(logits, 'logit'))],
        said: [SAYS.shape(shapes(tensors, step === 'edge' ? ['edge_features', name] : ['global', name]))],
      };
    },
  };
}

function shapes(tensors: Tensors, names: readonly string[]): string {
  return names.flatMap((name) => (tensors.has(name) ? `${name} ${tensor(tensors, name).shape.slice(1).join(' × ')}` : [])).join(', ');
}

/** A branch of reverse attention. */
function reverse(step: 'ra5' | 'ra4' | 'ra3' | 'ra2'): Step {
  const level = step.slice(-1);
  return {
    controls: [],
    async show({ session, k }) {
      const tensors = await session.taps(k);
      const T = TEXTS[step].figures;
      const correction = single(tensors, step);
      const sum = single(tensors, `S_${level}`);
      return {
        figures: [
          figure(T.attention, single(tensors, `A_${level}`), { ...PROBABILITY, unit: 'weight' }),
          figure(T.correction, correction, around(correction, 'logit')),
          figure(T.sum, map(sum, sigmoid), PROBABILITY),
        ],
        said: [SAYS.shape(shapes(tensors, [`f${level}`, `A_${level}`, step, `S_${level}`]))],
      };
    },
  };
}

/** A step of the post-processing on NormNet's grid. */
async function post({ session, k, settings }: Here): Promise<LessonShown> {
  await session.normnet();
  return session.show({ of: 'post', k, ...pick(settings, THRESHOLDS) });
}

export const STEP: Record<StepId, Step> = {
  window: {
    controls: [],
    async show({ session, outline, k }) {
      const [scan, frame] = await Promise.all([session.show({ of: 'scan', k }), session.show({ of: 'frame', k })]);
      const T = TEXTS.window.figures;
      const { window, dims } = normnet(outline);
      const [x, y, width, height] = window;
      return {
        figures: [
          figure(T.scan, picture(scan, 'hu'), HU, {
            aspect: aspect(outline),
            frame: { rect: { start: [x, y], size: [width, height] }, name: NAMES.window },
          }),
          figure(T.clipped, picture(frame, 'clipped'), INTENSITY),
        ],
        said: [SAYS.grids(frame.facts['z'] ?? 0, dims[2], k, outline.dims[2])],
      };
    },
  },
  lungs: {
    controls: [],
    async show({ session, outline, k }) {
      const [scan, frame] = await Promise.all([session.show({ of: 'scan', k }), session.show({ of: 'frame', k })]);
      const T = TEXTS.lungs.figures;
      return {
        figures: [
          figure(T.mask, picture(scan, 'hu'), HU, {
            aspect: aspect(outline),
            over: { plane: picture(scan, 'lungs'), classes: LUNGS },
          }),
          figure(T.h, picture(frame, 'h'), INTENSITY),
        ],
        said: [],
      };
    },
  },
  edges: {
    controls: [],
    async show({ session, k }) {
      const shown = await session.show({ of: 'edges', k });
      const T = TEXTS.edges.figures;
      const { lungs = 0, removed = 0 } = shown.facts;
      return {
        figures: [
          figure(T.h, picture(shown, 'h'), INTENSITY),
          figure(T.edges, picture(shown, 'edges'), { kind: 'classes', classes: EDGES }),
        ],
        said: [SAYS.removed(number((100 * removed) / Math.max(1, lungs)))],
      };
    },
  },
  lesions: {
    controls: ['seed', 'amount', 'size', 'warp', 'density', 'blur', 'brightness', 'beyond'],
    async show({ session, k, settings }) {
      const { seed = 1, beyond = 0, ...drawn } = pick(settings, STEP.lesions.controls);
      const shown = await session.show({ of: 'lesions', k, seed, beyond: beyond === 1, ...drawn });
      const T = TEXTS.lesions.figures;
      const blobs = picture(shown, 'blobs');
      const probability = picture(shown, 'probability');
      const speckle = picture(shown, 'speckle');
      return {
        figures: [
          figure(T.h, picture(shown, 'h'), INTENSITY),
          figure(T.blobs, blobs, { kind: 'classes', classes: SHAPE }),
          figure(T.probability, probability, upTo(probability, 'probability')),
          figure(T.speckle, speckle, upTo(speckle, 'density')),
          figure(T.image, picture(shown, 'image'), INTENSITY, { over: { plane: blobs, classes: SHAPE, outline: true } }),
          figure(T.target, picture(shown, 'h'), INTENSITY, { over: { plane: picture(shown, 'target'), classes: TARGET } }),
        ],
        said: [SAYS.made(shown.facts['lesions'] ?? 0, number(shown.facts['ml'] ?? 0))],
      };
    },
  },
  healthy: {
    controls: [],
    async show({ session, outline, k }) {
      await session.normnet();
      const shown = await session.show({ of: 'models', k });
      const { model } = TEXTS.healthy.figures;
      const planes = normnet(outline).models.map((_, n) => picture(shown, `model_${n + 1}`));
      return {
        figures: [
          figure({ title: 'H', caption: TEXTS.lungs.figures.h.caption }, picture(shown, 'h'), INTENSITY),
          ...planes.map((plane, n) => figure({ ...model, title: `${model.title} ${n + 1}: p${SUBSCRIPT[n + 1] ?? ''}` }, plane, PROBABILITY)),
        ],
        said: [],
      };
    },
  },
  votes: {
    controls: ['healthy', 'votes'],
    async show({ session, outline, k, settings }) {
      await session.normnet();
      const shown = await session.show({ of: 'models', k, ...pick(settings, THRESHOLDS) });
      const T = TEXTS.votes.figures;
      const [votes, h] = [picture(shown, 'votes'), picture(shown, 'h')];
      const needed = shown.facts['needed'] ?? 3;
      const healthy = map(votes, (value) => (value >= needed ? 1 : 0));
      const bright = h.values.map((value) => (value >= TAU ? 1 : 0));
      const all = sum(bright);
      const known = sum(bright.map((value, at) => value * (healthy.values[at] ?? 0)));
      const models = normnet(outline).models.length;
      return {
        figures: [
          figure(T.votes, votes, { kind: 'classes', classes: VOTES.slice(0, models + 1) }),
          figure(T.healthy, h, INTENSITY, { over: { plane: healthy, classes: HEALTHY } }),
        ],
        said: [SAYS.needed(needed, models), SAYS.healthyShare(all === 0 ? NONE : whole((100 * known) / all))],
      };
    },
  },
  maps: {
    controls: ['healthy', 'votes'],
    async show(here) {
      const shown = await post(here);
      const T = TEXTS.maps.figures;
      return {
        figures: [figure(T.bright, picture(shown, 'bright'), INTENSITY), figure(T.full, picture(shown, 'full'), INTENSITY)],
        said: [],
      };
    },
  },
  means: {
    controls: ['bright', 'full', 'healthy'],
    async show(here) {
      const shown = await post(here);
      const T = TEXTS.means.figures;
      const [brightMean, fullMean] = [picture(shown, 'bright_mean'), picture(shown, 'full_mean')];
      const h = picture(shown, 'h');
      const [bright, full] = normnet(here.outline).kernels.map((kernel) => kernel.join(' × '));
      return {
        figures: [
          figure(T.brightMean, brightMean, upTo(brightMean, 'mean intensity')),
          figure(T.seeds, h, INTENSITY, { over: { plane: picture(shown, 'seeds'), classes: SEEDS } }),
          figure(T.fullMean, fullMean, upTo(fullMean, 'mean intensity')),
          figure(T.region, h, INTENSITY, { over: { plane: picture(shown, 'region'), classes: REGION } }),
        ],
        said: [SAYS.kernels(bright ?? '', full ?? '')],
      };
    },
  },
  growth: {
    controls: THRESHOLDS,
    async show(here) {
      const shown = await post(here);
      const own = await here.session.show({ of: 'normnet', k: here.k, ...pick(here.settings, THRESHOLDS) });
      const T = TEXTS.growth.figures;
      const [seeds, lesions] = [picture(shown, 'seeds'), picture(shown, 'lesions')];
      const grown = map(picture(shown, 'region'), (region, at) => {
        if ((lesions.values[at] ?? 0) === 0) return region;
        return (seeds.values[at] ?? 0) > 0 ? 3 : 2;
      });
      const { seeds_ml = 0, region_ml = 0, lesions_ml = 0 } = shown.facts;
      return {
        figures: [
          figure(T.grown, picture(shown, 'h'), INTENSITY, { over: { plane: grown, classes: GROWN } }),
          figure(T.mask, picture(own, 'hu'), HU, {
            aspect: aspect(here.outline),
            over: { plane: picture(own, 'mask'), classes: LESION },
          }),
        ],
        said: [
          SAYS.volumes(number(seeds_ml), number(region_ml), number(lesions_ml)),
          SAYS.marked(whole(own.facts['voxels'] ?? 0)),
        ],
      };
    },
  },
  input: {
    controls: [],
    async show({ session, outline, k }) {
      const [scan, crop] = await Promise.all([session.show({ of: 'scan', k }), session.show({ of: 'crop', k })]);
      const T = TEXTS.input.figures;
      const wide = aspect(outline);
      return {
        figures: [
          figure(T.scan, picture(scan, 'hu'), HU, { aspect: wide, frame: { rect: infnet(outline).crop, name: NAMES.crop } }),
          figure(T.grey, picture(crop, 'grey'), GREY_LEVELS, { aspect: wide }),
          figure(T.square, picture(crop, 'square'), GREY_LEVELS),
        ],
        said: [],
      };
    },
  },
  features: {
    controls: ['channel'],
    async show({ session, k, settings }) {
      const tensors = await session.taps(k);
      const T = TEXTS.features.figures;
      const names = ['f2', 'f3', 'f4', 'f5'] as const;
      return {
        figures: names.map((name) => {
          const plane = channel(tensor(tensors, name), settings.channel ?? 0);
          return figure(T[name], plane, upTo(plane, 'activation'));
        }),
        said: [SAYS.shape(shapes(tensors, names))],
      };
    },
  },
  edge: mapped('edge', 'S_e'),
  global: mapped('global', 'S_g'),
  ra5: reverse('ra5'),
  ra4: reverse('ra4'),
  ra3: reverse('ra3'),
  ra2: reverse('ra2'),
  probability: {
    controls: ['infection'],
    async show({ session, outline, k, settings }) {
      await session.infnet(k);
      const shown = await session.show({ of: 'infnet', k, ...pick(settings, ['infection']) });
      const T = TEXTS.probability.figures;
      const wide = aspect(outline);
      const mask = map(picture(shown, 'mask'), (value) => (value > 0 ? 1 : 0));
      return {
        figures: [
          figure(T.probability, picture(shown, 'probability'), PROBABILITY, { aspect: wide }),
          figure(T.mask, picture(shown, 'grey'), GREY_LEVELS, { aspect: wide, over: { plane: mask, classes: LESION } }),
        ],
        said: [SAYS.temperature(fixed(infnet(outline).temperature, 2)), SAYS.marked(whole(shown.facts['voxels'] ?? 0))],
      };
    },
  },
  classes: {
    controls: ['infection'],
    async show({ session, outline, k, settings }) {
      await session.infnet(k);
      const shown = await session.show({ of: 'infnet', k, ...pick(settings, ['infection']) });
      const T = TEXTS.classes.figures;
      const wide = aspect(outline);
      // Where there is no infection, all counts as ground glass.
      const ran = picture(shown, 'probability').values.some((value) => value >= 0.5);
      const classes = map(picture(shown, 'classes'), (value) => (ran ? value : 0));
      const { voxels = 0, glass = 0, consolidation = 0 } = shown.facts;
      return {
        figures: [
          figure(T.classes, classes, { kind: 'classes', classes: CLASSES }, { aspect: wide }),
          figure(T.mask, picture(shown, 'grey'), GREY_LEVELS, {
            aspect: wide,
            over: { plane: picture(shown, 'mask'), classes: CLASSES },
          }),
        ],
        said: ran ? [SAYS.classes(whole(voxels), whole(glass), whole(consolidation))] : [SAYS.noClasses],
      };
    },
  },
  int8: {
    controls: ['infection'],
    async show({ session, outline, k, settings }) {
      const [mine, others] = await Promise.all([session.taps(k), session.taps(k, true)]);
      const { temperature, infection } = infnet(outline);
      const chance = (tensors: Tensors): Plane => map(prediction(tensors), (logit) => sigmoid(logit / temperature));
      const [first, second] = [chance(mine), chance(others)];
      const difference = map(first, (value, at) => value - (second.values[at] ?? 0));
      const threshold = settings.infection ?? infection;
      let [most, total, changed] = [0, 0, 0];
      for (const [at, value] of [...difference.values].entries()) {
        most = Math.max(most, Math.abs(value));
        total += Math.abs(value);
        if ((first.values[at] ?? 0) >= threshold !== (second.values[at] ?? 0) >= threshold) changed += 1;
      }
      const { used, other } = session.infnetWeights();
      const T = TEXTS.int8.figures;
      const name = (file: string): string => (file.includes('.int8.') ? 'int8' : 'f16');
      const titled = (text: FigureText, file: string): FigureText => ({ ...text, title: `${text.title}, ${name(file)}` });
      const mb = (bytes: number): string => fixed(bytes / 1e6, 1);
      return {
        figures: [
          figure(titled(T.used, used.file), first, PROBABILITY),
          figure(titled(T.other, other.file), second, PROBABILITY),
          figure(T.difference, difference, around(difference, 'probability', 0.001)),
        ],
        said: [
          SAYS.weights(name(used.file), mb(used.bytes), name(other.file), mb(other.bytes)),
          SAYS.difference(fixed(most, 3), fixed(total / difference.values.length, 5), whole(changed)),
        ],
      };
    },
  },
};

/** The paper's T of −500 HU, as an intensity. */
const TAU = 0.33;
const SUBSCRIPT = ['₀', '₁', '₂', '₃', '₄', '₅'];

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let at = 0; at < values.length; at += 1) total += values[at] ?? 0;
  return total;
}

/** What a setting is where it is not set; nothing where it is drawn by chance. */
export function usual(setting: Setting, outline: LessonOutline): number | undefined {
  const { post } = outline.normnet ?? {};
  switch (setting) {
    case 'healthy':
      return post?.healthy;
    case 'votes':
      return post?.votes;
    case 'bright':
      return post?.bright_threshold;
    case 'full':
      return post?.full_threshold;
    case 'infection':
      return outline.infnet?.infection;
    case 'seed':
    case 'amount':
    case 'size':
      return 1;
    case 'beyond':
    case 'channel':
      return 0;
    default:
      return undefined;
  }
}

/** Whether there is something to show: an analysis may lack a network. */
export function possible(step: StepId, outline: LessonOutline): boolean {
  return outline[partOf(step)] !== null;
}
