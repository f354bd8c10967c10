/** Numbers for people. */
import { TEXT } from './strings.ts';

/** Three significant digits above one, enough for a measure with this accuracy. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return digitsOf(value, digits);
}

export function whole(value: number): string {
  return Number.isFinite(value) ? digitsOf(Math.round(value), 0) : '–';
}

/** With a true minus sign, which is as wide as a digit. */
function digitsOf(value: number, digits: number): string {
  const text = value.toLocaleString('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return text.replace('-', '−');
}

/** A length of time, coarser the longer it is: an estimate should not flicker. */
export function duration(seconds: number): string {
  if (seconds < 10) return TEXT.seconds(Math.max(Math.round(seconds), 1));
  if (seconds < 90) return TEXT.seconds(Math.round(seconds / 5) * 5);
  return TEXT.minutes(Math.round(seconds / 60));
}

export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
