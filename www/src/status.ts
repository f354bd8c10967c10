/** What is happening now: the step, the bar, the time left; and what went wrong. */
import { byId } from './dom.ts';
import { duration, megabytes, tileName } from './format.ts';
import type { ProgressView } from './progress.ts';
import { onLanguage, TEXT } from './strings.ts';

/** A text that is asked for again when the language changes. */
export type Text = () => string;

let title: Text = () => '';
let message: [title: Text, text: Text] = [title, title];

onLanguage(() => {
  byId('status-title').textContent = title();
  fillMessage();
});

export function showProgress(view: ProgressView, cached: boolean): void {
  const percent = Math.floor(100 * view.fraction);
  step(() => TEXT.steps[view.step]);
  setBar(100 * view.fraction, percent);
  const line = byId('status-detail');
  line.textContent = detail(view, cached);
  line.dataset['tile'] = String(view.tilesDone);
  byId('status-left').textContent = view.secondsLeft === undefined ? '' : TEXT.timeLeft(duration(view.secondsLeft));
}

/** A step without a measure of its own. */
export function showBusy(text: Text): void {
  step(text);
  byId('status-bar').removeAttribute('aria-valuenow');
  byId('status-bar').classList.add('busy');
  byId('status-detail').textContent = '';
  byId('status-left').textContent = '';
}

export function showDone(text: Text): void {
  step(text);
  byId('status').classList.add('done');
}

export function hideStatus(): void {
  byId('status').hidden = true;
}

export function showMessage(heading: Text, text: Text, kind: 'problem' | 'note'): void {
  const box = byId('message');
  box.className = `card message ${kind}`;
  message = [heading, text];
  fillMessage();
  box.hidden = false;
}

function fillMessage(): void {
  byId('message-title').textContent = message[0]();
  byId('message-text').textContent = message[1]();
}

export function hideMessage(): void {
  byId('message').hidden = true;
}

/** The title is a live region: it changes only when the step does. */
function step(text: Text): void {
  title = text;
  byId('status').hidden = false;
  byId('status').classList.remove('done');
  const heading = byId('status-title');
  if (heading.textContent !== title()) heading.textContent = title();
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
      return tileName(view.label);
    default:
      return '';
  }
}
