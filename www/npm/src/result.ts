/** What an analysis gave, as the package hands it out. */
import { readLabels } from '../../src/masks.ts';
import { readLevels } from '../../src/picture.ts';
import { affineOf, layoutOf } from '../../src/preview.ts';
import type { NamedBytes, Warning } from '../../src/protocol.ts';
import { readReport, type Report } from '../../src/report.ts';
import { gunzip } from '../../src/unpack.ts';
import type { Mask, Segmentation, Voxels } from './api.ts';

/** A picture has no report that says so. */
const CLASSES = { kind: 'classes', ending: '_classes.png', labels: { 1: 'ground glass', 2: 'consolidation' } };

/** `warnings` are those that the engine gave with the scan; the report has all. */
export function segmentation(json: string, files: NamedBytes[], warnings: Warning[]): Omit<Segmentation, 'device'> {
  const report = files.some(({ name }) => name.endsWith('_report.json')) ? readReport(json) : undefined;
  return { masks: masksOf(report, files), report, files, warnings: report?.warnings ?? warnings };
}

function masksOf(report: Report | undefined, files: NamedBytes[]): Mask[] {
  const legends =
    report?.masks.map(({ name, labels }) => ({ kind: name, ending: `_${name}.nii.gz`, labels, read: readVolume })) ??
    [{ ...CLASSES, read: readPicture }];
  return legends.flatMap(({ kind, ending, labels, read }) => {
    const file = files.find(({ name }) => name.endsWith(ending));
    return file === undefined ? [] : [{ ...file, kind, labels, read: () => read(file) }];
  });
}

async function readVolume({ name, bytes }: NamedBytes): Promise<Voxels> {
  const raw = await gunzip(new Blob([bytes]));
  const layout = layoutOf(raw);
  if (layout === undefined) throw new Error(`${name} is not whole`);
  const { dims, labels } = readLabels(raw);
  const columns = affineOf(raw, layout);
  const row = (at: number): [number, number, number, number] => [0, 3, 6, 9].map((column) => columns[column + at] ?? 0) as [number, number, number, number];
  return { dims, affine: [row(0), row(1), row(2)], values: labels };
}

async function readPicture({ bytes }: NamedBytes): Promise<Voxels> {
  const { dims, labels } = await readLevels(bytes);
  return { dims, affine: undefined, values: labels };
}
