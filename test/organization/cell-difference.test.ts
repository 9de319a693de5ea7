import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sumsByCause } from '../../src/organization/causes.ts';
import type { Difference } from '../../src/organization/difference.ts';
import { nanoUsdOf, sumOf } from '../../src/organization/exact-usd.ts';
import { pricesFrom } from '../../src/pricing/prices.ts';
import type { TotalsRow } from '../../src/totals/day-totals.ts';
import { BooksBench, WATCHED, type BooksOptions } from '../../testing/organization/books-bench.ts';

const [SHOP = ''] = WATCHED;
const HAIKU = 'claude-haiku-5-5';
const OLD_HAIKU = 'claude-haiku-4-5';
const DAYS = 8;
/** From this UTC day on prices are others. */
const CHANGED = '2026-10-24';

const HAIKU_PRICES = { input: 0.1, output: 0.5, cacheWrite5m: 0.125, cacheWrite1h: 0.2, cacheRead: 0.01 };
const HAIKU_LONG = { input: 0.5, output: 2.5, cacheWrite5m: 0.625, cacheWrite1h: 1, cacheRead: 0.05 };
const OLD_PRICES = { input: 1, output: 5, cacheWrite5m: 1.25, cacheWrite1h: 2, cacheRead: 0.1 };

/** A table that is wrong for one model. */
function wrongly(model: string, ...prices: readonly object[]): BooksOptions {
  return { prices: pricesFrom({ extends: 'default', models: [{ model, prices }] }, 'test') };
}

const haiku = (usual: object, long: object = {}, aboveTokens = 100_000): object => ({
  ...{ ...HAIKU_PRICES, ...usual },
  longContext: { aboveTokens, ...HAIKU_LONG, ...long },
});

/** Days with a call of each length of prompt; tokens are drawn, so that no two days are alike. */
async function lived(model: string, options: BooksOptions): Promise<BooksBench> {
  const bench = new BooksBench({ days: DAYS, ...options });
  const draw = (most: number): number => 1 + Math.floor(bench.random() * most);
  for (let day = 0; day < DAYS; day++)
    for (const hour of [3, 9, 15]) {
      bench.at(day, hour);
      const usage = {
        ...{ input_tokens: (hour === 9 ? 100_001 : 200) + draw(9_000), output_tokens: draw(900) },
        cache_read_input_tokens: draw(20_000),
        cache_creation: { ephemeral_5m_input_tokens: draw(4_000), ephemeral_1h_input_tokens: draw(900) },
      };
      await bench.ask({ key: SHOP, model, usage });
    }
  return bench;
}

/** Nano-dollars of each cause but the rounding of calls, and of the kinds they are of. */
async function compared(bench: BooksBench, rows: readonly TotalsRow[]) {
  const result = await bench.compare({ rows });
  assert.equal(result.recorded + sumOf(result.parts.map(({ units }) => units)), result.billed);
  const sums = [...sumsByCause(result.parts)].filter(([cause]) => cause !== 'rounding');
  return { result, causes: Object.fromEntries(sums.map(([cause, units]) => [cause, Number(nanoUsdOf(units))])) };
}

function kindsOf({ parts }: Difference): readonly string[] {
  return [...new Set(parts.filter(({ cause }) => cause !== 'rounding').map(({ cause, kind }) => `${cause} ${kind}`))];
}

/** Tokens of a kind that plimsoll saw, in one band, on days from the one on which prices change. */
function seen(
  rows: readonly TotalsRow[],
  kind: 'input' | 'output' | 'cache_read',
  isIn: (row: TotalsRow) => boolean,
): number {
  return rows.filter(isIn).reduce((sum, { counts }) => sum + counts[kind], 0);
}

const isLong = ({ cell }: TotalsRow): boolean => cell.band === 'long';
const isLate = ({ day }: TotalsRow): boolean => day >= CHANGED;

describe('cells of two prices', () => {
  test('a price that changes within the window is told with its first day', async () => {
    const table = [
      { effectiveTo: CHANGED, ...OLD_PRICES },
      { effectiveFrom: CHANGED, ...OLD_PRICES, output: 6 },
    ];
    const bench = await lived(OLD_HAIKU, wrongly(OLD_HAIKU, ...table));
    const rows = bench.rows();
    const { result, causes } = await compared(bench, rows);
    assert.deepEqual(causes, { price: -seen(rows, 'output', isLate) * 1_000 });
    assert.deepEqual(kindsOf(result), ['price output']);
    const days = result.parts.filter(({ cause }) => cause === 'price').map(({ day }) => day);
    assert.equal(days.sort()[0], CHANGED);
  });

  test('two rates of one model are solved from the days, and each is told by itself', async () => {
    const bench = await lived(HAIKU, wrongly(HAIKU, haiku({ output: 0.6 }, { output: 2.6, input: 0.4 })));
    const rows = bench.rows();
    const { causes } = await compared(bench, rows);
    assert.deepEqual(causes, {
      price: -seen(rows, 'output', (row) => !isLong(row)) * 100,
      price_band: -seen(rows, 'output', isLong) * 100 + seen(rows, 'input', isLong) * 100,
    });
  });

  test('a change of one of two rates within the window is told from its first day on', async () => {
    const table = [
      { effectiveTo: CHANGED, ...haiku({}) },
      { effectiveFrom: CHANGED, ...haiku({ cacheRead: 0.02 }) },
    ];
    const bench = await lived(HAIKU, wrongly(HAIKU, ...table));
    const rows = bench.rows();
    const { result, causes } = await compared(bench, rows);
    assert.deepEqual(causes, { price: -seen(rows, 'cache_read', (row) => isLate(row) && !isLong(row)) * 10 });
    assert.deepEqual(kindsOf(result), ['price cache_read']);
  });

  test('long prompts that plimsoll takes for short ones are a band, of every kind', async () => {
    const bench = await lived(HAIKU, wrongly(HAIKU, haiku({}, {}, 500_000)));
    const rows = bench.rows();
    assert.ok(!rows.some(isLong));
    const { causes } = await compared(bench, rows);
    // What the same calls would have cost more, by the API's own threshold.
    const truth = [...bench.sim.truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0);
    const recorded = rows.reduce((sum, { counts }) => sum + counts.recorded_nano_usd, 0);
    assert.deepEqual(Object.keys(causes), ['price_band']);
    assert.ok(Math.abs((causes['price_band'] ?? 0) - (truth - recorded)) <= rows.length * 15, String(truth - recorded));
  });

  test('Priority Tier has tokens and no costs, and disturbs no other price', async () => {
    const bench = await lived(OLD_HAIKU, {});
    bench.at(2, 12);
    await bench.ask({
      ...{ key: SHOP, model: OLD_HAIKU },
      usage: { input_tokens: 1_000, output_tokens: 100, service_tier: 'priority' },
    });
    // 1,000 × $1 + 100 × $5, a million each: paid as a commitment, so the report has none of it.
    assert.deepEqual((await compared(bench, bench.rows())).causes, { priority: -1_500_000 });
  });

  test('a model without a price here costs what the report lists', async () => {
    const known = pricesFrom({ checkedOn: '2026-11-01', models: [{ model: OLD_HAIKU, prices: [OLD_PRICES] }] }, 'test');
    const bench = await lived(HAIKU, { prices: known });
    const { result, causes } = await compared(bench, bench.rows());
    assert.ok(result.recorded === 0n && result.listed > 0n);
    assert.deepEqual(causes, { unpriced: Number(nanoUsdOf(result.listed)) });
    assert.equal(result.parts.find(({ cause }) => cause === 'unpriced')?.model, HAIKU);
  });
});
