/**
 * `node --conditions=plimsoll-source scripts/bill-proof.ts [DAYS]`: an organization lives for 31 virtual days, and what
 * plimsoll saw is compared with the simulator's own books: without faults they are equal by key, model and day, with the
 * faults of the chaos run the whole difference stands under what was estimated or unseen, causes that are injected stand
 * each under its own name, and readers that are wrong in one way are each found out.
 */
import type { ReportPage } from '../src/organization/admin-client.ts';
import { sumsByCause } from '../src/organization/causes.ts';
import type { Difference } from '../src/organization/difference.ts';
import { nanoUsdOf, sumOf } from '../src/organization/exact-usd.ts';
import { dayAfter } from '../src/totals/day-totals.ts';
import { BooksBench, DAYS, WATCHED, type BooksOptions } from '../testing/organization/books-bench.ts';
import { MODES, liveDay } from '../testing/organization/mixed-traffic.ts';
import { FAULTS } from './chaos/faults.ts';

/** What a part of the proof came to; `failure` is `null` where it holds. */
export interface Proven {
  readonly what: string;
  readonly found: string;
  readonly failure: string | null;
}

/** Nano-dollars of each cause but the rounding of recorded calls. */
function causesOf({ parts }: Difference): Readonly<Record<string, number>> {
  const sums = [...sumsByCause(parts)].filter(([cause]) => cause !== 'rounding');
  return Object.fromEntries(sums.map(([cause, units]) => [cause, Number(nanoUsdOf(units))]));
}

function proven(what: string, result: Difference, failure: string | null): Proven {
  const sum = result.recorded + sumOf(result.parts.map(({ units }) => units));
  const broken = sum === result.billed ? null : 'the parts do not add up';
  return { what, found: JSON.stringify(causesOf(result)), failure: failure ?? broken };
}

async function lived(options: BooksOptions, callsAMode: number): Promise<BooksBench> {
  const bench = new BooksBench({ maxRetries: 0, ...options });
  for (let day = 0; day < bench.days; day++) await liveDay(bench, day, callsAMode);
  return bench;
}

/** Each call rounds each of five kinds and the searches by at most half a nano-dollar. */
const ROUNDED_A_CALL = 3;

async function equality(days: number, callsAMode: number): Promise<Proven> {
  const bench = await lived({ days, organization: { reportedModel: dated } }, callsAMode);
  const result = await bench.compare();
  const cells = new Map<string, bigint>();
  for (const { day, key, model, recorded, listed } of result.lines) {
    const name = `${key} ${model} ${day}`;
    cells.set(name, (cells.get(name) ?? 0n) + recorded - listed);
  }
  const most = BigInt(ROUNDED_A_CALL * callsAMode * MODES.length);
  const unequal = [...cells].find(([, units]) => nanoUsdOf(units) > most || nanoUsdOf(units) < -most);
  // The simulator's truth rounds each call for itself: a third sum, beside the two that are compared.
  const truth = [...bench.sim.truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0);
  const off = Math.abs(truth - Number(nanoUsdOf(result.listed)));
  const isWhole = result.closedDays.length === days && cells.size === 6 * days && result.coverage === 1;
  const failures = [
    ...Object.keys(causesOf(result)),
    ...(result.controlFailures.length > 0 ? ['sums that do not agree'] : []),
    ...(unequal === undefined ? [] : [`${unequal[0]}: ${nanoUsdOf(unequal[1])} nano-dollars`]),
    ...(off <= ROUNDED_A_CALL * callsAMode * MODES.length * days ? [] : [`the truth is ${off} nano-dollars away`]),
    ...(isWhole ? [] : ['days or cells are missing']),
  ];
  return proven(`${days} days, equal by key, model and day`, result, failures[0] ?? null);
}

/** The report names models with their dates on every second day. */
function dated(model: string, day: string): string {
  return model === 'claude-haiku-4-5' && Number(day.slice(-1)) % 2 === 1 ? 'claude-haiku-4-5-20251001' : model;
}

const UNSEEN: ReadonlySet<string> = new Set(['no_usage', 'cut', 'inseparable']);

/** Modes that make one request a call: a batch takes several. The first round of a day meets a fault each. */
const SINGLE = MODES.filter(({ batch }) => batch !== true);

async function faults(days: number, callsAMode: number): Promise<Proven> {
  const bench = new BooksBench({ days, maxRetries: 0 });
  for (let day = 0; day < days; day++) {
    bench.sim.script(
      SINGLE.map(() => FAULTS[Math.floor(bench.random() * FAULTS.length)] ?? { fault: 'none' as const }),
    );
    await liveDay(bench, day, callsAMode);
  }
  const result = await bench.compare();
  const wrong = Object.keys(causesOf(result)).find((cause) => !UNSEEN.has(cause));
  const nothing = Object.keys(causesOf(result)).length === 0 ? 'no fault had an effect' : null;
  return proven(`${days} days with the faults of the chaos run`, result, wrong ?? nothing);
}

const [SHOP = '', SEARCH = '', BATCH = ''] = WATCHED;
const TOKENS = { input_tokens: 1_000, output_tokens: 100 };
/** 1,000 × $4 + 100 × $20, a million each. */
const NANO_USD = 6_000_000;

/** Each on a key, model or day of its own. */
async function allAtOnce(days: number, callsAMode: number): Promise<Proven> {
  const bench = await lived({ days, organization: { discountPercent: '10' } }, callsAMode);
  const ask = { model: 'claude-opus-5-5', usage: TOKENS };
  bench.at(0, 12);
  await bench.ask({ ...ask, key: SHOP, foreign: true });
  await bench.ask({ ...ask, key: 'foreign' });
  await bench.ask({ ...ask, key: SEARCH, usage: { ...TOKENS, service_tier: 'priority' } });
  bench.sim.enterUse({ atMs: bench.clock.nowMs, charged: { costType: 'code_execution', cents: '12.5' } });
  bench.sim.enterUse({ atMs: bench.clock.nowMs, charged: { costType: 'session_usage', cents: '8' } });
  bench.at(1, 12);
  bench.sim.script([{ fault: 'lost_response' }]);
  await bench.ask({ ...ask, key: BATCH });
  const rows = bench.rows().map((row) => {
    const isCounted = row.day === bench.day(2) && row.cell.key === SHOP && row.cell.model === 'claude-haiku-4-5';
    if (!isCounted) return row;
    const { input, recorded_nano_usd } = row.counts;
    return { ...row, counts: { ...row.counts, input: input - 17, recorded_nano_usd: recorded_nano_usd - 17_000 } };
  });
  const result = await bench.compare({ rows });
  const { discount, ...others } = causesOf(result);
  const expected = {
    ...{ code_execution: 125_000_000, session_time: 80_000_000, unwatched_keys: NANO_USD, priority: -NANO_USD },
    ...{ no_usage: NANO_USD, counted: 17_000, not_seen: NANO_USD },
  };
  const same = JSON.stringify(others) === JSON.stringify(expected) && result.billed * 10n === result.listed * 9n;
  return proven(
    'all causes at once',
    result,
    same && discount !== undefined ? null : 'other causes than were injected',
  );
}

type Mutant = (page: ReportPage, query: Readonly<Record<string, unknown>>) => ReportPage;

interface Row {
  readonly starting_at: string;
  readonly usage?: Readonly<Record<string, unknown>>;
  readonly cost?: { readonly amount: string; readonly list_amount: string };
}

const eachRow =
  (change: (row: Row) => object): Mutant =>
  (page) => ({ ...page, data: page.data.map((row) => change(row as Row)) });

const eachCost = (change: (cost: NonNullable<Row['cost']>) => object): Mutant =>
  eachRow((row) => (row.cost === undefined ? row : { ...row, cost: { ...row.cost, ...change(row.cost) } }));

/** A mutant of the rows alone: the sums that are asked for by themselves stay right. */
const ofRows =
  (mutant: Mutant): Mutant =>
  (page, query) =>
    query['group_by'] === undefined ? page : mutant(page, query);

const later = (row: Row): object => ({ ...row, starting_at: `${dayAfter(row.starting_at.slice(0, 10))}T00:00:00Z` });

/** Readers that are wrong in one way, and by what each is found out: a cause, or sums that do not agree. */
const MUTANTS: Readonly<Record<string, readonly [Mutant, 'price' | 'sums']>> = {
  'cents taken for dollars': [
    eachCost((cost) => ({ amount: hundredfold(cost.amount), list_amount: hundredfold(cost.list_amount) })),
    'price',
  ],
  'cache writes read in one level': [
    eachRow((row) => (row.usage === undefined ? row : { ...row, usage: { ...row.usage, cache_creation: {} } })),
    'sums',
  ],
  'a page that is lost': [ofRows((page) => ({ ...page, data: page.data.slice(0, -5), has_more: false })), 'sums'],
  'days in local time': [ofRows(eachRow(later)), 'sums'],
  'a discount called a price': [eachCost((cost) => ({ list_amount: cost.amount })), 'price'],
};

function hundredfold(cents: string): string {
  const [whole = '', decimals = ''] = cents.split('.');
  return `${whole}${decimals.padEnd(2, '0').slice(0, 2)}.${decimals.slice(2)}0`;
}

async function mutants(days: number, callsAMode: number): Promise<readonly Proven[]> {
  const bench = await lived({ days, organization: { discountPercent: '12' } }, callsAMode);
  const rows = bench.rows();
  const honest = await bench.compare({ rows });
  const isHonest = Object.keys(causesOf(honest)).join() === 'discount' && honest.controlFailures.length === 0;
  const all = [proven('an honest reader', honest, isHonest ? null : 'not the discount alone')];
  const admin = bench.admin();
  for (const [what, [mutant, by]] of Object.entries(MUTANTS)) {
    const reading = await bench.reading({
      ...admin,
      usage: async (query) => mutant(await admin.usage(query), query),
      cost: async (query) => mutant(await admin.cost(query), query),
    });
    const wrong = await bench.compare({ rows, reading });
    const isFound = by === 'sums' ? wrong.controlFailures.length > 0 : 'price' in causesOf(wrong);
    all.push(proven(`a wrong reader: ${what}`, wrong, isFound ? null : 'not found out'));
  }
  return all;
}

/** Proves it over so many days, with so many calls a day of each mode. */
export async function billProof(days: number, callsAMode: number): Promise<readonly Proven[]> {
  return [
    await equality(days, callsAMode),
    await faults(days, callsAMode),
    await allAtOnce(Math.max(3, days), callsAMode),
    ...(await mutants(Math.min(days, 6), 1)),
  ];
}

if (import.meta.main) {
  const all = await billProof(Number(process.argv[2] ?? DAYS), 3);
  for (const { what, found, failure } of all)
    console.log(`${failure === null ? 'ok  ' : 'FAIL'} ${what}: ${found}${failure === null ? '' : ` (${failure})`}`);
  if (all.some(({ failure }) => failure !== null)) process.exitCode = 1;
}
