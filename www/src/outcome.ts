/** What an analysis gave: kept, so that it can be said again in another language. */
import { byId } from './dom.ts';
import type { Areas } from './picture.ts';
import type { NamedBytes, Warning } from './protocol.ts';
import type { Report } from './report.ts';
import { hideFindings, showAreas, showFindings, showWarnings, type GoTo } from './results.ts';
import { saveButtons } from './saves.ts';
import { onLanguage } from './strings.ts';

export class Outcome {
  private warnings: Warning[] = [];
  private files: NamedBytes[] = [];
  private report: Report | undefined;
  private areas: Areas | undefined;

  constructor(private readonly goTo: GoTo) {
    onLanguage(() => this.render());
  }

  clear(): void {
    this.warnings = [];
    this.files = [];
    this.report = undefined;
    this.areas = undefined;
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
    this.render();
  }

  setAreas(areas: Areas): void {
    this.areas = areas;
    this.render();
  }

  private render(): void {
    if (this.warnings.length > 0) showWarnings(this.warnings);
    if (this.files.length > 0) {
      byId('save-buttons').replaceChildren(...saveButtons(this.files));
      byId('saves').hidden = false;
    }
    if (this.areas !== undefined) showAreas(this.areas);
    if (this.report !== undefined) showFindings(this.report, this.goTo);
  }
}
