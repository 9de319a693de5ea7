import type { ExactUsd } from './exact-usd.ts';

/** The rates of short and of long prompts, in exact dollars a token. */
export interface BandRates {
  readonly usual: ExactUsd;
  readonly long: ExactUsd;
}

/** Tokens of both bands, and what the report lists for all of them: one equation of two rates. */
export interface BandSighting {
  readonly day: string;
  readonly usual: bigint;
  readonly long: bigint;
  readonly list: ExactUsd;
}

/** The rates that most sightings share: one pair, or two with the day of the change. */
export interface BandSegments {
  readonly before: BandRates;
  /** The first day of `after`; `null` where one pair holds throughout. */
  readonly changedOn: string | null;
  readonly after: BandRates;
}

const FEWEST = 3;

/** Pairs are made of so many sightings at most: two that are right give the rates. */
const MOST_PAIRED = 12;

/**
 * Solves pairs of sightings for two unknown rates, and takes the pair that most sightings agree with: nine of ten, else two
 * pairs with a day between them, else half of all. `null` where nothing is shared. The table's own rates need no three.
 */
export function bandRates(seen: readonly BandSighting[], table: BandRates): BandSegments | null {
  const whole = mostShared(seen, table);
  const throughout = { before: whole.rates, changedOn: null, after: whole.rates };
  const isEnough = seen.length >= FEWEST;
  if (whole.count >= 0.9 * seen.length) return isEnough || isSame(whole.rates, table) ? throughout : null;
  return changeIn(seen, table) ?? (whole.count >= 0.5 * seen.length && isEnough ? throughout : null);
}

function changeIn(seen: readonly BandSighting[], table: BandRates): BandSegments | null {
  let best: { readonly count: number; readonly segments: BandSegments | null } = { count: 0, segments: null };
  for (const changedOn of new Set(seen.map(({ day }) => day))) {
    const before = mostShared(
      seen.filter(({ day }) => day < changedOn),
      table,
    );
    const after = mostShared(
      seen.filter(({ day }) => day >= changedOn),
      table,
    );
    const count = before.count + after.count;
    if (Math.min(before.count, after.count) < FEWEST || count <= best.count) continue;
    best = { count, segments: { before: before.rates, changedOn, after: after.rates } };
  }
  return best.count >= 0.9 * seen.length ? best.segments : null;
}

interface Shared {
  readonly rates: BandRates;
  readonly count: number;
}

function mostShared(seen: readonly BandSighting[], table: BandRates): Shared {
  let most: Shared = { rates: table, count: agreeing(seen, table) };
  const paired = seen.slice(0, MOST_PAIRED);
  for (const [index, one] of paired.entries())
    for (const other of paired.slice(index)) {
      const rates = solved(one, other, table);
      if (rates === null) continue;
      const count = agreeing(seen, rates);
      if (count > most.count) most = { rates, count };
    }
  return most;
}

function agreeing(seen: readonly BandSighting[], { usual, long }: BandRates): number {
  return seen.filter((each) => each.usual * usual + each.long * long === each.list).length;
}

/**
 * Two equations with two unknowns; one alone, where all tokens are of one band, says nothing of the other, which stays as
 * the table has it. `null` where rates would not be whole, or below nothing.
 */
function solved(one: BandSighting, other: BandSighting, table: BandRates): BandRates | null {
  if (one === other) {
    if (one.long === 0n) return positive({ usual: whole(one.list, one.usual), long: table.long });
    return one.usual === 0n ? positive({ usual: table.usual, long: whole(one.list, one.long) }) : null;
  }
  const divisor = one.usual * other.long - other.usual * one.long;
  return positive({
    usual: whole(one.list * other.long - other.list * one.long, divisor),
    long: whole(one.usual * other.list - other.usual * one.list, divisor),
  });
}

function whole(sum: bigint, divisor: bigint): bigint | null {
  return divisor === 0n || sum % divisor !== 0n ? null : sum / divisor;
}

function positive({ usual, long }: { readonly usual: bigint | null; readonly long: bigint | null }): BandRates | null {
  return usual === null || long === null || usual < 0n || long < 0n ? null : { usual, long };
}

function isSame(a: BandRates, b: BandRates): boolean {
  return a.usual === b.usual && a.long === b.long;
}
