/** What an analysis gave: kept, so that it can be said again in another language. */
import { byId } from './dom.ts';
import type { Areas } from './picture.ts';
import type { NamedBytes, Warning } from './protocol.ts';
import type { Report } from './report.ts';
import { hideFindings, showAreas, showFindings, showTruth, showWarnings, type LesionActions } from './results.ts';
import { reportButtons, saveButtons } from './saves.ts';
import type { Stage } from './stage.ts';
import { onLanguage } from './strings.ts';
import { stopsOf, Tour } from './tour.ts';
import type { Comparison } from './truth.ts';

export class Outcome {
  readonly tour = new Tour((lesion) => this.stage.goTo(lesion.centroid_mm));
  private warnings: Warning[] = [];
  private files: NamedBytes[] = [];
  private report: Report | undefined;
  private areas: Areas | undefined;
  private truth: { name: string; comparison: Comparison | undefined } | undefined;

  constructor(
    private readonly stage: Stage,
    private readonly edits: Omit<LesionActions, 'goTo'>,
  ) {
    onLanguage(() => this.render());
  }

  clear(): void {
    this.warnings = [];
    this.files = [];
    this.report = undefined;
    this.areas = undefined;
    this.truth = undefined;
    this.tour.set([]);
    this.stage.controls.ruler.setMarks([]);
    hideFindings();
    byId('saves').hidden = true;
  }

  /** What the engine warns of before it has analysed anything. */
  setWarnings(warnings: Warning[]): void {
    this.warnings = warnings;
    this.render();
  }

  setFiles(files: NamedBytes[]): void {
    this.files = files;
    this.render();
  }

  setReport(report: Report): void {
    this.report = report;
    this.warnings = report.warnings;
    const stops = stopsOf(report);
    this.tour.set(stops);
    this.stage.controls.ruler.setMarks(stops.map(({ network, lesion }) => ({ network, slices: lesion.slices })));
    this.render();
  }

  setAreas(areas: Areas): void {
    this.areas = areas;
    this.render();
  }

  setTruth(name: string, comparison: Comparison | undefined): void {
    this.truth = { name, comparison };
    this.render();
  }

  private render(): void {
    if (this.warnings.length > 0) showWarnings(this.warnings);
    if (this.files.length > 0) {
      const reported = this.files.find(({ name }) => name.endsWith('_report.json'));
      const made = this.report !== undefined && reported !== undefined ? reportButtons(this.report, reported.name) : [];
      byId('save-buttons').replaceChildren(...saveButtons(this.files));
      byId('save-dicom-hint').hidden = !this.files.some(({ name }) => name.endsWith('.dcm'));
      byId('report-buttons').replaceChildren(...made);
      byId('saves').hidden = false;
    }
    if (this.areas !== undefined) showAreas(this.areas);
    if (this.truth !== undefined) showTruth(this.truth.name, this.truth.comparison);
    if (this.report !== undefined) showFindings(this.report, { ...this.edits, goTo: (lesion) => this.tour.start(lesion) });
  }
}
