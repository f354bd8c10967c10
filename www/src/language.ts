/** The choice of the language: from the address and the browser at first, then from the select. */
import { byId, make } from './dom.ts';
import { isLanguage, LANGUAGES, setLanguage, wantedLanguage } from './strings.ts';

export function startLanguage(): void {
  const first = wantedLanguage(location.search, navigator.languages);
  const select = byId<HTMLSelectElement>('language');
  select.append(
    // Each name is read aloud in its own language.
    ...Object.entries(LANGUAGES).map(([value, { name, tag }]) => make('option', { value, lang: tag }, [name])),
  );
  select.value = first;
  select.addEventListener('change', () => {
    if (!isLanguage(select.value)) return;
    setLanguage(select.value);
    keepInAddress(select.value);
  });
  setLanguage(first);
}

/** So that a reload, or a copy of the address, speaks the same language. */
function keepInAddress(value: string): void {
  const url = new URL(location.href);
  url.searchParams.set('lang', value);
  history.replaceState(null, '', url);
}
