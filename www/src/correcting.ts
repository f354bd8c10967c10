/** What the person changes in the masks: one thing after the other, the result as it is now, and the way back. */
import { byId } from './dom.ts';
import { messageOf } from './engine/events.ts';
import { Corrector, type Finished } from './engine/corrector.ts';
import type { Edit, NamedBytes } from './protocol.ts';
import { showBusy, showDone, showMessage } from './status.ts';
import { TEXT } from './strings.ts';

export interface CorrectingEvents {
  /** Shows a result in the place of the one before. */
  present(report: string, files: NamedBytes[]): Promise<void>;
  /** Everything that was asked for is in the result, or could not be. */
  settled(): void;
}

export class Correcting {
  private corrector: Corrector | undefined;
  private files: NamedBytes[] = [];
  /** Asked for while an earlier edit is measured: done together after it. */
  private waiting: Edit[] = [];
  private busy = false;

  constructor(private readonly heard: CorrectingEvents) {}

  /** From now on the masks of this analysis can be changed. */
  begin(finished: Finished): void {
    this.clear();
    this.files = finished.made;
    this.corrector = new Corrector(finished);
  }

  clear(): void {
    this.corrector?.end();
    this.corrector = undefined;
    this.waiting = [];
    this.busy = false;
    byId('details').inert = false;
  }

  edit(edit: Edit): void {
    if (this.corrector === undefined) return;
    this.waiting.push(edit);
    if (!this.busy) void this.work(this.corrector);
  }

  private async work(corrector: Corrector): Promise<void> {
    this.busy = true;
    const fromList = ['details', 'edited'].some((id) => byId(id).contains(document.activeElement));
    showBusy(() => TEXT.correcting);
    // The lists are about to change: nothing more is taken from those that are seen.
    byId('details').inert = true;
    try {
      while (this.waiting.length > 0) {
        const corrected = await corrector.edit(this.waiting.splice(0));
        if (corrector !== this.corrector) return;
        this.files = this.files.map((file) => corrected.files.find(({ name }) => name === file.name) ?? file);
        await this.heard.present(corrected.report, this.files);
        if (corrector !== this.corrector) return;
      }
      showDone(() => TEXT.corrected);
    } catch (error) {
      if (corrector !== this.corrector) return;
      this.waiting = [];
      showDone(() => TEXT.notCorrected);
      showMessage(() => TEXT.notCorrected, () => messageOf(error), 'problem');
    }
    this.busy = false;
    byId('details').inert = false;
    this.heard.settled();
    // The button that was pressed is gone with its list.
    if (fromList) (document.getElementById('undo') ?? byId('results-title')).focus();
  }
}
