/** A non-negative number as an exact fraction in lowest terms. */
export interface Ratio {
  readonly num: bigint;
  readonly den: bigint;
}

/** A price of one unit in nano-dollars, exact, with what is needed to charge most counts without BigInt. */
export interface Rate extends Ratio {
  /** `num` and `den` as doubles; exact wherever `exactUpTo` is 0 or more. */
  readonly fastNum: number;
  readonly fastDen: number;
  /** Up to this count `count * fastNum` is exact in a double; -1 where no count is. */
  readonly exactUpTo: number;
}

const PLAIN_DECIMAL = /^(\d{1,9})(?:\.(\d{1,9}))?$/;
const BIGGEST_EXACT = BigInt(Number.MAX_SAFE_INTEGER);

function ratio(num: bigint, den: bigint): Ratio {
  let divisor = num;
  for (let rest = den; rest !== 0n;) [divisor, rest] = [rest, divisor % rest];
  return { num: num / divisor, den: den / divisor };
}

/**
 * The exact value of a decimal as it is written: 0.1 is one tenth, not the double nearest to it.
 * Up to nine digits on either side of the point; `null` for anything else.
 */
export function decimal(text: string): Ratio | null {
  const found = PLAIN_DECIMAL.exec(text);
  if (found === null) return null;
  const [, whole = '', fraction = ''] = found;
  return ratio(BigInt(whole + fraction), 10n ** BigInt(fraction.length));
}

/** Exact product, in lowest terms. */
export function times(a: Ratio, b: Ratio): Ratio {
  return ratio(a.num * b.num, a.den * b.den);
}

/** The rate for a unit that costs `nanoUsd` nano-dollars. */
export function rate({ num, den }: Ratio): Rate {
  // Half of the doubles' exact range for `den`: rounding doubles a remainder, which is below it.
  const isSmall = num <= BIGGEST_EXACT && den <= BIGGEST_EXACT / 2n;
  const free = num === 0n ? Number.MAX_SAFE_INTEGER : Number(BIGGEST_EXACT / num);
  return { num, den, fastNum: Number(num), fastDen: Number(den), exactUpTo: isSmall ? free : -1 };
}

/**
 * What `count` units cost, in whole nano-dollars: the exact product, rounded half up once.
 * NaN where the count is not a whole number of 0 or more, or the result is too big to be exact in a double.
 */
export function charge(count: number, per: Rate): number {
  if (!Number.isSafeInteger(count) || count < 0) return Number.NaN;
  if (count > per.exactUpTo) return chargeBig(BigInt(count), per);
  const product = count * per.fastNum;
  const rest = product % per.fastDen;
  const floor = (product - rest) / per.fastDen;
  return rest * 2 >= per.fastDen ? floor + 1 : floor;
}

function chargeBig(count: bigint, { num, den }: Ratio): number {
  const nanoUsd = (count * num * 2n + den) / (den * 2n);
  return nanoUsd <= BIGGEST_EXACT ? Number(nanoUsd) : Number.NaN;
}

/** The double nearest to the exact value, for showing. */
export function approximately({ num, den }: Ratio): number {
  return Number(num) / Number(den);
}

/** A token's rate in nano-dollars as USD per million tokens, for showing. */
export function usdPerMillion({ num, den }: Ratio): number {
  return Number(num) / Number(den * 1000n);
}
