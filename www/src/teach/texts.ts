/**
 * What the lesson says of each step, in English. Sections and equations are those of the papers' arXiv versions; of NormNet's first
 * version the equations could not be read, and what is written here is how this program does it.
 */
import type { StepId } from './state.ts';

/** What is seen in a figure. */
export interface FigureText {
  title: string;
  caption: string;
}

export interface StepText {
  /** Where the paper says it. */
  cite: string;
  /** Paragraphs. */
  text: readonly string[];
  formula?: readonly string[];
  figures: Readonly<Record<string, FigureText>>;
}

const YAO = 'Yao et al. 2020 (arXiv 2009.06456)';
const FAN = 'Fan et al. 2020 (arXiv 2004.14133)';

export const TEXTS = {
  window: {
    cite: `${YAO}, section “Preprocessing”`,
    text: [
      'NormNet sees the scan on a grid of its own, so that a vessel is always as many voxels wide, whatever the scanner. The paper takes 0.8 × 0.8 × 1 mm; the networks here were trained on 1.25 × 1.25 × 3 mm, which is quicker and suits thick slices.',
      'Attenuation is clipped to −800…100 HU and stretched to 0…1: all that is aerated is dark, and all soft tissue is white. The paper’s threshold of −500 HU becomes τ = 0.33.',
    ],
    formula: ['r = (clamp(HU, −800, 100) + 800) / 900'],
    figures: {
      scan: { title: 'The scan’s slice', caption: 'In the window for lungs. The yellow frame is the network’s window, centred on the lungs.' },
      clipped: { title: 'Resampled and clipped: r', caption: 'The slice of NormNet’s grid that lies closest. 0 is −800 HU and below, 1 is 100 HU and above.' },
    },
  },
  lungs: {
    cite: `${YAO}, section “Preprocessing”`,
    text: [
      'Only lung is looked at. The paper takes its mask M from an nnU-Net; here a threshold finds air inside the body, and a small network draws the lungs around it anew, with the consolidation that a threshold would lose.',
      'Whatever lies outside is set to 0. A lesion that the mask leaves out cannot be found any more: this step decides more than it seems.',
    ],
    formula: ['H = r ⊙ M'],
    figures: {
      mask: { title: 'Lung mask M on the scan', caption: 'Right and left lung, told apart for the report.' },
      h: { title: 'What the network sees: H', caption: 'Intensity inside the lungs, 0 outside.' },
    },
  },
  edges: {
    cite: `${YAO}, section on erroneous edges`,
    text: [
      'In training only: where a mask runs a little into the chest wall, the network would learn that a bright rim is healthy, and later miss infection at the pleura. So connected bright areas most of whose voxels lie at the border of M are taken out.',
      '“Bright” is H ≥ τ. “At the border” is within 2.4 mm, “most” is more than half: the paper does not say how, these numbers are ours.',
    ],
    formula: ['M′ = M − E,   H = r ⊙ M′'],
    figures: {
      h: { title: 'H', caption: 'The lungs as they come from the mask.' },
      edges: { title: 'What is taken out: E', caption: 'Lung that stays, and bright rim that goes.' },
    },
  },
  lesions: {
    cite: `${YAO}, sections on lesion shape and lesion texture`,
    text: [
      'No lesion label is needed, because lesions are made: warped ellipsoids filled with blurred salt noise are pasted into healthy lungs, fresh in every training step. Training does this to healthy scans. This scan takes the place of a healthy one here, and may have lesions of its own.',
      'Shape: ellipsoids of three sizes, rotated, bent elastically, cut at the lungs; those that touch are one lesion. Texture, lesion by lesion: a smooth field a(x) says how likely a grain of salt is; the salt b(x) is blurred by σ_b to f(x); β brings its bright part to the mean μ0.',
      'The target is what makes it work: the network is asked for the bright tissue of the healthy image, not for the lesion. It learns what vessels and airways look like, and nothing of what lesions look like.',
      'The counts and radii of small and medium ellipsoids, the first range of σ_b and the threshold behind β are lost from the text that could be read; ours are reconstructions.',
    ],
    formula: ['B = clip(β · f, 0, 1),   A = max(H, B)', 'target = 1 where H ≥ τ = 0.33'],
    figures: {
      h: { title: 'Healthy slice H', caption: 'Without erroneous edges.' },
      blobs: { title: 'Shape', caption: 'The union of the ellipsoids on this slice.' },
      probability: { title: 'Probability field a(x)', caption: 'How likely a grain of salt is at each voxel; 0 outside the lesions.' },
      speckle: { title: 'Blurred salt f(x)', caption: 'Before it is scaled to its brightness.' },
      image: { title: 'What the network is shown: A', caption: 'The lesions’ outlines are in orange.' },
      target: { title: 'What it is asked for', caption: 'Bright tissue of the healthy slice, also where a lesion covers it.' },
    },
  },
  healthy: {
    cite: `${YAO}, section on the network; section “Implementation details”`,
    text: [
      'Five 3D U-Nets with the same layers, each trained from another seed, look at slabs of 32 slices. For every voxel each says how probable it is that this is healthy bright tissue. It means something in bright tissue only: dim lung was never asked for.',
      'Vessels and airway walls should come out light. A lesion should come out dark, and the models should agree on it less than on vessels.',
    ],
    formula: ['pₖ(x) = σ(netₖ(H))(x),   k = 1…5'],
    figures: {
      model: { title: 'Model', caption: 'Probability of being healthy bright tissue. Outside the lungs it means nothing.' },
    },
  },
  votes: {
    cite: `${YAO}, section on post-processing`,
    text: [
      'A model calls a voxel healthy if it is sure: in the paper above 0.95. Three of five must agree. A single network wavers from one training step to the next; the vote is steady.',
      'The shipped networks were trained for far fewer steps than the paper’s and are less sure of themselves. Their threshold of 0.5 is recorded with the weights; it was chosen on the two labelled scans that the model card reports.',
    ],
    formula: ['healthy(x) = [ #{k : pₖ(x) > t} ≥ 3 ]'],
    figures: {
      votes: { title: 'Votes', caption: 'How many of the five models call the voxel healthy.' },
      healthy: { title: 'Healthy by vote', caption: 'Over H: what is green is out of the race. Bright and not green is suspect.' },
    },
  },
  maps: {
    cite: `${YAO}, section on post-processing, Fig. 4d and 4f`,
    text: [
      'What is left when healthy tissue is taken away is seen twice. The bright map holds what is bright and not healthy: where lesions begin. The full map holds dim tissue too: where lesions may go on to.',
      'Whether the paper averages these maps as masks or as intensities is not said. A mask would be 1 nearly everywhere in the lung, and its threshold of 0.15 would mean nothing: so they are intensities here.',
    ],
    formula: ['bright = H · [H ≥ τ] · [not healthy]', 'full = H · [not healthy]'],
    figures: {
      bright: { title: 'Bright map (4d)', caption: 'Single bright voxels are noise or ends of vessels.' },
      full: { title: 'Full map (4f)', caption: 'Dim lung is there as well.' },
    },
  },
  means: {
    cite: `${YAO}, section on post-processing, Fig. 4e and 4g`,
    text: [
      'A mean filter asks how dense a map is around each voxel, and a threshold cuts it. The bright map is filtered over 9 voxels of the paper’s grid and cut at 0.2, the full map over 7 and cut at 0.15; the kernels keep their size in mm on any grid.',
      'What passes in the bright map are the seeds, what passes in the full map is the region. Move the thresholds: nothing of the networks is computed again.',
    ],
    formula: ['seeds = [ mean₉(bright) > 0.2 ]', 'region = [ mean₇(full) > 0.15 ]'],
    figures: {
      brightMean: { title: 'Mean of the bright map', caption: 'In a box around each voxel, also above and below the slice.' },
      seeds: { title: 'Seeds (4e)', caption: 'Where that mean is above its threshold.' },
      fullMean: { title: 'Mean of the full map', caption: 'In a smaller box.' },
      region: { title: 'Region (4g)', caption: 'Where that mean is above its threshold.' },
    },
  },
  growth: {
    cite: `${YAO}, section on post-processing`,
    text: [
      'The seeds grow over the region: every connected piece of it that holds a seed, in three dimensions, is lesion. A dim patch without a seed is not. Beyond the lungs nothing is kept.',
      'Last, the mask goes back to the scan’s own grid, and voxels where the diaphragm is averaged into the slice are taken out. With the thresholds as they were, this is the mask that the analysis saves, voxel for voxel.',
    ],
    formula: ['lesion = pieces of region (26-connected) that touch seeds'],
    figures: {
      grown: { title: 'From seeds to lesion', caption: 'On NormNet’s grid, over H.' },
      mask: { title: 'The lesion mask', caption: 'On the scan’s own slice.' },
    },
  },
  input: {
    cite: `${FAN}, section III, “Implementation Details”`,
    text: [
      'Inf-Net looks at one axial slice. It learnt from 50 labelled pictures of 8 bits, cropped to the lungs; so a slice is brought to that form: cropped to the box of all lungs and a margin of 2.5 %, −1117…285 HU to 256 grey levels, and squeezed to 352 × 352, whatever its proportions.',
      'Three copies of it, normalised as ImageNet’s pictures are, go into an encoder that learnt from photographs.',
    ],
    formula: ['g = round((HU + 1117) / 5.5),   input = (g/255 − mean) / deviation'],
    figures: {
      scan: { title: 'The scan’s slice', caption: 'In the window for lungs. The yellow frame is the crop, the same in every slice.' },
      grey: { title: 'The crop in grey levels', caption: 'In proportion.' },
      square: { title: 'The network’s input', caption: '352 × 352 pixels. Proportions are lost, as in training.' },
    },
  },
  features: {
    cite: `${FAN}, section III, “Overview of Network”`,
    text: [
      'The encoder turns the picture into features, coarser and coarser: f2 has a quarter of the picture’s side, f5 a thirty-second. Coarse features know what is where in the whole, fine ones know where exactly. The paper takes a Res2Net; the browser gets EfficientNet-Lite0, a tenth of its size.',
      'A feature is many channels. Shown is their mean magnitude, or a channel of your choice.',
    ],
    figures: {
      f2: { title: 'f2', caption: 'Stride 4: outlines and texture. It feeds edge attention.' },
      f3: { title: 'f3', caption: 'Stride 8.' },
      f4: { title: 'f4', caption: 'Stride 16.' },
      f5: { title: 'f5', caption: 'Stride 32: a few numbers for each part of the lungs.' },
    },
  },
  edge: {
    cite: `${FAN}, section III, “Edge Attention Module”, Eq. 1`,
    text: [
      'Where infection ends is hard to say, so a branch on f2 learns just that: the outline of the labels, by binary cross-entropy. Its 32 channels e_att go on into every later branch; the map S_e shows what they know.',
    ],
    formula: ['L_edge = −Σ [ G_e log S_e + (1 − G_e) log(1 − S_e) ]'],
    figures: {
      map: { title: 'Edge map σ(S_e)', caption: 'Probability of an outline of infection, over the network’s square.' },
      logits: { title: 'S_e before the sigmoid', caption: 'Above 0 (orange) outline is more probable than not.' },
    },
  },
  global: {
    cite: `${FAN}, section III, “Parallel Partial Decoder”`,
    text: [
      'The three coarse features are brought together at stride 8 by a partial decoder, which multiplies what they say and leaves f2 out. It gives the global map S_g: where infection lies, but not where it ends. All that follows refines it.',
    ],
    formula: ['S_g = p_d(f3, f4, f5)'],
    figures: {
      map: { title: 'Global map σ(S_g)', caption: 'Stretched from 44 × 44 to the picture’s size.' },
      logits: { title: 'S_g before the sigmoid', caption: 'Above 0 (orange) infection is more probable than not.' },
    },
  },
  ra5: {
    cite: `${FAN}, section III, “Reverse Attention Module”, Eq. 2 and 3`,
    text: [
      'Reverse attention looks where the coarser map is not yet sure of infection. The weight A_5 is 1 where S_g sees nothing and 0 where it is sure; the feature f5 is multiplied by it, and a few convolutions say what is to be added, with the edge features to help.',
      'The sum is S_5, on a grid of 11 × 11. The paper’s first text had the product outside the bracket; this is the form that its authors corrected it to.',
    ],
    formula: ['A_i = 1 − σ(Up(S_{i+1}))', 'R_i = C(f_i ⊙ A_i, Down(e_att)),   S_i = R_i + Up(S_{i+1})'],
    figures: {
      attention: { title: 'Reverse attention A_5', caption: '1 (light): look here. 0 (dark): found already.' },
      correction: { title: 'What the branch adds: R_5', caption: 'Orange adds infection, blue takes it away.' },
      sum: { title: 'S_5 after the sigmoid', caption: 'Probability of infection, still coarse.' },
    },
  },
  ra4: {
    cite: `${FAN}, section III, “Reverse Attention Module”, Eq. 2 and 3`,
    text: ['The same on f4, at 22 × 22: attention is now the reverse of S_5.'],
    formula: ['A_4 = 1 − σ(Up(S_5)),   S_4 = R_4 + Up(S_5)'],
    figures: {
      attention: { title: 'Reverse attention A_4', caption: '1 (light): look here. 0 (dark): found already.' },
      correction: { title: 'What the branch adds: R_4', caption: 'Orange adds infection, blue takes it away.' },
      sum: { title: 'S_4 after the sigmoid', caption: 'Probability of infection.' },
    },
  },
  ra3: {
    cite: `${FAN}, section III, “Reverse Attention Module”, Eq. 2 and 3; loss: Eq. 4 and 5`,
    text: [
      'The last branch of the paper, on f3 at 44 × 44. S_3 is the paper’s prediction. In training all of S_g, S_5, S_4 and S_3 are compared with the label, so that every one of them is a map by itself.',
    ],
    formula: ['S_3 = R_3 + Up(S_4)', 'L = L_edge + L_seg(S_g) + Σ L_seg(S_i),   L_seg = weighted IoU + weighted BCE'],
    figures: {
      attention: { title: 'Reverse attention A_3', caption: '1 (light): look here. 0 (dark): found already.' },
      correction: { title: 'What the branch adds: R_3', caption: 'Orange adds infection, blue takes it away.' },
      sum: { title: 'S_3 after the sigmoid', caption: 'The paper’s prediction.' },
    },
  },
  ra2: {
    cite: 'Beyond the paper',
    text: [
      'The network that ships has a fourth branch of the same make, on f2 at 88 × 88: outlines become twice as fine. S_2 is its prediction.',
    ],
    formula: ['A_2 = 1 − σ(Up(S_3)),   S_2 = R_2 + Up(S_3)'],
    figures: {
      attention: { title: 'Reverse attention A_2', caption: '1 (light): look here. 0 (dark): found already.' },
      correction: { title: 'What the branch adds: R_2', caption: 'Orange adds infection, blue takes it away.' },
      sum: { title: 'S_2 after the sigmoid', caption: 'The prediction of the network that ships.' },
    },
  },
  probability: {
    cite: `${FAN}, section III; averaging and temperature are ours`,
    text: [
      'The analysis looks at the slice twice, as it is, and mirrored in a smaller square of 256 × 256, and averages the logits. They are divided by a temperature T, which makes the map harder, as the papers’ measures over all thresholds reward; a threshold of 0.5 does not notice. The square goes back to the crop, and what lies more than two pixels outside the lungs is dropped.',
      'A lesion shows in more than one slice; a vessel that is taken for one often does not. So the probability is then averaged across slices, with Gaussian weights of 5 mm.',
      'Infection is what reaches the threshold, inside the lungs and without diaphragm. The paper stretches every map to its own least and greatest value first, which turns even a healthy slice into a map with a white spot; here nothing is stretched.',
    ],
    formula: ['p = σ(mean of S_2 over looks / T),   infection = [p ≥ t]'],
    figures: {
      probability: { title: 'Probability of infection', caption: 'On the crop.' },
      mask: { title: 'Infection', caption: 'What reaches the threshold, over the crop.' },
    },
  },
  classes: {
    cite: `${FAN}, section III, “Extension to Multi-Class Infection Labeling”`,
    text: [
      'Ground glass lets vessels show through, consolidation hides them: it is denser. The density of a pixel is the mean grey level of the infection around it, 7 × 7 pixels of the square, each counted as Inf-Net’s map p says. Above 130, which is −402 HU, it is consolidation.',
      'The paper has a second network for this, a U-Net that gets the slice and Inf-Net’s map. The same network was trained here on forty slices and found less of the consolidation on the others than this one number: the model card has figures.',
    ],
    formula: ['d = mean of p · grey / mean of p,   consolidation = [d > 130]'],
    figures: {
      classes: { title: 'Class of every pixel', caption: 'On all of the crop; black where the slice shows no infection.' },
      mask: { title: 'Class within the infection', caption: 'What the analysis saves.' },
    },
  },
  int8: {
    cite: 'Beyond the paper: weights of 8 bits',
    text: [
      'The weights that the page uses are integers of 8 bits with one scale for each output channel: half the size of half floats, and they stay 8 bits in memory while sums are in 32 bits. Here the same slice goes through the same network with the other weights, which are fetched for this step.',
      'Where the logits lie close to 0, rounding can turn a pixel to the other side. On labelled scans the Dice changes by about 0.001 (models/RUNS.md); on a phantom, which the network never learnt from, it can change much more.',
    ],
    formula: ['w ≈ s · q,   q ∈ {−127…127},   s = max|w| / 127 for each channel'],
    figures: {
      used: { title: 'Probability', caption: 'With the weights of the analysis, one look.' },
      other: { title: 'Probability', caption: 'With the other weights.' },
      difference: { title: 'Difference', caption: 'First minus second. The range is the largest difference on this slice.' },
    },
  },
} as const satisfies Record<StepId, StepText>;

/** Names of classes in legends. */
export const NAMES = {
  right: 'right lung',
  left: 'left lung',
  kept: 'lung that stays',
  removed: 'taken out',
  shape: 'lesion',
  target: 'healthy and bright',
  healthy: 'healthy by vote',
  seeds: 'seeds',
  region: 'region',
  lesion: 'lesion',
  dropped: 'region without a seed',
  glass: 'ground glass',
  consolidation: 'consolidation',
  window: 'window of the network',
  crop: 'crop',
} as const;

/** Lines under the figures. */
export const SAYS = {
  grids: (z: number, of: number, k: number, all: number) =>
    `Slice ${k + 1} of ${all} of the scan is closest to slice ${z + 1} of ${of} of NormNet’s grid.`,
  removed: (percent: string) => `Taken out in this slab of 32 slices: ${percent} % of the lung voxels.`,
  made: (n: number, ml: string) => `In this slab of 32 slices: ${n} separate lesions, ${ml} ml together.`,
  needed: (n: number, of: number) => `Votes needed: ${n} of ${of}.`,
  healthyShare: (percent: string) => `Of the bright tissue (H ≥ 0.33) on this slice ${percent} % is healthy by vote.`,
  kernels: (bright: string, full: string) => `Boxes on this grid: ${bright} voxels for the bright map, ${full} for the full map.`,
  volumes: (seeds: string, region: string, lesions: string) =>
    `In the whole scan: seeds ${seeds} ml, region ${region} ml, lesions ${lesions} ml.`,
  marked: (n: string) => `On this slice of the scan: ${n} voxels.`,
  classes: (n: string, glass: string, consolidation: string) =>
    `On this slice: ${n} pixels, of which ${glass} ground glass and ${consolidation} consolidation.`,
  temperature: (t: string) => `T = ${t}.`,
  shape: (names: string) => `Shapes of the tensors: ${names}.`,
  noClasses: 'Inf-Net finds no infection on this slice.',
  weights: (used: string, mb: string, other: string, otherMb: string) => `First ${used} (${mb} MB), second ${other} (${otherMb} MB).`,
  difference: (most: string, mean: string, changed: string) =>
    `Largest difference of probability ${most}, mean ${mean}. Pixels that change sides of the threshold: ${changed}.`,
} as const;

/** What the sliders set. */
export const CONTROLS = {
  healthy: 'Healthy above',
  votes: 'Votes needed',
  bright: 'Bright map above',
  full: 'Full map above',
  infection: 'Infection from',
  seed: 'Seed',
  beyond: 'With what goes beyond the paper, as the shipped networks were trained',
  amount: 'Number of ellipsoids, λ',
  size: 'Size of ellipsoids, ×',
  warp: 'Warp α',
  density: 'Most salt, a_U',
  blur: 'Blur σ_b, mm',
  brightness: 'Brightness μ0',
  channel: 'Channel',
} as const;

export const VALUES = {
  /** A setting that is left to chance. */
  drawn: 'drawn',
  mean: 'mean of all',
} as const;
