import { standardCost, type RouteJudging } from '../advice/routes.ts';
import { promptTokens } from '../pricing/cost.ts';
import { usdOf } from '../figures.ts';
import { RATE_LIMIT_REASONS, TOKEN_KINDS, type Tokens } from '../vocabulary.ts';
import { merge, quantile, type Sketch } from './sketch.ts';
import { EVERY, type Bin, type Cell, type CellLabels, type LastHour } from './timeline.ts';
import type { CacheView, Charts, Numbers, Quantiles, Query, Row, Table, TableRow } from './view.ts';

/** A quantile of fewer calls is noise. */
const FEWEST = 20;

/** The calls of a range that the reader chose: in bins, and together. */
interface Counted {
  readonly stepMs: number;
  readonly bins: readonly Bin[];
  /** Cells that the filter lets through, by bin. */
  readonly cells: readonly (readonly (readonly [CellLabels, Cell])[])[];
}

/** Prices and models that costs are compared by. */
export type Pricing = RouteJudging;

/** Picks the bins of a query, and their cells. */
export function counted(
  hour: LastHour,
  { rangeSeconds, filter }: Required<Pick<Query, 'rangeSeconds' | 'filter'>>,
  atMs: number,
): Counted {
  const { stepMs, bins } = hour.bins(rangeSeconds, atMs);
  const chosen = Object.entries(filter);
  const fits = (labels: CellLabels): boolean =>
    chosen.every(([name, value]) => labelOf(labels, name) === value || isOfEvery(labels, name));
  return { stepMs, bins, cells: bins.map(({ cells }) => [...cells].filter(([labels]) => fits(labels))) };
}

/** The value of a label; empty if the calls have none. */
export function labelOf(labels: CellLabels, name: string): string {
  if (name === 'key') return labels.key;
  if (name === 'model') return labels.model;
  if (name === 'operation') return labels.operation;
  return Object.hasOwn(labels.attribution, name) ? (labels.attribution[name] ?? '') : '';
}

/** Tells whether the cell was counted without the label. */
export function isOfEvery({ attribution }: CellLabels, name: string): boolean {
  return attribution === EVERY && name !== 'key' && name !== 'model' && name !== 'operation';
}

function total(cells: Iterable<readonly [CellLabels, Cell]>, of: (cell: Cell) => number): number {
  let sum = 0;
  for (const [, cell] of cells) sum += of(cell);
  return sum;
}

const rejections = ({ rejected }: Cell): number =>
  rejected === null ? 0 : Object.values(rejected).reduce((sum, count) => sum + count, 0);

const callsOf = ({ ok, failed, left }: Cell): number => ok + failed + left;

/** The range in numbers. `sinceMs` is when counting began. */
export function numbersOf(seen: Counted, sinceMs: number, atMs: number): Numbers {
  const all = seen.cells.flat();
  const firstMs = Math.max(sinceMs, seen.bins[0]?.startMs ?? atMs);
  const observedSeconds = Math.max(0, (atMs - firstMs) / 1_000);
  const costUsd = usdOf(total(all, ({ costNanoUsd }) => costNanoUsd));
  const ok = total(all, (cell) => cell.ok);
  const failed = total(all, (cell) => cell.failed);
  const left = total(all, (cell) => cell.left);
  return {
    ...{ calls: ok + failed + left, ok, failed, left },
    lastMinute: total(
      seen.cells.filter((_, index) => (seen.bins[index]?.startMs ?? 0) + seen.stepMs > atMs - 60_000).flat(),
      callsOf,
    ),
    attempts: total(all, ({ attempts }) => attempts),
    rateLimited: total(all, rejections),
    retries: total(all, ({ retries }) => retries),
    waitSeconds: total(all, ({ waitSeconds }) => waitSeconds),
    latency: quantilesOf(all.map(([, { duration }]) => duration)),
    firstToken: quantilesOf(all.map(([, { firstToken }]) => firstToken)),
    costUsd,
    costUsdPerHour: observedSeconds < 60 ? null : (costUsd / observedSeconds) * 3_600,
    observedSeconds,
  };
}

function quantilesOf(sketches: readonly (Sketch | null)[]): Quantiles | null {
  const merged = new Map<number, number>();
  for (const sketch of sketches) if (sketch !== null) merge(merged, sketch);
  const p50 = quantile(merged, 0.5, FEWEST);
  const p95 = quantile(merged, 0.95, FEWEST);
  return p50 === null || p95 === null ? null : { p50, p95 };
}

/** The bins as rows. Rows by reason and model have those that occurred, in the order of their names. */
export function chartsOf(seen: Counted): Charts {
  const row = (of: (cell: Cell) => number): Row => seen.cells.map((cells) => total(cells, of));
  const all = seen.cells.flat();
  const reasons = RATE_LIMIT_REASONS.filter((reason) => all.some(([, { rejected }]) => rejected?.[reason])).toSorted();
  return {
    stepMs: seen.stepMs,
    startsMs: seen.bins.map(({ startMs }) => startMs),
    answered: row(({ ok }) => ok),
    failed: row(({ failed }) => failed),
    left: row(({ left }) => left),
    rateLimited: Object.fromEntries(reasons.map((reason) => [reason, row(({ rejected }) => rejected?.[reason] ?? 0)])),
    latency: quantileRows(seen, ({ duration }) => duration),
    firstToken: quantileRows(seen, ({ firstToken }) => firstToken),
    waits: byModel(seen, ({ waitSeconds }) => waitSeconds),
    cost: byModel(seen, ({ costNanoUsd }) => usdOf(costNanoUsd)),
  };
}

/** Bins on either side that a quantile may be read from. */
const WIDEST = 3;

/** A quantile of each bin, read from as many neighbors as it takes to have 20 calls; `null` where even they have fewer. */
function quantileRows(seen: Counted, of: (cell: Cell) => Sketch | null): Charts['latency'] {
  const sketches = seen.cells.map((cells) => cells.map(([, cell]) => of(cell)));
  const around = sketches.map((own, index) => {
    if (own.every((sketch) => sketch === null)) return null;
    for (let width = 0; width <= WIDEST; width += 1) {
      const found = quantilesOf(sketches.slice(Math.max(0, index - width), index + width + 1).flat());
      if (found !== null) return found;
    }
    return null;
  });
  return { p50: around.map((found) => found?.p50 ?? null), p95: around.map((found) => found?.p95 ?? null) };
}

function byModel(seen: Counted, of: (cell: Cell) => number): Readonly<Record<string, Row>> {
  const models = [...new Set(seen.cells.flat().map(([{ model }]) => model))].sort();
  const rows = models.map((model) => {
    const row = seen.cells.map((cells) =>
      total(
        cells.filter(([labels]) => labels.model === model),
        of,
      ),
    );
    return [model, row] as const;
  });
  return Object.fromEntries(rows.filter(([, row]) => row.some((value) => value > 0)));
}

function tokensOf(cells: Iterable<readonly [CellLabels, Cell]>): Tokens {
  const sums = TOKEN_KINDS.map((_, at) => total(cells, ({ tokens }) => tokens[at] ?? 0));
  return Object.fromEntries(TOKEN_KINDS.map((kind, at) => [kind, sums[at] ?? 0])) as Tokens;
}

/** In US dollars; `null` without a price. */
function costUsdOn(tokens: Tokens, model: string, pricing: Pricing): number | null {
  const nanoUsd = standardCost(tokens, model, pricing);
  return nanoUsd === null ? null : usdOf(nanoUsd);
}

/** What calls cost by one label, the dearest first. */
export function tableOf(seen: Counted, { by, labels }: Pick<Table, 'by' | 'labels'>, pricing: Pricing): Table {
  const groups = new Map<string, (readonly [CellLabels, Cell])[]>();
  for (const entry of seen.cells.flat().filter(([of]) => !isOfEvery(of, by))) {
    const value = labelOf(entry[0], by);
    const group = groups.get(value) ?? [];
    groups.set(value, group);
    group.push(entry);
  }
  const rows = [...groups].map(([value, cells]): TableRow => ({
    value,
    calls: total(cells, callsOf),
    ok: total(cells, ({ ok }) => ok),
    failed: total(cells, ({ failed }) => failed),
    tokens: total(cells, ({ tokens }) => tokens.reduce((sum, count) => sum + count, 0)),
    costUsd: usdOf(total(cells, ({ costNanoUsd }) => costNanoUsd)),
    cheaper: cheaperOf(cells, pricing),
  }));
  return { by, labels, rows: rows.sort((one, other) => other.costUsd - one.costUsd || other.calls - one.calls) };
}

/** What a row costs where each of its models is the next cheaper one; `null` if nothing would be cheaper. */
function cheaperOf(cells: readonly (readonly [CellLabels, Cell])[], pricing: Pricing): TableRow['cheaper'] {
  const ladder = [pricing.models.critical, pricing.models.reasoning, pricing.models.default];
  const canonical = ladder.map((model) => pricing.prices.canonicalModel(model));
  let costUsd = 0;
  let target: string | null = null;
  for (const model of new Set(cells.map(([labels]) => labels.model))) {
    const own = cells.filter(([labels]) => labels.model === model);
    const next = canonical[canonical.indexOf(model) + 1];
    const moved = canonical.includes(model) && next !== undefined ? costUsdOn(tokensOf(own), next, pricing) : null;
    const stays = usdOf(total(own, ({ costNanoUsd }) => costNanoUsd));
    if (moved !== null && moved < stays)
      target = target === null || target === next ? (next ?? null) : 'cheaper models';
    costUsd += moved !== null && moved < stays ? moved : stays;
  }
  return target === null ? null : { model: target, costUsd };
}

/** How much of the input came from the prompt cache, and what that saved; `null` before any input. */
export function cacheOf(seen: Counted, pricing: Pricing): CacheView | null {
  const all = seen.cells.flat();
  const tokens = tokensOf(all);
  const prompt = promptTokens(tokens);
  if (prompt === 0) return null;
  let savedUsd: number | null = 0;
  for (const model of new Set(all.map(([labels]) => labels.model))) {
    const own = tokensOf(all.filter(([labels]) => labels.model === model));
    const cached = own.cache_read + own.cache_write_5m + own.cache_write_1h;
    if (cached === 0) continue;
    const input: Tokens = { ...own, output: 0, output_estimated: 0 };
    const plain: Tokens = { ...input, input: own.input + cached, cache_read: 0, cache_write_5m: 0, cache_write_1h: 0 };
    const [asIs, without] = [costUsdOn(input, model, pricing), costUsdOn(plain, model, pricing)];
    savedUsd = savedUsd === null || asIs === null || without === null ? null : savedUsd + without - asIs;
  }
  return { readRatio: tokens.cache_read / prompt, savedUsd };
}
