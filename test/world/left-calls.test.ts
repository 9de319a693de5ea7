/**
 * Calls that are left before an answer: the API has read their prompts and bills them, and never says so. Amounts are
 * worked out by hand.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import type { BudgetDefinition } from 'plimsoll/budget';
import { budgeted } from '../../testing/budget/budgeted-client.ts';
import { PARAMS, samples, workbench, type Workbench } from '../../testing/client-workbench.ts';

const ROOMY: BudgetDefinition = { name: 'all', period: 'month', usd: 100, mode: 'block' };

const SILENT = { scenario: { latency: { firstByteMs: { kind: 'constant', value: 60_000 } } } } as const;

/** 96 KB: 35,600 tokens at 2.7 characters each, or $0.0356 at $1 a million. */
const LONG = { ...PARAMS, messages: [{ role: 'user' as const, content: 'x'.repeat(96_000) }] };
const LEAST_NANO_USD = 35_555_000n;
const MOST_NANO_USD = 35_700_000n;

async function leave({ claude, sim }: Workbench, params: typeof LONG = LONG): Promise<void> {
  const leaving = new AbortController();
  const before = sim.truth.requests.length;
  const call = claude.messages.create(params, { signal: leaving.signal });
  call.catch(() => undefined);
  while (sim.truth.requests.length === before) await new Promise((resolve) => setImmediate(resolve));
  leaving.abort();
  await assert.rejects(call);
}

/** The nano-dollars by kind, and the tokens, which cost 1,000 nano-dollars each where they went in. */
async function recorded({ registry }: Workbench): Promise<Recorded> {
  const byKind = async (metric: string): Promise<Readonly<Record<string, number>>> => {
    const shown = Object.entries(await samples(registry, metric));
    return Object.fromEntries(shown.map(([labels, value]) => [/kind=(\w+)/.exec(labels)?.[1] ?? '', value] as const));
  };
  const usd = await byKind('anthropic_cost_usd_total');
  const nanoUsd = Object.fromEntries(Object.entries(usd).map(([kind, value]) => [kind, Math.round(value * 1e9)]));
  return { tokens: await byKind('anthropic_tokens_total'), nanoUsd };
}

interface Recorded {
  readonly tokens: Readonly<Record<string, number>>;
  readonly nanoUsd: Readonly<Record<string, number>>;
}

async function isEstimated(bench: Workbench, calls: number): Promise<bigint> {
  const { tokens, nanoUsd } = await recorded(bench);
  const { input_estimated: estimated = 0 } = tokens;
  assert.ok(estimated >= calls * 35_555 && estimated <= calls * 35_700, `${estimated} tokens for ${calls} calls`);
  assert.equal(nanoUsd['input_estimated'], estimated * 1_000);
  return BigInt(Object.values(nanoUsd).reduce((sum, each) => sum + each, 0));
}

async function hangUntilAborted({ signal }: RequestInit = {}): Promise<Response> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
  });
}

const NOTHING: Recorded = { tokens: {}, nanoUsd: {} };

function isBetween(spent: bigint, calls: bigint): void {
  assert.ok(spent >= calls * LEAST_NANO_USD && spent <= calls * MOST_NANO_USD, `${spent} for ${calls} calls`);
}

describe('a call that is left before an answer', () => {
  it('costs its prompt, as estimated: 20 calls of 96 KB cost $0.71, and hold nothing more', async () => {
    const bench = budgeted([ROOMY], { simulator: SILENT });
    for (let calls = 0; calls < 20; calls += 1) await leave(bench);
    const { spent, reserved } = await bench.balance();
    isBetween(spent, 20n);
    assert.equal(reserved, 0n);
    assert.equal(await isEstimated(bench, 20), spent);
    assert.deepEqual(Object.keys((await recorded(bench)).tokens), ['input_estimated']);
  });

  it('costs its prompt for each attempt that timed out', async () => {
    const bench = budgeted([ROOMY], { simulator: SILENT, client: { maxRetries: 1 } });
    await assert.rejects(bench.claude.messages.create(LONG, { timeout: 50 }));
    assert.equal(bench.sim.truth.requests.length, 2);
    const { spent } = await bench.balance();
    isBetween(spent, 2n);
    assert.equal(await isEstimated(bench, 2), spent);
  });

  it('costs its prompt for an attempt that timed out also where the next one was answered', async () => {
    let isFirst = true;
    const bench = budgeted([ROOMY], {
      client: {
        maxRetries: 1,
        async fetch(url, init) {
          if (!isFirst) return bench.sim.fetch(url, init);
          isFirst = false;
          return hangUntilAborted(init);
        },
      },
    });
    const { usage } = await bench.claude.messages.create(LONG, { timeout: 2_000 });
    const { tokens } = await recorded(bench);
    assert.equal(tokens['input'], usage.input_tokens);
    assert.equal(tokens['output'], usage.output_tokens);
    assert.equal(await isEstimated(bench, 1), (await bench.balance()).spent);
  });

  it('costs its prompt where the headers of the response have come, and nothing else', async () => {
    const bench = workbench({
      client: {
        async fetch(_url, init) {
          const body = new ReadableStream({
            start: (body) =>
              init?.signal?.addEventListener('abort', () => body.error(new DOMException('aborted', 'AbortError'))),
          });
          return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
        },
      },
    });
    const stream = await bench.claude.messages.create({ ...LONG, stream: true });
    const next = stream[Symbol.asyncIterator]().next();
    stream.controller.abort();
    await next.catch(() => undefined);
    await bench.log.finishedCalls(1);
    await isEstimated(bench, 1);
  });

  it('costs what the API reported of its input, and no estimate, once it has', async () => {
    const bench = workbench();
    const stream = await bench.claude.messages.create({ ...LONG, stream: true });
    for await (const { type } of stream) {
      assert.equal(type, 'message_start');
      break;
    }
    const { tokens } = await recorded(bench);
    assert.ok((tokens['input'] ?? 0) > 0);
    assert.equal(tokens['input_estimated'], undefined);
  });

  it('costs its prompt behind middleware of the program, and once', async () => {
    const bench = workbench({
      simulator: SILENT,
      client: { middleware: [async (request, next) => next(request)] },
    });
    await leave(bench);
    await isEstimated(bench, 1);
  });

  it('says that its usage is of an attempt that was left, by the model that was asked for', async () => {
    const bench = workbench({ simulator: SILENT });
    await leave(bench);
    const { usage, cost } = bench.log.calls[0] ?? {};
    assert.deepEqual(
      usage?.parts.map(({ role, model }) => [role, model]),
      [['left', PARAMS.model]],
    );
    assert.equal(cost?.priced, true);
  });

  it('costs nothing where it was given up before it was sent, or while it waited to be sent again', async () => {
    const bench = budgeted([ROOMY]);
    const gone = AbortSignal.abort();
    await assert.rejects(bench.claude.messages.create(LONG, { signal: gone }));
    bench.sim.script([{ fault: 'overloaded', headers: { 'retry-after': '600' } }]);
    const leaving = new AbortController();
    const waiting = bench.claude.messages.create(LONG, { signal: leaving.signal });
    waiting.catch(() => undefined);
    while (bench.sim.truth.statuses.get(529) !== 1) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    leaving.abort();
    await assert.rejects(waiting);
    assert.deepEqual(await bench.balance(), { spent: 0n, reserved: 0n });
    assert.deepEqual(await recorded(bench), NOTHING);
  });

  it('costs nothing where nobody listens', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { readonly port: number };
    server.close();
    await once(server, 'close');
    const bench = budgeted([ROOMY], { client: { baseURL: `http://127.0.0.1:${port}`, fetch, maxRetries: 0 } });
    await assert.rejects(bench.claude.messages.create(LONG));
    assert.deepEqual(await bench.balance(), { spent: 0n, reserved: 0n });
    assert.deepEqual(await recorded(bench), NOTHING);
  });
});
