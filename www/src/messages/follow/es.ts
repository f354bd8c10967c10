/** The follow-up in Spanish. */
import type { FollowMessages } from './en.ts';

const SOURCES = { given: 'escrita', report: 'de la cabecera DICOM', 'file-name': 'del nombre del archivo' };
const REMARKS: Record<string, string> = {
  edited: 'máscaras corregidas a mano.',
  lungs_cut: 'no se exploraron los pulmones enteros: porcentajes, tercios y alturas son los de la parte explorada.',
  slice_thickness: 'cortes con distinta separación. Las redes marcan de forma distinta los cortes gruesos y los finos.',
  lung_volume:
    'los volúmenes pulmonares difieren en más del 20 %, como por otra apnea. Un porcentaje puede cambiar sin que cambien las lesiones.',
  networks: 'no se usaron las mismas redes.',
  weights: 'se usaron otros pesos. Un cambio puede venir de ellos.',
  thresholds: 'se usaron otros umbrales. Un cambio puede venir de ellos.',
  version: 'los analizaron versiones distintas del programa.',
};

export const follow: FollowMessages = {
  title: 'Seguimiento',
  offer: 'Ponga este estudio junto a otro del mismo paciente: qué parte de cada pulmón y de cada tercio está marcada en cada fecha, y qué ha cambiado.',
  start: 'Comparar con otra fecha',
  collecting: 'Cada estudio del mismo paciente que abra ahora se añade como otra fecha. Un informe guardado (JSON) solo da cifras sin imágenes.',
  waits: (name) => `${name} espera`,
  refused: (name, why) => `${name} no se pudo analizar: ${why}`,
  show: 'Ver la comparación',
  end: 'Terminar la comparación',
  full: (most) => `Una comparación admite ${most} fechas. Quite una antes.`,
  notAdded: 'No se pudo añadir a la comparación',
  basis:
    'Los porcentajes son del volumen de cada pulmón, y los tercios de su altura, en cada fecha. Los estudios no están registrados: la misma altura no es el mismo tejido. Que todos sean de un mismo paciente debe saberlo usted.',
  dates: 'Fechas',
  dateOf: (name) => `Fecha de ${name}`,
  dateFrom: (source) => SOURCES[source],
  dateMissing: '¿Cuándo se hizo? Escriba la fecha.',
  remove: (name) => `Quitar ${name} de la comparación`,
  add: 'Añadir una fecha',
  needTwo: 'Hacen falta dos estudios con fecha. Añada uno o escriba la fecha que falta.',
  comparing: 'Comparando…',
  notCompared: (why) => `No se pudieron comparar. ${why}`,
  change: (what, before, after, points, days) =>
    `${what}: ${before} % → ${after} %, ${points} puntos en ${days} ${days === 1 ? 'día' : 'días'}`,
  ofLung: (network, lung) => `${network}, ${lung}`,
  lungs: { both: 'ambos pulmones', right: 'pulmón derecho', left: 'pulmón izquierdo' },
  lungsShort: { both: 'Ambos', right: 'Derecho', left: 'Izquierdo' },
  volume: 'Volumen pulmonar',
  tableTitle: (network) => `${network}: porcentaje del pulmón, ml y cambio en puntos porcentuales`,
  toPrevious: (points) => `${points} respecto a la fecha anterior`,
  toFirst: (points) => `${points} respecto a la primera`,
  slicesTitle: 'Cortes a la misma altura de los pulmones',
  slicesHint:
    'Enlazados por la altura relativa: 0 % es el corte más bajo con pulmón de cada fecha, 100 % el más alto. No es un registro. Rueda o teclas de flecha.',
  height: 'Altura en los pulmones',
  heightAt: (percent) => `${percent} %`,
  leftPicture: 'Imagen izquierda',
  rightPicture: 'Imagen derecha',
  sliceAt: (slice, count, coarse) => `corte ${slice} de ${count}, desde los pies${coarse ? ', mostrado más grueso de lo que es' : ''}`,
  noPicture: 'De esta fecha solo hay el informe: no hay nada que ver.',
  crowded: 'Las imágenes de las otras fechas ya ocupan la memoria que hay para ellas.',
  lostPicture: (why) => `Esta imagen no se puede mostrar. ${why}`,
  loading: 'Descomprimiendo…',
  chartTitle: 'Pulmón marcado por las redes a lo largo del tiempo',
  chartAxis: '% del pulmón',
  saveReport: 'Informe de seguimiento (JSON)',
  saveTable: 'Tabla (CSV)',
  saveChart: 'Gráfico (SVG)',
  print: 'Imprimir',
  remark: (code, when, english) => (REMARKS[code] === undefined ? english : `${when}: ${REMARKS[code]}`),
  oneOfEachDate: (n) => `Las ${n} fechas, una tras otra`,
};
