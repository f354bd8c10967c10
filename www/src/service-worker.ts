/** Registers the service worker and waits, briefly, until this page is under it. */

const PATIENCE_MS = 2000;

export async function registerServiceWorker(): Promise<void> {
  // Missing on plain http; in development the script does not exist.
  if (!('serviceWorker' in navigator) || !import.meta.env.PROD) return;
  const container = navigator.serviceWorker;
  const controlled = new Promise<void>((resolve) => {
    if (container.controller !== null) resolve();
    else container.addEventListener('controllerchange', () => resolve(), { once: true });
  });
  try {
    await container.register('./sw.js');
    await Promise.race([controlled, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
  } catch {
    // Switched off by the person or the browser: the page works without, only not offline.
  }
}
