import { nanoUsdOf } from '../figures.ts';

/** A non-negative number as an exact fraction in lowest terms. */
export interface Ratio {
  readonly num: bigint;
  readonly den: bigint;
}

/**
 * Returns the exact value of a decimal as written: 0.1 is one tenth, not the double nearest to it. Up to nine digits on
 * either side of the point; `null` for anything else.
 */
export function decimal(text: string): Ratio | null {
  const billionths = nanoUsdOf(text);
  return billionths === null ? null : ratio(billionths, 1_000_000_000n);
}

/** Exact product, in lowest terms. */
export function times(a: Ratio, b: Ratio): Ratio {
  return ratio(a.num * b.num, a.den * b.den);
}

function ratio(num: bigint, den: bigint): Ratio {
  let divisor = num;
  for (let rest = den; rest !== 0n;) [divisor, rest] = [rest, divisor % rest];
  return { num: num / divisor, den: den / divisor };
}

/** The double nearest to the exact value, for display. */
export function approximately({ num, den }: Ratio): number {
  return Number(num) / Number(den);
}

/** The price of one unit in nano-dollars, exact, prepared so that `charge` needs BigInt only for huge counts. */
export interface Rate extends Ratio {
  /** `num` and `den` as doubles; exact wherever `exactUpTo` is 0 or more. */
  readonly fastNum: number;
  readonly fastDen: number;
  /** Up to this count `count * fastNum` is exact in a double; -1 if no count is. */
  readonly exactUpTo: number;
}

const BIGGEST_EXACT = BigInt(Number.MAX_SAFE_INTEGER);

/** The rate for a unit that costs `nanoUsd` nano-dollars. */
export function rate({ num, den }: Ratio): Rate {
  // Half of the doubles' exact range for `den`: `charge` doubles a remainder, which is below it.
  const isSmall = num <= BIGGEST_EXACT && den <= BIGGEST_EXACT / 2n;
  const exactUpTo = num === 0n ? Number.MAX_SAFE_INTEGER : Number(BIGGEST_EXACT / num);
  return { num, den, fastNum: Number(num), fastDen: Number(den), exactUpTo: isSmall ? exactUpTo : -1 };
}

/** Shows a token's rate in nano-dollars as USD per million tokens. */
export function usdPerMillion({ num, den }: Ratio): number {
  return Number(num) / Number(den * 1000n);
}
