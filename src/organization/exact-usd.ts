/**
 * Exact US dollars: whole units of 1e-18 dollars. The reports write fractions of a cent with more digits than nano-dollars
 * have, and rates with every multiplier are whole in these units; so sums are exact, and rounded once where they are shown.
 */
export type ExactUsd = bigint;

const DIGITS_OF_CENTS = 16;

export const UNITS_PER_NANO_USD = 10n ** 9n;

const CENTS = /^(-?)(\d{1,18})(?:\.(\d+))?$/;

/** A decimal string of cents; `null` for anything else, and where it has digits that would be lost. */
export function exactUsdOfCents(text: unknown): ExactUsd | null {
  const [, sign = '', whole = '', fraction = ''] = (typeof text === 'string' && CENTS.exec(text)) || [];
  const isExact = /^0*$/.test(fraction.slice(DIGITS_OF_CENTS));
  if (whole === '' || !isExact) return null;
  return BigInt(`${sign}${whole}${fraction.slice(0, DIGITS_OF_CENTS).padEnd(DIGITS_OF_CENTS, '0')}`);
}

export function exactUsdOfNano(nanoUsd: number | bigint): ExactUsd {
  return BigInt(nanoUsd) * UNITS_PER_NANO_USD;
}

/** A cent. */
export const UNITS_PER_CENT = 10n ** BigInt(DIGITS_OF_CENTS);

/** Whole nano-dollars, halves away from zero. */
export function nanoUsdOf(units: ExactUsd): bigint {
  return roundedIn(UNITS_PER_NANO_USD, units);
}

/** Whole steps of so many units, halves away from zero. */
export function roundedIn(step: ExactUsd, units: ExactUsd): bigint {
  return units < 0n ? -((-units + step / 2n) / step) : (units + step / 2n) / step;
}

/**
 * The parts in whole steps, so that `start` and the parts add up to the rounded sum. Each is within one of its exact value,
 * and a part of nothing is nothing.
 */
export function roundedParts(step: ExactUsd, start: ExactUsd, parts: readonly ExactUsd[]): readonly bigint[] {
  let running = start;
  return parts.map((part) => {
    const before = roundedIn(step, running);
    running += part;
    return roundedIn(step, running) - before;
  });
}

export function sumOf(amounts: Iterable<ExactUsd>): ExactUsd {
  let sum = 0n;
  for (const amount of amounts) sum += amount;
  return sum;
}
