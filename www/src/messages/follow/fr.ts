/** The follow-up in French. */
import type { FollowMessages } from './en.ts';

const SOURCES = { given: 'saisie', report: 'de l’en-tête DICOM', 'file-name': 'du nom du fichier' };
const REMARKS: Record<string, string> = {
  edited: 'masques corrigés à la main.',
  lungs_cut: 'les poumons n’ont pas été examinés en entier : pourcentages, tiers et hauteurs sont ceux de la partie examinée.',
  slice_thickness: 'espacement des coupes différent. Les réseaux marquent différemment les coupes épaisses et fines.',
  lung_volume:
    'les volumes pulmonaires diffèrent de plus de 20 %, comme par une autre apnée. Un pourcentage peut changer sans que les lésions changent.',
  networks: 'ce ne sont pas les mêmes réseaux.',
  weights: 'd’autres poids ont été utilisés. Un changement peut en venir.',
  thresholds: 'd’autres seuils ont été utilisés. Un changement peut en venir.',
  version: 'analysés par des versions différentes du programme.',
};

export const follow: FollowMessages = {
  title: 'Suivi',
  offer: 'Mettre cet examen à côté d’un autre du même patient : quelle part de chaque poumon et de chaque tiers est marquée à chaque date, et ce qui a changé.',
  start: 'Comparer à une autre date',
  collecting: 'Chaque examen du même patient que vous ouvrez maintenant s’ajoute comme une autre date. Un rapport enregistré (JSON) seul donne des chiffres sans images.',
  waits: (name) => `${name} attend`,
  refused: (name, why) => `${name} n’a pas pu être analysé : ${why}`,
  show: 'Voir la comparaison',
  end: 'Terminer la comparaison',
  full: (most) => `Une comparaison contient ${most} dates. Retirez-en une d’abord.`,
  notAdded: 'Impossible de l’ajouter à la comparaison',
  basis:
    'Les pourcentages se rapportent au volume de chaque poumon et les tiers à sa hauteur, à chaque date. Les examens ne sont pas recalés : la même hauteur n’est pas le même tissu. C’est à vous de savoir qu’ils sont tous d’un même patient.',
  dates: 'Dates',
  dateOf: (name) => `Date de ${name}`,
  dateFrom: (source) => SOURCES[source],
  dateMissing: 'Quand a-t-il été fait ? Saisissez la date.',
  remove: (name) => `Retirer ${name} de la comparaison`,
  add: 'Ajouter une date',
  needTwo: 'Il faut deux examens datés. Ajoutez-en un ou saisissez la date qui manque.',
  comparing: 'Comparaison…',
  notCompared: (why) => `La comparaison a échoué. ${why}`,
  change: (what, before, after, points, days) =>
    `${what} : ${before} % → ${after} %, ${points} points en ${days} ${days === 1 ? 'jour' : 'jours'}`,
  ofLung: (network, lung) => `${network}, ${lung}`,
  lungs: { both: 'deux poumons', right: 'poumon droit', left: 'poumon gauche' },
  lungsShort: { both: 'Les deux', right: 'Droit', left: 'Gauche' },
  volume: 'Volume pulmonaire',
  tableTitle: (network) => `${network} : pourcentage du poumon, ml et changement en points`,
  toPrevious: (points) => `${points} par rapport à la date d’avant`,
  toFirst: (points) => `${points} par rapport à la première`,
  slicesTitle: 'Coupes à la même hauteur dans les poumons',
  slicesHint:
    'Liées par la hauteur relative : 0 % est la coupe la plus basse avec du poumon de chaque date, 100 % la plus haute. Ce n’est pas un recalage. Molette ou flèches.',
  height: 'Hauteur dans les poumons',
  heightAt: (percent) => `${percent} %`,
  leftPicture: 'Image de gauche',
  rightPicture: 'Image de droite',
  sliceAt: (slice, count, coarse) => `coupe ${slice} sur ${count}, à partir des pieds${coarse ? ', montrée plus grossière qu’elle n’est' : ''}`,
  noPicture: 'De cette date il n’y a que le rapport : rien à voir.',
  crowded: 'Les images des autres dates occupent déjà la mémoire prévue.',
  lostPicture: (why) => `Cette image ne peut pas être montrée. ${why}`,
  loading: 'Décompression…',
  chartTitle: 'Poumon marqué par les réseaux au fil du temps',
  chartAxis: '% du poumon',
  saveReport: 'Rapport de suivi (JSON)',
  saveTable: 'Tableau (CSV)',
  saveChart: 'Graphique (SVG)',
  print: 'Imprimer',
  remark: (code, when, english) => (REMARKS[code] === undefined ? english : `${when} : ${REMARKS[code]}`),
  oneOfEachDate: (n) => `Les ${n} dates, l’une après l’autre`,
};
