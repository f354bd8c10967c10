/** The keyboard: one table of keys, heard anywhere on the page and listed in a dialog. */
import type { BrushMode } from './brush.ts';
import { byId, make } from './dom.ts';
import { onLanguage, TEXT } from './strings.ts';
import type { Plane } from './viewer.ts';
import type { WindowName } from './windows.ts';

export interface Actions {
  /** Voxels on the axial picture, to its right and up. */
  move(right: number, up: number): void;
  slices(by: number): void;
  lastSlice(last: boolean): void;
  plane(plane: Plane): void;
  window(name: WindowName): void;
  toggleOverlay(): void;
  opacity(by: number): void;
  lesion(by: number): void;
  zoom(factor: number): void;
  reset(): void;
  brush(mode: BrushMode): void;
  /** The brush once, where the crosshair is. */
  dab(): void;
  undo(): void;
}

type Act = (on: Actions) => void;

const MANY_SLICES = 10;
const OPACITY_STEP = 10;
export const ZOOM_STEP = 1.25;
/** Where the wish to have no keys is kept. */
const STORE = 'pleura-keys';

/** What a key does, by `KeyboardEvent.key`; letters are small. */
export const KEYS: Record<string, Act> = {
  ArrowUp: (on) => on.slices(1),
  ArrowDown: (on) => on.slices(-1),
  'Shift+ArrowUp': (on) => on.move(0, 1),
  'Shift+ArrowDown': (on) => on.move(0, -1),
  'Shift+ArrowLeft': (on) => on.move(-1, 0),
  'Shift+ArrowRight': (on) => on.move(1, 0),
  PageUp: (on) => on.slices(MANY_SLICES),
  PageDown: (on) => on.slices(-MANY_SLICES),
  Home: (on) => on.lastSlice(false),
  End: (on) => on.lastSlice(true),
  1: (on) => on.plane('axial'),
  2: (on) => on.plane('coronal'),
  3: (on) => on.plane('sagittal'),
  4: (on) => on.plane('all'),
  l: (on) => on.window('lung'),
  m: (on) => on.window('mediastinum'),
  b: (on) => on.window('bone'),
  o: (on) => on.toggleOverlay(),
  '.': (on) => on.opacity(OPACITY_STEP),
  ',': (on) => on.opacity(-OPACITY_STEP),
  n: (on) => on.lesion(1),
  p: (on) => on.lesion(-1),
  '+': (on) => on.zoom(ZOOM_STEP),
  '-': (on) => on.zoom(1 / ZOOM_STEP),
  0: (on) => on.reset(),
  d: (on) => on.brush('add'),
  e: (on) => on.brush('erase'),
  x: (on) => on.dab(),
  u: (on) => on.undo(),
};

/** The keys of the list beside what they do. */
function list(): [keys: string[], what: string][] {
  const { keyNames: name, keys: what } = TEXT;
  const shifted = `${name.shift} + `;
  return [
    [['↑', '↓'], what.page],
    [[name.pageUp, name.pageDown], what.pageShift],
    [[name.home, name.end], what.ends],
    [[`${shifted}← → ↑ ↓`], what.arrows],
    [['1', '2', '3', '4'], what.planes],
    [['L', 'M', 'B'], what.windows],
    [['O'], what.overlay],
    [['.', ','], what.opacity],
    [['N', 'P'], what.lesions],
    [['+', '−'], what.zoom],
    [['0'], what.reset],
    [['D', 'E'], what.brush],
    [['X'], what.dab],
    [['U'], what.undo],
    [['?'], what.help],
  ];
}

/** `ready` says whether there is a scan for the keys to act on. */
export function startKeys(actions: Actions, ready: () => boolean): void {
  const dialog = byId<HTMLDialogElement>('keys');
  const switched = byId<HTMLInputElement>('keys-on');
  switched.checked = stored() !== 'off';
  switched.addEventListener('change', () => store(switched.checked ? 'on' : 'off'));
  byId('keys-open').addEventListener('click', () => dialog.showModal());
  fillList();
  onLanguage(fillList);
  // Before the viewer hears of it, which has keys of its own.
  document.addEventListener('keydown', (event) => hear(event), { capture: true });

  function hear(event: KeyboardEvent): void {
    if (!switched.checked || dialog.open || isForOthers(event)) return;
    if (event.key === '?' && within(event, TYPED) === null) {
      event.preventDefault();
      dialog.showModal();
      return;
    }
    if (within(event, FIELDS) !== null) return;
    const act = KEYS[nameOf(event)];
    if (act === undefined || !ready()) return;
    event.preventDefault();
    act(actions);
  }
}

function nameOf(event: KeyboardEvent): string {
  if (event.key.startsWith('Arrow')) return event.shiftKey ? `Shift+${event.key}` : event.key;
  // Where plus needs no Shift, equals stands on its key on other keyboards.
  return event.key === '=' ? '+' : event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

/** Where text is typed, and the dialogs. */
const TYPED = 'input:not([type="range"], [type="checkbox"], [type="file"]), textarea, [contenteditable], dialog';
/** Fields and sliders keep their keys. */
const FIELDS = 'input, select, textarea, [role="slider"], [contenteditable], dialog';

/** The browser keeps its keys, too. */
function isForOthers(event: KeyboardEvent): boolean {
  return event.ctrlKey || event.metaKey || event.altKey || event.isComposing;
}

function within(event: KeyboardEvent, selector: string): Element | null {
  const target = event.target instanceof Element ? event.target : document.body;
  return target.closest(selector);
}

function fillList(): void {
  byId('keys-list').replaceChildren(
    ...list().flatMap(([keys, what]) => [
      make('dt', {}, keys.flatMap((key) => [make('kbd', {}, [key]), ' '])),
      make('dd', {}, [what]),
    ]),
  );
}

/** Storage may be forbidden; then the wish holds until the page is left. */
function stored(): string | null {
  try {
    return localStorage.getItem(STORE);
  } catch {
    return null;
  }
}

function store(value: string): void {
  try {
    localStorage.setItem(STORE, value);
  } catch {
    return;
  }
}
