/** Results as downloads, straight from memory. */
import { make } from './dom.ts';
import type { NamedBytes } from './protocol.ts';
import { TEXT } from './strings.ts';

/** How long an object URL must outlive the click that uses it. */
const KEEP_MS = 60_000;

export function save(name: string, content: Uint8Array<ArrayBuffer> | string, type: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  make('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEEP_MS);
}

/** The case's name as the engine uses it in its files: what all of them begin with. */
export function caseName(files: NamedBytes[], scan: string): string {
  const known = files.map((file) => /^(.*)_(?:lungs|normnet|infnet|classes)\./.exec(file.name)?.[1]);
  return known.find((name) => name !== undefined) ?? scan.replace(/(\.nii)?\.[^.]*$/, '');
}

export function saveButtons(files: NamedBytes[], report: string, scan: string): HTMLButtonElement[] {
  const reportName = `${caseName(files, scan)}_report.json`;
  const buttons = [
    saveButton(TEXT.saveReport, reportName, () => save(reportName, report, 'application/json')),
    ...files.map((file) => saveButton(label(file.name), file.name, () => save(file.name, file.bytes, mime(file.name)))),
  ];
  buttons[0]?.classList.add('primary');
  return buttons;
}

function saveButton(text: string, file: string, act: () => void): HTMLButtonElement {
  const button = make('button', { type: 'button', title: file, 'data-file': file }, [text]);
  button.addEventListener('click', act);
  return button;
}

function label(name: string): string {
  if (name.includes('_lungs.')) return TEXT.saveLungs;
  if (name.includes('_normnet.')) return TEXT.saveNormnet;
  if (name.includes('_infnet.')) return TEXT.saveInfnet;
  if (name.includes('_classes.')) return TEXT.saveClasses;
  return name;
}

function mime(name: string): string {
  return name.endsWith('.png') ? 'image/png' : 'application/gzip';
}
