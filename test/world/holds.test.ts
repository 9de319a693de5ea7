/**
 * What budgets hold, for how long and for whom: cases in which programs, or whoever calls a public gateway, held or spent
 * more than the limit. Amounts are worked out by hand from the price list and what the server says it used.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isBudgetExceeded } from 'plimsoll/budget';
import { sharedBudgets } from '../../src/budget/budgets.ts';
import { TokenSpend } from '../../src/gateway/access/token-spend.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';
import { budgeted, readAll } from '../../testing/budget/budgeted-client.ts';
import { PARAMS, workbench } from '../../testing/client-workbench.ts';

/** Opus 5.5: $4 a million tokens in, $20 a million out (price list of 2026-11). */
const OPUS = 'claude-opus-5-5';

const MOST = 1e9;
const UNLIMITED = { requests: MOST, inputTokens: MOST, outputTokens: MOST };
const LIMITS = { other: UNLIMITED, 'haiku-4.5': UNLIMITED, 'opus-5.5': UNLIMITED };

/** How many of the calls were answered; the others were refused by a budget. */
async function answered(calls: readonly Promise<unknown>[]): Promise<number> {
  let count = 0;
  for (const outcome of await Promise.allSettled(calls)) {
    if (outcome.status === 'fulfilled') count += 1;
    else assert.ok(isBudgetExceeded(outcome.reason), String(outcome.reason));
  }
  return count;
}

describe('a call that waits to be sent again', () => {
  const TOO_MANY = { fault: 'requests_limit', headers: { 'retry-after': '600' } } as const;
  const once = { name: 'all', period: 'month', usd: 1, mode: 'block' } as const;
  /** $0.16 each: 16,000 tokens are expected of 32,000, at $10 a million. */
  const asked = { ...PARAMS, model: 'claude-sonnet-5', max_tokens: 32_000, stream: true } as const;

  it('holds nothing for the ten minutes that a 429 asks it to wait', async () => {
    const { claude, sim, balance } = budgeted([once], { simulator: { limits: LIMITS } });
    sim.script(Array.from({ length: 6 }, () => TOO_MANY));
    const leaving = new AbortController();
    const calls = Array.from({ length: 6 }, () => claude.messages.create(asked, { signal: leaving.signal }));
    const settled = Promise.allSettled(calls);
    try {
      while (sim.truth.statuses.get(429) !== 6) await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(await balance(), { spent: 0n, reserved: 0n });
      assert.equal(await answered([claude.messages.create({ ...PARAMS, max_tokens: 150_000, stream: true })]), 1);
    } finally {
      leaving.abort();
      await settled;
    }
  });

  it('asks again before it is sent again, and is not sent where others have spent the rest meanwhile', async () => {
    const { claude, sim, held, billed } = budgeted([{ ...once, usd: '0.2' }], {
      client: { maxRetries: 1 },
      simulator: { respond: () => ({ usage: { input_tokens: 10, output_tokens: 18_000 } }) },
    });
    sim.script([{ fault: 'overloaded', headers: { 'retry-after-ms': '1000' } }]);
    const waiting = claude.messages.create(asked);
    while (sim.truth.statuses.get(529) !== 1) await new Promise((resolve) => setImmediate(resolve));
    await readAll(await claude.messages.create(asked));
    assert.equal(await answered([waiting]), 0);
    assert.equal(sim.truth.requests.length, 2);
    await held.close();
    // 10 tokens at $2 and 18,000 at $10 a million.
    assert.equal(billed(), 180_020_000n);
  });
});

describe('what is not in the text of a request', () => {
  const document = { type: 'document', source: { type: 'file', file_id: 'file_011CNha8iCJcU1wXNR6q4V8w' } };
  const prompt = { model: OPUS, max_tokens: 16, messages: [{ role: 'user', content: [document] }] };
  const simulator = { limits: LIMITS, respond: () => ({ usage: { input_tokens: 100_000, output_tokens: 1 } }) };
  type Bench = ReturnType<typeof budgeted>;
  const ask = ({ claude }: Bench): Promise<unknown> => claude.messages.create(prompt as never);

  it('counts as a whole context window before the route has used one: a dollar is not enough for a million tokens', async () => {
    const bench = budgeted([{ name: 'all', period: 'month', usd: 1, mode: 'block' }], { simulator });
    assert.equal(await answered(Array.from({ length: 40 }, () => ask(bench))), 0);
    assert.equal(bench.billed(), 0n);
  });

  it('counts as what the budgets are told to expect: two documents of 100,000 tokens fit into a dollar', async () => {
    const bench = budgeted([{ name: 'all', period: 'month', usd: 1, mode: 'block' }], {
      simulator,
      budgets: { unseenTokens: 100_000 },
    });
    assert.equal(await answered(Array.from({ length: 40 }, () => ask(bench))), 2);
    // 100,000 at $4 and 1 at $20 a million.
    assert.equal(bench.billed(), 2n * 400_020_000n);
  });

  it('counts as what the route has used from then on', async () => {
    const bench = budgeted([{ name: 'all', period: 'month', usd: 20, mode: 'block' }], { simulator });
    for (let calls = 0; calls < 20; calls += 1) await ask(bench);
    const { spent } = await bench.balance();
    assert.equal(spent, 20n * 400_020_000n);
    // $12 are left, for 30 such calls: a few fewer, as the worst case still counts a little.
    const more = await answered(Array.from({ length: 40 }, () => ask(bench)));
    assert.ok(more >= 20 && more <= 30, String(more));
  });

  for (const [what, content] of Object.entries({
    'a document by URL': [{ type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } }],
    'a document in a tool result': [{ type: 'tool_result', tool_use_id: 'toolu_1', content: [document] }],
    'a PDF in base64': [
      { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'A'.repeat(180_000) } },
    ],
  })) {
    it(`holds more than a dollar for ${what}`, async () => {
      const bench = budgeted([{ name: 'all', period: 'month', usd: 1, mode: 'block' }], { simulator });
      const one = { ...prompt, messages: [{ role: 'user', content }] };
      assert.equal(await answered([bench.claude.messages.create(one as never)]), 0);
    });
  }

  it('holds more than a dollar for a thread whose turns the API keeps', async () => {
    const bench = budgeted([{ name: 'all', period: 'month', usd: 1, mode: 'block' }], { simulator });
    const next = { ...prompt, ...PARAMS, model: OPUS, thread: { type: 'continue', previous_message_id: 'msg_1' } };
    assert.equal(await answered([bench.claude.messages.create(next as never)]), 0);
  });

  it('holds a cache write for a prefix with a breakpoint: reading it costs a fortieth, and the next may miss', async () => {
    const bench = budgeted([{ name: 'all', period: 'month', usd: 1, mode: 'block' }], {
      simulator: {
        ...simulator,
        respond: () => ({ usage: { input_tokens: 1, cache_read_input_tokens: 99_000, output_tokens: 1 } }),
      },
    });
    const system = [
      { type: 'text', text: 'x'.repeat(270_000), cache_control: { type: 'ephemeral', ttl: '1h' } },
    ] as const;
    const one = { ...PARAMS, model: OPUS, max_tokens: 16, system: [...system] };
    // 100,000 tokens at $8 a million, the price of writing them for an hour: only one of them fits at first.
    assert.equal(await answered(Array.from({ length: 4 }, () => bench.claude.messages.create(one))), 1);
  });
});

describe('a token that was minted for a visitor, with a cent to spend', () => {
  const CENT = 10_000_000n;
  /** $0.32 at Haiku's $5 a million. */
  const long = { ...PARAMS, max_tokens: 64_000, stream: true } as const;

  function spending(spend: TokenSpend, id: string) {
    const guard = spend.of({ id, spendNanoUsd: CENT, expiresAtMs: Date.now() + 300_000 });
    const bench = workbench({
      simulator: { limits: LIMITS, respond: () => ({ usage: { input_tokens: 10, output_tokens: 64_000 } }) },
      instrument: { budgets: Object.assign(sharedBudgets([], {}), { attach: () => guard }) },
    });
    const billed = (): bigint =>
      BigInt([...bench.sim.truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0));
    return { ...bench, billed };
  }

  /** A stream that its reader leaves after the first event. */
  async function teach({ claude }: ReturnType<typeof spending>): Promise<void> {
    const stream = await claude.messages.create({ ...PARAMS, max_tokens: 100, stream: true });
    for await (const event of stream) if (event.type === 'message_start') break;
  }

  for (const lessons of [0, 140]) {
    it(`spends no more in 200 calls at once, after ${lessons} streams that were left to teach that answers are short`, async () => {
      const spend = new TokenSpend({ prices: defaultPrices() });
      for (let left = 0; left < lessons; left += 1) {
        try {
          await teach(spending(spend, `teacher-${left % 20}`));
        } catch (error) {
          assert.ok(isBudgetExceeded(error));
        }
      }
      const bench = spending(spend, 'pupil');
      await answered(Array.from({ length: 200 }, async () => readAll(await bench.claude.messages.create(long))));
      const short = Array.from({ length: 200 }, async () =>
        readAll(await bench.claude.messages.create({ ...long, max_tokens: 200 })),
      );
      await answered(short);
      // 9 calls of at most $0.001063 fit: 63 characters at $1 and 200 tokens at $5 a million.
      assert.ok(bench.sim.truth.requests.length <= 9, String(bench.sim.truth.requests.length));
    });
  }

  it('pays all that its call held when it leaves, and holds nothing more', async () => {
    const spend = new TokenSpend({ prices: defaultPrices() });
    const bench = spending(spend, 'leaver');
    let left = 0;
    for (; left < 100; left += 1) {
      try {
        const stream = await bench.claude.messages.create({ ...PARAMS, max_tokens: 400, stream: true });
        for await (const event of stream) if (event.type === 'message_start') break;
      } catch (error) {
        assert.ok(isBudgetExceeded(error));
        break;
      }
    }
    // Each of them may have cost 400 tokens at $5 a million, and a little for the prompt: $0.00209.
    assert.equal(left, 4);
  });
});
