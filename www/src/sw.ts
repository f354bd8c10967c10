/**
 * The service worker. Two jobs: it puts the content security policy on every response, which plain
 * file hosts don't and which Workers need on their own script; and it keeps a copy of the page for
 * when there is no net. The net always comes first, so a new version is never held back.
 */
import { CSP } from './csp.ts';

const scope = self as unknown as ServiceWorkerGlobalScope;

/** The page's files and a name for just these: the build writes it here (scripts/site.ts). */
const SHELL = JSON.parse('__SHELL__') as { version: string; files: string[] };
const CACHES = 'pleura-shell-';
const CACHE = CACHES + SHELL.version;

scope.addEventListener('install', (event) => event.waitUntil(scope.skipWaiting()));
scope.addEventListener('activate', (event) => event.waitUntil(scope.clients.claim()));
// The page says when it has loaded: storing its files must not delay them.
scope.addEventListener('message', (event) => event.waitUntil(keepAll().then(dropOthers)));
scope.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== 'GET' || url.origin !== scope.location.origin) return;
  // Weights are large and kept by checksum elsewhere; a second copy here would only cost space.
  if (url.pathname.endsWith('.safetensors')) return;
  event.respondWith(answer(event.request));
});

/** Stores the whole page, so that one visit is enough. What the page has just loaded comes from the browser's own cache. */
async function keepAll(): Promise<void> {
  const cache = await caches.open(CACHE);
  const keep = async (file: string): Promise<void> => {
    if ((await cache.match(file)) === undefined) await cache.add(file);
  };
  await Promise.all(SHELL.files.map(keep));
}

/** Drops the copies of earlier versions; they stay where this one could not be stored whole. */
async function dropOthers(): Promise<void> {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(CACHES) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}

async function answer(request: Request): Promise<Response> {
  const shell = await caches.open(CACHE).catch(() => undefined);
  try {
    const response = await fetch(request);
    // A full disk must not cost the answer.
    if (response.ok) await shell?.put(request, response.clone()).catch(() => undefined);
    return withPolicy(response);
  } catch (error) {
    const kept = await shell?.match(request, { ignoreSearch: request.mode === 'navigate' });
    if (kept === undefined) throw error;
    return withPolicy(kept);
  }
}

function withPolicy(response: Response): Response {
  // Redirects and opaque answers can't be rebuilt, and carry no script.
  if (response.type !== 'basic' || response.redirected) return response;
  const headers = new Headers(response.headers);
  headers.set('Content-Security-Policy', CSP);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
