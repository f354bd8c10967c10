/** German. */
import type { Messages } from './en.ts';
import { follow } from './follow/de.ts';

const WARNINGS: Record<string, string> = {
  not_hu: 'Die Werte sehen nicht nach Hounsfield-Einheiten aus: Es gibt kaum Luft. Die Ergebnisse sind unzuverlässig.',
  eight_bit: 'Die Aufnahme wurde mit 8 Bit je Voxel gespeichert; ihre Hounsfield-Einheiten sind verloren oder geschätzt. Die Ergebnisse sind weniger zuverlässig.',
  thick_slices: 'Die Schichten liegen mehr als 5 mm auseinander. Dicke Schichten verwischen kleine Läsionen und Gefäße; falsche Befunde sind wahrscheinlicher.',
  anisotropic_in_plane: 'Die Pixel einer Schicht sind nicht quadratisch. Bitte prüfen, ob die Aufnahme axial ist.',
  no_orientation: 'Die Datei sagt nicht, wie der Patient darin liegt. Rechts und links können vertauscht sein.',
  no_voxel_size: 'Die Datei sagt nicht, wie groß ihre Voxel sind; 1 mm wird angenommen. Längen und Volumen sind bedeutungslos.',
  lungs_cut: 'Die Lungen liegen nicht ganz in der Aufnahme. Die Maße gelten nur für den sichtbaren Teil.',
  empty: 'Alle Voxel haben denselben Wert: Es ist nichts zu sehen.',
  no_segmentation: 'Den DICOM-Dateien fehlen Kennungen, auf die sich eine Segmentierung beziehen muss. Die Masken gibt es nur als NIfTI, ohne DICOM-Segmentierungen.',
};

export const de: Messages = {
  page: {
    tagline: 'Infektionen im Thorax-CT, gefunden in Ihrem Browser',
    notice: 'Für Forschung und Lehre, nicht zur Diagnose. Nichts verlässt diesen Computer.',
    language: 'Sprache',
    dropTitle: 'Thorax-CT hier ablegen',
    dropTitleTouch: 'Thorax-CT öffnen',
    dropHint: 'Ordner oder .zip mit DICOM, NIfTI, NRRD, MetaImage oder eine einzelne axiale Schicht als PNG oder JPEG',
    open: 'Datei öffnen',
    openFolder: 'Ordner öffnen',
    demo: 'Beispielfall',
    teach: 'So funktioniert es',
    demoHint: 'Das Beispiel ist ein hier erzeugtes Thoraxphantom mit Läsionen, deren Ort bekannt ist.',
    truthHint: 'Eine NIfTI-Maske der wahren Läsionen, neben der Aufnahme oder in ihrem Ordner, wird mit dem Gefundenen verglichen.',
    replayHint: 'Ein Laufprotokoll (…_run.json) neben der Aufnahme wiederholt jene Auswertung und sagt, ob die Masken gleich sind.',
    dropAnywhere: 'Zum Öffnen loslassen',
    scanTitle: 'Aufnahme',
    panelTitle: 'Auswertung',
    optionsTitle: 'Verfahren',
    modelBoth: 'Beide',
    modelBothHint: 'NormNet und Inf-Net nebeneinander',
    modelNormnet: 'NormNet',
    modelNormnetHint: 'Ohne Annotationen gelernt: kennt gesundes Gewebe und markiert, was es nicht erkennt',
    modelInfnet: 'Inf-Net',
    modelInfnetHint: 'Aus annotierten Schichten gelernt: Milchglas und Konsolidierung',
    moreOptions: 'Weitere Optionen',
    normnetWeights: 'NormNet',
    normnetBest: 'Bestes',
    normnetPaper: 'Wie veröffentlicht',
    infnetWeights: 'Inf-Net',
    infnetSemi: 'Halbüberwacht',
    infnetLabelled: 'Nur annotierte Schichten',
    precision: 'Gewichte',
    precisionInt8: '8 Bit (klein)',
    precisionF32: '32 Bit',
    deviceChoice: 'Gerät',
    deviceAuto: 'Automatisch',
    deviceCpu: 'CPU',
    deviceGpu: 'GPU',
    analyse: 'Auswerten',
    cancel: 'Abbrechen',
    seriesTitle: 'Welche Serie?',
    seriesOpen: 'Diese Serie öffnen',
    planes: 'Ebenen',
    planeAll: 'Alle Ebenen',
    planeAxial: 'Axial',
    planeCoronal: 'Koronar',
    planeSagittal: 'Sagittal',
    windowLabel: 'Fenster',
    windowLung: 'Lunge',
    windowMediastinum: 'Mediastinum',
    windowBone: 'Knochen',
    windowOwn: 'Eigenes',
    sliceLabel: 'Axiale Schicht',
    rulerLabel: 'Axiale Schichten mit markierten Läsionen',
    zoom: 'Zoom',
    zoomIn: 'Vergrößern',
    zoomOut: 'Verkleinern',
    reset: 'Ansicht zurücksetzen',
    previousLesion: 'Vorherige Läsion',
    nextLesion: 'Nächste Läsion',
    brushTitle: 'Von Hand korrigieren',
    brushAdd: 'Infektion malen',
    brushErase: 'Infektion radieren',
    brushNetwork: 'In der Maske von',
    brushSize: 'Pinsel',
    brushHint: 'Über das axiale Bild ziehen. Was dazukommt, bleibt in der Lunge. Zum Aufhören den Knopf noch einmal drücken.',
    undo: 'Rückgängig',
    layersTitle: 'Ebenen im Bild',
    show: 'Anzeigen',
    showBoth: 'Beide Netze',
    showNormnet: 'NormNet',
    showInfnet: 'Inf-Net',
    showDifference: 'Wo sie abweichen',
    showLungs: 'Nur die Lungen',
    showOwn: 'Wie unten gewählt',
    layerLungs: 'Lungen (rechts, links)',
    layerNormnet: 'Läsion (NormNet)',
    layerGgo: 'Milchglas (Inf-Net)',
    layerConsolidation: 'Konsolidierung (Inf-Net)',
    opacity: 'Deckkraft',
    outlines: 'Umrisse',
    resultsTitle: 'Befunde',
    saveTitle: 'Speichern',
    saveDicomHint: 'Die DICOM-Dateien nennen den Patienten, wie die Aufnahme.',
    detailsTitle: 'Einzelheiten',
    viewerLabel: 'Aufnahme in drei Ebenen. Pfeil auf und Pfeil ab wechseln die Schicht. Das Fragezeichen zeigt alle Tasten.',
    pictureLabel: 'Schicht mit farbig markierten Läsionen',
    keysTitle: 'Tastatur',
    keysHint: 'Die Tasten gelten auf der ganzen Seite, außer beim Ausfüllen eines Feldes.',
    keysOn: 'Diese Tasten verwenden',
    close: 'Schließen',
    checkTitle: 'Funktioniert es hier?',
    checkText:
      'Ein Teil des Demofalls wird von jedem Netz zweimal berechnet: auf dem Gerät, das eine Analyse nähme, und auf der CPU. Beide müssen dasselbe sagen.',
    checkRun: 'Test starten',
    checkAdapter: 'Was der Browser über die GPU sagt',
    leavesTitle: 'Nichts verlässt diesen Computer',
    leavesText:
      'Die Aufnahme wird in diesem Browser gelesen und ausgewertet. Die Seite verbietet sich jede Verbindung zu anderen Websites und zählt, was trotzdem versucht wird: von ihr selbst, von ihren Helfern oder von einer Browser-Erweiterung.',
    leavesOwn: 'Von ihrer eigenen Website lädt die Seite ihr Programm und die Gewichte der Netze; dorthin sendet sie nichts.',
    leavesSeen: 'Bisher gesehen',
  },
  steps: {
    engine: 'Die Auswertung wird gestartet',
    open: 'Die Datei wird gelesen',
    weights: 'Die Gewichte werden geladen',
    prepare: 'Die Lungen werden gesucht',
    tiles: 'Läsionen werden gesucht',
    finish: 'Es wird gemessen',
  },
  keys: {
    arrows: 'Fadenkreuz in der axialen Schicht bewegen',
    page: 'Eine Schicht aufwärts, abwärts',
    pageShift: 'Zehn Schichten aufwärts, abwärts',
    ends: 'Erste Schicht, letzte Schicht',
    planes: 'Axial, koronar, sagittal, alle Ebenen',
    windows: 'Fenster: Lunge, Mediastinum, Knochen',
    overlay: 'Läsionen ein- und ausblenden',
    opacity: 'Deckkraft erhöhen, verringern',
    lesions: 'Nächste Läsion, vorherige Läsion',
    zoom: 'Vergrößern, verkleinern',
    reset: 'Ansicht zurücksetzen',
    brush: 'Pinsel zum Malen, zum Radieren; noch einmal: aus',
    dab: 'Am Fadenkreuz malen oder radieren',
    undo: 'Letzte Korrektur rückgängig',
    help: 'Diese Liste',
  },
  keyNames: { shift: 'Umschalt', pageUp: 'Bild ↑', pageDown: 'Bild ↓', home: 'Pos 1', end: 'Ende' },
  title: 'Pleura',
  deviceWaiting: 'Eine GPU wird gesucht …',
  deviceGpu: (name) => `GPU: ${name}`,
  deviceGpuSoftware: (name) => `GPU-Weg auf einem Software-Adapter: ${name}`,
  deviceCpu: (workers, reason) => `CPU${workers > 1 ? `, ${workers} Arbeiter` : ''}: ${reason}`,
  deviceFailed: 'Die Auswertung ließ sich nicht starten',
  cpuReason: (reason) => {
    switch (reason.code) {
      case 'asked':
        return 'wie gewählt';
      case 'no-webgpu':
        return 'dieser Browser hat kein WebGPU';
      case 'no-adapter':
        return 'der Browser bietet keine GPU an';
      case 'software':
        return `${reason.name} ist Software, die CPU ist schneller`;
      case 'no-timestamps':
        return `${reason.name} kennt keine Zeitstempel-Abfragen`;
      case 'failed':
        return `die GPU hat abgelehnt (${reason.name})`;
      case 'gave-up':
        return 'die GPU ist ausgefallen';
    }
  },
  makingDemo: 'Der Beispielfall wird erzeugt',
  finished: (seconds) => `Fertig nach ${seconds}`,
  cancelled: 'Abgebrochen. „Auswerten“ beginnt von vorn.',
  fromCache: 'aus dem Speicher dieses Browsers',
  megabytes: (done, total) => `${done} von ${total} MB`,
  timeLeft: (time) => `noch etwa ${time}`,
  seconds: (n) => `${n} s`,
  minutes: (n) => `${n} min`,
  tileWords: { model: 'Modell', slab: 'Block', slice: 'Schicht' },
  recovery: (recovery, kept) => {
    const tiles = kept > 0 ? `; ${kept} ${kept === 1 ? 'fertiger Teil bleibt' : 'fertige Teile bleiben'} erhalten` : '';
    switch (recovery) {
      case 'again':
        return `Ein Teil der Auswertung ist ausgefallen. Es geht mit einem neuen weiter${tiles}.`;
      case 'smaller':
        return `Die Auswertung ist wieder ausgefallen. Es geht mit kleineren Portionen weiter${tiles}.`;
      case 'fewer':
        return `Die Auswertung ist wieder ausgefallen. Es geht mit weniger Arbeitern weiter${tiles}.`;
      case 'cpu':
        return `Die Auswertung ist wieder ausgefallen. Es geht auf der CPU weiter${tiles}.`;
      case 'stop':
        return 'Die Auswertung ist immer wieder ausgefallen';
    }
  },
  recoveryCause: (cause) => `Die Meldung war: ${cause}`,
  stopAdvice:
    'Vielleicht hat dieses Gerät zu wenig Speicher für diese Aufnahme. Es kann helfen, andere Tabs zu schließen oder nur ein Verfahren zu wählen.',
  failed: (stage) => {
    switch (stage) {
      case 'engine':
        return 'Die Auswertung ließ sich nicht starten';
      case 'demo':
        return 'Der Beispielfall ließ sich nicht erzeugen';
      case 'weights':
        return 'Die Gewichte ließen sich nicht laden';
      case 'open':
        return 'Diese Datei lässt sich nicht auswerten';
      case 'prepare':
        return 'Die Lungen wurden nicht gefunden';
      case 'finish':
        return 'Das Ergebnis ließ sich nicht zusammenstellen';
    }
  },
  tooManyFiles: (most: string) => `Es sind mehr als ${most} Dateien. Öffnen Sie den Ordner einer einzelnen Aufnahme.`,
  seriesSlices: (slices: string, n: number) => `${slices} ${n === 1 ? 'Schicht' : 'Schichten'}`,
  millimetres: (mm: string) => `${mm} mm`,
  seriesUnnamed: 'Serie ohne Namen',
  noViewer: 'Dieser Browser kann die Ebenen nicht zeigen (WebGL 2 fehlt). Die Auswertung und ihre Dateien sind davon nicht betroffen.',
  viewerLost:
    'Die Grafikkarte hat die Ansicht verloren. Die Auswertung und ihre Dateien sind nicht betroffen: Öffnen Sie die Aufnahme erneut, um sie zu sehen.',
  cantShow: 'Für diese Datei gibt es keine Vorschau.',
  warning: (code, english) => WARNINGS[code] ?? english,
  right: 'Rechts',
  left: 'Links',
  both: 'Beide',
  sliceOf: (slice, count) => `${slice} von ${count}`,
  sliceWithLesions: (slice, count, lesions) =>
    `Schicht ${slice} von ${count}${lesions === 0 ? '' : lesions === 1 ? ', eine Läsion' : `, ${lesions} Läsionen`}`,
  hu: (value) => `${value} HU`,
  lungRight: 'rechte Lunge',
  lungLeft: 'linke Lunge',
  networks: { normnet: 'NormNet', infnet: 'Inf-Net' },
  normnetLesion: 'Läsion (NormNet)',
  infection: 'Infektion (Inf-Net)',
  ggo: 'Milchglas',
  consolidation: 'Konsolidierung',
  headline: (network) => `der Lungen von ${network} markiert`,
  volume: 'Lungenvolumen',
  agreement: (dice) => `Übereinstimmung der beiden Netze: Dice ${dice}`,
  truthTitle: (file) => `Verglichen mit ${file}`,
  truthColumns: { dice: 'Dice', sensitivity: 'Sensitivität', precision: 'Präzision' },
  truthOtherGrid: (file) => `${file} liegt nicht auf dem Gitter der Aufnahme und wird deshalb nicht verglichen.`,
  thirdsTitle: 'Nach Höhe',
  thirds: { upper: 'Oberes Drittel', middle: 'Mittleres Drittel', lower: 'Unteres Drittel' },
  lesionsTitle: (network, n) => (n === 0 ? `${network}: Läsionen` : `${network}: Läsionen (${n})`),
  noLesions: 'Keine mit 0,1 ml oder mehr.',
  smaller: (n, ml) => `${n} kleinere, zusammen ${ml} ml`,
  lesionColumns: { number: 'Nr.', side: 'Lunge', slices: 'Schichten', hu: 'Mittl. HU', ml: 'ml' },
  goTo: (network, n) => `Zur Läsion ${n} von ${network}`,
  moreLesions: (n) => `${n} weitere zeigen`,
  histogramTitle: (network) => `HU der Lunge nach ${network} (Wurzelskala)`,
  healthy: 'gesunde Lunge',
  marked: 'Infektion',
  asTable: 'Als Tabelle',
  mostAt: (name, hu) => `${name} am häufigsten um ${hu}`,
  noVoxels: (name) => `${name}: keine`,
  from: (first, last) => `${first} bis ${last}`,
  ml: (value) => `${value} ml`,
  percent: (value) => `${value} %`,
  saveReport: 'Bericht (JSON)',
  saveRun: 'Laufprotokoll (JSON)',
  saveLesions: 'Läsionen (CSV)',
  print: 'Drucken',
  saveLungs: 'Lungen',
  saveNormnet: 'NormNet-Läsionen',
  saveInfnet: 'Inf-Net-Läsionen',
  saveLungsDicom: 'Lungen (DICOM)',
  saveNormnetDicom: 'NormNet-Läsionen (DICOM)',
  saveInfnetDicom: 'Inf-Net-Läsionen (DICOM)',
  saveDoubt: 'NormNets Zweifel, dass Gewebe gesund ist',
  saveProbability: 'Inf-Net-Wahrscheinlichkeit',
  saveClasses: 'Läsionsklassen',
  share: 'Anteil am Bild',
  pixelCount: 'Pixel',
  infected: 'von Inf-Net markiert',
  dims: (dims, spacing) => `${dims} Voxel, ${spacing} mm`,
  pixels: (dims) => `${dims} Pixel`,
  thinned: 'gröber gezeigt, als sie ist',
  checkPreparing: 'Der Demofall wird erzeugt, die Gewichte werden geladen …',
  checkComputing: (network: string, onCpu: boolean) => `${network} rechnet auf ${onCpu ? 'der CPU' : 'dem Gerät'} …`,
  checkAllowed: (largest: string, percent: string) =>
    `Wahrscheinlichkeiten von 0 bis 1 dürfen um ${largest} abweichen, Klassen in ${percent} % der Pixel.`,
  checkPassed: 'Es funktioniert: Gerät und CPU stimmen überein.',
  checkFailed: 'Es funktioniert nicht: Gerät und CPU stimmen nicht überein. Wählen Sie unter „Weitere Optionen“ die CPU.',
  checkBroken: (cause: string) => `Der Test kam nicht zu Ende. ${cause}`,
  checkNoAdapter: 'Er bietet keine an.',
  checkColumns: {
    network: 'Netz',
    difference: 'Größte Abweichung',
    classes: 'Andere Klasse',
    device: 'Gerät',
    cpu: 'CPU',
    verdict: 'Ergebnis',
  },
  passed: 'bestanden',
  notPassed: 'nicht bestanden',
  correcting: 'Es wird neu gemessen',
  corrected: 'Das Ergebnis wurde berichtigt',
  notCorrected: 'Das Ergebnis konnte nicht berichtigt werden',
  edited: (n: number) => `Von Hand bearbeitet: ${n} ${n === 1 ? 'Läsion' : 'Läsionen'} entfernt.`,
  painted: (n, added, removed) =>
    `Von Hand gemalt: ${n} ${n === 1 ? 'Strich' : 'Striche'}, ${added} Voxel hinzugefügt, ${removed} entfernt.`,
  removeLesion: (network: string, n: number) => `Läsion ${n} von ${network} entfernen`,
  replay: {
    title: 'Laufprotokoll',
    waiting: (scan) =>
      `Öffnen Sie nun ${scan}, die ausgewertete Aufnahme. Sie wird mit den festgehaltenen Optionen noch einmal ausgewertet, und die Masken werden verglichen.`,
    notRead: 'Das Laufprotokoll ist nicht zu gebrauchen',
    unfit: (file) => `${file} ist kein Laufprotokoll dieses Programms: Wählen Sie die Datei, die auf _run.json endet.`,
    otherLayout: (file, layout) =>
      `${file} hat den Aufbau ${layout}, den diese Version nicht kennt: Nehmen Sie die Version, die es geschrieben hat.`,
    notRun: 'Das ist nicht der festgehaltene Lauf',
    lungsGiven: 'Zu jenem Lauf gehört eine Lungenmaske, und die Seite kann keine nehmen. Nehmen Sie „pleura replay“ auf der Befehlszeile.',
    otherInput: (scan) =>
      `Die Aufnahme ist nicht die ausgewertete, ${scan}: Ihr Inhalt ist ein anderer. Öffnen Sie jene, oder wählen Sie „Auswerten“, um trotzdem diese zu nehmen.`,
    otherWeights: (models, version) =>
      `Diese Seite hat andere Gewichte als der festgehaltene Lauf der Version ${version}: ${models}. „Auswerten“ macht mit den Gewichten dieser Seite weiter.`,
    same: 'Dasselbe wie festgehalten',
    sameText: (n) => `Die Masken dieses Laufs sind Voxel für Voxel die festgehaltenen (${n} von ${n}).`,
    differ: 'Nicht dasselbe wie festgehalten',
    differText: (n, all) => `${n} von ${all} Masken sind anders als im festgehaltenen Lauf:`,
    marked: (mask, then, now) => `${mask}, damals ${then} Voxel markiert, jetzt ${now}`,
    otherValues: (mask, n) => `${mask}, wie damals ${n} Voxel markiert, mit anderen Werten`,
    devices: (then, now) => `Festgehalten wurde auf ${then}, dies ist ${now}: Geräte runden verschieden.`,
  },
  leaves: (n) => `${n} ${n === 1 ? 'Anfrage' : 'Anfragen'} an andere Websites`,
  leavesBlocked: 'verhindert',
  leavesSent: 'gesendet',
  follow,
};
