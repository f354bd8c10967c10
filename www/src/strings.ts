/** The texts of the page in the language that is chosen. */
import { fillTexts } from './dom.ts';
import { de } from './messages/de.ts';
import { en, type Messages } from './messages/en.ts';
import { es } from './messages/es.ts';
import { fr } from './messages/fr.ts';
import { zh } from './messages/zh.ts';

/** Each in its own name, and with the tag that says how numbers look. */
export const LANGUAGES = {
  en: { name: 'English', tag: 'en-GB', messages: en },
  de: { name: 'Deutsch', tag: 'de', messages: de },
  fr: { name: 'Français', tag: 'fr', messages: fr },
  es: { name: 'Español', tag: 'es', messages: es },
  zh: { name: '简体中文', tag: 'zh-Hans', messages: zh },
} satisfies Record<string, { name: string; tag: string; messages: Messages }>;

export type Language = keyof typeof LANGUAGES;

/** Changes with the language; whoever shows a text that stays hears of it by `onLanguage`. */
export let TEXT: Messages = en;
let current: Language = 'en';
const listeners: (() => void)[] = [];

export function language(): Language {
  return current;
}

/** The language tag for Intl. */
export function locale(): string {
  return LANGUAGES[current].tag;
}

export function setLanguage(wanted: Language): void {
  current = wanted;
  TEXT = LANGUAGES[wanted].messages;
  document.documentElement.lang = locale();
  fillTexts(TEXT.page);
  for (const listener of listeners) listener();
}

export function onLanguage(listener: () => void): void {
  listeners.push(listener);
}

/** The address decides, else the first of the browser's languages that there is. */
export function wantedLanguage(search: string, preferred: readonly string[]): Language {
  const asked = [new URLSearchParams(search).get('lang') ?? '', ...preferred];
  for (const tag of asked) {
    const [base = ''] = tag.toLowerCase().split('-');
    if (isLanguage(base)) return base;
  }
  return 'en';
}

export function isLanguage(text: string): text is Language {
  return Object.hasOwn(LANGUAGES, text);
}
