/** A Worker tells the page what it asks of other sites. */
import { watchRequests, type Told } from '../leaves.ts';

const channel = new BroadcastChannel('pleura-leaves');

watchRequests(self.location.origin, (attempt) => channel.postMessage({ leaves: attempt } satisfies Told));
