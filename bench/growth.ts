import Anthropic from '@anthropic-ai/sdk';
import { withAttribution } from 'plimsoll';
import { budgets, memoryLedger } from 'plimsoll/budget';
import { measured, type Length } from './calls.ts';
import { compare, over, type Spread } from './compare.ts';
import { answersJson, answersStream, PARAMS } from './messages.ts';

/** What one call or stream costs over the raw SDK, in CPU microseconds, where there is so much of something. */
export interface Grown {
  readonly what: string;
  readonly amount: number;
  readonly over: Spread;
}

interface Way {
  readonly call: () => Promise<unknown>;
  /** Throws unless every token was counted. */
  readonly check: () => Promise<void>;
}

const EVENTS = 50;

const raw = new Anthropic({ apiKey: 'bench', fetch: answersJson });

/** How cost grows: with streams at once, with series, with budgets and with attribution labels. */
export async function growth(length: Length): Promise<readonly Grown[]> {
  const rows: Grown[] = [];
  for (const amount of [1, 32, 1_000]) rows.push(await streamsAtOnce(length, amount));
  for (const amount of [1, 100, 2_000])
    rows.push(await calls(length, { what: 'values of an attribution label, in turn', amount, way: inTurn(amount) }));
  for (const amount of [0, 1, 3, 5])
    rows.push(await calls(length, { what: 'attribution labels', amount, way: labeled(amount) }));
  for (const amount of [1, 5, 20])
    rows.push(await calls(length, { what: 'budgets on a call', amount, way: budgeted(amount) }));
  return rows;
}

async function calls(
  length: Length,
  { what, amount, way }: { readonly what: string; readonly amount: number; readonly way: Way },
): Promise<Grown> {
  const compared = await compare({
    raw: () => raw.messages.create(PARAMS),
    variants: { way: way.call },
    callsPerBlock: length === 'full' ? 200 : 20,
    blocksPerRound: length === 'full' ? 10 : 2,
    rounds: length === 'full' ? 5 : 2,
  });
  await way.check();
  return { what, amount, over: over(compared, 'way') };
}

function inTurn(values: number): Way {
  const attribution = { tenant: Array.from({ length: values }, (_, index) => `t${index}`) };
  const { claude, check } = measured(answersJson, {}, { attribution });
  let turn = 0;
  const call = () => withAttribution({ tenant: `t${turn++ % values}` }, () => claude.messages.create(PARAMS));
  return { call, check };
}

function labeled(count: number): Way {
  const names = Array.from({ length: count }, (_, index) => `label_${index}`);
  const attribution = Object.fromEntries(names.map((name) => [name, ['a']]));
  const { claude, check } = measured(answersJson, {}, { attribution });
  const labels = Object.fromEntries(names.map((name) => [name, 'a']));
  return { call: () => withAttribution(labels, () => claude.messages.create(PARAMS)), check };
}

function budgeted(count: number): Way {
  const definitions = Array.from(
    { length: count },
    (_, index) => ({ name: `budget-${index}`, period: 'day', usd: 1_000_000, mode: 'block' }) as const,
  );
  const held = budgets({ definitions, ledger: memoryLedger() });
  const { claude, check } = measured(answersJson, {}, { budgets: held });
  return { call: () => claude.messages.create(PARAMS), check };
}

async function streamsAtOnce(length: Length, amount: number): Promise<Grown> {
  const fetch = answersStream(EVENTS);
  const plain = new Anthropic({ apiKey: 'bench', fetch });
  const { claude, check } = measured(fetch);
  const all = (client: Anthropic) => (): Promise<unknown> =>
    Promise.all(Array.from({ length: amount }, () => drained(client)));
  const perRound = length === 'full' ? 4_000 : 50;
  const compared = await compare({
    raw: all(plain),
    variants: { all: all(claude) },
    callsPerBlock: Math.max(1, Math.round(64 / amount)),
    blocksPerRound: Math.max(2, Math.round(perRound / Math.max(64, amount))),
    rounds: length === 'full' ? 5 : 2,
    warmUps: amount > 100 ? 2 : 10,
  });
  await check();
  const { min, median, max } = over(compared, 'all');
  const each = { min: min / amount, median: median / amount, max: max / amount };
  return { what: `streams of ${EVENTS} events at once`, amount, over: each };
}

async function drained(claude: Anthropic): Promise<void> {
  for await (const event of await claude.messages.create({ ...PARAMS, stream: true })) void event;
}
