/** The correcting Worker: it holds a scan with its masks, changes them as the person wants, and measures again. */
import { Correction, type Outcome } from '../../pkg/pleura.js';
import type { Edit, FromCorrect, NamedBytes, ToCorrect } from '../protocol.ts';
import { readFiles } from './files.ts';
import { instantiate, listen, own, scope, text } from './scope.ts';

let opened: Correction | undefined;

listen<ToCorrect>(async (message) => {
  try {
    switch (message.type) {
      case 'open':
        await instantiate(message.module);
        opened = await open(message);
        apply(opened, message.edits);
        post({ type: 'opened' });
        return;
      case 'edit':
        if (opened === undefined) throw new Error('no scan is open');
        apply(opened, message.edits);
        answer(opened.outcome());
        return;
    }
  } catch (error) {
    // A trap leaves the module's memory in doubt: the page then starts a new Worker.
    if (error instanceof WebAssembly.RuntimeError) throw error;
    post({ type: 'failed', message: text(error) });
  }
});

function post(message: FromCorrect, transfer: Transferable[] = []): void {
  scope.postMessage(message, transfer);
}

function apply(correction: Correction, edits: Edit[]): void {
  for (const edit of edits) {
    if (edit.type === 'remove') correction.remove(edit.network, edit.listed);
    else if (edit.type === 'paint') correction.paint(JSON.stringify(edit));
    else correction.undo();
  }
}

async function open({ name, files, series, made }: Extract<ToCorrect, { type: 'open' }>): Promise<Correction> {
  const { names, bytes } = await readFiles(files);
  const find = (end: string): NamedBytes | undefined => made.find((file) => file.name.endsWith(end));
  const [lungs, report] = [find('_lungs.nii.gz'), find('_report.json')];
  if (lungs === undefined || report === undefined) throw new Error('the lungs or the report are missing');
  const [normnet, infnet] = [find('_normnet.nii.gz'), find('_infnet.nii.gz')];
  return Correction.open(name, names, bytes, series, lungs.bytes, normnet?.bytes, infnet?.bytes, report.bytes);
}

function answer(outcome: Outcome): void {
  const files: NamedBytes[] = outcome.files().map((name) => ({ name, bytes: own(outcome.file(name)) }));
  const report = outcome.report();
  outcome.free();
  post({ type: 'corrected', report, files }, files.map((file) => file.bytes.buffer));
}
