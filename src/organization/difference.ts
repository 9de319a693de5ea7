import type { PriceTable } from '../pricing/prices.ts';
import { dayAfter, dayStartMs, type DayTotals } from '../totals/day-totals.ts';
import { Parts, type Cause, type Part } from './causes.ts';
import { CellDifference } from './cell-difference.ts';
import { exactUsdOfNano, sumOf, type ExactUsd } from './exact-usd.ts';
import { InferredRates } from './inferred-rates.ts';
import {
  cellName,
  dayBasis,
  dayShifts,
  joinedCells,
  ownUses,
  type DayBasis,
  type DayShift,
  type JoinedCell,
  type OwnUse,
} from './joined-cells.ts';
import type { KeyGroups } from './key-groups.ts';
import { REPORT_KINDS, type DayReport, type Mode, type OtherCost, type Reading, type ReportCell } from './report.ts';
import { searchRate, tableRates, type TableRates } from './table-rates.ts';

/** Both sides of a comparison, with a day more before and two after, so that use on the edge is recognized. */
export interface Comparison {
  /** UTC days, from `fromDay` to before `toDay`. */
  readonly fromDay: string;
  readonly toDay: string;
  readonly reading: Reading;
  /** The readings in which days were first complete. */
  readonly firsts: readonly DayReport[];
  readonly totals: DayTotals;
  readonly groups: KeyGroups;
  readonly prices: PriceTable;
  /** Use that the report has inside the gaps of the totals, as JSON of day, group, model, tier, speed and geo. */
  readonly lost?: ReadonlyMap<string, DayShift>;
  /** The totals know nothing but keys, models and costs, each about right: the difference of watched keys is told in one sum. */
  readonly isCoarse?: boolean;
}

/** What was used by whom: an amount for each view of it. */
export interface Line {
  readonly day: string;
  /** The group of key aliases, else the id; `null` for use without a key. */
  readonly key: string | null;
  /** The id of the key, where the report tells it. */
  readonly keyId: string | null;
  readonly model: string | null;
  readonly recorded: ExactUsd;
  readonly listed: ExactUsd;
  readonly billed: ExactUsd;
}

/** The way from what plimsoll recorded to what is billed. */
export interface Difference {
  readonly fromDay: string;
  readonly toDay: string;
  /** Days that were read, and that the report is complete for. Only they are compared. */
  readonly closedDays: readonly string[];
  /** What plimsoll recorded of closed days, and what the report has of them at list price and as billed. */
  readonly recorded: ExactUsd;
  readonly listed: ExactUsd;
  readonly billed: ExactUsd;
  /** The same of days for which the report is not complete: not to be compared. */
  readonly open: { readonly recorded: ExactUsd; readonly billed: ExactUsd };
  /** Those of closed days and `recorded` add up to `billed`, to the last digit; those of open days are of the cause `open`. */
  readonly parts: readonly Part[];
  readonly lines: readonly Line[];
  /** The part of the watched keys' list amount that plimsoll saw; `null` where there is none. */
  readonly coverage: number | null;
  readonly basis: { readonly basis: DayBasis; readonly votes: Readonly<Record<DayBasis, number>> };
  /** Days whose rows do not agree with their sums, with the names of those. */
  readonly controlFailures: readonly { readonly day: string; readonly sums: readonly string[] }[];
}

/** Walks from what plimsoll recorded to what the report bills. Pure, and exact whatever the data. */
export function difference(comparison: Comparison): Difference {
  return new Walk(comparison).done();
}

const UNSEEN: ReadonlySet<Cause> = new Set(['not_seen', 'lost', 'inseparable', 'no_usage']);

const OTHER_CAUSES: ReadonlyMap<string, Cause> = new Map([
  ['code_execution', 'code_execution'],
  ['session_usage', 'session_time'],
]);

/** The model of totals beyond the cap of lines a day: which models they were is not known. */
const FOLDED = 'other';

/** Tiers of which plimsoll knows the price; the costs of `priority` are in no report. */
const PRICED_TIERS: ReadonlySet<string> = new Set(['standard', 'batch', 'priority']);

class Walk {
  readonly #of: Comparison;
  readonly #parts = new Parts();
  readonly #lines: Line[] = [];
  readonly #closed: ReadonlySet<string>;
  readonly #days: readonly string[];
  readonly #reports: readonly DayReport[];
  readonly #byStart: ReadonlyMap<string, OwnUse>;
  readonly #basis: Difference['basis'];
  #watchedList: ExactUsd = 0n;

  constructor(comparison: Comparison) {
    this.#of = comparison;
    const { fromDay, toDay, reading, totals, groups } = comparison;
    this.#days = daysOf(fromDay, toDay);
    const { refreshedAtMs } = reading;
    const read = new Set(reading.days.map(({ day }) => day));
    const isClosed = (day: string): boolean =>
      refreshedAtMs !== null && dayStartMs(dayAfter(day)) <= refreshedAtMs && read.has(day);
    this.#closed = new Set(this.#days.filter(isClosed));
    this.#reports = reading.days.filter(({ day }) => isClosed(day));
    this.#byStart = ownUses(totals.rows, groups, 'start');
    this.#basis = dayBasis(totals.rows, this.#reports, groups);
  }

  done(): Difference {
    const own = ownUses(this.#of.totals.rows, this.#of.groups, this.#basis.basis);
    const cells = joinedCells(this.#reports, this.#of.firsts, { own, groups: this.#of.groups });
    this.#walkOwn(own);
    for (const report of this.#of.reading.days) this.#walkReport(report);
    this.#walkCells(cells.filter(({ day }) => dayStartMs(dayAfter(day)) <= (this.#of.reading.refreshedAtMs ?? 0)));
    const closed = this.#lines.filter(({ day }) => this.#closed.has(day));
    const open = this.#lines.filter(({ day }) => !this.#closed.has(day));
    const { fromDay, toDay } = this.#of;
    return {
      ...{ fromDay, toDay, parts: this.#parts.all, lines: this.#lines, basis: this.#basis },
      closedDays: [...this.#closed],
      recorded: sumOf(closed.map((line) => line.recorded)),
      listed: sumOf(closed.map((line) => line.listed)),
      billed: sumOf(closed.map((line) => line.billed)),
      open: { recorded: sumOf(open.map((line) => line.recorded)), billed: sumOf(open.map((line) => line.billed)) },
      coverage: this.#coverage(),
      controlFailures: this.#reports
        .filter(({ day, controlFailures }) => this.#closed.has(day) && controlFailures.length > 0)
        .map(({ day, controlFailures: sums }) => ({ day, sums })),
    };
  }

  #coverage(): number | null {
    if (this.#watchedList <= 0n) return null;
    const unseen = this.#parts.all.filter(({ cause, units }) => UNSEEN.has(cause) && units > 0n);
    return 1 - Number(sumOf(unseen.map(({ units }) => units))) / Number(this.#watchedList);
  }

  /** Recorded sums are of the day of the start. What moves them to the report's day is the day boundary. */
  #walkOwn(own: ReadonlyMap<string, OwnUse>): void {
    for (const [cell, use] of named(this.#byStart)) {
      const { day, key, model } = cell;
      if (!this.#days.includes(day)) continue;
      const units = exactUsdOfNano(use.counts.recorded_nano_usd);
      this.#lines.push({ day, key, keyId: null, model, recorded: units, listed: 0n, billed: 0n });
      if (this.#closed.has(day)) this.#parts.add('rounding', this.#worth(cell, use) - units, cell);
      else this.#parts.add('open', -units, cell);
    }
    if (this.#basis.basis === 'end') {
      for (const [sign, uses] of [
        [1n, own],
        [-1n, this.#byStart],
      ] as const)
        for (const [cell, use] of named(uses))
          if (this.#closed.has(cell.day)) this.#parts.add('day_boundary', sign * this.#worth(cell, use), cell);
    }
    for (const [cell, use] of named(own))
      if (this.#closed.has(cell.day) && !this.#isWatched(cell.key))
        this.#parts.add('no_such_key', -this.#worth(cell, use), cell);
  }

  #isWatched(group: string): boolean {
    return this.#of.groups.groups.some(({ name, ids }) => name === group && ids.length > 0);
  }

  #rates(mode: Mode, day: string): TableRates | null {
    return PRICED_TIERS.has(mode.tier) ? tableRates(this.#of.prices, mode, day) : null;
  }

  /**
   * The exact price of what plimsoll saw, by its own table and its own rule of refusals. What has no price by now, such as
   * the tokens of many models in one line, is worth what was recorded.
   */
  #worth(cell: Mode & { readonly day: string }, { usual, long, refused, counts }: OwnUse): ExactUsd {
    const rates = this.#rates(cell, cell.day);
    const searches = BigInt(counts.searches) * (searchRate(this.#of.prices, cell.day) ?? 0n);
    if (rates === null || this.#of.isCoarse === true) return exactUsdOfNano(counts.recorded_nano_usd);
    const free = [...refused.values()].filter(({ isFree }) => isFree);
    const tokens = REPORT_KINDS.map((kind) => {
      const unpaid = free.reduce((sum, each) => sum + each.tokens[kind], 0n);
      return (usual[kind] - unpaid) * rates.usual[kind] + long[kind] * rates.long[kind];
    });
    return sumOf(tokens) + searches;
  }

  #listOf(cell: ReportCell, day: string): ExactUsd {
    const rates = cell.list === null ? this.#rates(cell, day) : null;
    const list = cell.list ?? (rates === null ? null : mapped(cell, rates));
    return (list === null ? 0n : sumOf(Object.values(list))) + cell.listSearches;
  }

  /** Discounts, and all that no key of plimsoll's can have made. */
  #walkReport(report: DayReport): void {
    if (!this.#days.includes(report.day)) return;
    const listed = report.cells.map((cell) => this.#walkReportCell(report, cell));
    for (const cost of report.others) this.#walkOther(report, cost, sumOf(listed));
  }

  #groupOf(keyId: string | null): string | null {
    return keyId === null ? null : (this.#of.groups.ofId(keyId) ?? keyId);
  }

  /** Returns the list amount of the cell. */
  #walkReportCell({ day, source }: DayReport, cell: ReportCell): ExactUsd {
    const list = this.#listOf(cell, day);
    const about = { day, key: this.#groupOf(cell.keyId), model: cell.model, calls: Number(cell.requests ?? 0n) };
    const { keyId, model, billed } = cell;
    this.#lines.push({ day, key: about.key, keyId, model, recorded: 0n, listed: list, billed });
    if (!this.#closed.has(day)) {
      this.#parts.add('open', cell.billed, about);
      return list;
    }
    if (source === 'analytics') this.#parts.add('discount', cell.billed - list, about);
    if (cell.keyId === null) this.#parts.add('no_key', list, about);
    else if (this.#of.groups.ofId(cell.keyId) === null) this.#parts.add('unwatched_keys', list, about);
    else this.#watchedList += list;
    return list;
  }

  #walkOther({ day, source }: DayReport, { costType, keyId, list, billed }: OtherCost, listed: ExactUsd): void {
    const about = { day, key: this.#groupOf(keyId) };
    this.#lines.push({ ...about, keyId, model: null, recorded: 0n, listed: list, billed });
    if (!this.#closed.has(day)) return this.#parts.add('open', billed, about);
    // The older reports have what tokens cost in one sum: it is compared with the table's price of all of them.
    if (source === 'legacy' && costType === 'tokens')
      return this.#parts.add('price_or_discount', billed - listed, about);
    this.#parts.add('discount', billed - list, about);
    this.#parts.add(OTHER_CAUSES.get(costType) ?? 'other_costs', list, about);
  }

  /** Modes are not told apart, so those of one key and model on one day are one sum. */
  #walkCoarse(watched: readonly JoinedCell[]): void {
    const sums = new Map<string, { readonly cell: JoinedCell; units: ExactUsd }>();
    for (const cell of watched.filter(({ day }) => this.#closed.has(day))) {
      const list = cell.report === null ? 0n : this.#listOf(cell.report, cell.day);
      const sum = sums.get(modelName(cell)) ?? { cell, units: 0n };
      sum.units += list - (cell.own === null ? 0n : this.#worth(cell, cell.own));
      sums.set(modelName(cell), sum);
    }
    for (const { cell, units } of sums.values()) this.#parts.add('inseparable', units, cell);
  }

  #walkCells(cells: readonly JoinedCell[]): void {
    const watched = cells.filter(({ key }) => this.#isWatched(key));
    if (this.#of.isCoarse === true) return this.#walkCoarse(watched);
    const inferred = new InferredRates(this.#reports, watched, (mode, day) => this.#rates(mode, day));
    const shifts = dayShifts(watched);
    const noUsage = noUsageByModel(watched);
    const folded = new Set(watched.filter(isFolded).map(keyDay));
    for (const cell of watched) {
      if (!this.#closed.has(cell.day)) continue;
      const rates = this.#rates(cell, cell.day);
      const list = cell.report === null ? 0n : this.#listOf(cell.report, cell.day);
      const worth = cell.own === null ? 0n : this.#worth(cell, cell.own);
      if (folded.has(keyDay(cell)) && (cell.own === null || isFolded(cell)))
        this.#parts.add('folded', list - worth, cell);
      else if (cell.tier === 'priority') this.#parts.add('priority', list - worth, cell);
      else if (rates === null) this.#parts.add('unpriced', list - worth, cell);
      else {
        const search = searchRate(this.#of.prices, cell.day) ?? 0n;
        const lost = this.#of.lost?.get(cellName(cell)) ?? null;
        const unknown = noUsage.get(modelName(cell)) ?? 0;
        const evidence = { rates, searchRate: search, inferred, shift: shifts.get(cell), lost, noUsage: unknown };
        new CellDifference(cell, evidence, this.#parts).walk();
      }
    }
  }
}

function isFolded({ model, own }: JoinedCell): boolean {
  return model === FOLDED && (own?.counts.calls ?? 0) > 0;
}

function keyDay({ day, key }: JoinedCell): string {
  return `${day} ${key}`;
}

function modelName({ day, key, model }: JoinedCell): string {
  return JSON.stringify([day, key, model]);
}

/** An attempt that never told its usage never told its mode either. */
function noUsageByModel(cells: readonly JoinedCell[]): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const cell of cells) {
    const name = modelName(cell);
    sums.set(name, (sums.get(name) ?? 0) + (cell.own?.counts.no_usage ?? 0));
  }
  return sums;
}

function mapped({ tokens }: ReportCell, { usual }: TableRates): Readonly<Record<string, ExactUsd>> {
  return Object.fromEntries(REPORT_KINDS.map((kind) => [kind, tokens[kind] * usual[kind]]));
}

function* named(
  uses: ReadonlyMap<string, OwnUse>,
): Generator<readonly [Mode & { readonly day: string; readonly key: string }, OwnUse]> {
  for (const [name, use] of uses) {
    const [day = '', key = '', model = '', tier = '', speed = '', geo = ''] = JSON.parse(name) as string[];
    yield [{ day, key, model, tier, speed, geo }, use];
  }
}

/** The days from one to before another. */
function daysOf(fromDay: string, toDay: string): readonly string[] {
  const days: string[] = [];
  for (let day = fromDay; day < toDay; day = dayAfter(day)) days.push(day);
  return days;
}
