/** Ways a file or folder comes in: dropped anywhere on the page, or chosen. */
import { byId } from './dom.ts';
import { fromEntries, fromField, type Opened } from './folder.ts';

export interface IntakeEvents {
  opened(opened: Opened): void;
  /** What was dropped or chosen can't be listed. */
  refused(error: unknown): void;
}

export function listen(events: IntakeEvents): void {
  const take = async (list: () => Opened | undefined | Promise<Opened | undefined>): Promise<void> => {
    try {
      const opened = await list();
      if (opened !== undefined) events.opened(opened);
    } catch (error) {
      events.refused(error);
    }
  };
  for (const kind of ['file', 'folder'] as const) listenForChoice(kind, take);
  listenForDrops(take);
}

type Take = (list: () => Opened | undefined | Promise<Opened | undefined>) => Promise<void>;

function listenForChoice(kind: 'file' | 'folder', take: Take): void {
  const input = byId<HTMLInputElement>(`${kind}-input`);
  input.addEventListener('change', () => {
    const files = [...(input.files ?? [])];
    // The same file must count as a change when it is chosen again.
    input.value = '';
    void take(() => fromField(files));
  });
  for (const button of document.querySelectorAll<HTMLElement>(`[data-action="open-${kind}"]`)) {
    button.addEventListener('click', () => input.click());
    button.hidden = kind === 'folder' && !('webkitdirectory' in input);
  }
}

function listenForDrops(take: Take): void {
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
      const entries = [...(event.dataTransfer?.items ?? [])].flatMap((item) => item.webkitGetAsEntry() ?? []);
      const files = [...(event.dataTransfer?.files ?? [])];
      // What comes from no file system, such as a picture out of another page, has no entry.
      void take(() => (entries.length > 0 ? fromEntries(entries) : fromField(files)));
    },
    { capture: true },
  );
}

function hasFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes('Files') ?? false;
}
