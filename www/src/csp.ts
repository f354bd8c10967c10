/**
 * The content security policy. It stands in the page (meta), on every response of `pleura serve`
 * and on every response that passes the service worker, because a page's own policy does not bind
 * its Workers: theirs comes with the worker script.
 */
export const CSP = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "img-src 'self' data: blob:",
  "connect-src 'self' data: blob:",
  "worker-src 'self'",
  "object-src 'none'",
].join('; ');
