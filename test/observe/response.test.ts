/** Results of batches, read by the real SDK from the simulator: what is counted, at which price, and how often. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type Anthropic from '@anthropic-ai/sdk';
import { instrument, type BatchResult } from 'plimsoll';
import { budgets } from 'plimsoll/budget';
import type { MessagesRequest, Reply, SimulatorOptions } from 'plimsoll/simulator';
import { systemClock } from '../../src/clock.ts';
import { BatchResultsListener } from '../../src/observe/response.ts';
import { KnownBatches } from '../../src/observe/known-batches.ts';
import { LiveCall } from '../../src/observe/live-call.ts';
import type { Observation } from '../../src/observe/observation.ts';
import { cost } from '../../src/pricing/cost.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';
import { collected, PARAMS, samples, total, workbench, type Workbench } from '../../testing/client-workbench.ts';

const USED = { input_tokens: 1_001, cache_creation: { ephemeral_1h_input_tokens: 3 }, output_tokens: 7 };

/** `bad…` is refused, the others use what USED says. */
function respond({ batchItem }: MessagesRequest): Reply {
  return batchItem?.startsWith('bad') ? { fault: { fault: 'overloaded' } } : { text: 'Ahoy', usage: USED };
}

const item = (custom_id: string, model: string = PARAMS.model) => ({ custom_id, params: { ...PARAMS, model } });

async function batch({ claude }: Workbench, requests: readonly ReturnType<typeof item>[]): Promise<string> {
  const { id } = await claude.messages.batches.create({ requests: [...requests] });
  return id;
}

async function readAll(claude: Anthropic, id: string): Promise<void> {
  await collected(await claude.messages.batches.results(id));
}

const BENCH = { simulator: { respond } as SimulatorOptions };
const PLACE = 'operation=messages.batches.results,key=default';

describe('the results of a batch', () => {
  it('are counted one by one, each at its model and at the batch price, rounded on its own', async () => {
    const bench = workbench(BENCH);
    const id = await batch(bench, [item('a'), item('b'), item('c', 'claude-opus-4-1')]);
    await readAll(bench.claude, id);
    // Batch prices by hand, in nano-dollars a token: Haiku 4.5 500 in, 1000 for 1 h, 2500 out; Opus 4.1 7500, 15000, 37500.
    const usd = await samples(bench.registry, 'anthropic_cost_usd_total');
    assert.deepEqual(usd, {
      [`model=claude-haiku-4-5,${PLACE},kind=input`]: (2 * 1_001 * 500) / 1e9,
      [`model=claude-haiku-4-5,${PLACE},kind=cache_write_1h`]: (2 * 3 * 1_000) / 1e9,
      [`model=claude-haiku-4-5,${PLACE},kind=output`]: (2 * 7 * 2_500) / 1e9,
      [`model=claude-opus-4-1,${PLACE},kind=input`]: (1_001 * 7_500) / 1e9,
      [`model=claude-opus-4-1,${PLACE},kind=cache_write_1h`]: (3 * 15_000) / 1e9,
      [`model=claude-opus-4-1,${PLACE},kind=output`]: (7 * 37_500) / 1e9,
    });
    const billed = [...bench.sim.truth.totals('reported').values()].reduce((sum, one) => sum + one.totalNanoUsd, 0);
    assert.equal(Math.round((await total(bench.registry, 'anthropic_cost_usd_total')) * 1e9), billed);
  });

  it('are counted once, however often and by whichever client of the process they are read', async () => {
    const bench = workbench(BENCH);
    const id = await batch(bench, [item('a'), item('b')]);
    await readAll(bench.claude, id);
    await Promise.all([readAll(bench.claude, id), readAll(instrument(bench.claude, { registry: bench.registry }), id)]);
    assert.deepEqual(await samples(bench.registry, 'anthropic_batch_results_total'), {
      'model=claude-haiku-4-5,key=default,result=succeeded,error=': 2,
    });
    assert.equal(await total(bench.registry, 'anthropic_tokens_total'), 2 * (1_001 + 3 + 7));
  });

  it('that were left by break are counted as far as they were read, and the rest when it is read', async () => {
    const bench = workbench(BENCH);
    const id = await batch(bench, [item('a'), item('b'), item('c')]);
    for await (const { custom_id } of await bench.claude.messages.batches.results(id)) if (custom_id === 'a') break;
    const told = (): number => bench.sim.truth.batchItems.filter((one) => one.wasRead).length;
    assert.equal(await total(bench.registry, 'anthropic_batch_results_total'), told());
    assert.ok(told() < 3);
    await readAll(bench.claude, id);
    assert.equal(await total(bench.registry, 'anthropic_batch_results_total'), 3);
  });

  it('that did not succeed are counted and cost nothing', async () => {
    const bench = workbench(BENCH);
    await readAll(bench.claude, await batch(bench, [item('bad'), item('bad too')]));
    assert.deepEqual(await samples(bench.registry, 'anthropic_batch_results_total'), {
      'model=,key=default,result=errored,error=overloaded': 2,
    });
    assert.equal(await total(bench.registry, 'anthropic_tokens_total'), 0);
    assert.equal(await total(bench.registry, 'anthropic_cost_usd_total'), 0);
  });

  it('count for budgets when they are read', async () => {
    const held = budgets({ definitions: [{ name: 'day', period: 'day', usd: 5 }] });
    const bench = workbench({ ...BENCH, instrument: { budgets: held } });
    await readAll(bench.claude, await batch(bench, [item('a'), item('b')]));
    const status = await held.refresh();
    assert.equal(status.budgets[0]?.balance?.spentNanoUsd, BigInt(2 * (1_001 * 500 + 3 * 1_000 + 7 * 2_500)));
    await held.close();
  });

  it('are priced as of the day on which the batch was made', async () => {
    // Cache reads of Sonnet 5.5 are 100 nano-dollars a token in batches until 2026-10-07, then 50.
    let nowMs = Date.UTC(2026, 9, 6, 23);
    const reads = (): Reply => ({ text: 'Ahoy', usage: { cache_read_input_tokens: 11 } });
    const bench = workbench({
      simulator: { respond: reads, clock: { now: () => nowMs, sleep: () => Promise.resolve() } },
      instrument: { clock: { epochMs: () => nowMs, monotonicMs: () => nowMs } },
    });
    const id = await batch(bench, [item('a', 'claude-sonnet-5-5')]);
    nowMs = Date.UTC(2026, 9, 8);
    await readAll(bench.claude, id);
    const usd = await samples(bench.registry, 'anthropic_cost_usd_total');
    assert.equal(usd[`model=claude-sonnet-5-5,${PLACE},kind=cache_read`], (11 * 100) / 1e9);
  });
});

interface Scanned {
  readonly results: BatchResult[];
  readonly errors: string[];
}

function scanned(chunks: readonly Uint8Array[], batches = new KnownBatches()): Scanned {
  const results: BatchResult[] = [];
  const errors: string[] = [];
  const observation: Observation = {
    recorders: [{ started: () => ({ batchResult: (result) => void results.push(result) }) }],
    spendGuards: [],
    clock: systemClock,
    key: 'default',
    attribution: () => ({}),
    guards: [],
    price: () => assert.fail('a batch result has the batch price'),
    batchPrice: (usage, model, atMs) => cost(usage, { prices: defaultPrices(), model, atMs, batch: true }),
    batches,
    onError: (stage, error) => void errors.push(`${stage}: ${String(error)}`),
  };
  const request = { operation: 'messages.batches.results', model: null, maxTokens: null, baseUrl: '', sdkSpan: null };
  const call = new LiveCall(observation, request);
  const scanner = new BatchResultsListener({
    call,
    observation,
    path: 'https://x.test/v1/messages/batches/b1/results',
  });
  for (const chunk of chunks) scanner.chunk(chunk);
  scanner.end('done');
  return { results, errors };
}

const LINES = [
  '{"custom_id":"ü1","result":{"type":"succeeded","message":{"model":"claude-haiku-4-5","usage":{"input_tokens":9,"output_tokens":2}}}}',
  '{"custom_id":"2","result":{"type":"errored","error":{"type":"error"}}}',
  '{"custom_id":"3","result":{"type":"canceled"}}',
  '{"custom_id":"4","result":{"type":"expired"}}',
];

describe('a body of batch results', () => {
  it('reads the same however it is cut, with or without a line end at its end', () => {
    const whole = scanned([Buffer.from(LINES.join('\n'))]);
    assert.deepEqual(
      whole.results.map(({ outcome }) => outcome),
      ['succeeded', 'errored', 'canceled', 'expired'],
    );
    assert.deepEqual(whole.errors, []);
    fc.assert(
      fc.property(
        fc.array(fc.nat(500), { maxLength: 12 }),
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
        (cuts, eol, ends) => {
          const bytes = Buffer.from(LINES.join(eol) + (ends ? eol : ''));
          const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
          const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
          assert.deepEqual(scanned(chunks), whole);
        },
      ),
    );
  });

  it('does not keep the chunks, which belong to its reader', () => {
    const bytes = Buffer.from(LINES.join('\n'));
    const chunk = Buffer.alloc(16);
    const chunks = function* (): Generator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += 16) yield chunk.subarray(0, bytes.copy(chunk, 0, at, at + 16));
    };
    assert.equal(scanned(chunks() as unknown as Uint8Array[]).results.length, 4);
  });

  it('with a line that cannot be read is counted as an error, and the other lines are reported', () => {
    const [first = '', ...rest] = LINES;
    const odd = ['{"custom_id":', 'null', '{"custom_id":"x"}', '{"custom_id":"y","result":{"type":"melted"}}'];
    const { results, errors } = scanned([Buffer.from([first, ...odd, ...rest].join('\n'))]);
    assert.equal(results.length, 4);
    assert.equal(errors.length, 4);
    for (const error of errors) assert.match(error, /^body: /);
  });

  it('with figures that are not counts is counted as far as it can be, and not priced', () => {
    const usage = '{"input_tokens":-4,"output_tokens":2}';
    const line = `{"custom_id":"1","result":{"type":"succeeded","message":{"model":"claude-haiku-4-5","usage":${usage}}}}`;
    const { results, errors } = scanned([Buffer.from(line)]);
    assert.equal(results[0]?.usage?.parts[0]?.tokens.output, 2);
    assert.equal(results[0]?.cost?.priced, false);
    assert.equal(errors.length, 1);
  });

  it('gives up a line of more than 32 MiB, holds no more of it than that, and goes on', () => {
    const megabyte = Buffer.alloc(1 << 20, 'x');
    const chunks = [...Array.from({ length: 40 }, () => megabyte), Buffer.from(`\n${LINES.join('\n')}`)];
    const { results, errors } = scanned(chunks);
    assert.equal(results.length, 4);
    assert.deepEqual(errors, ['body: RangeError: a line of batch results is longer than 32 MiB']);
  });
});
