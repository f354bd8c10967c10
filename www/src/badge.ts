/** The badge at the top: how many requests went to other sites, and what that means. */
import { byId, make } from './dom.ts';
import { watchRequests, type Attempt, type Told } from './leaves.ts';
import { onLanguage, TEXT } from './strings.ts';

const attempts: Attempt[] = [];

export function startBadge(): void {
  watchRequests(location.origin, note);
  hearWorkers();
  byId('leaves-open').addEventListener('click', () => byId<HTMLDialogElement>('leaves').showModal());
  onLanguage(write);
}

function note(attempt: Attempt): void {
  attempts.push(attempt);
  write();
}

/** What the Workers see they say on a channel of their own, so that their messages stay what they are. */
function hearWorkers(): void {
  const channel = new BroadcastChannel('pleura-leaves');
  channel.addEventListener('message', (event: MessageEvent<Told>) => note(event.data.leaves));
}

function write(): void {
  const badge = byId('leaves-open');
  badge.textContent = TEXT.leaves(attempts.length);
  badge.classList.toggle('alarm', attempts.length > 0);
  byId('leaves-count').textContent = TEXT.leaves(attempts.length);
  byId('leaves-list').replaceChildren(
    ...attempts.map(({ url, blocked }) => make('li', {}, [`${url} (${blocked ? TEXT.leavesBlocked : TEXT.leavesSent})`])),
  );
}
