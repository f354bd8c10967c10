// Calls from the page into a Worker: `serve` on the Worker's side, `Remote` on the page's.

/** Answers calls by the functions of `methods`; a function that gives a typed array hands its memory over. */
export function serve(methods) {
  globalThis.addEventListener('message', async ({ data: { id, method, args } }) => {
    try {
      const result = await methods[method](...args);
      globalThis.postMessage({ id, result }, ArrayBuffer.isView(result) ? [result.buffer] : []);
    } catch (error) {
      globalThis.postMessage({ id, problem: String(error?.message ?? error) });
    }
  });
}

/** A Worker whose functions can be called. */
export class Remote {
  #worker;
  #open = new Map();
  #count = 0;

  constructor(script) {
    this.#worker = new Worker(new URL(script, import.meta.url), { type: 'module' });
    this.#worker.onmessage = ({ data }) => {
      // Our engine posts this before it traps: the promise in flight would never settle.
      if (data.type === 'panic') return this.#fail(data.text);
      const { resolve, reject } = this.#open.get(data.id);
      this.#open.delete(data.id);
      if (data.problem === undefined) resolve(data.result);
      else reject(new Error(data.problem));
    };
    this.#worker.onerror = (event) => this.#fail(event.message ?? 'the Worker did not start');
  }

  call(method, ...args) {
    this.#count += 1;
    const id = this.#count;
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve, reject });
      this.#worker.postMessage({ id, method, args });
    });
  }

  close() {
    this.#worker.terminate();
  }

  #fail(text) {
    for (const { reject } of this.#open.values()) reject(new Error(text));
    this.#open.clear();
  }
}
