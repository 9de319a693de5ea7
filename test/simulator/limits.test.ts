import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { simulator, TIER_NAMES, type ClassLimits, type Simulator, type TierName } from 'plimsoll/simulator';
import { ASK, NOW_MS, bench, get, post, StandingClock } from '../../testing/simulator-bench.ts';

const STREAM = { ...ASK, stream: true } as const;

/** 10 requests, 6,000 input tokens and 1,200 output tokens a minute: 1 every 6 s, 100 and 20 a second. */
const SMALL = { other: { requests: 10, inputTokens: 6_000, outputTokens: 1_200 } } satisfies Record<
  string,
  ClassLimits
>;

interface Ask {
  readonly model?: string;
  readonly input?: number;
  readonly output?: number;
  readonly key?: string;
}

/** A simulator on which each request says what it uses. */
function limited(limits: Readonly<Record<string, ClassLimits>>, options: { tier?: TierName } = {}) {
  const clock = new StandingClock();
  let usage = {};
  const claude = simulator({
    clock,
    limits,
    ...options,
    keys: [
      { name: 'one', key: 'one' },
      { name: 'two', key: 'two', organization: 'org-two' },
    ],
    respond: () => ({ text: 'Ahoy', usage }),
  });
  async function ask({ model = ASK.model, input = 10, output = 1, key = 'one' }: Ask = {}): Promise<Response> {
    usage = { input_tokens: input, output_tokens: output };
    const response = await claude.handle(post('/v1/messages', { ...ASK, model }, { 'x-api-key': key }));
    await response.clone().text();
    return response;
  }
  return { claude, clock, ask };
}

async function messageOf(response: Response): Promise<string> {
  return ((await response.json()) as { error: { message: string } }).error.message;
}

function shown(headers: Headers, name: string): Readonly<Record<string, string | null>> {
  const parts = ['limit', 'remaining', 'reset'].map((part) => [part, headers.get(`anthropic-${name}-${part}`)]);
  return Object.fromEntries(parts) as Record<string, string | null>;
}

describe('a bucket', () => {
  test('the request that finds it empty is a 429 that names the limit and says when to come back', async () => {
    const { ask } = limited(SMALL);
    for (let each = 0; each < 10; each += 1) assert.equal((await ask()).status, 200);
    const refused = await ask();
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get('retry-after'), '6');
    assert.match(await messageOf(refused), /rate limit of 10 requests per minute/);
  });

  test('it is refilled all the time, not once a minute', async () => {
    const { ask, clock } = limited(SMALL);
    for (let each = 0; each < 10; each += 1) await ask();
    clock.advance(5_999);
    assert.equal((await ask()).status, 429);
    clock.advance(1);
    assert.equal((await ask()).status, 200);
    assert.equal((await ask()).status, 429);
  });

  test("it never holds more than a minute's refill", async () => {
    const { ask, clock } = limited(SMALL);
    clock.advance(3_600_000);
    for (let each = 0; each < 10; each += 1) assert.equal((await ask()).status, 200);
    assert.equal((await ask()).status, 429);
  });

  test('a refused request takes nothing from any bucket', async () => {
    const { ask } = limited({ other: { requests: 10, inputTokens: 6_000 } });
    assert.equal((await ask({ input: 5_000 })).status, 200);
    for (let each = 0; each < 20; each += 1) assert.equal((await ask({ input: 1_001 })).status, 429);
    assert.equal((await ask({ input: 1_000 })).status, 200);
  });

  test('a prompt above the limit is refused even when the bucket is full', async () => {
    const { ask } = limited(SMALL);
    const refused = await ask({ input: 6_001 });
    assert.equal(refused.status, 429);
    assert.match(await messageOf(refused), /6,000 input tokens per minute/);
  });

  test('input is taken at the start, output as it is produced', async () => {
    const { ask, clock } = limited(SMALL);
    assert.equal((await ask({ output: 3_000 })).status, 200);
    const refused = await ask();
    assert.match(await messageOf(refused), /1,200 output tokens per minute/);
    // 1,800 too many were produced, at 20 a second; one more has to be there.
    assert.equal(refused.headers.get('retry-after'), '91');
    clock.advance(90_000);
    assert.equal((await ask()).status, 429);
    clock.advance(1_000);
    assert.equal((await ask()).status, 200);
  });

  test('a stream that is abandoned takes only the output that was produced', async () => {
    const clock = new StandingClock();
    const claude = simulator({
      clock,
      limits: SMALL,
      respond: () => ({ text: 'ahoy'.repeat(300), usage: { output_tokens: 1_200 } }),
    });
    const reader = (await claude.handle(post('/v1/messages', STREAM))).body?.getReader();
    for (let event = 0; event < 5; event += 1) await reader?.read();
    await reader?.cancel();
    const { headers } = await claude.handle(post('/v1/messages', STREAM));
    const produced = claude.truth.requests[0]?.usage?.output_tokens ?? 0;
    assert.ok(produced > 0 && produced < 100, String(produced));
    // 1,200 less what was produced, to the nearest thousand.
    assert.equal(headers.get('anthropic-ratelimit-output-tokens-remaining'), '1000');
  });

  test('what was read from the cache does not count, what was written does', async () => {
    const clock = new StandingClock();
    const usage = { input_tokens: 100, cache_read_input_tokens: 1_000_000, cache_creation_input_tokens: 900 };
    const claude = simulator({ clock, limits: { other: { inputTokens: 6_000 } }, respond: () => ({ usage }) });
    const statuses: number[] = [];
    for (let each = 0; each < 7; each += 1) statuses.push((await claude.handle(post('/v1/messages', ASK))).status);
    assert.deepEqual(statuses, [200, 200, 200, 200, 200, 200, 429]);
  });
});

describe('buckets are kept apart', () => {
  test('by organization', async () => {
    const { ask } = limited({ other: { requests: 1 } });
    assert.equal((await ask()).status, 200);
    assert.equal((await ask()).status, 429);
    assert.equal((await ask({ key: 'two' })).status, 200);
  });

  test('by model class: all of Opus 4 share one, Opus 5 has its own', async () => {
    const { ask } = limited({ other: { requests: 2 } });
    assert.equal((await ask({ model: 'claude-opus-4-8' })).status, 200);
    assert.equal((await ask({ model: 'claude-opus-4-6' })).status, 200);
    assert.equal((await ask({ model: 'claude-opus-4-5' })).status, 429);
    assert.equal((await ask({ model: 'claude-opus-5' })).status, 200);
  });

  test('fast mode has a pool and headers of its own', async () => {
    const clock = new StandingClock();
    const claude = simulator({
      clock,
      limits: { fast: { inputTokens: 5_000 } },
      respond: () => ({ usage: { input_tokens: 3_000 } }),
    });
    const fast = { ...ASK, model: 'claude-opus-5-5', speed: 'fast' };
    const { headers } = await claude.handle(post('/v1/messages', fast));
    assert.deepEqual(shown(headers, 'fast-input-tokens'), {
      limit: '5000',
      remaining: '2000',
      reset: '2026-11-24T11:45:36Z',
    });
    const refused = await claude.handle(post('/v1/messages', fast));
    assert.match(await messageOf(refused), /5,000 fast mode input tokens per minute/);
    assert.equal((await claude.handle(post('/v1/messages', { ...fast, speed: 'standard' }))).status, 200);
  });

  test('count_tokens and batches are limited by requests only, each for itself', async () => {
    const clock = new StandingClock();
    const claude = simulator({ clock, limits: { count_tokens: { requests: 1 }, batch: { requests: 1 } } });
    const counted = await claude.handle(post('/v1/messages/count_tokens', ASK));
    assert.deepEqual(shown(counted.headers, 'ratelimit-requests'), {
      limit: '1',
      remaining: '0',
      reset: '2026-11-24T11:46:00Z',
    });
    assert.equal(counted.headers.get('anthropic-ratelimit-input-tokens-limit'), null);
    assert.equal((await claude.handle(post('/v1/messages/count_tokens', ASK))).status, 429);
    const batch = { requests: [{ custom_id: 'a', params: ASK }] };
    assert.equal((await claude.handle(post('/v1/messages/batches', batch))).status, 200);
    assert.equal((await claude.handle(post('/v1/messages/batches', batch))).status, 429);
    assert.equal((await claude.handle(post('/v1/messages', ASK))).status, 200);
  });

  test('models and files have no limits', async () => {
    const { claude } = bench();
    const { headers } = await claude.handle(get('/v1/models'));
    assert.ok([...headers.keys()].every((name) => !name.includes('ratelimit')));
  });
});

describe('headers tell limit, remaining and reset', () => {
  test('tokens to the nearest thousand, requests exactly, the time in whole seconds', async () => {
    const { ask } = limited({ other: { requests: 1_000, inputTokens: 60_000, outputTokens: 12_000 } });
    const { headers } = await ask({ input: 10_400, output: 1_501 });
    assert.deepEqual(shown(headers, 'ratelimit-requests'), {
      limit: '1000',
      remaining: '999',
      reset: '2026-11-24T11:45:01Z',
    });
    // 49,600 of 60,000: full again in 10.4 s.
    assert.deepEqual(shown(headers, 'ratelimit-input-tokens'), {
      limit: '60000',
      remaining: '50000',
      reset: '2026-11-24T11:45:11Z',
    });
    // 10,499 of 12,000: full again in 7.505 s.
    assert.deepEqual(shown(headers, 'ratelimit-output-tokens'), {
      limit: '12000',
      remaining: '10000',
      reset: '2026-11-24T11:45:08Z',
    });
  });

  test('tokens together are the sum, with the earlier reset, as in the recordings', async () => {
    const { ask } = limited({ other: { inputTokens: 60_000, outputTokens: 12_000 } });
    const { headers } = await ask({ input: 10_400, output: 1_501 });
    assert.deepEqual(shown(headers, 'ratelimit-tokens'), {
      limit: '72000',
      remaining: '60000',
      reset: '2026-11-24T11:45:08Z',
    });
  });

  test('the reset is the time at which a request finds the bucket full', async () => {
    const { ask, clock } = limited(SMALL);
    const { headers } = await ask({ input: 3_000 });
    const reset = Date.parse(headers.get('anthropic-ratelimit-input-tokens-reset') ?? '');
    clock.advance(reset - NOW_MS);
    assert.equal((await ask({ input: 6_000 })).status, 200);
  });

  test('remaining is never below 0', async () => {
    const { ask } = limited(SMALL);
    const { headers } = await ask({ output: 9_000 });
    assert.equal(headers.get('anthropic-ratelimit-output-tokens-remaining'), '0');
  });
});

describe('tiers', () => {
  /** From the rate-limit page of 22 August 2026, and that of 25 April 2026 for tiers 1 to 4. */
  const published: readonly (readonly [TierName, string, string])[] = [
    ['start', 'claude-sonnet-5', '1000 2000000 400000'],
    ['start', 'claude-fable-5-1', '1000 500000 100000'],
    ['build', 'claude-opus-5', '5000 5000000 1000000'],
    ['build', 'claude-fable-5', '2000 1500000 300000'],
    ['scale', 'claude-haiku-4-5', '10000 10000000 2000000'],
    ['scale', 'claude-fable-5-1', '4000 4000000 800000'],
    ['tier1', 'claude-haiku-4-5', '50 50000 10000'],
    ['tier1', 'claude-sonnet-4-5', '50 30000 8000'],
    ['tier2', 'claude-opus-4-6', '1000 450000 90000'],
    ['tier3', 'claude-haiku-4-5', '2000 1000000 200000'],
    ['tier4', 'claude-sonnet-4-6', '4000 2000000 400000'],
  ];
  for (const [tier, model, expected] of published) {
    test(`${tier} allows ${model} ${expected} requests, input and output tokens a minute`, async () => {
      const { claude } = bench({ tier });
      const { headers } = await claude.handle(post('/v1/messages', { ...ASK, model }));
      const limits = ['requests', 'input-tokens', 'output-tokens'].map((name) =>
        headers.get(`anthropic-ratelimit-${name}-limit`),
      );
      assert.equal(limits.join(' '), expected);
    });
  }

  test('the names of the tiers are those of the API, present and past', () => {
    assert.deepEqual(TIER_NAMES, ['start', 'build', 'scale', 'custom', 'tier1', 'tier2', 'tier3', 'tier4']);
  });

  test('a limit of one class leaves the others as the tier has them', async () => {
    const { claude } = bench({ tier: 'start', limits: { 'haiku-5.5': { requests: 7 } } });
    const limit = async (model: string): Promise<string | null> =>
      (await claude.handle(post('/v1/messages', { ...ASK, model }))).headers.get('anthropic-ratelimit-requests-limit');
    assert.equal(await limit('claude-haiku-5-5'), '7');
    assert.equal(await limit('claude-sonnet-5-5'), '1000');
  });
});

describe("a tier's monthly cap", () => {
  /** Start's cap is 500 USD; an answer costs 8 USD × 10 = 80 USD in input. */
  function spending(spentThisMonthUsd: number): {
    claude: Simulator;
    clock: StandingClock;
    ask: () => Promise<Response>;
  } {
    const clock = new StandingClock();
    const claude = simulator({
      clock,
      tier: 'start',
      spentThisMonthUsd,
      limits: { other: { inputTokens: 1e9 } },
      respond: () => ({ usage: { input_tokens: 10_000_000, output_tokens: 0 } }),
    });
    return { claude, clock, ask: () => claude.handle(post('/v1/messages', { ...ASK, model: 'claude-mythos-5-2' })) };
  }

  test('once reached, all further requests are 429s with a code, and without retry-after', async () => {
    const { ask, claude } = spending(0);
    const statuses: number[] = [];
    for (let each = 0; each < 8; each += 1) statuses.push((await ask()).status);
    // 6 × 80 is below 500; the seventh takes it over.
    assert.deepEqual(statuses, [200, 200, 200, 200, 200, 200, 200, 429]);
    const refused = await ask();
    assert.equal(refused.headers.get('retry-after'), null);
    assert.equal(claude.truth.requests.at(-1)?.errorCode, 'enforced_spend_limit_reached');
    assert.match(await messageOf(refused), /2026-12-01 at 00:00 UTC/);
  });

  test('access returns on the first of the month, UTC', async () => {
    const { ask, clock } = spending(500);
    assert.equal((await ask()).status, 429);
    clock.advance(Date.UTC(2026, 11, 1) - NOW_MS - 1);
    assert.equal((await ask()).status, 429);
    clock.advance(1);
    assert.equal((await ask()).status, 200);
  });

  test('it refuses batches too, and nothing that is free', async () => {
    const { claude } = spending(500);
    const batch = { requests: [{ custom_id: 'a', params: ASK }] };
    assert.equal((await claude.handle(post('/v1/messages/batches', batch))).status, 429);
    assert.equal((await claude.handle(post('/v1/messages/count_tokens', ASK))).status, 200);
    assert.equal((await claude.handle(get('/v1/models'))).status, 200);
  });

  test('each organization has its own, and Custom has none', async () => {
    const clock = new StandingClock();
    const { claude } = bench({ clock, tier: 'custom', spentThisMonthUsd: 1e9 });
    assert.equal((await claude.handle(post('/v1/messages', ASK))).status, 200);
  });
});
