import type { BandRates } from './band-rates.ts';
import type { Cause, Part, Parts } from './causes.ts';
import type { ExactUsd } from './exact-usd.ts';
import { AS_LISTED, isListed, scaled, type InferredRates } from './inferred-rates.ts';
import { ownTokens, requestsOver, type DayShift, type JoinedCell, type OwnUse } from './joined-cells.ts';
import { NOTHING, REPORT_KINDS, byKind, type ByKind, type ReportKind } from './report.ts';
import type { TableRates } from './table-rates.ts';

/** What the difference of one cell is told by. */
interface CellEvidence {
  readonly rates: TableRates;
  readonly searchRate: ExactUsd;
  readonly inferred: InferredRates;
  /** Attempts of the key and model on that day that never told their usage, in whatever mode they ran. */
  readonly noUsage: number;
  /** Set where the report has this use on another day. */
  readonly shift: DayShift | undefined;
  /** Use that the report has in minutes of which plimsoll knows that it may have lost what it saw; `null` for none. */
  readonly lost: DayShift | null;
}

/**
 * Walks from what plimsoll saw of a cell, at its own table's prices, to the list amount of the report, cause by cause:
 * quantities first, then prices. Tokens that the report has and plimsoll has not are valued at the table's prices, so the
 * whole difference of prices stands under `price`.
 */
export class CellDifference {
  readonly #cell: JoinedCell;
  readonly #evidence: CellEvidence;
  readonly #parts: Parts;
  readonly #own: OwnUse;
  /** The list amounts that are compared: those of the first reading, where only amounts have changed since. */
  readonly #list: ByKind<ExactUsd>;
  /** Tokens of refusals that the report left free. */
  #free: ByKind = NOTHING;
  /** Tokens that the report has and plimsoll has not, as far as they are not explained. */
  #left: ByKind = NOTHING;
  /** Tokens of `#left` that were long prompts, by what the amounts imply. */
  #unseenLong: ByKind = NOTHING;
  #requests = 0n;
  #searches = 0n;

  constructor(cell: JoinedCell, evidence: CellEvidence, parts: Parts) {
    this.#cell = cell;
    this.#evidence = evidence;
    this.#parts = parts;
    this.#own = cell.own ?? NOTHING_SEEN;
    this.#list = this.#comparedList();
  }

  /** Adds the parts of the cell. */
  walk(): void {
    this.#walkRefusals();
    const seen = ownTokens(this.#own);
    this.#left = byKind((kind) => this.#tokens[kind] - seen[kind]);
    this.#requests = requestsOver(this.#cell);
    this.#searches = (this.#cell.report?.searches ?? 0n) - BigInt(this.#own.counts.searches);
    const { shift, lost } = this.#evidence;
    if (shift !== undefined) this.#takeUse('day_boundary', shift);
    if (lost !== null) this.#takeLost(lost);
    this.#walkEstimates();
    this.#walkRest();
    this.#walkPrices();
  }

  get #tokens(): ByKind {
    return this.#cell.report?.tokens ?? NOTHING;
  }

  /** Amounts that changed while no tokens did are a correction of the report's own. */
  #comparedList(): ByKind<ExactUsd> {
    const { report, first } = this.#cell;
    const { usual } = this.#evidence.rates;
    if (report === null) return NOTHING;
    const { list, tokens } = report;
    if (list === null) return byKind((kind) => tokens[kind] * usual[kind]);
    const before = first?.list ?? null;
    if (before === null || REPORT_KINDS.some((kind) => first?.tokens[kind] !== tokens[kind])) return list;
    for (const kind of REPORT_KINDS) this.#add('revision', list[kind] - before[kind], { kind });
    return before;
  }

  #add(cause: Cause, units: ExactUsd, about: Partial<Pick<Part, 'kind' | 'calls'>>): void {
    const { day, key, model } = this.#cell;
    this.#parts.add(cause, units, { day, key, model, ...about });
  }

  /** Which categories did the report leave free? By plimsoll's own rule, unless another set of them fits to the unit. */
  #walkRefusals(): void {
    const { refused } = this.#own;
    if (refused.size === 0) return;
    const categories = [...refused.keys()];
    const own = categories.filter((category) => refused.get(category)?.isFree === true);
    const free =
      this.#evidence.rates.hasBands || this.#fits(own)
        ? own
        : (subsets(categories).find((set) => this.#fits(set)) ?? own);
    this.#free = this.#tokensOf(free);
    for (const [category, { tokens, isFree, calls }] of refused) {
      const isLeftFree = free.includes(category);
      if (isFree === isLeftFree) continue;
      const paid = REPORT_KINDS.reduce((sum, kind) => sum + tokens[kind] * this.#evidence.rates.usual[kind], 0n);
      this.#add('refusals', isLeftFree ? -paid : paid, { calls: Number(calls) });
    }
  }

  #tokensOf(categories: readonly string[]): ByKind {
    return byKind((kind) =>
      categories.reduce((sum, category) => sum + (this.#own.refused.get(category)?.tokens[kind] ?? 0n), 0n),
    );
  }

  #fits(free: readonly string[]): boolean {
    const unpaid = this.#tokensOf(free);
    return REPORT_KINDS.every((kind) => {
      if (kind === 'output') return true;
      const paid = (this.#tokens[kind] - unpaid[kind]) * this.#evidence.rates.usual[kind];
      return scaled(paid, this.#factor(kind) ?? AS_LISTED) === this.#list[kind];
    });
  }

  #factor(kind: ReportKind): ReturnType<InferredRates['factorOn']> {
    return this.#evidence.inferred.factorOn(this.#cell, kind, this.#cell.day);
  }

  /** Calls without a usage explain all requests that are too many, or none; cut answers explain output within their bounds. */
  #walkEstimates(): void {
    const { cut, output_estimated, cut_most_tokens } = this.#own.counts;
    if (this.#requests > 0n && BigInt(this.#evidence.noUsage) >= this.#requests) {
      this.#takeUse('no_usage', { tokens: this.#left, requests: this.#requests, searches: this.#searches });
    }
    if (this.#requests !== 0n || cut === 0) return;
    const least = BigInt(cut - output_estimated);
    const most = BigInt(Math.max(cut_most_tokens, output_estimated) - output_estimated);
    const { output } = this.#left;
    this.#take('cut', output < least ? least : output > most ? most : output, { kind: 'output' });
  }

  /** What is left: the same calls counted otherwise, or calls that only one side has. */
  #walkRest(): void {
    const excess = this.#requests;
    const unseen = this.#evidence.noUsage > 0 || this.#own.counts.cut > 0 ? 'inseparable' : 'not_seen';
    for (const kind of REPORT_KINDS) {
      const tokens = this.#left[kind];
      if (excess > 0n && tokens > 0n) this.#take(unseen, tokens, { kind, calls: Number(excess) });
      else if (excess < 0n && tokens < 0n) this.#take('not_in_report', tokens, { kind, calls: Number(-excess) });
      else this.#take('counted', tokens, { kind });
    }
    const searches = this.#searches;
    const cause = excess > 0n && searches > 0n ? unseen : excess < 0n && searches < 0n ? 'not_in_report' : 'counted';
    this.#add(cause, searches * this.#evidence.searchRate, { kind: 'searches' });
  }

  /** Of what the report has in those minutes, plimsoll may have seen a part. */
  #takeLost({ tokens, requests, searches }: DayShift): void {
    const most = (count: bigint, left: bigint): bigint => (left <= 0n ? 0n : count < left ? count : left);
    const found = byKind((kind) => most(tokens[kind], this.#left[kind]));
    const use = { requests: most(requests, this.#requests), searches: most(searches, this.#searches) };
    this.#takeUse('lost', { tokens: found, ...use });
  }

  #takeUse(cause: Cause, { tokens, requests, searches }: DayShift): void {
    for (const kind of REPORT_KINDS) this.#take(cause, tokens[kind], { kind, calls: Number(requests) });
    this.#add(cause, searches * this.#evidence.searchRate, { kind: 'searches' });
    this.#requests -= requests;
    this.#searches -= searches;
  }

  /** Explains tokens, at the table's prices; of those that plimsoll has not, the amounts imply which were long prompts. */
  #take(cause: Cause, tokens: bigint, { kind, calls = 0 }: { kind: ReportKind; calls?: number }): void {
    if (tokens === 0n) return;
    const { usual, long, hasBands } = this.#evidence.rates;
    const longTokens = hasBands && tokens > 0n ? this.#impliedLong(kind, tokens) : 0n;
    this.#unseenLong = { ...this.#unseenLong, [kind]: this.#unseenLong[kind] + longTokens };
    this.#left = { ...this.#left, [kind]: this.#left[kind] - tokens };
    this.#add(cause, (tokens - longTokens) * usual[kind] + longTokens * long[kind], { kind, calls });
  }

  /** The report's own rates of both bands, where they are known, else the table's. */
  #bandsOf(kind: ReportKind): BandRates {
    const { rates, inferred } = this.#evidence;
    const table = { usual: rates.usual[kind], long: rates.long[kind] };
    return rates.hasBands ? (inferred.bandsOn(this.#cell, kind, this.#cell.day) ?? table) : table;
  }

  #impliedLong(kind: ReportKind, most: bigint): bigint {
    const { usual, long } = this.#bandsOf(kind);
    const step = long - usual;
    const paid = this.#tokens[kind] - this.#free[kind];
    const over = this.#list[kind] - paid * usual;
    if (step === 0n || over % step !== 0n) return 0n;
    const more = over / step - this.#own.long[kind] - this.#unseenLong[kind];
    return more < 0n ? 0n : more > most ? most : more;
  }

  /** The list amount less the report's tokens at the table's prices. */
  #walkPrices(): void {
    const { searchRate } = this.#evidence;
    const { report } = this.#cell;
    this.#add('price', (report?.listSearches ?? 0n) - (report?.searches ?? 0n) * searchRate, { kind: 'searches' });
    const steps = byKind((kind) => (this.#evidence.rates.hasBands ? this.#bandSteps(kind) : this.#factorSteps(kind)));
    const rests = byKind((kind) => this.#list[kind] - this.#atTable(kind) - steps[kind].usual - steps[kind].long);
    const deviating = REPORT_KINDS.filter((kind) => rests[kind] !== 0n);
    for (const kind of REPORT_KINDS) {
      this.#add('price', steps[kind].usual, { kind });
      this.#add('price_band', steps[kind].long, { kind });
      // Two kinds that deviate by whole tokens of the other band are a band that was taken for the other one.
      const isBand = deviating.length > 1 && this.#isOfBand(kind, rests[kind]);
      this.#add(isBand ? 'price_band' : 'unexplained', rests[kind], { kind });
    }
  }

  /** What the report's own price adds to the table's. */
  #factorSteps(kind: ReportKind): BandRates {
    const factor = this.#factor(kind);
    const atTable = this.#atTable(kind);
    return { usual: factor === null || isListed(factor) ? 0n : scaled(atTable, factor) - atTable, long: 0n };
  }

  #bandSteps(kind: ReportKind): BandRates {
    const { usual, long } = this.#bandsOf(kind);
    const { rates } = this.#evidence;
    const longTokens = this.#longTokens(kind);
    const usualTokens = this.#tokens[kind] - this.#free[kind] - longTokens;
    return { usual: usualTokens * (usual - rates.usual[kind]), long: longTokens * (long - rates.long[kind]) };
  }

  #isOfBand(kind: ReportKind, rest: ExactUsd): boolean {
    const { usual, long } = this.#bandsOf(kind);
    return this.#evidence.rates.hasBands && long !== usual && rest % (long - usual) === 0n;
  }

  #longTokens(kind: ReportKind): bigint {
    return this.#own.long[kind] + this.#unseenLong[kind];
  }

  #atTable(kind: ReportKind): ExactUsd {
    const { usual, long } = this.#evidence.rates;
    const longTokens = this.#longTokens(kind);
    return (this.#tokens[kind] - this.#free[kind] - longTokens) * usual[kind] + longTokens * long[kind];
  }
}

const NOTHING_SEEN: OwnUse = {
  ...{ usual: NOTHING, long: NOTHING, refused: new Map(), crosses: false },
  counts: {
    ...{ calls: 0, no_usage: 0, cut: 0, cut_most_tokens: 0, unpriced: 0, searches: 0, input: 0, cache_read: 0 },
    ...{ cache_write_5m: 0, cache_write_1h: 0, output: 0, output_estimated: 0, recorded_nano_usd: 0 },
  },
};

/** At most so many categories are tried in every combination: a day of one cell has few. */
const MOST_CATEGORIES = 6;

function subsets<T>(items: readonly T[]): readonly (readonly T[])[] {
  const tried = items.slice(0, MOST_CATEGORIES);
  return Array.from({ length: 2 ** tried.length }, (_, mask) => tried.filter((_item, bit) => (mask >> bit) % 2 === 1));
}
