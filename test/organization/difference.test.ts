import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sumsByCause, type Cause } from '../../src/organization/causes.ts';
import type { Difference } from '../../src/organization/difference.ts';
import { nanoUsdOf, sumOf } from '../../src/organization/exact-usd.ts';
import { readGaps } from '../../src/organization/read-gaps.ts';
import { pricesFrom } from '../../src/pricing/prices.ts';
import { dayAfter, noCounts, type TotalsRow } from '../../src/totals/day-totals.ts';
import { BooksBench, WATCHED, type Ask, type BooksOptions } from '../../testing/organization/books-bench.ts';
import { liveDay } from '../../testing/organization/mixed-traffic.ts';

const [SHOP = '', , BATCH = ''] = WATCHED;
const OPUS = 'claude-opus-5-5';
const SONNET = 'claude-sonnet-5-5';
/** A short organization, for one cause at a time. */
const DAYS_ALONE = 6;

async function lived(options: BooksOptions = {}, callsAMode = 1): Promise<BooksBench> {
  const bench = new BooksBench({ days: DAYS_ALONE, ...options });
  for (let day = 0; day < bench.days; day++) await liveDay(bench, day, callsAMode);
  return bench;
}

/** Nano-dollars of each cause, but the rounding of recorded sums, which is below half a nano-dollar for each call and kind. */
function nanoUsdByCause(result: Difference): Readonly<Record<string, number>> {
  const sums = [...sumsByCause(result.parts)].filter(([cause]) => cause !== 'rounding');
  return Object.fromEntries(sums.map(([cause, units]) => [cause, Number(nanoUsdOf(units))]));
}

function partsOf({ parts }: Difference, isIn: (cause: Cause) => boolean): bigint {
  return sumOf(parts.filter(({ cause }) => isIn(cause)).map(({ units }) => units));
}

/** What holds whatever happened: parts add up, and the sums that were asked for by themselves agree. */
function checked(result: Difference): Difference {
  assert.equal(result.recorded + partsOf(result, (cause) => cause !== 'open'), result.billed);
  assert.equal(result.open.recorded + partsOf(result, (cause) => cause === 'open'), result.open.billed);
  assert.deepEqual(result.controlFailures, []);
  return result;
}

/** A cause that is injected, and what it is worth in nano-dollars by hand. */
interface Injected {
  readonly cause: Cause;
  readonly nanoUsd: number;
  readonly options?: BooksOptions;
  readonly inject?: (bench: BooksBench) => Promise<void>;
  readonly rows?: (rows: readonly TotalsRow[]) => readonly TotalsRow[];
}

const TOKENS = { input_tokens: 1_000, cache_read_input_tokens: 0, output_tokens: 100 };
/** 1,000 × $4 + 100 × $20, a million each. */
const NANO_USD = 6_000_000;

const opus = async (bench: BooksBench, ask: Partial<Ask>): Promise<void> => {
  bench.at(2, 12);
  await bench.ask({ key: SHOP, model: OPUS, usage: TOKENS, ...ask });
};

const cellOf = ({ day, cell }: TotalsRow, index: number): boolean =>
  day === dayAfter('2026-10-20', index) && cell.key === SHOP && cell.model === OPUS && cell.speed === 'standard';

const changed =
  (counts: (row: TotalsRow) => Partial<TotalsRow['counts']>, isIn = (row: TotalsRow) => cellOf(row, 2)) =>
  (rows: readonly TotalsRow[]): readonly TotalsRow[] =>
    rows.map((row) => (isIn(row) ? { ...row, counts: { ...row.counts, ...counts(row) } } : row));

const priced = (rates: object): BooksOptions => ({
  prices: pricesFrom(
    {
      extends: 'default',
      models: [
        {
          model: 'claude-haiku-4-5',
          prices: [{ input: 1, output: 5, cacheWrite5m: 1.25, cacheWrite1h: 2, cacheRead: 0.1, ...rates }],
        },
      ],
    },
    'test',
  ),
});

const ALONE: Readonly<Record<string, Injected>> = {
  'another program on a watched key': {
    cause: 'not_seen',
    nanoUsd: NANO_USD,
    inject: (bench) => opus(bench, { foreign: true }),
  },
  'a key that is not watched': {
    cause: 'unwatched_keys',
    nanoUsd: NANO_USD,
    inject: (bench) => opus(bench, { key: 'foreign' }),
  },
  'the Console, without a key': {
    cause: 'no_key',
    nanoUsd: NANO_USD,
    inject: async (bench) =>
      bench.sim.enterUse({ atMs: bench.clock.nowMs - 3 * 86_400_000, used: { model: OPUS, usage: WIRE } }),
  },
  'code execution': {
    cause: 'code_execution',
    nanoUsd: 125_000_000,
    inject: async (bench) =>
      bench.sim.enterUse({
        atMs: bench.clock.nowMs - 3 * 86_400_000,
        charged: { costType: 'code_execution', cents: '12.5' },
      }),
  },
  'time of sessions': {
    cause: 'session_time',
    nanoUsd: 80_000_000,
    inject: async (bench) =>
      bench.sim.enterUse({
        atMs: bench.clock.nowMs - 3 * 86_400_000,
        charged: { costType: 'session_usage', cents: '8' },
      }),
  },
  'an answer that was lost': {
    cause: 'no_usage',
    nanoUsd: NANO_USD,
    inject: async (bench) => {
      bench.sim.script([{ fault: 'lost_response' }, { fault: 'overloaded', headers: { 'x-should-retry': 'false' } }]);
      await opus(bench, {});
    },
  },
  'input that was counted otherwise': {
    cause: 'counted',
    nanoUsd: 17 * 4_000,
    rows: changed(({ counts }) => ({
      input: counts.input - 17,
      recorded_nano_usd: counts.recorded_nano_usd - 17 * 4_000,
    })),
  },
  'calls that the report has not': {
    cause: 'not_in_report',
    nanoUsd: -NANO_USD,
    rows: changed(({ counts }) => ({
      ...{ calls: counts.calls + 1, input: counts.input + 1_000, output: counts.output + 100 },
      recorded_nano_usd: counts.recorded_nano_usd + NANO_USD,
    })),
  },
  'many models that were counted together as other': {
    cause: 'folded',
    nanoUsd: NANO_USD,
    inject: (bench) => opus(bench, { foreign: true }),
    rows: (rows) => rows.map((row) => (cellOf(row, 2) ? { ...row, cell: { ...row.cell, model: 'other' } } : row)),
  },
  'an alias of no key': {
    cause: 'no_such_key',
    nanoUsd: -NANO_USD,
    rows: (rows) => [
      ...rows,
      {
        ...{ day: '2026-10-22', toDay: '2026-10-22' },
        cell: {
          key: 'elsewhere',
          model: OPUS,
          tier: 'standard',
          speed: 'standard',
          geo: 'global',
          band: 'usual',
          refused: null,
        },
        counts: { ...noCounts(), calls: 1, input: 1_000, output: 100, recorded_nano_usd: NANO_USD },
      },
    ],
  },
};

const WIRE = {
  ...{ input_tokens: 1_000, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 100 },
  cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
  ...({ service_tier: 'standard', inference_geo: 'global' } as const),
};

describe('a cause that is alone stands under its own name, at its size, and nowhere else', () => {
  for (const [what, { cause, nanoUsd, options = {}, inject, rows }] of Object.entries(ALONE))
    test(what, async () => {
      const bench = await lived(options);
      await inject?.(bench);
      const own = bench.rows();
      const result = checked(await bench.compare({ rows: rows === undefined ? own : rows(own) }));
      assert.deepEqual(nanoUsdByCause(result), { [cause]: nanoUsd });
    });

  test('a discount, on every amount', async () => {
    const bench = await lived({ organization: { discountPercent: '12' } });
    const result = checked(await bench.compare());
    assert.deepEqual(Object.keys(nanoUsdByCause(result)), ['discount']);
    assert.equal(result.billed * 100n, result.listed * 88n);
  });

  test('a price that the table has wrong, for one kind', async () => {
    const bench = await lived(priced({ output: 6 }));
    const rows = bench.rows();
    const output = rows
      .filter(({ cell }) => cell.model === 'claude-haiku-4-5')
      .reduce((sum, { counts }) => sum + counts.output, 0);
    const result = checked(await bench.compare({ rows }));
    // $1 a million less than the table says.
    assert.deepEqual(nanoUsdByCause(result), { price: -output * 1_000 });
    assert.deepEqual(
      [...new Set(result.parts.filter(({ cause }) => cause === 'price').map(({ kind, model }) => `${model} ${kind}`))],
      ['claude-haiku-4-5 output'],
    );
  });

  test('a stream that was cut, with its output estimated', async () => {
    const bench = await lived();
    bench.sim.script([{ fault: 'cut_body' }]);
    await opus(bench, { streamed: true });
    const rows = bench.rows();
    const { counts } = rows.find((row) => cellOf(row, 2) && row.counts.cut > 0) ?? {};
    assert.ok(counts !== undefined && counts.output_estimated > 0);
    const result = checked(await bench.compare({ rows }));
    // The simulator bills what it had generated by then.
    const cut = bench.sim.truth.requests.find(({ delivery, usage }) => delivery === 'cut' && usage !== null);
    const off = (cut?.usage?.output_tokens ?? 0) - counts.output_estimated;
    assert.deepEqual(nanoUsdByCause(result), off === 0 ? {} : { cut: off * 20_000 });
  });

  test('calls that crossed midnight, if the report counts by their end', async () => {
    const bench = await lived({ organization: { countsBy: 'end' } });
    for (const day of [1, 3]) {
      bench.at(day, 23.99);
      bench.sim.script([{ fault: 'slow_first_byte', delayMs: 120_000 }]);
      await bench.ask({ key: BATCH, model: OPUS, usage: TOKENS });
    }
    const result = checked(await bench.compare());
    assert.deepEqual(result.basis, { basis: 'end', votes: { start: 0, end: 2 } });
    assert.deepEqual(nanoUsdByCause(result), {});
  });

  test('use that the report has a day earlier, as with batches', async () => {
    const bench = await lived();
    const rows = bench.rows().map((row) => (cellOf(row, 2) ? { ...row, day: '2026-10-23', toDay: '2026-10-23' } : row));
    const merged = rows.filter((row) => !(cellOf(row, 3) && row.counts.calls === 0));
    const result = checked(await bench.compare({ rows: merged }));
    assert.deepEqual(nanoUsdByCause(result), {});
    assert.ok(result.parts.some(({ cause, day }) => cause === 'day_boundary' && day === '2026-10-22'));
  });

  test('an amount that the report corrects later', async () => {
    const cell = { day: '2026-10-22', key: SHOP, model: OPUS, addCents: '0.5' };
    const corrected = { ...cell, fromMs: Date.UTC(2026, 9, 27) };
    const bench = await lived({ organization: { revised: [corrected] } });
    const rows = bench.rows();
    const before = await (async () => {
      const plain = await lived();
      return plain.reading();
    })();
    const result = checked(await bench.compare({ rows, firsts: before.days }));
    assert.deepEqual(nanoUsdByCause(result), { revision: 5_000_000 });
  });

  test('a day for which the report is not complete', async () => {
    const bench = await lived({ organization: { lagMs: 71 * 3_600_000 } });
    const result = checked(await bench.compare());
    assert.equal(result.closedDays.length, DAYS_ALONE - 1);
    assert.ok(result.open.recorded > 0n);
    assert.deepEqual(Object.keys(nanoUsdByCause(result)), ['open']);
  });
});

test('all at once, each with its own key, model or day, stand each under its own name', async () => {
  const bench = await lived({ organization: { discountPercent: '10' } });
  await opus(bench, { foreign: true });
  await opus(bench, { key: 'foreign' });
  bench.sim.enterUse({ atMs: bench.clock.nowMs, charged: { costType: 'code_execution', cents: '12.5' } });
  const rows = changed(
    ({ counts }) => ({ input: counts.input - 17, recorded_nano_usd: counts.recorded_nano_usd - 17 * 4_000 }),
    (row) => cellOf(row, 4),
  )(bench.rows());
  const result = checked(await bench.compare({ rows }));
  const { discount, ...others } = nanoUsdByCause(result);
  assert.deepEqual(others, {
    code_execution: 125_000_000,
    unwatched_keys: NANO_USD,
    counted: 68_000,
    not_seen: NANO_USD,
  });
  assert.equal(result.billed * 10n, result.listed * 9n);
  assert.ok((discount ?? 0) < 0);
});

test('in one cell on one day their sum alone is exact, and is said to be inseparable', async () => {
  const bench = await lived();
  await opus(bench, { foreign: true });
  await opus(bench, { foreign: true });
  bench.sim.script([{ fault: 'lost_response' }, { fault: 'overloaded', headers: { 'x-should-retry': 'false' } }]);
  await opus(bench, {});
  const result = checked(await bench.compare());
  assert.deepEqual(nanoUsdByCause(result), { inseparable: 3 * NANO_USD });
});

test('an empty report with a null refresh time is unknown, and nothing is compared', async () => {
  const bench = await lived({ organization: { lagMs: 400 * 86_400_000 } });
  const result = await bench.compare();
  assert.deepEqual([result.closedDays, result.billed, result.coverage], [[], 0n, null]);
});

test('refusals before any output are told by their category, free or not', async () => {
  const bench = await lived();
  // Free since June and billed since September: both sides know.
  await opus(bench, { usage: { input_tokens: 1_000, output_tokens: 0 }, refusal: 'cyber' });
  await opus(bench, { usage: { input_tokens: 500, output_tokens: 0 }, refusal: 'bio' });
  const rows = bench.rows();
  assert.deepEqual(nanoUsdByCause(checked(await bench.compare({ rows }))), {});
  // A plimsoll that priced what was free: 1,000 × $4 a million.
  const charged = changed(
    () => ({ recorded_nano_usd: 4_000_000 }),
    ({ cell }) => cell.refused === 'cyber',
  )(rows);
  assert.deepEqual(nanoUsdByCause(checked(await bench.compare({ rows: charged }))), { refusals: -4_000_000 });
});

test('what was used while totals were lost stands under that name, read by the minute', async () => {
  const bench = await lived();
  const kept = bench.rows();
  bench.at(2, 12);
  const fromMs = bench.clock.nowMs - 60_000;
  await bench.ask({ key: SHOP, model: OPUS, usage: TOKENS });
  bench.rows(); // the process ends here, and never posts them
  await opus(bench, { foreign: true, model: SONNET });
  bench.at(3, 12);
  await bench.ask({ key: SHOP, model: OPUS, usage: TOKENS, foreign: true });
  const reading = await bench.reading();
  const gap = { fromMs, toMs: fromMs + 5 * 60_000, how: 'unclean_end' } as const;
  const source = { client: bench.admin(), prices: bench.prices, now: () => bench.clock.now() };
  const lost = await readGaps(source, [gap], bench.groups);
  const result = checked(await bench.compare({ rows: kept, reading, lost }));
  // A program that ran in those minutes cannot be told from what was lost: 1,000 × $2 + 100 × $10.
  assert.deepEqual(nanoUsdByCause(result), { lost: NANO_USD + 3_000_000, not_seen: NANO_USD });
});
