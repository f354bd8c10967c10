/** Ways a file comes in: dropped anywhere on the page, or chosen. */
import { byId } from './dom.ts';

export interface IntakeEvents {
  files(files: File[]): void;
}

export function listen(events: IntakeEvents): void {
  const input = byId<HTMLInputElement>('file-input');
  input.addEventListener('change', () => {
    const files = [...(input.files ?? [])];
    // The same file must count as a change when it is chosen again.
    input.value = '';
    if (files.length > 0) events.files(files);
  });
  for (const button of document.querySelectorAll('[data-action="open"]')) {
    button.addEventListener('click', () => input.click());
  }
  listenForDrops(events);
}

function listenForDrops(events: IntakeEvents): void {
  const overlay = byId('drop-overlay');
  const drop = byId('drop');
  const show = (on: boolean): void => {
    overlay.hidden = !on;
    drop.classList.toggle('over', on);
  };
  window.addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    show(true);
  });
  window.addEventListener('dragleave', (event) => {
    // Leaving one element for another has a related target; leaving the window has none.
    if (event.relatedTarget === null) show(false);
  });
  // In the capture phase: the drop may happen over the viewer, which has its own ideas.
  window.addEventListener(
    'drop',
    (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      event.stopPropagation();
      show(false);
      const files = [...(event.dataTransfer?.files ?? [])];
      if (files.length > 0) events.files(files);
    },
    { capture: true },
  );
}

function hasFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes('Files') ?? false;
}
