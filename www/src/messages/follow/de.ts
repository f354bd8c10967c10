/** The follow-up in German. */
import type { FollowMessages } from './en.ts';

const SOURCES = { given: 'eingegeben', report: 'aus dem DICOM-Kopf', 'file-name': 'aus dem Dateinamen' };
const REMARKS: Record<string, string> = {
  edited: 'Masken wurden von Hand korrigiert.',
  lungs_cut: 'nicht die ganzen Lungen wurden aufgenommen: Prozente, Drittel und Höhen sind die des aufgenommenen Teils.',
  slice_thickness: 'verschiedener Schichtabstand. Die Netze markieren dicke und dünne Schichten unterschiedlich.',
  lung_volume:
    'die Lungenvolumen unterscheiden sich um mehr als 20 %, wie bei anderer Atemlage. Ein Prozentwert kann sich ändern, obwohl die Läsionen gleich sind.',
  networks: 'es liefen nicht dieselben Netze.',
  weights: 'es wurden andere Gewichte verwendet. Eine Änderung kann daher kommen.',
  thresholds: 'es wurden andere Schwellen verwendet. Eine Änderung kann daher kommen.',
  version: 'verschiedene Programmversionen haben sie ausgewertet.',
};

export const follow: FollowMessages = {
  title: 'Verlauf',
  offer: 'Diese Aufnahme neben eine andere desselben Patienten stellen: wie viel von jeder Lunge und jedem Drittel an jedem Tag markiert ist, und was sich geändert hat.',
  start: 'Mit anderem Datum vergleichen',
  collecting: 'Jede Aufnahme desselben Patienten, die Sie jetzt öffnen, kommt als weiteres Datum hinzu. Ein gespeicherter Bericht (JSON) allein gibt Zahlen ohne Bilder.',
  waits: (name) => `${name} wartet`,
  refused: (name, why) => `${name} konnte nicht ausgewertet werden: ${why}`,
  show: 'Vergleich zeigen',
  end: 'Vergleich beenden',
  full: (most) => `Ein Vergleich fasst ${most} Daten. Entfernen Sie erst eines.`,
  notAdded: 'Das konnte nicht zum Vergleich hinzugefügt werden',
  basis:
    'Prozente beziehen sich auf das eigene Volumen jeder Lunge, Drittel auf ihre eigene Höhe, an jedem Tag. Die Aufnahmen sind nicht registriert: gleiche Höhe ist nicht gleiches Gewebe. Dass alle von einem Patienten sind, müssen Sie wissen.',
  dates: 'Daten',
  dateOf: (name) => `Datum von ${name}`,
  dateFrom: (source) => SOURCES[source],
  dateMissing: 'Wann wurde sie gemacht? Bitte das Datum eintragen.',
  remove: (name) => `${name} aus dem Vergleich entfernen`,
  add: 'Datum hinzufügen',
  needTwo: 'Es braucht zwei Aufnahmen mit Datum. Fügen Sie eine hinzu, oder tragen Sie das fehlende Datum ein.',
  comparing: 'Wird verglichen …',
  notCompared: (why) => `Der Vergleich gelang nicht. ${why}`,
  change: (what, before, after, points, days) =>
    `${what}: ${before} % → ${after} %, ${points} Punkte in ${days} ${days === 1 ? 'Tag' : 'Tagen'}`,
  ofLung: (network, lung) => `${network}, ${lung}`,
  lungs: { both: 'beide Lungen', right: 'rechte Lunge', left: 'linke Lunge' },
  lungsShort: { both: 'Beide', right: 'Rechts', left: 'Links' },
  volume: 'Lungenvolumen',
  tableTitle: (network) => `${network}: Prozent der Lunge, ml und Änderung in Prozentpunkten`,
  toPrevious: (points) => `${points} zum Datum davor`,
  toFirst: (points) => `${points} zum ersten`,
  slicesTitle: 'Schichten auf gleicher Höhe in den Lungen',
  slicesHint:
    'Verknüpft über die relative Höhe: 0 % ist an jedem Tag die unterste Schicht mit Lunge, 100 % die oberste. Das ist keine Registrierung. Mausrad oder Pfeiltasten.',
  height: 'Höhe in den Lungen',
  heightAt: (percent) => `${percent} %`,
  leftPicture: 'Linkes Bild',
  rightPicture: 'Rechtes Bild',
  sliceAt: (slice, count, coarse) => `Schicht ${slice} von ${count}, von den Füßen her${coarse ? ', gröber gezeigt, als sie ist' : ''}`,
  noPicture: 'Von diesem Tag gibt es nur den Bericht, also nichts zu sehen.',
  crowded: 'Die Bilder der anderen Tage brauchen schon den Speicher, der für sie da ist.',
  lostPicture: (why) => `Dieses Bild lässt sich nicht zeigen. ${why}`,
  loading: 'Wird entpackt …',
  chartTitle: 'Von den Netzen markierte Lunge im Verlauf',
  chartAxis: '% der Lunge',
  saveReport: 'Verlaufsbericht (JSON)',
  saveTable: 'Tabelle (CSV)',
  saveChart: 'Diagramm (SVG)',
  print: 'Drucken',
  remark: (code, when, english) => (REMARKS[code] === undefined ? english : `${when}: ${REMARKS[code]}`),
  oneOfEachDate: (n) => `Alle ${n} Tage nacheinander`,
};
