/** The worker's global, and the one way to post to the page. */
import type { FromWorker } from '../protocol.ts';

export const scope = self as unknown as DedicatedWorkerGlobalScope;

export function post(message: FromWorker, transfer: Transferable[] = []): void {
  scope.postMessage(message, transfer);
}
