import { createEngine } from './node_modules/pleura/pleura.js';

const [scan, bar, cancel, said, list] = ['scan', 'bar', 'cancel', 'said', 'files'].map((id) => document.getElementById(id));

function busy(is) {
  bar.hidden = cancel.hidden = !is;
  scan.disabled = is;
}

async function segment(engine) {
  const stop = new AbortController();
  cancel.onclick = () => stop.abort();
  list.replaceChildren();
  const onProgress = ({ stage, fraction }) => {
    bar.value = fraction;
    said.textContent = `${stage} …`;
  };
  const { report, files } = await engine.segment(scan.files, { onProgress, signal: stop.signal });
  const percent = (network) => `${report.both[network].lesion.percent.toFixed(1)} %`;
  said.textContent = report ? `Share of the lungs: NormNet ${percent('normnet')}, Inf-Net ${percent('infnet')}.` : 'Done.';
  for (const { name, bytes } of files) {
    const link = document.createElement('a');
    Object.assign(link, { textContent: name, download: name, href: URL.createObjectURL(new Blob([bytes])) });
    list.appendChild(document.createElement('li')).append(link);
  }
}

try {
  const engine = await createEngine();
  said.textContent = `Ready, on the ${engine.device.kind.toUpperCase()}.`;
  busy(false);
  scan.addEventListener('change', async () => {
    busy(true);
    await segment(engine).catch((error) => (said.textContent = error.name === 'AbortError' ? 'Cancelled.' : error.message));
    busy(false);
  });
} catch (error) {
  said.textContent = error.message;
}
