/** Figures and names for sentences, and amounts of money in both units. */

export const NANO_USD_PER_USD = 1_000_000_000;

const DIGITS = 9;

const AMOUNT = /^(\d{1,9})(?:\.(\d{1,9}))?$/;

/**
 * Returns the exact whole nano-dollars of an amount in US dollars: 0.1 is one tenth, not the double nearest to it.
 * Takes numbers and decimal texts of up to nine digits on either side of the point; `null` for anything else.
 */
export function nanoUsdOf(usd: unknown): bigint | null {
  if (typeof usd !== 'number' && typeof usd !== 'string') return null;
  const found = AMOUNT.exec(String(usd));
  if (found === null) return null;
  const [, whole = '', fraction = ''] = found;
  return BigInt(whole + fraction.padEnd(DIGITS, '0'));
}

/** Returns the amount in US dollars as a double: for display, never for sums. */
export function usdOf(nanoUsd: bigint | number): number {
  return Number(nanoUsd) / NANO_USD_PER_USD;
}

/** `$1,000`; with cents below ten dollars, `$4.20`; with four digits below ten cents, `$0.0312`. */
export function usd(amount: number): string {
  const digits = amount >= 10 || Number.isInteger(amount) ? 0 : amount >= 0.1 ? 2 : 4;
  return `$${amount.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

/** `3%`, `0.4%`, `under 0.1%`. */
export function percent(ratio: number): string {
  if (ratio > 0 && ratio < 0.001) return 'under 0.1%';
  return `${(ratio * 100).toLocaleString('en-US', { maximumFractionDigits: ratio < 0.1 ? 1 : 0 })}%`;
}

/** `2.5×`. */
export function times(factor: number): string {
  return `${factor.toLocaleString('en-US', { maximumFractionDigits: 1 })}×`;
}

/** `5,000,000`. */
export function count(number: number): string {
  return number.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

let dayFormat: Intl.DateTimeFormat | undefined;

/** `27 November`, in UTC. */
export function day(atMs: number): string {
  // Making one takes 10 ms or more, so it is not done when the package is imported.
  dayFormat ??= new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', timeZone: 'UTC' });
  return dayFormat.format(atMs);
}

/** `sonnet-5.5` → `Sonnet 5.5`. A model that is a class of its own keeps its id. */
export function className(modelClass: string): string {
  const [, family, version] = /^([a-z]+)-([\d.x]+)$/.exec(modelClass) ?? [];
  if (family === undefined || version === undefined) return name(modelClass);
  return name(`${family.charAt(0).toUpperCase()}${family.slice(1)} ${version}`);
}

const LONGEST_NAME = 40;

/** Shortens a name for a sentence: at most 40 characters. */
export function name(text: string): string {
  return text.length <= LONGEST_NAME ? text : `${text.slice(0, LONGEST_NAME - 1)}…`;
}

const LONGEST_SENTENCE = 200;

/** At most 200 characters. */
export function sentence(text: string): string {
  return text.length <= LONGEST_SENTENCE ? text : `${text.slice(0, LONGEST_SENTENCE - 1)}…`;
}
