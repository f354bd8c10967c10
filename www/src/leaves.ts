/** Counts what is asked of other sites, by the page and its Workers: the policy forbids it all, and this shows that it holds. */

export interface Attempt {
  url: string;
  blocked: boolean;
}

/** What a Worker tells the page of, beside its own messages. */
export interface Told {
  leaves: Attempt;
}

/** The page and its response both carry the policy, and both tell of one request within this time. */
const TWICE_MS = 100;

/** Calls back for every request to another site that this global tries from now on, and that it has tried. */
export function watchRequests(own: string, heard: (attempt: Attempt) => void): void {
  // Blocked requests are told of by the policy, and some browsers list them as resources too: they count once.
  const blocked = new Set<string>();
  const justTold = new Set<string>();
  self.addEventListener('securitypolicyviolation', (event) => {
    const url = (event as SecurityPolicyViolationEvent).blockedURI;
    if (!isForeign(url, own) || justTold.has(url)) return;
    justTold.add(url);
    setTimeout(() => justTold.delete(url), TWICE_MS);
    blocked.add(url);
    heard({ url, blocked: true });
  });
  new PerformanceObserver((list) => {
    const urls = list.getEntries().map(({ name }) => name);
    // The policy's word may come a little later.
    setTimeout(() => {
      for (const url of urls) if (isForeign(url, own) && !blocked.has(url)) heard({ url, blocked: false });
    });
  }).observe({ type: 'resource', buffered: true });
}

/** `blob:` and `data:` stay in the browser; a policy names what is inline by a word without a colon. */
export function isForeign(url: string, own: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, origin } = new URL(url);
  return !['blob:', 'data:'].includes(protocol) && origin !== own;
}
