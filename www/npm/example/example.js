import { createEngine } from './node_modules/pleura/pleura.js';

const [scan, progress, cancel, said, files] = ['scan', 'progress', 'cancel', 'said', 'files'].map((id) => document.getElementById(id));
const engine = await createEngine().catch((error) => (said.textContent = error.message, undefined));
if (engine) [scan.disabled, said.textContent] = [false, `Ready, on ${engine.device.name}.`];

scan.addEventListener('change', async () => {
  const stop = new AbortController();
  cancel.onclick = () => stop.abort();
  [progress.hidden, cancel.hidden, scan.disabled] = [false, false, true];
  files.replaceChildren();
  const onProgress = ({ stage, fraction }) => ([progress.value, said.textContent] = [fraction, `${stage} …`]);
  try {
    const result = await engine.segment(scan.files, { onProgress, signal: stop.signal });
    const percent = (found) => `${found?.lesion.percent?.toFixed(1)} %`;
    const both = result.report?.both;
    said.textContent = both ? `Of the lungs are lesions: NormNet ${percent(both.normnet)}, Inf-Net ${percent(both.infnet)}.` : 'Done.';
    for (const { name, bytes } of result.files) {
      const link = Object.assign(document.createElement('a'), { download: name, textContent: name, href: URL.createObjectURL(new Blob([bytes])) });
      files.appendChild(document.createElement('li')).append(link);
    }
  } catch (error) {
    said.textContent = stop.signal.aborted ? 'Cancelled.' : error.message;
  }
  [progress.hidden, cancel.hidden, scan.disabled, scan.value] = [true, true, false, ''];
});
