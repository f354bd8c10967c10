// The page's Workers as the tests see them: counted, spied on, and crashed.

/** Runs in the page before its own code: notes every Worker and what it is given to compute. */
export function spyOnWorkers() {
  window.spied = [];
  window.Worker = class extends Worker {
    constructor(url, options) {
      super(url, options);
      this.note = { url: String(url), tiles: [], inHand: 0, mostInHand: 0 };
      window.spied.push(this.note);
      this.addEventListener('message', ({ data }) => {
        if (data.type === 'tile') this.note.inHand -= 1;
      });
    }
    postMessage(message, transfer) {
      if (message.type === 'compute') {
        this.note.tiles.push(message.index);
        this.note.inHand += 1;
        this.note.mostInHand = Math.max(this.note.mostInHand, this.note.inHand);
      }
      super.postMessage(message, transfer);
    }
  };
}

/** Runs in the page before its own code: no tile reaches its Worker before `releaseTiles`, so that none is done in between. */
export function holdTiles() {
  const send = Worker.prototype.postMessage;
  const held = [];
  Worker.prototype.postMessage = function postMessage(message, transfer) {
    if (message.type === 'compute') held.push(() => send.call(this, message, transfer));
    else send.call(this, message, transfer);
  };
  window.releaseTiles = () => {
    Worker.prototype.postMessage = send;
    for (const go of held) go();
  };
}

const isOf = (kind) => (worker) => new URL(worker.url()).pathname.includes(`/${kind}-`);

/** The living Workers of a kind, `case` or `compute`. */
export const workersOf = (page, kind) => page.workers().filter(isOf(kind));

/** Waits until there is a Worker of the kind other than these. */
export async function waitForWorker(page, kind, others = []) {
  for (;;) {
    const found = workersOf(page, kind).find((worker) => !others.includes(worker));
    if (found !== undefined) return found;
    await page.waitForTimeout(20);
  }
}

export const CRASH = 'crashed by the test';

/** Ends a Worker as a crash would, with an error that nothing catches, and waits for its end. */
export async function crash(page, worker) {
  const gone = new Promise((resolve) => worker.once('close', resolve));
  const fail = (text) => void setTimeout(() => { throw new Error(text); });
  // A Worker that computes hears of it after its tile; one that has ended meanwhile never.
  worker.evaluate(fail, CRASH).catch(() => undefined);
  await gone;
}
