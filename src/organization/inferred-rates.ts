import { bandRates, type BandRates, type BandSegments, type BandSighting } from './band-rates.ts';
import type { JoinedCell } from './joined-cells.ts';
import { ownTokens } from './joined-cells.ts';
import type { ExactUsd } from './exact-usd.ts';
import { REPORT_KINDS, type DayReport, type Mode, type ReportKind } from './report.ts';
import type { TableRates } from './table-rates.ts';

/** A factor between the report's price and the table's, as a fraction. */
interface Factor {
  readonly num: bigint;
  readonly den: bigint;
}

export const AS_LISTED: Factor = { num: 1n, den: 1n };

interface Sighting {
  readonly day: string;
  readonly factor: Factor;
}

/** Factors that most cells of a mode and kind show: one, or two with the day of the change. */
interface Segments {
  readonly before: Factor;
  /** The first day of `after`; `null` where one factor holds throughout. */
  readonly changedOn: string | null;
  readonly after: Factor;
}

const FEWEST = 3;

/**
 * The prices that the report itself uses, as factors of the table's: list amount over tokens, as exact fractions, whichever
 * most cells of a mode and kind share. Traffic of others does not disturb it, for both are the report's. The two rates of
 * models with bands are solved from cells on which both sides agree.
 */
export class InferredRates {
  readonly #segments = new Map<string, Segments | null>();
  readonly #bands = new Map<string, BandSegments | null>();

  constructor(
    reports: readonly DayReport[],
    joined: readonly JoinedCell[],
    rates: (mode: Mode, day: string) => TableRates | null,
  ) {
    const sightings = new Map<string, Sighting[]>();
    const see = (mode: Mode, kind: ReportKind, sighting: Sighting): void => {
      const name = nameOf(mode, kind);
      sightings.set(name, [...(sightings.get(name) ?? []), sighting]);
    };
    const refusing = new Set(joined.filter(({ own }) => (own?.refused.size ?? 0) > 0).map(dayMode));
    for (const { day, cells } of reports)
      for (const cell of cells) {
        const table = rates(cell, day);
        if (table === null || table.hasBands || cell.list === null || refusing.has(dayMode({ ...cell, day }))) continue;
        for (const kind of REPORT_KINDS) {
          const expected = cell.tokens[kind] * table.usual[kind];
          if (expected > 0n) see(cell, kind, { day, factor: lowest(cell.list[kind], expected) });
        }
      }
    for (const [name, seen] of sightings) this.#segments.set(name, segmentsOf(seen));
    for (const [name, { seen, table }] of bandSightings(joined, rates)) this.#bands.set(name, bandRates(seen, table));
  }

  /** The factor of a mode and kind on a day; `null` where nothing was seen, or no factor is shared. */
  factorOn(mode: Mode, kind: ReportKind, day: string): Factor | null {
    const segments = this.#segments.get(nameOf(mode, kind)) ?? null;
    if (segments === null) return null;
    return segments.changedOn === null || day < segments.changedOn ? segments.before : segments.after;
  }

  /** The rates of both bands of a model that has two; `null` as with `factorOn`. */
  bandsOn(mode: Mode, kind: ReportKind, day: string): BandRates | null {
    const segments = this.#bands.get(nameOf(mode, kind)) ?? null;
    if (segments === null) return null;
    return segments.changedOn === null || day < segments.changedOn ? segments.before : segments.after;
  }
}

/** Cells of models with two bands whose tokens both sides agree on: only plimsoll knows which were long prompts. */
function bandSightings(
  joined: readonly JoinedCell[],
  rates: (mode: Mode, day: string) => TableRates | null,
): ReadonlyMap<string, { readonly seen: BandSighting[]; readonly table: BandRates }> {
  const sightings = new Map<string, { readonly seen: BandSighting[]; readonly table: BandRates }>();
  for (const { own, report, day, ...mode } of joined) {
    const table = rates(mode, day);
    const list = report?.list ?? null;
    if (report === null || table?.hasBands !== true || own === null || list === null || own.refused.size > 0) continue;
    const tokens = ownTokens(own);
    for (const kind of REPORT_KINDS) {
      if (tokens[kind] === 0n || tokens[kind] !== report.tokens[kind]) continue;
      const of = sightings.get(nameOf(mode, kind)) ?? {
        seen: [],
        table: { usual: table.usual[kind], long: table.long[kind] },
      };
      of.seen.push({ day, usual: own.usual[kind], long: own.long[kind], list: list[kind] });
      sightings.set(nameOf(mode, kind), of);
    }
  }
  return sightings;
}

function dayMode({ day, model, tier, speed, geo }: Mode & { readonly day: string }): string {
  return JSON.stringify([day, model, tier, speed, geo]);
}

function nameOf({ model, tier, speed, geo }: Mode, kind: ReportKind): string {
  return JSON.stringify([model, tier, speed, geo, kind]);
}

function lowest(num: bigint, den: bigint): Factor {
  let [a, b] = [num, den];
  while (b !== 0n) [a, b] = [b, a % b];
  return a === 0n ? { num: 0n, den: 1n } : { num: num / a, den: den / a };
}

/** One factor for nine cells of ten, else two with a day between them, else one for half of the cells, else none. */
function segmentsOf(seen: readonly Sighting[]): Segments | null {
  const whole = mostShared(seen);
  const throughout: Segments = { before: whole.factor, changedOn: null, after: whole.factor };
  const isEnough = seen.length >= FEWEST;
  if (whole.count >= 0.9 * seen.length) return isEnough || isListed(whole.factor) ? throughout : null;
  const changed = changeIn(seen, whole.count);
  if (changed !== null) return changed;
  return whole.count >= 0.5 * seen.length && isEnough ? throughout : null;
}

/** The day before and after which two factors explain nine cells of ten, and more than one does. */
function changeIn(seen: readonly Sighting[], most: number): Segments | null {
  let best: { readonly count: number; readonly segments: Segments | null } = { count: most, segments: null };
  for (const changedOn of new Set(seen.map(({ day }) => day))) {
    const before = mostShared(seen.filter(({ day }) => day < changedOn));
    const after = mostShared(seen.filter(({ day }) => day >= changedOn));
    const count = before.count + after.count;
    if (Math.min(before.count, after.count) < FEWEST || count <= best.count) continue;
    best = { count, segments: { before: before.factor, changedOn, after: after.factor } };
  }
  return best.count >= 0.9 * seen.length ? best.segments : null;
}

function mostShared(seen: readonly Sighting[]): { readonly factor: Factor; readonly count: number } {
  const counts = new Map<string, { readonly factor: Factor; count: number }>();
  for (const { factor } of seen) {
    const name = `${factor.num}/${factor.den}`;
    const known = counts.get(name);
    if (known === undefined) counts.set(name, { factor, count: 1 });
    else known.count += 1;
  }
  return [...counts.values()].reduce((most, each) => (each.count > most.count ? each : most), {
    factor: AS_LISTED,
    count: 0,
  });
}

export function isListed({ num, den }: Factor): boolean {
  return num === den;
}

/** The amount times the factor. */
export function scaled(amount: ExactUsd, { num, den }: Factor): ExactUsd {
  return (amount * num) / den;
}
