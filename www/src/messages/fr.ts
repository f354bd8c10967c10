/** French. */
import type { Messages } from './en.ts';
import { follow } from './follow/fr.ts';

const WARNINGS: Record<string, string> = {
  not_hu: 'Les valeurs ne ressemblent pas à des unités Hounsfield : il n’y a presque pas d’air. Les résultats ne sont pas fiables.',
  eight_bit: 'L’examen a été enregistré sur 8 bits par voxel ; ses unités Hounsfield sont perdues ou estimées. Les résultats sont moins fiables.',
  thick_slices: 'Les coupes sont espacées de plus de 5 mm. Des coupes épaisses estompent les petites lésions et les vaisseaux ; les faux positifs sont plus probables.',
  anisotropic_in_plane: 'Les pixels d’une coupe ne sont pas carrés. Vérifiez que l’examen est axial.',
  no_orientation: 'Le fichier n’indique pas la position du patient. La droite et la gauche peuvent être inversées.',
  no_voxel_size: 'Le fichier n’indique pas la taille de ses voxels ; 1 mm est supposé. Les longueurs et les volumes n’ont pas de sens.',
  lungs_cut: 'Les poumons ne sont pas entièrement dans l’examen. Les mesures ne valent que pour la partie visible.',
  empty: 'Tous les voxels ont la même valeur : il n’y a rien à voir.',
  no_segmentation: 'Il manque aux fichiers DICOM des identifiants auxquels une segmentation doit se référer. Les masques n’existent qu’en NIfTI, sans segmentations DICOM.',
};

export const fr: Messages = {
  page: {
    tagline: 'L’infection au scanner thoracique, détectée dans votre navigateur',
    notice: 'Pour la recherche et l’enseignement, pas pour le diagnostic. Rien ne quitte cet ordinateur.',
    language: 'Langue',
    dropTitle: 'Déposez un scanner thoracique ici',
    dropTitleTouch: 'Ouvrir un scanner thoracique',
    dropHint: 'Un dossier ou un .zip DICOM, NIfTI, NRRD, MetaImage, ou une seule coupe axiale en PNG ou JPEG',
    open: 'Ouvrir un fichier',
    openFolder: 'Ouvrir un dossier',
    demo: 'Cas d’exemple',
    teach: 'Comment ça marche',
    demoHint: 'L’exemple est un fantôme thoracique généré sur place, avec des lésions dont la position est connue.',
    truthHint: 'Un masque NIfTI des vraies lésions, à côté de l’examen ou dans son dossier, est comparé à ce qui a été trouvé.',
    replayHint: 'Un journal d’exécution (…_run.json) à côté de l’examen refait cette analyse et dit si les masques sont les mêmes.',
    dropAnywhere: 'Relâchez pour ouvrir',
    scanTitle: 'Examen',
    panelTitle: 'Analyse',
    optionsTitle: 'Méthode',
    modelBoth: 'Les deux',
    modelBothHint: 'NormNet et Inf-Net, côte à côte',
    modelNormnet: 'NormNet',
    modelNormnetHint: 'Sans annotations : connaît le tissu sain et marque ce qu’il ne reconnaît pas',
    modelInfnet: 'Inf-Net',
    modelInfnetHint: 'Appris sur des coupes annotées : verre dépoli et condensation',
    moreOptions: 'Plus d’options',
    normnetWeights: 'NormNet',
    normnetBest: 'Le meilleur',
    normnetPaper: 'Comme publié',
    infnetWeights: 'Inf-Net',
    infnetSemi: 'Semi-supervisé',
    infnetLabelled: 'Coupes annotées seules',
    precision: 'Poids',
    precisionInt8: '8 bits (petits)',
    precisionF32: '32 bits',
    deviceChoice: 'Calcul sur',
    deviceAuto: 'Automatique',
    deviceCpu: 'CPU',
    deviceGpu: 'GPU',
    analyse: 'Analyser',
    cancel: 'Annuler',
    seriesTitle: 'Quelle série ?',
    seriesOpen: 'Ouvrir cette série',
    planes: 'Plans',
    planeAll: 'Tous les plans',
    planeAxial: 'Axial',
    planeCoronal: 'Coronal',
    planeSagittal: 'Sagittal',
    windowLabel: 'Fenêtre',
    windowLung: 'Poumon',
    windowMediastinum: 'Médiastin',
    windowBone: 'Os',
    windowOwn: 'Personnelle',
    sliceLabel: 'Coupe axiale',
    rulerLabel: 'Coupes axiales, lésions repérées',
    zoom: 'Zoom',
    zoomIn: 'Agrandir',
    zoomOut: 'Réduire',
    reset: 'Réinitialiser la vue',
    previousLesion: 'Lésion précédente',
    nextLesion: 'Lésion suivante',
    brushTitle: 'Corriger à la main',
    brushAdd: 'Peindre l’infection',
    brushErase: 'Effacer l’infection',
    brushNetwork: 'Dans le masque de',
    brushSize: 'Pinceau',
    brushHint: 'Glissez sur l’image axiale. Ce qui est ajouté reste dans les poumons. Appuyez de nouveau sur le bouton pour arrêter.',
    undo: 'Annuler la modification',
    layersTitle: 'Calques',
    show: 'Afficher',
    showBoth: 'Les deux réseaux',
    showNormnet: 'NormNet',
    showInfnet: 'Inf-Net',
    showDifference: 'Là où ils diffèrent',
    showLungs: 'Les poumons seuls',
    showOwn: 'Selon les cases',
    layerLungs: 'Poumons (droit, gauche)',
    layerNormnet: 'Lésion (NormNet)',
    layerGgo: 'Verre dépoli (Inf-Net)',
    layerConsolidation: 'Condensation (Inf-Net)',
    opacity: 'Opacité',
    outlines: 'Contours',
    resultsTitle: 'Résultats',
    saveTitle: 'Enregistrer',
    saveDicomHint: 'Les fichiers DICOM nomment le patient, comme l’examen.',
    detailsTitle: 'Détails',
    viewerLabel: 'Examen dans trois plans. Les flèches haut et bas changent de coupe. Le point d’interrogation affiche toutes les touches.',
    pictureLabel: 'Coupe avec les lésions colorées',
    keysTitle: 'Clavier',
    keysHint: 'Les touches agissent partout sur la page, sauf pendant la saisie dans un champ.',
    keysOn: 'Utiliser ces touches',
    close: 'Fermer',
    checkTitle: 'Est-ce que ça marche ici ?',
    checkText:
      'Chaque réseau calcule deux fois une partie du cas de démonstration : sur l’appareil que prendrait une analyse, et sur le CPU. Les deux doivent dire la même chose.',
    checkRun: 'Lancer le test',
    checkAdapter: 'Ce que le navigateur dit du GPU',
    leavesTitle: 'Rien ne quitte cet ordinateur',
    leavesText:
      'L’examen est lu et analysé dans ce navigateur. La page s’interdit toute connexion à un autre site et compte ce qui est tenté malgré tout, par elle-même, par ses processus ou par une extension du navigateur.',
    leavesOwn: 'La page charge son programme et les poids des réseaux depuis son propre site, et n’y envoie rien.',
    leavesSeen: 'Observé jusqu’ici',
  },
  steps: {
    engine: 'Démarrage du moteur',
    open: 'Lecture du fichier',
    weights: 'Chargement des poids',
    prepare: 'Recherche des poumons',
    tiles: 'Recherche des lésions',
    finish: 'Mesures',
  },
  keys: {
    arrows: 'Déplacer le réticule dans la coupe axiale',
    page: 'Coupe au-dessus, coupe au-dessous',
    pageShift: 'Dix coupes plus haut, plus bas',
    ends: 'Première coupe, dernière coupe',
    planes: 'Axial, coronal, sagittal, tous les plans',
    windows: 'Fenêtre : poumon, médiastin, os',
    overlay: 'Afficher ou masquer les lésions',
    opacity: 'Plus ou moins opaque',
    lesions: 'Lésion suivante, précédente',
    zoom: 'Agrandir, réduire',
    reset: 'Réinitialiser la vue',
    brush: 'Pinceau pour peindre, pour effacer ; de nouveau : arrêt',
    dab: 'Peindre ou effacer au réticule',
    undo: 'Annuler la dernière correction',
    help: 'Cette liste',
  },
  keyNames: { shift: 'Maj', pageUp: 'Page ↑', pageDown: 'Page ↓', home: 'Début', end: 'Fin' },
  title: 'Pleura',
  deviceWaiting: 'Recherche d’un GPU…',
  deviceGpu: (name) => `GPU : ${name}`,
  deviceGpuSoftware: (name) => `Voie GPU sur un adaptateur logiciel : ${name}`,
  deviceCpu: (workers, reason) => `CPU${workers > 1 ? `, ${workers} processus` : ''} : ${reason}`,
  deviceFailed: 'Le moteur n’a pas pu démarrer',
  cpuReason: (reason) => {
    switch (reason.code) {
      case 'asked':
        return 'selon votre choix';
      case 'no-webgpu':
        return 'ce navigateur n’a pas WebGPU';
      case 'no-adapter':
        return 'le navigateur n’offre pas de GPU';
      case 'software':
        return `${reason.name} est logiciel, le CPU est plus rapide`;
      case 'no-timestamps':
        return `${reason.name} ne mesure pas le temps (timestamp queries)`;
      case 'failed':
        return `le GPU a refusé (${reason.name})`;
      case 'gave-up':
        return 'le GPU s’est arrêté';
    }
  },
  makingDemo: 'Génération du cas d’exemple',
  finished: (seconds) => `Terminé en ${seconds}`,
  cancelled: 'Annulé. Choisissez « Analyser » pour recommencer.',
  fromCache: 'depuis la mémoire de ce navigateur',
  megabytes: (done, total) => `${done} sur ${total} Mo`,
  timeLeft: (time) => `encore ${time} environ`,
  seconds: (n) => `${n} s`,
  minutes: (n) => `${n} min`,
  tileWords: { model: 'modèle', slab: 'bloc', slice: 'coupe' },
  recovery: (recovery, kept) => {
    const tiles = kept > 0 ? ` ; ${kept} ${kept === 1 ? 'partie terminée est gardée' : 'parties terminées sont gardées'}` : '';
    switch (recovery) {
      case 'again':
        return `Une partie du moteur s’est arrêtée. L’analyse continue avec une nouvelle${tiles}.`;
      case 'smaller':
        return `Le moteur s’est encore arrêté. L’analyse continue avec moins de mémoire à la fois${tiles}.`;
      case 'fewer':
        return `Le moteur s’est encore arrêté. L’analyse continue avec moins de processus${tiles}.`;
      case 'cpu':
        return `Le moteur s’est encore arrêté. L’analyse continue sur le CPU${tiles}.`;
      case 'stop':
        return 'Le moteur s’est arrêté à plusieurs reprises';
    }
  },
  recoveryCause: (cause) => `Message reçu : ${cause}`,
  stopAdvice:
    'Cet appareil a peut-être trop peu de mémoire pour cet examen. Fermer d’autres onglets ou choisir une seule méthode peut aider.',
  failed: (stage) => {
    switch (stage) {
      case 'engine':
        return 'Le moteur n’a pas pu démarrer';
      case 'demo':
        return 'Le cas d’exemple n’a pas pu être généré';
      case 'weights':
        return 'Les poids n’ont pas pu être chargés';
      case 'open':
        return 'Ce fichier ne peut pas être analysé';
      case 'prepare':
        return 'Les poumons n’ont pas été trouvés';
      case 'finish':
        return 'Le résultat n’a pas pu être assemblé';
    }
  },
  tooManyFiles: (most: string) => `Il y a plus de ${most} fichiers. Ouvrez le dossier d’un seul examen.`,
  seriesSlices: (slices: string, n: number) => `${slices} ${n === 1 ? 'coupe' : 'coupes'}`,
  millimetres: (mm: string) => `${mm} mm`,
  seriesUnnamed: 'Série sans nom',
  noViewer: 'Ce navigateur ne peut pas afficher les plans (WebGL 2 manque). L’analyse et ses fichiers ne sont pas concernés.',
  viewerLost:
    'La carte graphique a interrompu l’affichage. L’analyse et ses fichiers ne sont pas concernés : rouvrez l’examen pour le voir.',
  cantShow: 'Il n’y a pas d’aperçu de ce fichier.',
  warning: (code, english) => WARNINGS[code] ?? english,
  right: 'Droit',
  left: 'Gauche',
  both: 'Les deux',
  sliceOf: (slice, count) => `${slice} sur ${count}`,
  sliceWithLesions: (slice, count, lesions) =>
    `coupe ${slice} sur ${count}${lesions === 0 ? '' : lesions === 1 ? ', une lésion' : `, ${lesions} lésions`}`,
  hu: (value) => `${value} UH`,
  lungRight: 'poumon droit',
  lungLeft: 'poumon gauche',
  networks: { normnet: 'NormNet', infnet: 'Inf-Net' },
  normnetLesion: 'Lésion (NormNet)',
  infection: 'Infection (Inf-Net)',
  ggo: 'verre dépoli',
  consolidation: 'condensation',
  headline: (network) => `des poumons marqués par ${network}`,
  volume: 'Volume pulmonaire',
  agreement: (dice) => `Accord des deux réseaux : Dice ${dice}`,
  truthTitle: (file) => `Comparé à ${file}`,
  truthColumns: { dice: 'Dice', sensitivity: 'Sensibilité', precision: 'Précision' },
  truthOtherGrid: (file) => `${file} n’a pas la grille de l’examen et n’est donc pas comparé.`,
  thirdsTitle: 'Selon la hauteur',
  thirds: { upper: 'Tiers supérieur', middle: 'Tiers moyen', lower: 'Tiers inférieur' },
  lesionsTitle: (network, n) => (n === 0 ? `${network} : lésions` : `${network} : lésions (${n})`),
  noLesions: 'Aucune de 0,1 ml ou plus.',
  smaller: (n, ml) => `${n} plus ${n < 2 ? 'petite' : 'petites'}, ${ml} ml en tout`,
  lesionColumns: { number: 'N°', side: 'Poumon', slices: 'Coupes', hu: 'UH moy.', ml: 'ml' },
  goTo: (network, n) => `Aller à la lésion ${n} de ${network}`,
  moreLesions: (n) => `En afficher ${n} de plus`,
  histogramTitle: (network) => `UH des poumons selon ${network} (échelle en racine carrée)`,
  healthy: 'poumon sain',
  marked: 'infection',
  asTable: 'En tableau',
  mostAt: (name, hu) => `${name} le plus souvent vers ${hu}`,
  noVoxels: (name) => `${name} : aucun voxel`,
  from: (first, last) => `${first} à ${last}`,
  ml: (value) => `${value} ml`,
  percent: (value) => `${value} %`,
  saveReport: 'Rapport (JSON)',
  saveRun: 'Journal d’exécution (JSON)',
  saveLesions: 'Lésions (CSV)',
  print: 'Imprimer',
  saveLungs: 'Poumons',
  saveNormnet: 'Lésions NormNet',
  saveInfnet: 'Lésions Inf-Net',
  saveLungsDicom: 'Poumons (DICOM)',
  saveNormnetDicom: 'Lésions NormNet (DICOM)',
  saveInfnetDicom: 'Lésions Inf-Net (DICOM)',
  saveDoubt: 'Doute de NormNet que le tissu soit sain',
  saveProbability: 'Probabilité Inf-Net',
  saveClasses: 'Classes des lésions',
  share: 'Part de l’image',
  pixelCount: 'Pixels',
  infected: 'marqué par Inf-Net',
  dims: (dims, spacing) => `${dims} voxels, ${spacing} mm`,
  pixels: (dims) => `${dims} pixels`,
  thinned: 'affiché en résolution réduite',
  checkPreparing: 'Création du cas de démonstration et chargement des poids…',
  checkComputing: (network: string, onCpu: boolean) => `${network} calcule sur ${onCpu ? 'le CPU' : 'l’appareil'}…`,
  checkAllowed: (largest: string, percent: string) =>
    `Les probabilités, de 0 à 1, peuvent différer de ${largest} ; les classes, sur ${percent} % des pixels.`,
  checkPassed: 'Ça marche : l’appareil et le CPU sont d’accord.',
  checkFailed: 'Ça ne marche pas : l’appareil et le CPU ne sont pas d’accord. Choisissez CPU dans « Plus d’options ».',
  checkBroken: (cause: string) => `Le test n’a pas pu être terminé. ${cause}`,
  checkNoAdapter: 'Il n’en propose aucun.',
  checkColumns: {
    network: 'Réseau',
    difference: 'Plus grand écart',
    classes: 'Autre classe',
    device: 'Appareil',
    cpu: 'CPU',
    verdict: 'Résultat',
  },
  passed: 'réussi',
  notPassed: 'échoué',
  correcting: 'Nouvelle mesure',
  corrected: 'Le résultat a été corrigé',
  notCorrected: 'Le résultat n’a pas pu être corrigé',
  edited: (n: number) => `Modifié à la main : ${n} ${n === 1 ? 'lésion retirée' : 'lésions retirées'}.`,
  painted: (n, added, removed) =>
    `Peint à la main : ${n} ${n === 1 ? 'trait' : 'traits'}, ${added} voxels ajoutés, ${removed} retirés.`,
  removeLesion: (network: string, n: number) => `Retirer la lésion ${n} de ${network}`,
  replay: {
    title: 'Journal d’exécution',
    waiting: (scan) =>
      `Ouvrez maintenant ${scan}, l’examen analysé. Il est analysé de nouveau avec les options enregistrées, et les masques sont comparés.`,
    notRead: 'Le journal d’exécution est inutilisable',
    unfit: (file) => `${file} n’est pas un journal d’exécution de ce programme : choisissez le fichier qui se termine par _run.json.`,
    otherLayout: (file, layout) =>
      `${file} a le format ${layout}, que cette version ne connaît pas : utilisez la version qui l’a écrit.`,
    notRun: 'Ce n’est pas l’exécution enregistrée',
    lungsGiven:
      'Un masque des poumons avait été fourni, et la page ne peut pas en prendre. Utilisez « pleura replay » en ligne de commande.',
    otherInput: (scan) =>
      `L’examen n’est pas celui qui a été analysé, ${scan} : son contenu diffère. Ouvrez celui-là, ou choisissez « Analyser » pour analyser tout de même celui-ci.`,
    otherWeights: (models, version) =>
      `Cette page a d’autres poids que l’exécution enregistrée, faite par la version ${version} : ${models}. « Analyser » continue avec les poids de cette page.`,
    same: 'Identique à l’enregistrement',
    sameText: (n) => `Les masques de cette exécution sont ceux qui ont été enregistrés, voxel par voxel (${n} sur ${n}).`,
    differ: 'Différent de l’enregistrement',
    differText: (n, all) => `${n} masques sur ${all} diffèrent de l’exécution enregistrée :`,
    marked: (mask, then, now) => `${mask}, ${then} voxels marqués alors, ${now} maintenant`,
    otherValues: (mask, n) => `${mask}, ${n} voxels marqués comme alors, avec d’autres valeurs`,
    devices: (then, now) => `L’enregistrement a été fait sur ${then}, ceci est ${now} : les appareils arrondissent différemment.`,
  },
  leaves: (n) => `${n} ${n < 2 ? 'requête' : 'requêtes'} vers d’autres sites`,
  leavesBlocked: 'bloquée',
  leavesSent: 'envoyée',
  follow,
};
