import { standardCost, type RouteJudging } from '../advice/routes.ts';
import { promptTokens } from '../pricing/cost.ts';
import { usdOf } from '../figures.ts';
import { RATE_LIMIT_REASONS, TOKEN_KINDS, type Tokens } from '../vocabulary.ts';
import { EVERY, OTHER, Sum, type CellLabels } from './cell.ts';
import { dense, merge, mergeDense, quantile, type Dense } from './sketch.ts';
import { BINS, type LastHour, type RangeSeconds } from './timeline.ts';
import type { CacheView, Charts, Numbers, Quantiles, Query, Row, Table, TableRow } from './view.ts';

/** A quantile of fewer calls is noise. */
const FEWEST = 20;

/** The calls of a range that the reader chose: by bin, and by what they are compared by. */
export interface Counted {
  readonly stepMs: number;
  readonly startsMs: readonly number[];
  /** One for each bin. */
  readonly bins: readonly Sum[];
  readonly duration: readonly (Dense | null)[];
  readonly firstToken: readonly (Dense | null)[];
  /** By model, one for each bin. */
  readonly waits: ReadonlyMap<string, number[]>;
  readonly costs: ReadonlyMap<string, number[]>;
  /** Over the whole range. */
  readonly sets: ReadonlyMap<CellLabels, Sum>;
}

/** Prices and models that costs are compared by. */
export type Pricing = RouteJudging;

/** Counts the calls of a query, in one pass over their cells. */
export function counted(
  hour: LastHour,
  { rangeSeconds, filter }: Pick<Query, 'filter'> & { readonly rangeSeconds: RangeSeconds },
  atMs: number,
): Counted {
  const stepMs = (rangeSeconds * 1_000) / (BINS - 1);
  const firstMs = (Math.floor(atMs / stepMs) - (BINS - 1)) * stepMs;
  const bins = Array.from({ length: BINS }, () => new Sum());
  const durations: Record<'duration' | 'firstToken', (Dense | null)[]> = {
    duration: bins.map(() => null),
    firstToken: bins.map(() => null),
  };
  const [waits, costs] = [new Map<string, number[]>(), new Map<string, number[]>()];
  const sets = new Map<CellLabels, Sum>();
  const fits = filtering(filter);
  const startsMs = hour.visit(rangeSeconds, atMs, (startMs, labels, cell) => {
    if (!fits(labels)) return;
    const at = (startMs - firstMs) / stepMs;
    bins[at]?.add(cell);
    sumOf(sets, labels).add(cell);
    if (cell.waitSeconds > 0) addTo(waits, labels.model, { at, amount: cell.waitSeconds });
    if (cell.costNanoUsd > 0) addTo(costs, labels.model, { at, amount: cell.costNanoUsd });
    if (cell.duration !== null) merge((durations.duration[at] ??= dense()), cell.duration);
    if (cell.firstToken !== null) merge((durations.firstToken[at] ??= dense()), cell.firstToken);
  });
  return { stepMs, startsMs, bins, ...durations, waits, costs, sets };
}

/** Judges each set of labels once. */
function filtering(filter: Query['filter']): (labels: CellLabels) => boolean {
  const chosen = Object.entries(filter);
  if (chosen.length === 0) return () => true;
  const judged = new Map<CellLabels, boolean>();
  return (labels) => {
    const known = judged.get(labels);
    if (known !== undefined) return known;
    const fits = chosen.every(([name, value]) => labelOf(labels, name) === value || isOfEvery(labels, name));
    judged.set(labels, fits);
    return fits;
  };
}

function sumOf<Key>(sums: Map<Key, Sum>, key: Key): Sum {
  const known = sums.get(key);
  if (known !== undefined) return known;
  const sum = new Sum();
  sums.set(key, sum);
  return sum;
}

function addTo(rows: Map<string, number[]>, model: string, { at, amount }: { at: number; amount: number }): void {
  const known = rows.get(model);
  const row = known ?? Array.from({ length: BINS }, () => 0);
  if (known === undefined) rows.set(model, row);
  row[at] = (row[at] ?? 0) + amount;
}

/** The value of a label; empty if the calls have none, and `other` for labels that found no room. */
export function labelOf(labels: CellLabels, name: string): string {
  if (name === 'key') return labels.key;
  if (name === 'model') return labels.model;
  if (name === 'operation') return labels.operation;
  if (labels.attribution === OTHER) return 'other';
  return Object.hasOwn(labels.attribution, name) ? (labels.attribution[name] ?? '') : '';
}

/** Tells whether the cell was counted without the label. */
export function isOfEvery({ attribution }: CellLabels, name: string): boolean {
  return attribution === EVERY && name !== 'key' && name !== 'model' && name !== 'operation';
}

function totalOf(sums: Iterable<Sum>): Sum {
  const total = new Sum();
  for (const sum of sums) total.add(sum);
  return total;
}

/** The range in numbers. `sinceMs` is when counting began. */
export function numbersOf(seen: Counted, sinceMs: number, atMs: number): Numbers {
  const { calls, ok, failed, left, attempts, rateLimited, retries, waitSeconds, costNanoUsd } = totalOf(seen.bins);
  const firstMs = Math.max(sinceMs, seen.startsMs[0] ?? atMs);
  const observedSeconds = Math.max(0, (atMs - firstMs) / 1_000);
  const costUsd = usdOf(costNanoUsd);
  const lastMinute = seen.bins.filter((_, at) => (seen.startsMs[at] ?? 0) + seen.stepMs > atMs - 60_000);
  return {
    ...{ calls, ok, failed, left, attempts, rateLimited, retries, waitSeconds, costUsd, observedSeconds },
    lastMinute: totalOf(lastMinute).calls,
    folded: totalOf([...seen.sets].flatMap(([{ attribution }, sum]) => (attribution === OTHER ? [sum] : []))).calls,
    latency: quantilesOf(seen.duration),
    firstToken: quantilesOf(seen.firstToken),
    costUsdPerHour: observedSeconds < 60 ? null : (costUsd / observedSeconds) * 3_600,
  };
}

function quantilesOf(counts: readonly (Dense | null)[]): Quantiles | null {
  const all = dense();
  for (const one of counts) if (one !== null) mergeDense(all, one);
  const p50 = quantile(all, 0.5, FEWEST);
  const p95 = quantile(all, 0.95, FEWEST);
  return p50 === null || p95 === null ? null : { p50, p95 };
}

/** The bins as rows. Rows by reason and model have those that occurred, in the order of their names. */
export function chartsOf(seen: Counted): Charts {
  const row = (of: (sum: Sum) => number): Row => seen.bins.map(of);
  const reasons = RATE_LIMIT_REASONS.map((reason, at) => ({ reason, row: row(({ rejected }) => rejected[at] ?? 0) }))
    .filter(({ row: counts }) => counts.some((count) => count !== null && count > 0))
    .toSorted((one, other) => (one.reason < other.reason ? -1 : 1));
  return {
    stepMs: seen.stepMs,
    startsMs: seen.startsMs,
    answered: row(({ ok }) => ok),
    failed: row(({ failed }) => failed),
    left: row(({ left }) => left),
    rateLimited: Object.fromEntries(reasons.map(({ reason, row: counts }) => [reason, counts])),
    latency: quantileRows(seen.duration),
    firstToken: quantileRows(seen.firstToken),
    waits: byModel(seen.waits, (waitSeconds) => waitSeconds),
    cost: byModel(seen.costs, usdOf),
  };
}

/** Bins on either side that a quantile may be read from. */
const WIDEST = 3;

/** A quantile of each bin, read from as many neighbors as it takes to have 20 calls; `null` where even they have fewer. */
function quantileRows(counts: readonly (Dense | null)[]): Charts['latency'] {
  const around = counts.map((own, index) => {
    if (own === null) return null;
    for (let width = 0; width <= WIDEST; width += 1) {
      const found = quantilesOf(counts.slice(Math.max(0, index - width), index + width + 1));
      if (found !== null) return found;
    }
    return null;
  });
  return { p50: around.map((found) => found?.p50 ?? null), p95: around.map((found) => found?.p95 ?? null) };
}

function byModel(
  rows: ReadonlyMap<string, readonly number[]>,
  of: (amount: number) => number,
): Readonly<Record<string, Row>> {
  return Object.fromEntries([...rows.keys()].sort().map((model) => [model, (rows.get(model) ?? []).map(of)]));
}

function tokensOf(sums: Iterable<Sum>): Tokens {
  const { tokens } = totalOf(sums);
  return Object.fromEntries(TOKEN_KINDS.map((kind, at) => [kind, tokens[at] ?? 0])) as Tokens;
}

function modelSums(sets: Iterable<readonly [CellLabels, Sum]>): ReadonlyMap<string, Sum> {
  const sums = new Map<string, Sum>();
  for (const [{ model }, sum] of sets) sumOf(sums, model).add(sum);
  return sums;
}

/** In US dollars; `null` without a price. */
function costUsdOn(tokens: Tokens, model: string, pricing: Pricing): number | null {
  const nanoUsd = standardCost(tokens, model, pricing);
  return nanoUsd === null ? null : usdOf(nanoUsd);
}

/** What calls cost by one label, the dearest first. */
export function tableOf(seen: Counted, { by, labels }: Pick<Table, 'by' | 'labels'>, pricing: Pricing): Table {
  const groups = new Map<string, (readonly [CellLabels, Sum])[]>();
  for (const entry of seen.sets) {
    if (isOfEvery(entry[0], by)) continue;
    const value = labelOf(entry[0], by);
    const group = groups.get(value) ?? [];
    groups.set(value, group);
    group.push(entry);
  }
  const rows = [...groups].map(([value, sets]): TableRow => {
    const models = modelSums(sets);
    const { calls, ok, failed, tokens, costNanoUsd } = totalOf(models.values());
    return {
      ...{ value, calls, ok, failed, costUsd: usdOf(costNanoUsd) },
      tokens: tokens.reduce((sum, count) => sum + count, 0),
      cheaper: cheaperOf(models, pricing),
    };
  });
  return { by, labels, rows: rows.sort((one, other) => other.costUsd - one.costUsd || other.calls - one.calls) };
}

/** What a row costs where each of its models is the next cheaper one; `null` if nothing would be cheaper. */
function cheaperOf(models: ReadonlyMap<string, Sum>, pricing: Pricing): TableRow['cheaper'] {
  const ladder = [pricing.models.critical, pricing.models.reasoning, pricing.models.default];
  const canonical = ladder.map((model) => pricing.prices.canonicalModel(model));
  let costUsd = 0;
  let target: string | null = null;
  for (const [model, sum] of models) {
    const next = canonical[canonical.indexOf(model) + 1];
    const moved = canonical.includes(model) && next !== undefined ? costUsdOn(tokensOf([sum]), next, pricing) : null;
    const stays = usdOf(sum.costNanoUsd);
    if (moved !== null && moved < stays)
      target = target === null || target === next ? (next ?? null) : 'cheaper models';
    costUsd += moved !== null && moved < stays ? moved : stays;
  }
  return target === null ? null : { model: target, costUsd };
}

/** How much of the input came from the prompt cache, and what that saved; `null` before any input. */
export function cacheOf(seen: Counted, pricing: Pricing): CacheView | null {
  const tokens = tokensOf(seen.sets.values());
  const prompt = promptTokens(tokens);
  if (prompt === 0) return null;
  let savedUsd: number | null = 0;
  for (const [model, sum] of modelSums(seen.sets)) {
    const own = tokensOf([sum]);
    const cached = own.cache_read + own.cache_write_5m + own.cache_write_1h;
    if (cached === 0) continue;
    const input: Tokens = { ...own, output: 0, output_estimated: 0 };
    const plain: Tokens = { ...input, input: own.input + cached, cache_read: 0, cache_write_5m: 0, cache_write_1h: 0 };
    const [asIs, without] = [costUsdOn(input, model, pricing), costUsdOn(plain, model, pricing)];
    savedUsd = savedUsd === null || asIs === null || without === null ? null : savedUsd + without - asIs;
  }
  return { readRatio: tokens.cache_read / prompt, savedUsd };
}
