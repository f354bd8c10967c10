/** Spanish. */
import type { Messages } from './en.ts';
import { follow } from './follow/es.ts';

const WARNINGS: Record<string, string> = {
  not_hu: 'Los valores no parecen unidades Hounsfield: apenas hay aire. Los resultados no son fiables.',
  eight_bit: 'El estudio se guardó con 8 bits por vóxel; sus unidades Hounsfield se han perdido o son estimadas. Los resultados son menos fiables.',
  thick_slices: 'Los cortes están separados más de 5 mm. Los cortes gruesos difuminan las lesiones pequeñas y los vasos; los falsos hallazgos son más probables.',
  anisotropic_in_plane: 'Los píxeles de un corte no son cuadrados. Compruebe que el estudio sea axial.',
  no_orientation: 'El archivo no indica la posición del paciente. La derecha y la izquierda pueden estar intercambiadas.',
  no_voxel_size: 'El archivo no indica el tamaño de sus vóxeles; se supone 1 mm. Las longitudes y los volúmenes carecen de sentido.',
  lungs_cut: 'Los pulmones no están completos en el estudio. Las medidas solo valen para la parte visible.',
  empty: 'Todos los vóxeles tienen el mismo valor: no hay nada que ver.',
  no_segmentation: 'A los archivos DICOM les faltan identificadores a los que una segmentación debe referirse. Las máscaras solo se ofrecen en NIfTI, sin segmentaciones DICOM.',
};

export const es: Messages = {
  page: {
    tagline: 'Infección en la TC de tórax, detectada en su navegador',
    notice: 'Para investigación y docencia, no para diagnóstico. Nada sale de este ordenador.',
    language: 'Idioma',
    dropTitle: 'Suelte aquí una TC de tórax',
    dropTitleTouch: 'Abrir una TC de tórax',
    dropHint: 'Una carpeta o un .zip de DICOM, NIfTI, NRRD, MetaImage, o un solo corte axial en PNG o JPEG',
    open: 'Abrir archivo',
    openFolder: 'Abrir carpeta',
    demo: 'Caso de ejemplo',
    teach: 'Cómo funciona',
    demoHint: 'El ejemplo es un fantoma de tórax generado aquí mismo, con lesiones cuya posición se conoce.',
    truthHint: 'Una máscara NIfTI de las lesiones verdaderas, junto al estudio o en su carpeta, se compara con lo encontrado.',
    replayHint: 'Un registro de ejecución (…_run.json) junto al estudio repite ese análisis y dice si las máscaras son las mismas.',
    dropAnywhere: 'Suelte para abrir',
    scanTitle: 'Estudio',
    panelTitle: 'Análisis',
    optionsTitle: 'Método',
    modelBoth: 'Ambos',
    modelBothHint: 'NormNet e Inf-Net, lado a lado',
    modelNormnet: 'NormNet',
    modelNormnetHint: 'Sin anotaciones: conoce el tejido sano y marca lo que no reconoce',
    modelInfnet: 'Inf-Net',
    modelInfnetHint: 'Aprendido de cortes anotados: vidrio deslustrado y consolidación',
    moreOptions: 'Más opciones',
    normnetWeights: 'NormNet',
    normnetBest: 'El mejor',
    normnetPaper: 'Como en el artículo',
    infnetWeights: 'Inf-Net',
    infnetSemi: 'Semisupervisado',
    infnetLabelled: 'Solo cortes anotados',
    precision: 'Pesos',
    precisionInt8: '8 bits (pequeños)',
    precisionF32: '32 bits',
    deviceChoice: 'Dispositivo',
    deviceAuto: 'Automático',
    deviceCpu: 'CPU',
    deviceGpu: 'GPU',
    analyse: 'Analizar',
    cancel: 'Cancelar',
    seriesTitle: '¿Qué serie?',
    seriesOpen: 'Abrir esta serie',
    planes: 'Planos',
    planeAll: 'Todos los planos',
    planeAxial: 'Axial',
    planeCoronal: 'Coronal',
    planeSagittal: 'Sagital',
    windowLabel: 'Ventana',
    windowLung: 'Pulmón',
    windowMediastinum: 'Mediastino',
    windowBone: 'Hueso',
    windowOwn: 'Propia',
    sliceLabel: 'Corte axial',
    rulerLabel: 'Cortes axiales, con las lesiones marcadas',
    zoom: 'Zoom',
    zoomIn: 'Ampliar',
    zoomOut: 'Reducir',
    reset: 'Restablecer la vista',
    previousLesion: 'Lesión anterior',
    nextLesion: 'Lesión siguiente',
    brushTitle: 'Corregir a mano',
    brushAdd: 'Pintar infección',
    brushErase: 'Borrar infección',
    brushNetwork: 'En la máscara de',
    brushSize: 'Pincel',
    brushHint: 'Arrastre sobre la imagen axial. Lo que se añade queda dentro de los pulmones. Pulse el botón otra vez para terminar.',
    undo: 'Deshacer',
    layersTitle: 'Capas',
    show: 'Mostrar',
    showBoth: 'Ambas redes',
    showNormnet: 'NormNet',
    showInfnet: 'Inf-Net',
    showDifference: 'Donde difieren',
    showLungs: 'Solo los pulmones',
    showOwn: 'Según las casillas',
    layerLungs: 'Pulmones (derecho, izquierdo)',
    layerNormnet: 'Lesión (NormNet)',
    layerGgo: 'Vidrio deslustrado (Inf-Net)',
    layerConsolidation: 'Consolidación (Inf-Net)',
    opacity: 'Opacidad',
    outlines: 'Contornos',
    resultsTitle: 'Hallazgos',
    saveTitle: 'Guardar',
    saveDicomHint: 'Los archivos DICOM nombran al paciente, como el estudio.',
    detailsTitle: 'Detalles',
    viewerLabel: 'Estudio en tres planos. Las flechas arriba y abajo cambian de corte. El signo de interrogación muestra todas las teclas.',
    pictureLabel: 'Corte con las lesiones coloreadas',
    keysTitle: 'Teclado',
    keysHint: 'Las teclas funcionan en toda la página, salvo mientras se rellena un campo.',
    keysOn: 'Usar estas teclas',
    close: 'Cerrar',
    checkTitle: '¿Funciona aquí?',
    checkText:
      'Cada red calcula dos veces una parte del caso de demostración: en el dispositivo que usaría un análisis y en la CPU. Ambos deben decir lo mismo.',
    checkRun: 'Iniciar la prueba',
    checkAdapter: 'Lo que el navegador dice de la GPU',
    leavesTitle: 'Nada sale de este ordenador',
    leavesText:
      'El estudio se lee y se analiza en este navegador. La página se prohíbe toda conexión con otros sitios y cuenta lo que se intente de todos modos: ella misma, sus procesos o una extensión del navegador.',
    leavesOwn: 'De su propio sitio la página carga su programa y los pesos de las redes, y no envía nada allí.',
    leavesSeen: 'Visto hasta ahora',
  },
  steps: {
    engine: 'Iniciando el motor',
    open: 'Leyendo el archivo',
    weights: 'Cargando los pesos',
    prepare: 'Buscando los pulmones',
    tiles: 'Buscando lesiones',
    finish: 'Midiendo',
  },
  keys: {
    arrows: 'Mover la cruz en el corte axial',
    page: 'Un corte arriba, un corte abajo',
    pageShift: 'Diez cortes arriba, diez cortes abajo',
    ends: 'Primer corte, último corte',
    planes: 'Axial, coronal, sagital, todos los planos',
    windows: 'Ventana: pulmón, mediastino, hueso',
    overlay: 'Mostrar u ocultar las lesiones',
    opacity: 'Más o menos opaco',
    lesions: 'Lesión siguiente, lesión anterior',
    zoom: 'Ampliar, reducir',
    reset: 'Restablecer la vista',
    brush: 'Pincel para pintar, para borrar; otra vez: apagado',
    dab: 'Pintar o borrar en la cruz',
    undo: 'Deshacer la última corrección',
    help: 'Esta lista',
  },
  keyNames: { shift: 'Mayús', pageUp: 'Re Pág', pageDown: 'Av Pág', home: 'Inicio', end: 'Fin' },
  title: 'Pleura',
  deviceWaiting: 'Buscando una GPU…',
  deviceGpu: (name) => `GPU: ${name}`,
  deviceGpuSoftware: (name) => `Vía GPU sobre un adaptador de software: ${name}`,
  deviceCpu: (workers, reason) => `CPU${workers > 1 ? `, ${workers} procesos` : ''}: ${reason}`,
  deviceFailed: 'No se pudo iniciar el motor',
  cpuReason: (reason) => {
    switch (reason.code) {
      case 'asked':
        return 'según su elección';
      case 'no-webgpu':
        return 'este navegador no tiene WebGPU';
      case 'no-adapter':
        return 'el navegador no ofrece ninguna GPU';
      case 'software':
        return `${reason.name} es software, la CPU es más rápida`;
      case 'no-timestamps':
        return `${reason.name} no mide tiempos (timestamp queries)`;
      case 'failed':
        return `la GPU lo rechazó (${reason.name})`;
      case 'gave-up':
        return 'la GPU se detuvo';
    }
  },
  makingDemo: 'Generando el caso de ejemplo',
  finished: (seconds) => `Listo en ${seconds}`,
  cancelled: 'Cancelado. Elija «Analizar» para empezar de nuevo.',
  fromCache: 'del almacén de este navegador',
  megabytes: (done, total) => `${done} de ${total} MB`,
  timeLeft: (time) => `quedan unos ${time}`,
  seconds: (n) => `${n} s`,
  minutes: (n) => `${n} min`,
  tileWords: { model: 'modelo', slab: 'bloque', slice: 'corte' },
  recovery: (recovery, kept) => {
    const tiles = kept > 0 ? `; se ${kept === 1 ? 'conserva 1 parte terminada' : `conservan ${kept} partes terminadas`}` : '';
    switch (recovery) {
      case 'again':
        return `Una parte del motor se detuvo. El análisis sigue con otra nueva${tiles}.`;
      case 'smaller':
        return `El motor volvió a detenerse. El análisis sigue con menos memoria a la vez${tiles}.`;
      case 'fewer':
        return `El motor volvió a detenerse. El análisis sigue con menos procesos${tiles}.`;
      case 'cpu':
        return `El motor volvió a detenerse. El análisis sigue en la CPU${tiles}.`;
      case 'stop':
        return 'El motor se detuvo una y otra vez';
    }
  },
  recoveryCause: (cause) => `El mensaje fue: ${cause}`,
  stopAdvice:
    'Puede que este dispositivo tenga poca memoria para este estudio. Cerrar otras pestañas o elegir un solo método puede ayudar.',
  failed: (stage) => {
    switch (stage) {
      case 'engine':
        return 'No se pudo iniciar el motor';
      case 'demo':
        return 'No se pudo generar el caso de ejemplo';
      case 'weights':
        return 'No se pudieron cargar los pesos';
      case 'open':
        return 'Este archivo no se puede analizar';
      case 'prepare':
        return 'No se encontraron los pulmones';
      case 'finish':
        return 'No se pudo componer el resultado';
    }
  },
  tooManyFiles: (most: string) => `Hay más de ${most} archivos. Abra la carpeta de un solo estudio.`,
  seriesSlices: (slices: string, n: number) => `${slices} ${n === 1 ? 'corte' : 'cortes'}`,
  millimetres: (mm: string) => `${mm} mm`,
  seriesUnnamed: 'Serie sin nombre',
  noViewer: 'Este navegador no puede mostrar los planos (falta WebGL 2). El análisis y sus archivos no se ven afectados.',
  viewerLost:
    'La tarjeta gráfica interrumpió la vista. El análisis y sus archivos no se ven afectados: abra de nuevo el estudio para verlo.',
  cantShow: 'No hay vista previa de este archivo.',
  warning: (code, english) => WARNINGS[code] ?? english,
  right: 'Derecho',
  left: 'Izquierdo',
  both: 'Ambos',
  sliceOf: (slice, count) => `${slice} de ${count}`,
  sliceWithLesions: (slice, count, lesions) =>
    `corte ${slice} de ${count}${lesions === 0 ? '' : lesions === 1 ? ', una lesión' : `, ${lesions} lesiones`}`,
  hu: (value) => `${value} UH`,
  lungRight: 'pulmón derecho',
  lungLeft: 'pulmón izquierdo',
  networks: { normnet: 'NormNet', infnet: 'Inf-Net' },
  normnetLesion: 'Lesión (NormNet)',
  infection: 'Infección (Inf-Net)',
  ggo: 'vidrio deslustrado',
  consolidation: 'consolidación',
  headline: (network) => `de los pulmones marcado por ${network}`,
  volume: 'Volumen pulmonar',
  agreement: (dice) => `Concordancia de las dos redes: Dice ${dice}`,
  truthTitle: (file) => `Comparado con ${file}`,
  truthColumns: { dice: 'Dice', sensitivity: 'Sensibilidad', precision: 'Precisión' },
  truthOtherGrid: (file) => `${file} no tiene la cuadrícula del estudio y no se compara.`,
  thirdsTitle: 'Según la altura',
  thirds: { upper: 'Tercio superior', middle: 'Tercio medio', lower: 'Tercio inferior' },
  lesionsTitle: (network, n) => (n === 0 ? `${network}: lesiones` : `${network}: lesiones (${n})`),
  noLesions: 'Ninguna de 0,1 ml o más.',
  smaller: (n, ml) => `${n} ${n === 1 ? 'menor' : 'menores'}, ${ml} ml en total`,
  lesionColumns: { number: 'N.º', side: 'Pulmón', slices: 'Cortes', hu: 'UH media', ml: 'ml' },
  goTo: (network, n) => `Ir a la lesión ${n} de ${network}`,
  moreLesions: (n) => `Mostrar ${n} más`,
  histogramTitle: (network) => `UH de los pulmones según ${network} (escala de raíz cuadrada)`,
  healthy: 'pulmón sano',
  marked: 'infección',
  asTable: 'Como tabla',
  mostAt: (name, hu) => `${name} sobre todo cerca de ${hu}`,
  noVoxels: (name) => `${name}: ninguno`,
  from: (first, last) => `de ${first} a ${last}`,
  ml: (value) => `${value} ml`,
  percent: (value) => `${value} %`,
  saveReport: 'Informe (JSON)',
  saveRun: 'Registro de ejecución (JSON)',
  saveLesions: 'Lesiones (CSV)',
  print: 'Imprimir',
  saveLungs: 'Pulmones',
  saveNormnet: 'Lesiones NormNet',
  saveInfnet: 'Lesiones Inf-Net',
  saveLungsDicom: 'Pulmones (DICOM)',
  saveNormnetDicom: 'Lesiones NormNet (DICOM)',
  saveInfnetDicom: 'Lesiones Inf-Net (DICOM)',
  saveDoubt: 'Duda de NormNet de que el tejido sea sano',
  saveProbability: 'Probabilidad Inf-Net',
  saveClasses: 'Clases de lesión',
  share: 'Parte de la imagen',
  pixelCount: 'Píxeles',
  infected: 'marcado por Inf-Net',
  dims: (dims, spacing) => `${dims} vóxeles, ${spacing} mm`,
  pixels: (dims) => `${dims} píxeles`,
  thinned: 'mostrado con menor resolución',
  checkPreparing: 'Creando el caso de demostración y cargando los pesos…',
  checkComputing: (network: string, onCpu: boolean) => `${network} calcula en ${onCpu ? 'la CPU' : 'el dispositivo'}…`,
  checkAllowed: (largest: string, percent: string) =>
    `Las probabilidades, de 0 a 1, pueden diferir en ${largest}; las clases, en el ${percent} % de los píxeles.`,
  checkPassed: 'Funciona: el dispositivo y la CPU coinciden.',
  checkFailed: 'No funciona: el dispositivo y la CPU no coinciden. Elija CPU en «Más opciones».',
  checkBroken: (cause: string) => `La prueba no pudo terminar. ${cause}`,
  checkNoAdapter: 'No ofrece ninguna.',
  checkColumns: {
    network: 'Red',
    difference: 'Mayor diferencia',
    classes: 'Otra clase',
    device: 'Dispositivo',
    cpu: 'CPU',
    verdict: 'Resultado',
  },
  passed: 'superada',
  notPassed: 'no superada',
  correcting: 'Midiendo de nuevo',
  corrected: 'El resultado se ha corregido',
  notCorrected: 'El resultado no se pudo corregir',
  edited: (n: number) => `Editado a mano: ${n} ${n === 1 ? 'lesión eliminada' : 'lesiones eliminadas'}.`,
  painted: (n, added, removed) =>
    `Pintado a mano: ${n} ${n === 1 ? 'trazo' : 'trazos'}, ${added} vóxeles añadidos, ${removed} eliminados.`,
  removeLesion: (network: string, n: number) => `Eliminar la lesión ${n} de ${network}`,
  replay: {
    title: 'Registro de ejecución',
    waiting: (scan) =>
      `Abra ahora ${scan}, el estudio analizado. Se analiza de nuevo con las opciones registradas y se comparan las máscaras.`,
    notRead: 'El registro de ejecución no se puede usar',
    unfit: (file) => `${file} no es un registro de ejecución de este programa: elija el archivo que termina en _run.json.`,
    otherLayout: (file, layout) =>
      `${file} tiene el formato ${layout}, que esta versión no conoce: use la versión que lo escribió.`,
    notRun: 'No es la ejecución registrada',
    lungsGiven: 'En esa ejecución se dio una máscara de los pulmones, y la página no puede tomarla. Use «pleura replay» en la línea de comandos.',
    otherInput: (scan) =>
      `El estudio no es el que se analizó, ${scan}: su contenido es otro. Abra aquel, o elija «Analizar» para analizar este de todos modos.`,
    otherWeights: (models, version) =>
      `Esta página tiene otros pesos que la ejecución registrada, hecha por la versión ${version}: ${models}. «Analizar» sigue con los pesos de esta página.`,
    same: 'Igual que lo registrado',
    sameText: (n) => `Las máscaras de esta ejecución son las registradas, vóxel a vóxel (${n} de ${n}).`,
    differ: 'Distinto de lo registrado',
    differText: (n, all) => `${n} de ${all} máscaras difieren de la ejecución registrada:`,
    marked: (mask, then, now) => `${mask}, ${then} vóxeles marcados entonces, ${now} ahora`,
    otherValues: (mask, n) => `${mask}, ${n} vóxeles marcados como entonces, con otros valores`,
    devices: (then, now) => `Se registró en ${then}, y esto es ${now}: los dispositivos redondean de forma distinta.`,
  },
  leaves: (n) => `${n} ${n === 1 ? 'solicitud' : 'solicitudes'} a otros sitios`,
  leavesBlocked: 'bloqueada',
  leavesSent: 'enviada',
  follow,
};
