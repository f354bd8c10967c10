/** Numbers for people, as their language writes them. */
import { locale, TEXT } from './strings.ts';

/** Three significant digits above one, enough for a measure with this accuracy. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  return fixed(value, size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

export function whole(value: number): string {
  return Number.isFinite(value) ? fixed(Math.round(value), 0) : '–';
}

/** With so many digits behind the point, and a true minus sign, which is as wide as a digit. */
export function fixed(value: number, digits: number): string {
  // Adding 0 makes nought of minus nought.
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(locale(), options).format(value + 0).replace('-', '−');
}

/** A length of time, coarser the longer it is: an estimate should not flicker. */
export function duration(seconds: number): string {
  if (seconds < 10) return TEXT.seconds(whole(Math.max(Math.round(seconds), 1)));
  if (seconds < 90) return TEXT.seconds(whole(Math.round(seconds / 5) * 5));
  return TEXT.minutes(whole(Math.round(seconds / 60)));
}

export function megabytes(bytes: number): string {
  return fixed(bytes / 1e6, 1);
}

/** The engine's name of a part of the work, in the language of the page. */
export function tileName(label: string): string {
  const words = TEXT.tileWords;
  return label.replace(/\b(model|slab|slice)\b/g, (word) => words[word as keyof typeof words]);
}
