/** What is happening now: the step, the bar, the time left; and what went wrong. */
import { byId } from './dom.ts';
import { duration, megabytes } from './format.ts';
import type { ProgressView } from './progress.ts';
import { STEPS, TEXT } from './strings.ts';

export function showProgress(view: ProgressView, cached: boolean): void {
  const percent = Math.floor(100 * view.fraction);
  step(STEPS[view.step]);
  setBar(100 * view.fraction, percent);
  const line = byId('status-detail');
  line.textContent = detail(view, cached);
  line.dataset['tile'] = String(view.tilesDone);
  byId('status-left').textContent = view.secondsLeft === undefined ? '' : TEXT.timeLeft(duration(view.secondsLeft));
}

/** A step without a measure of its own. */
export function showBusy(title: string): void {
  step(title);
  byId('status-bar').removeAttribute('aria-valuenow');
  byId('status-bar').classList.add('busy');
  byId('status-detail').textContent = '';
  byId('status-left').textContent = '';
}

export function showDone(title: string): void {
  step(title);
  byId('status').classList.add('done');
}

export function hideStatus(): void {
  byId('status').hidden = true;
}

export function showMessage(title: string, text: string, kind: 'problem' | 'note'): void {
  const box = byId('message');
  box.className = `card message ${kind}`;
  byId('message-title').textContent = title;
  byId('message-text').textContent = text;
  box.hidden = false;
}

export function hideMessage(): void {
  byId('message').hidden = true;
}

/** The title is a live region: it changes only when the step does. */
function step(title: string): void {
  byId('status').hidden = false;
  byId('status').classList.remove('done');
  const heading = byId('status-title');
  if (heading.textContent !== title) heading.textContent = title;
}

function setBar(width: number, percent: number): void {
  const bar = byId('status-bar');
  bar.classList.remove('busy');
  bar.setAttribute('aria-valuenow', String(percent));
  (bar.firstElementChild as HTMLElement).style.width = `${width.toFixed(2)}%`;
}

function detail(view: ProgressView, cached: boolean): string {
  switch (view.step) {
    case 'weights': {
      const amount = TEXT.megabytes(megabytes(view.bytes.done), megabytes(view.bytes.total));
      return cached ? `${amount}, ${TEXT.fromCache}` : amount;
    }
    case 'tiles':
      return view.label;
    default:
      return '';
  }
}
