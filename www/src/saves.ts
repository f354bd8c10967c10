/** Results as downloads, straight from memory. */
import { lesionCsv } from './csv.ts';
import { make } from './dom.ts';
import type { NamedBytes } from './protocol.ts';
import type { Report } from './report.ts';
import { TEXT } from './strings.ts';

/** How long an object URL must outlive the click that uses it. */
const KEEP_MS = 60_000;

export function save(name: string, content: Uint8Array<ArrayBuffer>, type: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  make('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEEP_MS);
}

/** A button for every file, the report first. */
export function saveButtons(files: NamedBytes[]): HTMLButtonElement[] {
  const isReport = (file: NamedBytes): boolean => file.name.endsWith('_report.json');
  const ordered = [...files.filter(isReport), ...files.filter((file) => !isReport(file))];
  return ordered.map((file) => {
    const button = saveButton(label(file.name), file.name, () => save(file.name, file.bytes, mime(file.name)));
    button.classList.toggle('primary', isReport(file));
    return button;
  });
}

/** What the page itself makes of the report. */
export function reportButtons(report: Report, reportName: string): HTMLButtonElement[] {
  const name = reportName.replace(/_report\.json$/, '_lesions.csv');
  const print = make('button', { type: 'button', id: 'print' }, [TEXT.print]);
  print.addEventListener('click', () => window.print());
  const csv = (): void => save(name, new TextEncoder().encode(lesionCsv(report)), 'text/csv');
  return [saveButton(TEXT.saveLesions, name, csv), print];
}

function saveButton(text: string, file: string, act: () => void): HTMLButtonElement {
  const button = make('button', { type: 'button', title: file, 'data-file': file }, [text]);
  button.addEventListener('click', act);
  return button;
}

/** What the ends of file names mean. */
const LABELS = [
  [/_report\.json$/, 'saveReport'],
  [/_run\.json$/, 'saveRun'],
  [/_lungs\.nii\.gz$/, 'saveLungs'],
  [/_normnet\.nii\.gz$/, 'saveNormnet'],
  [/_infnet\.nii\.gz$/, 'saveInfnet'],
  [/_lungs_seg\.dcm$/, 'saveLungsDicom'],
  [/_normnet_seg\.dcm$/, 'saveNormnetDicom'],
  [/_infnet_seg\.dcm$/, 'saveInfnetDicom'],
  [/_normnet_prob\.nii\.gz$/, 'saveDoubt'],
  [/_infnet_prob\.nii\.gz$/, 'saveProbability'],
  [/_infnet\.png$/, 'saveProbability'],
  [/_classes\.png$/, 'saveClasses'],
] as const;

function label(name: string): string {
  const known = LABELS.find(([end]) => end.test(name));
  return known === undefined ? name : TEXT[known[1]];
}

function mime(name: string): string {
  if (name.endsWith('.png')) return 'image/png';
  if (name.endsWith('.dcm')) return 'application/dicom';
  return name.endsWith('.json') ? 'application/json' : 'application/gzip';
}
