/** Small helpers for the document. */

/** The element with this id, which index.html has; its absence is a mistake in the page. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no element #${id}`);
  return element as T;
}

type Child = Node | string;

/** A new element with attributes and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  children: Child[] = [],
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Fills the fixed texts in: `data-t` is an element's text, `data-t-label` its label. */
export function fillTexts(texts: Record<string, string>): void {
  for (const element of document.querySelectorAll<HTMLElement>('[data-t]')) {
    element.textContent = texts[element.dataset['t'] ?? ''] ?? '';
  }
  for (const element of document.querySelectorAll<HTMLElement>('[data-t-label]')) {
    const text = texts[element.dataset['tLabel'] ?? ''] ?? '';
    element.setAttribute('aria-label', text);
    // A sign alone is not understood by everybody.
    if (element instanceof HTMLButtonElement) element.title = text;
  }
}
