const NANO_DIGITS = 9;
const AMOUNT = /^(\d{1,9})(?:\.(\d{1,9}))?$/;

/**
 * The whole nano-dollars of an amount in US dollars, as it is written: 0.1 is one tenth, not the double nearest to it.
 * Takes numbers and decimal texts of up to nine digits on either side of the point; `null` for anything else.
 */
export function nanoUsdOf(usd: unknown): bigint | null {
  if (typeof usd !== 'number' && typeof usd !== 'string') return null;
  const found = AMOUNT.exec(String(usd));
  if (found === null) return null;
  const [, whole = '', fraction = ''] = found;
  return BigInt(whole + fraction.padEnd(NANO_DIGITS, '0'));
}

/** The amount in US dollars, as a double: for showing, never for adding up. */
export function usdOf(nanoUsd: bigint): number {
  return Number(nanoUsd) / 1e9;
}
