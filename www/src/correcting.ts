/** Lesions that the person takes away: the result as it is now, and the way back. */
import { byId } from './dom.ts';
import { messageOf } from './engine/events.ts';
import { Corrector, type Corrected, type Finished } from './engine/corrector.ts';
import type { NamedBytes, Removal } from './protocol.ts';
import { showBusy, showDone, showMessage } from './status.ts';
import { TEXT } from './strings.ts';

export class Correcting {
  private corrector: Corrector | undefined;
  private files: NamedBytes[] = [];

  constructor(
    /** Shows a result in the place of the one before. */
    private readonly present: (report: string, files: NamedBytes[]) => Promise<void>,
  ) {}

  /** From now on the lesions of this analysis can be taken away. */
  begin(finished: Finished): void {
    this.clear();
    this.files = finished.made;
    this.corrector = new Corrector(finished);
  }

  clear(): void {
    this.corrector?.end();
    this.corrector = undefined;
    byId('details').inert = false;
  }

  remove(removal: Removal): void {
    void this.change((corrector) => corrector.remove(removal));
  }

  undo(): void {
    void this.change((corrector) => corrector.undo());
  }

  private async change(act: (corrector: Corrector) => Promise<Corrected>): Promise<void> {
    const { corrector } = this;
    if (corrector === undefined) return;
    showBusy(() => TEXT.correcting);
    // The lists are about to change: nothing more is taken from those that are seen.
    byId('details').inert = true;
    try {
      const corrected = await act(corrector);
      if (corrector !== this.corrector) return;
      this.files = this.files.map((file) => corrected.files.find(({ name }) => name === file.name) ?? file);
      await this.present(corrected.report, this.files);
      showDone(() => TEXT.corrected);
    } catch (error) {
      if (corrector !== this.corrector) return;
      showDone(() => TEXT.notCorrected);
      showMessage(() => TEXT.notCorrected, () => messageOf(error), 'problem');
    }
    byId('details').inert = false;
    (document.getElementById('undo') ?? byId('results-title')).focus();
  }
}
