/** English, and with it the list of all texts: what is missing in another language does not compile. */
import type { CpuReason, Stage } from '../protocol.ts';
import type { Recovery } from '../engine/ladder.ts';
import { follow } from './follow/en.ts';

export const en = {
  /** Texts that stand in the page by themselves; `data-t` in index.html names them. */
  page: {
    tagline: 'Infection in chest CT, found inside your browser',
    notice: 'Research and teaching, not for diagnosis. Nothing leaves this computer.',
    language: 'Language',
    dropTitle: 'Drop a chest CT here',
    dropTitleTouch: 'Open a chest CT',
    dropHint: 'A folder or .zip of DICOM, NIfTI, NRRD, MetaImage, or a single axial slice as PNG or JPEG',
    open: 'Open file',
    openFolder: 'Open folder',
    demo: 'Demo case',
    teach: 'Learn how it works',
    demoHint: 'The demo is a chest phantom made on the spot, with lesions whose place is known.',
    truthHint: 'A NIfTI mask of the true lesions, beside the scan or in its folder, is compared with what was found.',
    replayHint: 'A run manifest (…_run.json) beside the scan does that analysis again, and says whether the masks are the same.',
    dropAnywhere: 'Drop to open',
    scanTitle: 'Scan',
    panelTitle: 'Analysis',
    optionsTitle: 'Method',
    modelBoth: 'Both',
    modelBothHint: 'NormNet and Inf-Net, side by side',
    modelNormnet: 'NormNet',
    modelNormnetHint: 'Label-free: knows healthy tissue, marks what it does not recognise',
    modelInfnet: 'Inf-Net',
    modelInfnetHint: 'Learned from labelled slices: ground glass and consolidation',
    moreOptions: 'More options',
    normnetWeights: 'NormNet',
    normnetBest: 'Best',
    normnetPaper: 'As in the paper',
    infnetWeights: 'Inf-Net',
    infnetSemi: 'Semi-supervised',
    infnetLabelled: 'Labelled slices only',
    precision: 'Weights',
    precisionInt8: '8-bit (small)',
    precisionF32: '32-bit',
    deviceChoice: 'Device',
    deviceAuto: 'Automatic',
    deviceCpu: 'CPU',
    deviceGpu: 'GPU',
    analyse: 'Analyse',
    cancel: 'Cancel',
    seriesTitle: 'Which series?',
    seriesOpen: 'Open this series',
    planes: 'Planes',
    planeAll: 'All planes',
    planeAxial: 'Axial',
    planeCoronal: 'Coronal',
    planeSagittal: 'Sagittal',
    windowLabel: 'Window',
    windowLung: 'Lung',
    windowMediastinum: 'Mediastinum',
    windowBone: 'Bone',
    windowOwn: 'Own',
    sliceLabel: 'Axial slice',
    rulerLabel: 'Axial slices, with the lesions marked',
    zoom: 'Zoom',
    zoomIn: 'Zoom in',
    zoomOut: 'Zoom out',
    reset: 'Reset the view',
    previousLesion: 'Previous lesion',
    nextLesion: 'Next lesion',
    brushTitle: 'Correct by hand',
    brushAdd: 'Paint infection',
    brushErase: 'Erase infection',
    brushNetwork: 'In the mask of',
    brushSize: 'Brush',
    brushHint: 'Drag over the axial picture. What you add stays inside the lungs. Press the button again to stop.',
    undo: 'Undo',
    layersTitle: 'Layers',
    show: 'Show',
    showBoth: 'Both networks',
    showNormnet: 'NormNet',
    showInfnet: 'Inf-Net',
    showDifference: 'Where they differ',
    showLungs: 'Lungs only',
    showOwn: 'As ticked below',
    layerLungs: 'Lungs (right, left)',
    layerNormnet: 'NormNet lesion',
    layerGgo: 'Inf-Net ground glass',
    layerConsolidation: 'Inf-Net consolidation',
    opacity: 'Opacity',
    outlines: 'Outlines',
    resultsTitle: 'Findings',
    saveTitle: 'Save',
    saveDicomHint: 'The DICOM files name the patient, as the scan does.',
    detailsTitle: 'Details',
    viewerLabel: 'Scan in three planes. Up and Down change the slice. The question mark lists all keys.',
    pictureLabel: 'Slice with the lesions coloured',
    keysTitle: 'Keyboard',
    keysHint: 'Keys work everywhere on the page, except while you fill in a field.',
    keysOn: 'Use these keys',
    close: 'Close',
    checkTitle: 'Does it work here?',
    checkText:
      'A part of the demo case is computed by each network twice: on the device that an analysis would take, and on the CPU. Both must say the same.',
    checkRun: 'Run the test',
    checkAdapter: 'What the browser says of the GPU',
    leavesTitle: 'Nothing leaves this computer',
    leavesText:
      'The scan is read and analysed in this browser. The page forbids itself to talk to any other site, and counts what is tried all the same, by itself, by its helpers or by an extension of the browser.',
    leavesOwn: 'From its own site the page loads its program and the weights of the networks, and sends nothing there.',
    leavesSeen: 'Seen so far',
  },
  steps: {
    engine: 'Starting the engine',
    open: 'Reading the file',
    weights: 'Loading the weights',
    prepare: 'Finding the lungs',
    tiles: 'Looking for lesions',
    finish: 'Measuring',
  },
  keys: {
    arrows: 'Move the crosshair in the axial slice',
    page: 'Slice up, slice down',
    pageShift: 'Ten slices up, ten slices down',
    ends: 'First slice, last slice',
    planes: 'Axial, coronal, sagittal, all planes',
    windows: 'Window: lung, mediastinum, bone',
    overlay: 'Lesions on or off',
    opacity: 'More or less opaque',
    lesions: 'Next lesion, previous lesion',
    zoom: 'Zoom in, zoom out',
    reset: 'Reset the view',
    brush: 'Brush to paint, to erase; again: off',
    dab: 'Paint or erase at the crosshair',
    undo: 'Undo the last correction',
    help: 'This list',
  },
  keyNames: { shift: 'Shift', pageUp: 'Page Up', pageDown: 'Page Down', home: 'Home', end: 'End' },
  title: 'Pleura',
  deviceWaiting: 'Looking for a GPU…',
  deviceGpu: (name: string) => `GPU: ${name}`,
  deviceGpuSoftware: (name: string) => `GPU path on a software adapter: ${name}`,
  deviceCpu: (workers: number, reason: string) => `CPU path${workers > 1 ? `, ${workers} workers` : ''}: ${reason}`,
  deviceFailed: 'The engine could not be started',
  cpuReason: (reason: CpuReason): string => {
    switch (reason.code) {
      case 'asked':
        return 'as you chose';
      case 'no-webgpu':
        return 'this browser has no WebGPU';
      case 'no-adapter':
        return 'the browser offers no GPU';
      case 'software':
        return `${reason.name} is software, the CPU is faster`;
      case 'no-timestamps':
        return `${reason.name} lacks timestamp queries`;
      case 'failed':
        return `the GPU refused (${reason.name})`;
      case 'gave-up':
        return 'the GPU stopped';
    }
  },
  makingDemo: 'Making the demo case',
  finished: (seconds: string) => `Done in ${seconds}`,
  cancelled: 'Cancelled. Choose Analyse to start again.',
  fromCache: 'from this browser’s store',
  megabytes: (done: string, total: string) => `${done} of ${total} MB`,
  timeLeft: (time: string) => `about ${time} left`,
  seconds: (n: string) => `${n} s`,
  minutes: (n: string) => `${n} min`,
  /** Words of the engine's names for parts of the work. */
  tileWords: { model: 'model', slab: 'slab', slice: 'slice' },
  recovery: (recovery: Recovery, kept: number): string => {
    const tiles = kept > 0 ? `, keeping ${kept} finished ${kept === 1 ? 'part' : 'parts'}` : '';
    switch (recovery) {
      case 'again':
        return `A part of the engine stopped. Going on with a new one${tiles}.`;
      case 'smaller':
        return `The engine stopped again. Going on with a smaller working set${tiles}.`;
      case 'fewer':
        return `The engine stopped again. Going on with fewer workers${tiles}.`;
      case 'cpu':
        return `The engine stopped again. Going on on the CPU${tiles}.`;
      case 'stop':
        return 'The engine stopped again and again';
    }
  },
  recoveryCause: (cause: string) => `What it said: ${cause}`,
  stopAdvice:
    'This device may have too little memory for this scan. Closing other tabs or choosing one method instead of both can help.',
  failed: (stage: Stage): string => {
    switch (stage) {
      case 'engine':
        return 'The engine could not be started';
      case 'demo':
        return 'The demo case could not be made';
      case 'weights':
        return 'The weights could not be loaded';
      case 'open':
        return 'This file can’t be analysed';
      case 'prepare':
        return 'The lungs could not be found';
      case 'finish':
        return 'The result could not be put together';
    }
  },
  tooManyFiles: (most: string) => `There are more than ${most} files. Open the folder of one scan.`,
  seriesSlices: (slices: string, n: number) => `${slices} ${n === 1 ? 'slice' : 'slices'}`,
  millimetres: (mm: string) => `${mm} mm`,
  seriesUnnamed: 'Series without a name',
  noViewer: 'This browser can’t show the planes (WebGL 2 is missing). The analysis and its files are not affected.',
  viewerLost: 'The graphics card took the planes away. The analysis and its files are not affected: open the scan again to see it.',
  cantShow: 'There is no preview of this file.',
  /** The engine says its warnings in English, with figures. */
  warning: (_code: string, english: string): string => english,
  right: 'Right',
  left: 'Left',
  both: 'Both',
  sliceOf: (slice: string, count: string) => `${slice} of ${count}`,
  sliceWithLesions: (slice: string, count: string, lesions: number) =>
    `slice ${slice} of ${count}${lesions === 0 ? '' : lesions === 1 ? ', one lesion' : `, ${lesions} lesions`}`,
  hu: (value: string) => `${value} HU`,
  lungRight: 'right lung',
  lungLeft: 'left lung',
  networks: { normnet: 'NormNet', infnet: 'Inf-Net' },
  normnetLesion: 'NormNet lesion',
  infection: 'Inf-Net infection',
  ggo: 'ground glass',
  consolidation: 'consolidation',
  headline: (network: string) => `of the lungs marked by ${network}`,
  volume: 'Lung volume',
  agreement: (dice: string) => `Agreement of the two networks: Dice ${dice}`,
  truthTitle: (file: string) => `Compared with ${file}`,
  truthColumns: { dice: 'Dice', sensitivity: 'Sensitivity', precision: 'Precision' },
  truthOtherGrid: (file: string) => `${file} does not lie on the grid of the scan, so it is not compared.`,
  thirdsTitle: 'By height',
  thirds: { upper: 'Upper third', middle: 'Middle third', lower: 'Lower third' },
  lesionsTitle: (network: string, n: number) => (n === 0 ? `${network}: lesions` : `${network}: lesions (${n})`),
  noLesions: 'None of 0.1 ml or more.',
  smaller: (n: number, ml: string) => `${n} smaller, ${ml} ml together`,
  lesionColumns: { number: 'No.', side: 'Lung', slices: 'Slices', hu: 'Mean HU', ml: 'ml' },
  goTo: (network: string, n: number) => `Go to lesion ${n} of ${network}`,
  moreLesions: (n: number) => `Show ${n} more`,
  histogramTitle: (network: string) => `HU of the lungs by ${network} (square-root scale)`,
  healthy: 'healthy lung',
  marked: 'infection',
  asTable: 'As a table',
  mostAt: (name: string, hu: string) => `${name} most often near ${hu}`,
  noVoxels: (name: string) => `${name}: none`,
  from: (first: string, last: string) => `${first} to ${last}`,
  ml: (value: string) => `${value} ml`,
  percent: (value: string) => `${value} %`,
  saveReport: 'Report (JSON)',
  saveRun: 'Run manifest (JSON)',
  saveLesions: 'Lesions (CSV)',
  print: 'Print',
  saveLungs: 'Lungs',
  saveNormnet: 'NormNet lesions',
  saveInfnet: 'Inf-Net lesions',
  saveLungsDicom: 'Lungs (DICOM)',
  saveNormnetDicom: 'NormNet lesions (DICOM)',
  saveInfnetDicom: 'Inf-Net lesions (DICOM)',
  saveDoubt: 'NormNet’s doubt that tissue is healthy',
  saveProbability: 'Inf-Net probability',
  saveClasses: 'Lesion classes',
  share: 'Share of the picture',
  pixelCount: 'Pixels',
  infected: 'marked by Inf-Net',
  dims: (dims: string, spacing: string) => `${dims} voxels, ${spacing} mm`,
  pixels: (dims: string) => `${dims} pixels`,
  thinned: 'shown coarser than it is',
  checkPreparing: 'Making the demo case and loading the weights…',
  checkComputing: (network: string, onCpu: boolean) => `${network} computes on ${onCpu ? 'the CPU' : 'the device'}…`,
  checkAllowed: (largest: string, percent: string) =>
    `Probabilities, from 0 to 1, may differ by ${largest}; classes in ${percent} % of the pixels.`,
  checkPassed: 'It works: the device and the CPU agree.',
  checkFailed: 'It does not work: the device and the CPU disagree. Choose CPU under More options.',
  checkBroken: (cause: string) => `The test could not be finished. ${cause}`,
  checkNoAdapter: 'It offers none.',
  checkColumns: {
    network: 'Network',
    difference: 'Largest difference',
    classes: 'Other class',
    device: 'Device',
    cpu: 'CPU',
    verdict: 'Result',
  },
  passed: 'passed',
  notPassed: 'failed',
  correcting: 'Measuring again',
  corrected: 'The result was corrected',
  notCorrected: 'The result could not be corrected',
  edited: (n: number) => `Edited by hand: ${n} ${n === 1 ? 'lesion' : 'lesions'} removed.`,
  painted: (n: number, added: string, removed: string) =>
    `Painted by hand: ${n} ${n === 1 ? 'stroke' : 'strokes'}, ${added} voxels added, ${removed} removed.`,
  removeLesion: (network: string, n: number) => `Remove lesion ${n} of ${network}`,
  replay: {
    title: 'Run manifest',
    waiting: (scan: string) =>
      `Now open ${scan}, the scan that was analysed. It is analysed again with the recorded options, and the masks are compared.`,
    notRead: 'The run manifest can’t be used',
    unfit: (file: string) => `${file} is not a run manifest of this program: choose the file that ends in _run.json.`,
    otherLayout: (file: string, layout: number) =>
      `${file} has layout ${layout}, which this version does not know: use the version that wrote it.`,
    notRun: 'This is not the recorded run',
    lungsGiven: 'A lung mask was given for that run, and the page can’t take one. Use “pleura replay” on the command line.',
    otherInput: (scan: string) =>
      `The scan is not the one that was analysed, ${scan}: its content differs. Open that one, or choose Analyse to look at this one all the same.`,
    otherWeights: (models: string, version: string) =>
      `This page has other weights than the recorded run, which version ${version} did: ${models}. Choose Analyse to go on with the weights of this page.`,
    same: 'The same as recorded',
    sameText: (n: number) => `The masks of this run are the recorded ones, voxel by voxel (${n} of ${n}).`,
    differ: 'Not the same as recorded',
    differText: (n: number, all: number) => `${n} of ${all} masks differ from the recorded run:`,
    marked: (mask: string, then: string, now: string) => `${mask}, ${then} voxels marked then, ${now} now`,
    otherValues: (mask: string, n: string) => `${mask}, ${n} voxels marked as then, with other values`,
    devices: (then: string, now: string) => `It was recorded on ${then}, and this is ${now}: devices round differently.`,
  },
  leaves: (n: number) => `${n} ${n === 1 ? 'request' : 'requests'} to other sites`,
  leavesBlocked: 'blocked',
  leavesSent: 'sent',
  follow,
};

export type Messages = typeof en;
