/** Registers the service worker and waits, briefly, until this page is under it. */

const PATIENCE_MS = 4000;
/** By then the page has what it needs. */
const LOADED_MS = 3000;

export async function registerServiceWorker(): Promise<void> {
  // Missing on plain http; in development the script does not exist.
  if (!('serviceWorker' in navigator) || !import.meta.env.PROD) return;
  const container = navigator.serviceWorker;
  const controlled = new Promise<void>((resolve) => {
    if (container.controller !== null) resolve();
    else container.addEventListener('controllerchange', () => resolve(), { once: true });
  });
  // Switched off by the person or the browser: the page works without, only not offline.
  const registered = container.register('./sw.js').then(() => controlled, () => undefined);
  void container.ready.then(({ active }) => setTimeout(() => active?.postMessage('keep'), LOADED_MS));
  // A registration that hangs must not hold the page up.
  await Promise.race([registered, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
}
