import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ReportPage } from '../../src/organization/admin-client.ts';
import { sumsByCause, type Cause } from '../../src/organization/causes.ts';
import type { Difference } from '../../src/organization/difference.ts';
import { nanoUsdOf, sumOf } from '../../src/organization/exact-usd.ts';
import { readGaps } from '../../src/organization/read-gaps.ts';
import { pricesFrom } from '../../src/pricing/prices.ts';
import { dayAfter, noCounts, type TotalsRow } from '../../src/totals/day-totals.ts';
import { BooksBench, DAYS, WATCHED, type Ask, type BooksOptions } from '../../testing/organization/books-bench.ts';

const [SHOP = '', SEARCH = '', BATCH = ''] = WATCHED;
const OPUS = 'claude-opus-5-5';
const SONNET = 'claude-sonnet-5-5';
const HAIKU = 'claude-haiku-5-5';
/** A short organization, for one cause at a time. */
const DAYS_ALONE = 6;

/** The modes that are used every day: keys, models, tiers, speeds, places and lengths of prompts. */
const MODES: readonly (Omit<Ask, 'usage'> & {
  readonly extra?: Ask['usage'];
  readonly batch?: boolean;
  readonly long?: boolean;
})[] = [
  { key: SHOP, model: OPUS },
  { key: SHOP, model: OPUS, extra: { speed: 'fast' } },
  { key: SHOP, model: SONNET, extra: { inference_geo: 'us' }, streamed: true },
  { key: SHOP, model: 'claude-haiku-4-5' },
  { key: SEARCH, model: HAIKU },
  { key: SEARCH, model: HAIKU, long: true },
  { key: SEARCH, model: 'claude-fable-5-1', streamed: true },
  { key: BATCH, model: SONNET, batch: true },
];

/** A day of mixed traffic. Tokens are drawn, so that no two cells agree by chance. */
async function liveDay(bench: BooksBench, day: number, callsAMode: number): Promise<void> {
  const draw = (most: number): number => 1 + Math.floor(bench.random() * most);
  for (let round = 0; round < callsAMode; round++) {
    bench.at(day, 1 + round * 7);
    for (const { extra, batch = false, long = false, ...who } of MODES) {
      const usage = {
        ...{
          input_tokens: (long ? 100_001 : 200) + draw(9_000),
          cache_read_input_tokens: draw(20_000),
          output_tokens: draw(900),
        },
        cache_creation: { ephemeral_5m_input_tokens: draw(4_000), ephemeral_1h_input_tokens: draw(900) },
        ...(draw(10) === 1 && { server_tool_use: { web_search_requests: 1 } }),
        ...extra,
      };
      await (batch ? bench.askBatch({ ...who, usage }) : bench.ask({ ...who, usage }));
    }
  }
}

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

test('31 days of mixed traffic agree with the bill, by key, model and day', async () => {
  const bench = await lived({ days: DAYS, organization: { reportedModel: dated } }, 3);
  const result = checked(await bench.compare());
  assert.equal(result.closedDays.length, DAYS);
  assert.deepEqual(nanoUsdByCause(result), {});
  assert.equal(result.coverage, 1);
  const cells = new Map<string, { recorded: bigint; listed: bigint; calls: number }>();
  for (const { day, key, model, recorded, listed } of result.lines) {
    const cell = cells.get(`${day} ${key} ${model}`) ?? { recorded: 0n, listed: 0n, calls: 0 };
    cells.set(`${day} ${key} ${model}`, {
      recorded: cell.recorded + recorded,
      listed: cell.listed + listed,
      calls: cell.calls + 1,
    });
  }
  assert.equal(cells.size, 6 * DAYS);
  // Each call rounds each of five kinds and the searches by at most half a nano-dollar.
  const most = 6n * 6n * 3n;
  for (const [name, { recorded, listed }] of cells) {
    const off = nanoUsdOf(recorded - listed);
    assert.ok(off <= most && off >= -most, `${name}: ${off}`);
  }
  // The bill is the simulator's own: its truth, each call of which it rounds for itself.
  const truth = [...bench.sim.truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0);
  assert.ok(Math.abs(truth - Number(nanoUsdOf(result.listed))) < 6 * 3 * MODES.length * DAYS, String(truth));
  assert.ok(
    bench.sim.truth.requests
      .filter(({ path }) => path.startsWith('/v1/organizations'))
      .every(({ method }) => method === 'GET'),
  );
});

/** The report names models with their dates on every second day. */
function dated(model: string, day: string): string {
  return model === 'claude-haiku-4-5' && Number(day.slice(-1)) % 2 === 1 ? 'claude-haiku-4-5-20251001' : model;
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

/** Faults of the chaos run: of those before an answer nothing is billed, of the others something that was not told. */
const FAULTS = [
  ...(['overloaded', 'requests_limit', 'server_error'] as const).map((fault) => ({
    fault,
    headers: { 'retry-after-ms': '1' },
  })),
  ...(
    ['connection_reset', 'lost_response', 'body_reset', 'cut_body', 'malformed_json', 'error_event', 'none'] as const
  ).map((fault) => ({ fault })),
];

test('with faults, the whole difference stands under what was estimated or unseen', async () => {
  const bench = new BooksBench({ days: 10 });
  for (let day = 0; day < bench.days; day++) {
    bench.sim.script(MODES.map(() => FAULTS[Math.floor(bench.random() * FAULTS.length)] ?? { fault: 'none' }));
    await liveDay(bench, day, 2);
  }
  const result = checked(await bench.compare());
  const causes = nanoUsdByCause(result);
  const allowed: readonly string[] = ['no_usage', 'cut', 'inseparable'];
  assert.deepEqual(
    Object.keys(causes).filter((cause) => !allowed.includes(cause)),
    [],
  );
  assert.ok((causes['no_usage'] ?? 0) > 0);
});

type Mutant = (page: ReportPage, query: Readonly<Record<string, unknown>>) => ReportPage;

interface Row {
  readonly starting_at: string;
  readonly usage?: Readonly<Record<string, unknown>>;
  readonly cost?: { readonly amount: string; readonly list_amount: string };
}

const eachRow =
  (change: (row: Row) => object): Mutant =>
  ({ data_refreshed_at = null, ...page }) => ({
    ...page,
    data_refreshed_at,
    data: page.data.map((row) => change(row as Row)),
  });

/** Readers that are wrong in one way: each must be found out. */
const MUTANTS: Readonly<Record<string, Mutant>> = {
  'cents taken for dollars': eachRow((row) => {
    const { cost } = row;
    return cost === undefined
      ? row
      : { ...row, cost: { ...cost, amount: hundredfold(cost.amount), list_amount: hundredfold(cost.list_amount) } };
  }),
  'cache writes read in one level': eachRow((row) =>
    row.usage === undefined ? row : { ...row, usage: { ...row.usage, cache_creation: {} } },
  ),
  'a page that is lost': (page, query) => (query['group_by'] === undefined ? page : lastRowsLost(page)),
  'days in local time': (page, query) =>
    query['group_by'] === undefined
      ? page
      : eachRow((row) => ({ ...row, starting_at: `${dayAfter(row.starting_at.slice(0, 10))}T00:00:00Z` }))(page, query),
  'a discount called a price': eachRow((row) =>
    row.cost === undefined ? row : { ...row, cost: { ...row.cost, list_amount: row.cost.amount } },
  ),
};

function lastRowsLost({ data, data_refreshed_at = null }: ReportPage): ReportPage {
  return { data: data.slice(0, -5), has_more: false, next_page: null, data_refreshed_at };
}

function hundredfold(cents: string): string {
  const [whole = '', decimals = ''] = cents.split('.');
  return `${whole}${decimals.padEnd(2, '0').slice(0, 2)}.${decimals.slice(2)}0`;
}

describe('a reader that is wrong is found out', () => {
  for (const [what, mutant] of Object.entries(MUTANTS))
    test(what, async () => {
      const bench = await lived({ organization: { discountPercent: '12' } });
      const rows = bench.rows();
      const honest = checked(await bench.compare({ rows }));
      assert.deepEqual(Object.keys(nanoUsdByCause(honest)), ['discount']);
      const admin = bench.admin();
      const reading = await bench.reading({
        ...admin,
        usage: async (query) => mutant(await admin.usage(query), query),
        cost: async (query) => mutant(await admin.cost(query), query),
      });
      const wrong = await bench.compare({ rows, reading });
      const causes = nanoUsdByCause(wrong);
      assert.ok(wrong.controlFailures.length > 0 || 'price' in causes, JSON.stringify(causes));
      // And the sum, as always, proves nothing.
      assert.equal(wrong.recorded + sumOf(wrong.parts.map(({ units }) => units)), wrong.billed);
    });
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
