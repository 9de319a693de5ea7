import { addCounts, dayAfter, noCounts, type TotalsCounts, type TotalsRow } from '../totals/day-totals.ts';
import type { KeyGroups } from './key-groups.ts';
import { REPORT_KINDS, byKind, type ByKind, type DayReport, type Mode, type ReportCell } from './report.ts';
import { totalOf } from './report-rows.ts';

/** The UTC day by which calls are counted: that of their start, or that of their end. */
export type DayBasis = 'start' | 'end';

/** What plimsoll saw of one cell on one day. */
export interface OwnUse {
  readonly counts: TotalsCounts;
  /** Tokens by the band that they were charged in here; `output` has the estimated output too. */
  readonly usual: ByKind;
  readonly long: ByKind;
  /** Calls that were refused before any output, by category; they are in the counts too. */
  readonly refused: ReadonlyMap<string, RefusedUse>;
  readonly crosses: boolean;
}

interface RefusedUse {
  readonly calls: bigint;
  readonly tokens: ByKind;
  /** plimsoll recorded them at no cost. */
  readonly isFree: boolean;
}

/** What both sides know of one key group in one mode on one UTC day. */
export interface JoinedCell extends Mode {
  readonly day: string;
  /** The group of key aliases. */
  readonly key: string;
  readonly own: OwnUse | null;
  readonly report: ReportCell | null;
  /** The same as it was read when the day was first complete. */
  readonly first: ReportCell | null;
}

/** Totals by day, group and mode. */
export function ownUses(rows: readonly TotalsRow[], groups: KeyGroups, basis: DayBasis): ReadonlyMap<string, OwnUse> {
  const lines = new Map<string, TotalsRow[]>();
  for (const row of rows) {
    const key = groups.ofAlias(row.cell.key) ?? row.cell.key;
    const name = nameOf(basis === 'end' ? row.toDay : row.day, { ...row.cell, key });
    lines.set(name, [...(lines.get(name) ?? []), row]);
  }
  return new Map([...lines].map(([name, own]) => [name, useOf(own)]));
}

/** Joins both sides by day, key group and mode. */
export function joinedCells(
  reports: readonly DayReport[],
  firsts: readonly DayReport[],
  { own, groups }: { readonly own: ReadonlyMap<string, OwnUse>; readonly groups: KeyGroups },
): readonly JoinedCell[] {
  const [latest, first] = [reportCells(reports, groups), reportCells(firsts, groups)];
  return [...new Set([...latest.keys(), ...own.keys()])].map((name) => {
    const [day = '', key = '', model = '', tier = '', speed = '', geo = ''] = JSON.parse(name) as string[];
    const sides = { own: own.get(name) ?? null, report: latest.get(name) ?? null, first: first.get(name) ?? null };
    return { day, key, model, tier, speed, geo, ...sides };
  });
}

function reportCells(reports: readonly DayReport[], groups: KeyGroups): ReadonlyMap<string, ReportCell> {
  const cells = new Map<string, ReportCell>();
  for (const { day, cells: all } of reports)
    for (const cell of all) {
      const key = cell.keyId === null ? null : groups.ofId(cell.keyId);
      if (key === null) continue;
      const name = nameOf(day, { ...cell, key });
      const known = cells.get(name);
      cells.set(name, known === undefined ? cell : bothOf(known, cell));
    }
  return cells;
}

/** Keys of one group are one cell. */
function bothOf(a: ReportCell, b: ReportCell): ReportCell {
  const [one, other] = [a.list, b.list];
  return {
    ...a,
    tokens: byKind((kind) => a.tokens[kind] + b.tokens[kind]),
    list: one === null || other === null ? null : byKind((kind) => one[kind] + other[kind]),
    searches: a.searches + b.searches,
    requests: a.requests === null || b.requests === null ? null : a.requests + b.requests,
    listSearches: a.listSearches + b.listSearches,
    billed: a.billed + b.billed,
  };
}

/** The name of a cell on its day. */
export function cellName({ day, ...cell }: Mode & { readonly day: string; readonly key: string }): string {
  return nameOf(day, cell);
}

function nameOf(day: string, { key, model, tier, speed, geo }: Mode & { readonly key: string }): string {
  return JSON.stringify([day, key, model, tier, speed, geo]);
}

function useOf(rows: readonly TotalsRow[]): OwnUse {
  const sums = { all: noCounts(), usual: noCounts(), long: noCounts() };
  const refused = new Map<string, RefusedUse>();
  for (const { cell, counts } of rows) {
    addCounts(sums.all, counts);
    addCounts(sums[cell.band], counts);
    if (cell.refused === null || counts.calls === 0) continue;
    const before = refused.get(cell.refused);
    const tokens = byKind((kind) => tokensIn(counts)[kind] + (before?.tokens[kind] ?? 0n));
    const calls = BigInt(counts.calls) + (before?.calls ?? 0n);
    refused.set(cell.refused, { calls, tokens, isFree: counts.recorded_nano_usd === 0 });
  }
  const crosses = rows.some(({ day, toDay }) => day !== toDay);
  return { counts: sums.all, usual: tokensIn(sums.usual), long: tokensIn(sums.long), refused, crosses };
}

/** The tokens of counts; an estimated output stands in for the one that was not told. */
function tokensIn(counts: TotalsCounts): ByKind {
  return { ...byKind((kind) => BigInt(counts[kind])), output: BigInt(counts.output + counts.output_estimated) };
}

export function ownTokens({ usual, long }: OwnUse): ByKind {
  return byKind((kind) => usual[kind] + long[kind]);
}

/**
 * Counts the cells with calls that crossed midnight that agree with the report to the token, by start and by end. Whichever
 * explains more is how the report counts; without a vote it is taken to be the start.
 */
export function dayBasis(
  rows: readonly TotalsRow[],
  reports: readonly DayReport[],
  groups: KeyGroups,
): { readonly basis: DayBasis; readonly votes: Readonly<Record<DayBasis, number>> } {
  const cells = reportCells(reports, groups);
  const both = { start: ownUses(rows, groups, 'start'), end: ownUses(rows, groups, 'end') };
  const votes = { start: 0, end: 0 };
  for (const [name, cell] of cells) {
    const [start, end] = [both.start.get(name), both.end.get(name)];
    if (start?.crosses !== true && end?.crosses !== true) continue;
    if (start !== undefined && agrees(start, cell)) votes.start += 1;
    if (end !== undefined && agrees(end, cell)) votes.end += 1;
  }
  return { basis: votes.end > votes.start ? 'end' : 'start', votes };
}

function agrees(own: OwnUse, { tokens }: ReportCell): boolean {
  const seen = ownTokens(own);
  return totalOf(tokens) > 0n && REPORT_KINDS.every((kind) => seen[kind] === tokens[kind]);
}

/** By how much the report's day has more than plimsoll's, for cells whose differences cancel over up to three days. */
export interface DayShift {
  readonly tokens: ByKind;
  readonly requests: bigint;
  readonly searches: bigint;
}

/** Use that the report has on another day than plimsoll: batches, and clocks that were wrong. */
export function dayShifts(cells: readonly JoinedCell[]): ReadonlyMap<JoinedCell, DayShift> {
  const shifts = new Map<JoinedCell, DayShift>();
  const lines = new Map<string, JoinedCell[]>();
  for (const cell of cells) lines.set(nameOf('', cell), [...(lines.get(nameOf('', cell)) ?? []), cell]);
  for (const line of lines.values()) {
    line.sort((a, b) => (a.day < b.day ? -1 : 1));
    let open: { readonly cell: JoinedCell; readonly shift: DayShift }[] = [];
    for (const cell of line) {
      const shift = differenceOf(cell);
      if (isNothing(shift)) continue;
      open = [...open.filter((each) => each.cell.day >= dayAfter(cell.day, 1 - LONGEST_SHIFT_DAYS)), { cell, shift }];
      const run = open
        .map((_, from) => open.slice(from))
        .find((part) => part.length > 1 && cancels(part.map((each) => each.shift)));
      if (run === undefined) continue;
      for (const each of run) shifts.set(each.cell, each.shift);
      open = [];
    }
  }
  return shifts;
}

const LONGEST_SHIFT_DAYS = 3;

function differenceOf({ own, report }: JoinedCell): DayShift {
  const seen = own === null ? null : ownTokens(own);
  return {
    tokens: byKind((kind) => (report?.tokens[kind] ?? 0n) - (seen?.[kind] ?? 0n)),
    requests: requestsOver({ own, report }),
    searches: (report?.searches ?? 0n) - BigInt(own?.counts.searches ?? 0),
  };
}

/** Requests of the report that plimsoll has no call for. Where they are not counted, the tokens tell their sign. */
export function requestsOver({ own, report }: Pick<JoinedCell, 'own' | 'report'>): bigint {
  const calls = BigInt(own?.counts.calls ?? 0);
  if (report?.requests !== null) return (report?.requests ?? 0n) - calls;
  const over = totalOf(report.tokens) - (own === null ? 0n : totalOf(ownTokens(own)));
  return over === 0n ? 0n : over > 0n ? 1n : -1n;
}

function isNothing({ tokens, requests, searches }: DayShift): boolean {
  return requests === 0n && searches === 0n && REPORT_KINDS.every((kind) => tokens[kind] === 0n);
}

function cancels(shifts: readonly DayShift[]): boolean {
  const sum = (of: (shift: DayShift) => bigint): bigint => shifts.reduce((all, shift) => all + of(shift), 0n);
  return isNothing({
    tokens: byKind((kind) => sum(({ tokens }) => tokens[kind])),
    requests: sum(({ requests }) => requests),
    searches: sum(({ searches }) => searches),
  });
}
