/** The follow-up's Worker: it compares reports by the engine, and draws slices of two scans. */
import { FollowUp, report_date } from '../../pkg/pleura.js';
import type { FoundDate, FromFollow, Kind, Questions, Side, ToFollow } from '../follow/protocol.ts';
import { Slices } from '../follow/slices.ts';
import { gunzip } from '../unpack.ts';
import { instantiate, listen, scope, text } from './scope.ts';

const shown: Partial<Record<Side, Slices>> = {};
let compared: FollowUp | undefined;

listen<ToFollow>(async (message) => {
  try {
    const answer = await answerTo(message);
    const transfer = typeof answer === 'object' && answer !== null && 'pixels' in answer ? [answer.pixels.buffer] : [];
    post({ type: 'answer', id: message.id, answer }, transfer);
  } catch (error) {
    // A trap leaves the module's memory in doubt: the page then starts a new Worker.
    if (error instanceof WebAssembly.RuntimeError) throw error;
    post({ type: 'failed', id: message.id, message: text(error) });
  }
});

function post(message: FromFollow, transfer: Transferable[] = []): void {
  scope.postMessage(message, transfer);
}

async function answerTo(message: ToFollow): Promise<Questions[Kind]['answer']> {
  switch (message.type) {
    case 'start':
      await instantiate(message.module);
      return null;
    case 'date':
      return JSON.parse(report_date(message.name, message.report)) as FoundDate | null;
    case 'compare': {
      const next = FollowUp.of(message.names, message.reports, message.dates);
      compared?.free();
      compared = next;
      return { json: next.json(), csv: next.csv() };
    }
    case 'chart':
      if (compared === undefined) throw new Error('nothing was compared');
      return compared.svg(JSON.stringify(message.texts));
    case 'load': {
      // What was there goes before another one takes its memory.
      delete shown[message.side];
      const [scan, ...masks] = await Promise.all([message.scan, ...message.masks.map(({ file }) => file)].map(gunzip));
      if (scan === undefined) throw new Error('there is no scan');
      const named = (name: string) => masks[message.masks.findIndex((mask) => mask.name.endsWith(`_${name}.nii.gz`))];
      const found = (['lungs', 'normnet', 'infnet'] as const).flatMap((name) => {
        const mask = named(name);
        return mask === undefined ? [] : [[name, mask] as const];
      });
      const slices = Slices.of(scan, Object.fromEntries(found));
      shown[message.side] = slices;
      return slices.about;
    }
    case 'draw': {
      const slices = shown[message.side];
      if (slices === undefined) throw new Error('no scan is open');
      return slices.draw(message.slice, message.window, message.view, message.opacity);
    }
  }
}
