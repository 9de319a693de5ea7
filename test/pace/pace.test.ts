/** What `pace()` does to the calls of a real client, on a simulator whose minutes take no time. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { ConfigurationError, instrument, instrumentFetch, retryPolicy, withAttribution, type Call } from 'plimsoll';
import { budgets, memoryLedger } from 'plimsoll/budget';
import { pace, paceRefused, type PaceOptions, type PaceStore } from 'plimsoll/pace';
import { memoryPace, PaceRefusedError } from 'plimsoll/pace';
import type { SimulatorOptions } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { storeFor } from '../../src/record/metrics/registry.ts';
import { watchedTierOf } from '../../src/record/tier.ts';
import {
  PARAMS,
  collected,
  samples,
  steppedClock,
  withSteppedTime,
  workbench,
} from '../../testing/client-workbench.ts';

const CLASS = 'haiku-4.5';

/** A client with a pace, on limits of its own. */
function paced(options: PaceOptions, limits: SimulatorOptions['limits'], more: SimulatorOptions = {}) {
  const own = pace({ clock: steppedClock, random: () => 0.5, ...options });
  const bench = workbench({
    simulator: { limits: limits ?? {}, ...more },
    instrument: { pace: own, clock: steppedClock, retry: retryPolicy({ budget: null, clock: steppedClock }) },
  });
  return { ...bench, pace: own };
}

/** Sends calls at once, and returns how they ended. */
async function sent(
  claude: Anthropic,
  count: number,
  params: object = {},
): Promise<readonly PromiseSettledResult<unknown>[]> {
  return Promise.allSettled(Array.from({ length: count }, () => claude.messages.create({ ...PARAMS, ...params })));
}

const refusals = (bench: {
  readonly sim: { readonly truth: { readonly requests: readonly { status: number | null }[] } };
}) => bench.sim.truth.requests.filter(({ status }) => status === 429).length;

const without = (name: string): Record<string, null> => ({
  [`anthropic-ratelimit-${name}-limit`]: null,
  [`anthropic-ratelimit-${name}-remaining`]: null,
});

/** An answer with none of the headers of limits. */
const WITHOUT_LIMITS = {
  fault: 'headers',
  headers: { ...without('requests'), ...without('input-tokens'), ...without('output-tokens') },
} as const;

describe('calls with a pace', () => {
  it('wait for their turn where more come than the limit allows, and none is refused', async () => {
    await withSteppedTime(async () => {
      const limits = { [CLASS]: { requests: 60, inputTokens: 100_000, outputTokens: 100_000 } };
      const bench = paced({ maxWaitMs: 300_000 }, limits);
      const ends = await sent(bench.claude, 75);
      assert.deepEqual(
        ends.filter(({ status }) => status === 'rejected'),
        [],
      );
      assert.equal(refusals(bench), 0);
      assert.equal(bench.sim.truth.requests.length, 75);
    });
  });

  it('meet 429s in such numbers without one, or the limit would prove nothing', async () => {
    await withSteppedTime(async () => {
      const bench = workbench({
        simulator: { limits: { [CLASS]: { requests: 60, inputTokens: 100_000, outputTokens: 100_000 } } },
        instrument: { retry: retryPolicy({ clock: steppedClock }), clock: steppedClock },
      });
      await sent(bench.claude, 75);
      assert.ok(refusals(bench) >= 15, `${refusals(bench)} refusals`);
    });
  });

  it('count the wait apart from the time of the server', async () => {
    await withSteppedTime(async () => {
      const latency = { firstByteMs: { kind: 'constant', value: 500 } } as const;
      const bench = paced({ maxWaitMs: 300_000 }, { [CLASS]: { requests: 20 } }, { scenario: { latency } });
      await sent(bench.claude, 19);
      const last = bench.log.calls.toSorted((a, b) => (a.durationSeconds ?? 0) - (b.durationSeconds ?? 0)).at(-1);
      const [attempt] = bench.log.attempts.toSorted((a, b) => b.waitSeconds - a.waitSeconds);
      assert.ok(attempt !== undefined && last !== undefined);
      assert.ok(last.waitSeconds > 10, `waited ${last.waitSeconds} s`);
      assert.ok(attempt.durationSeconds < 1, `took ${attempt.durationSeconds} s`);
      assert.ok(Math.abs((last.durationSeconds ?? 0) - last.waitSeconds - attempt.durationSeconds) < 0.2);
    });
  });

  it('are refused before anything is sent where they never fit', async () => {
    await withSteppedTime(async () => {
      const limits = { [CLASS]: { inputTokens: 2_000 } };
      const bench = paced({ limits }, limits);
      const content = 'tide '.repeat(4_000);
      const error: unknown = await bench.claude.messages
        .create({ ...PARAMS, messages: [{ role: 'user', content }] })
        .catch((caught: unknown) => caught);
      assert.ok(error instanceof PaceRefusedError);
      assert.equal(error.reason, 'never_fits');
      assert.equal(error.limit, 2_000);
      assert.ok((error.inputTokens ?? 0) > 4_000);
      assert.equal(bench.sim.truth.requests.length, 0);
      assert.deepEqual(
        bench.log.calls.map(({ outcome }) => outcome),
        ['blocked'],
      );
    });
  });

  it('are refused by what the books of the organization say, until headers say otherwise', async () => {
    await withSteppedTime(async () => {
      const bench = paced({}, { [CLASS]: { inputTokens: 100_000 } });
      const tier = watchedTierOf(storeFor(bench.registry), undefined, steppedClock);
      tier.update({ books: { limits: [{ modelClass: CLASS, dimension: 'input_tokens', limit: 2_000 }] } });
      const large = { ...PARAMS, messages: [{ role: 'user' as const, content: 'tide '.repeat(4_000) }] };
      await assert.rejects(bench.claude.messages.create(large), { reason: 'never_fits', limit: 2_000 });
      assert.equal(bench.sim.truth.requests.length, 0);
      await bench.claude.messages.create(PARAMS);
      await bench.claude.messages.create(large);
      assert.equal(refusals(bench), 0);
    });
  });

  it('are refused after the longest wait, and never later', async () => {
    await withSteppedTime(async () => {
      const bench = paced({ maxWaitMs: 2_000 }, { [CLASS]: { requests: 10 } });
      const startedMs = Date.now();
      const ends = await sent(bench.claude, 40);
      const refused = ends.flatMap((end) => (end.status === 'rejected' ? [paceRefused(end.reason)] : []));
      assert.ok(refused.length > 20);
      assert.ok(refused.every((error) => error?.reason === 'max_wait'));
      assert.ok(Date.now() - startedMs < 2_300, `${Date.now() - startedMs} ms`);
      assert.equal(refusals(bench), 0);
    });
  });

  it('wait no longer than the timeout of their client', async () => {
    await withSteppedTime(async () => {
      const bench = paced({ maxWaitMs: 60_000 }, { [CLASS]: { requests: 10 } });
      const calls = Array.from({ length: 30 }, () => bench.claude.messages.create(PARAMS, { timeout: 1_500 }));
      const startedMs = Date.now();
      const ends = await Promise.allSettled(calls);
      assert.ok(ends.some(({ status }) => status === 'rejected'));
      assert.ok(Date.now() - startedMs < 1_800, `${Date.now() - startedMs} ms`);
    });
  });

  it('leave their place at once when they are aborted, and the server never hears of them', async () => {
    await withSteppedTime(async () => {
      const bench = paced({ maxWaitMs: 60_000 }, { [CLASS]: { requests: 10 } });
      const controller = new AbortController();
      const calls = Array.from({ length: 30 }, () =>
        bench.claude.messages.create(PARAMS, { signal: controller.signal }),
      );
      const settled = Promise.allSettled(calls);
      while (bench.pace.waiting('interactive').calls === 0) await new Promise((resolve) => setImmediate(resolve));
      const { calls: waiting } = bench.pace.waiting('interactive');
      controller.abort();
      const ends = await settled;
      const aborted = ends.filter(
        (end) => end.status === 'rejected' && end.reason instanceof Anthropic.APIUserAbortError,
      );
      assert.ok(aborted.length >= waiting);
      assert.equal(bench.pace.waiting('interactive').calls, 0);
      assert.ok(bench.sim.truth.requests.length <= 30 - waiting);
      assert.ok(bench.log.calls.some(({ outcome }) => outcome === 'cancelled'));
    });
  });

  it('are refused where too many wait already', async () => {
    await withSteppedTime(async () => {
      const bench = paced({ maxWaiting: 5, maxWaitMs: 3_000 }, { [CLASS]: { requests: 10 } });
      const ends = await sent(bench.claude, 40);
      const full = ends.filter((end) => end.status === 'rejected' && paceRefused(end.reason)?.reason === 'queue_full');
      assert.ok(full.length > 10);
    });
  });

  it('let interactive calls go before batch calls that came earlier', async () => {
    await withSteppedTime(async () => {
      const lane = ({ attribution }: Call) => (attribution['route'] === 'nightly' ? 'batch' : 'interactive');
      const bench = workbench({
        simulator: { limits: { [CLASS]: { requests: 120 } } },
        instrument: {
          pace: pace({ lane, clock: steppedClock, maxWaitMs: 600_000, limits: { [CLASS]: { requests: 120 } } }),
          clock: steppedClock,
          attribution: { route: ['nightly', 'chat'] },
          labels: { route: 'nightly' },
        },
      });
      const order: string[] = [];
      const batch = Array.from({ length: 40 }, () =>
        bench.claude.messages.create(PARAMS).then(() => order.push('batch')),
      );
      const chat = withAttribution({ route: 'chat' }, () =>
        Array.from({ length: 10 }, () => bench.claude.messages.create(PARAMS).then(() => order.push('chat'))),
      );
      await Promise.all([...batch, ...chat]);
      assert.ok(order.lastIndexOf('chat') < 20, order.join(' '));
    });
  });

  it('hold no money of a budget while they wait', async () => {
    await withSteppedTime(async () => {
      const definitions = [{ name: 'all', usd: 100, period: 'day', mode: 'block' }] as const;
      const limits = budgets({ definitions, ledger: memoryLedger(), clock: steppedClock });
      const own = pace({ clock: steppedClock, maxWaitMs: 300_000, limits: { [CLASS]: { requests: 10 } } });
      const latency = { firstByteMs: { kind: 'constant', value: 1_000_000 } } as const;
      const bench = workbench({
        simulator: { limits: { [CLASS]: { requests: 10 } }, scenario: { latency } },
        instrument: { pace: own, budgets: limits, clock: steppedClock },
      });
      const controller = new AbortController();
      const calls = Array.from({ length: 30 }, () =>
        bench.claude.messages.create(PARAMS, { signal: controller.signal }),
      );
      const settled = Promise.allSettled(calls);
      while (own.waiting('interactive').calls === 0) await new Promise((resolve) => setImmediate(resolve));
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      const sentNow = 30 - own.waiting('interactive').calls;
      const reserved = limits.all[0]?.balance()?.reservedNanoUsd ?? 0n;
      controller.abort();
      await settled;
      assert.ok(sentNow > 0 && reserved > 0n);
      assert.equal(Number(reserved) % sentNow, 0);
      assert.ok(Number(reserved) / sentNow < 1e6, 'each holds what one call may cost');
    });
  });

  it('of a fetch wait too, and are told apart by their model', async () => {
    await withSteppedTime(async () => {
      const { sim } = workbench({ simulator: { limits: { [CLASS]: { requests: 40 } } } });
      const own = pace({ clock: steppedClock, maxWaitMs: 600_000 });
      const fetch = instrumentFetch(sim.fetch, { pace: own, clock: steppedClock, registry: new Registry() });
      const claude = new Anthropic({ apiKey: 'test', fetch, logLevel: 'off' });
      const ends = await sent(claude, 40);
      assert.deepEqual(
        ends.filter(({ status }) => status === 'rejected'),
        [],
      );
      assert.equal(sim.truth.requests.filter(({ status }) => status === 429).length, 0);
    });
  });

  it('that stream settle what they used, at their start and at their end', async () => {
    await withSteppedTime(async () => {
      const bench = paced({ maxWaitMs: 600_000 }, { [CLASS]: { requests: 100, outputTokens: 2_400 } });
      const one = async (): Promise<number> =>
        (await collected(await bench.claude.messages.create({ ...PARAMS, stream: true }))).length;
      const ends = await Promise.allSettled(Array.from({ length: 60 }, one));
      assert.deepEqual(
        ends.filter(({ status }) => status === 'rejected'),
        [],
      );
      assert.ok(refusals(bench) <= 2, `${refusals(bench)} refusals`);
    });
  });

  it('do not wait for what is read from a cache, unless the limit counts that too', async () => {
    for (const [countsCacheReads, waits] of [
      [false, false],
      [true, true],
    ] as const) {
      await withSteppedTime(async () => {
        const limits = { [CLASS]: { requests: 1_000, inputTokens: 20_000, outputTokens: 100_000 } };
        const bench = paced({ countsCacheReads, maxWaitMs: 600_000 }, limits, {
          respond: () => ({ usage: { input_tokens: 100, cache_read_input_tokens: 3_900 } }),
        });
        const content = [
          { type: 'text' as const, text: 'tide '.repeat(3_000), cache_control: { type: 'ephemeral' as const } },
        ];
        const messages = [{ role: 'user' as const, content }];
        await sent(bench.claude, 1, { messages });
        const startedMs = Date.now();
        for (let call = 0; call < 30; call += 1) await bench.claude.messages.create({ ...PARAMS, messages });
        const tookMs = Date.now() - startedMs;
        assert.equal(tookMs > 60_000, waits, `${tookMs} ms`);
        assert.equal(refusals(bench), 0);
      });
    }
  });

  it('wait for the limits of their own model, and of no other', async () => {
    await withSteppedTime(async () => {
      const limits = { [CLASS]: { requests: 10 }, 'opus-5.5': { requests: 1_000 } };
      const bench = paced({ limits, maxWaitMs: 60_000 }, limits);
      const slow = sent(bench.claude, 15);
      const startedMs = Date.now();
      const ends = await sent(bench.claude, 15, { model: 'claude-opus-5-5' });
      assert.ok(ends.every(({ status }) => status === 'fulfilled'));
      assert.ok(Date.now() - startedMs <= 200, `${Date.now() - startedMs} ms`);
      await slow;
      assert.equal(refusals(bench), 0);
    });
  });

  it('share their limits with another client of the same pace', async () => {
    await withSteppedTime(async () => {
      const limits = { [CLASS]: { requests: 30 } };
      const bench = paced({ maxWaitMs: 600_000 }, limits);
      const plain = new Anthropic({ apiKey: 'test', fetch: bench.sim.fetch, logLevel: 'off' });
      const other = instrument(plain, { pace: bench.pace, clock: steppedClock, registry: new Registry() });
      const ends = await Promise.all([sent(bench.claude, 20), sent(other, 20)]);
      assert.ok(ends.flat().every(({ status }) => status === 'fulfilled'));
      assert.equal(refusals(bench), 0);
    });
  });

  for (const lane of ['__proto__', 'constructor', '', 7, undefined]) {
    it(`are interactive where their lane is ${String(lane) || 'empty'}`, async () => {
      await withSteppedTime(async () => {
        const bench = paced({ lane: () => lane as never }, { [CLASS]: { requests: 60 } });
        await sent(bench.claude, 2);
        const turns = await samples(bench.registry, 'anthropic_pace_turns_total');
        assert.deepEqual(Object.keys(turns), ['pace=default,lane=interactive,end=at_once']);
      });
    });
  }

  it('get twice as many turns where their label has twice the weight, and a hostile label has none', async () => {
    await withSteppedTime(async () => {
      const limits = { [CLASS]: { requests: 60 } };
      const own = pace({
        ...{ clock: steppedClock, limits, lane: 'batch', maxWaitMs: 600_000 },
        weights: { label: 'team', of: { large: 2 } },
      });
      const bench = workbench({
        simulator: { limits },
        instrument: { pace: own, clock: steppedClock, attribution: { team: ['large', 'small', '__proto__'] } },
      });
      const order: string[] = [];
      const of = (team: string): readonly Promise<unknown>[] =>
        withAttribution({ team }, () =>
          Array.from({ length: 20 }, () => bench.claude.messages.create(PARAMS).then(() => order.push(team))),
        );
      await Promise.all(['small', '__proto__', 'large'].flatMap(of));
      const early = order.slice(5, 25);
      const share = (team: string): number => early.filter((each) => each === team).length;
      assert.ok(share('large') >= 8 && share('large') <= 12, `${share('large')} of 20`);
      assert.ok(Math.abs(share('small') - share('__proto__')) <= 2, early.join(' '));
    });
  });

  it('that count tokens, make batches or list models never wait', async () => {
    await withSteppedTime(async () => {
      const limits = { [CLASS]: { requests: 10 } };
      const bench = paced({ limits, maxWaitMs: 600_000 }, limits);
      const waiting = sent(bench.claude, 15);
      const startedMs = Date.now();
      const { messages, model } = PARAMS;
      await bench.claude.messages.countTokens({ messages, model });
      await bench.claude.messages.batches.create({ requests: [{ custom_id: 'one', params: PARAMS }] });
      await bench.claude.models.list();
      assert.ok(Date.now() - startedMs <= 200, `${Date.now() - startedMs} ms`);
      await waiting;
    });
  });

  it('go on where the API is overloaded, as their retry policy says', async () => {
    await withSteppedTime(async () => {
      const faults = [{ probability: 0.3, fault: { fault: 'overloaded' } }] as const;
      const bench = paced({ maxWaitMs: 600_000 }, { [CLASS]: { requests: 120 } }, { scenario: { faults }, seed: 3 });
      const ends = await sent(bench.claude, 100);
      assert.equal(refusals(bench), 0);
      assert.ok(bench.sim.truth.requests.filter(({ status }) => status === 529).length > 10);
      assert.ok(ends.filter(({ status }) => status === 'fulfilled').length > 90);
    });
  });
});

/** A store that fails in one of the ways that stores do. */
function failing(how: 'throws' | 'rejects' | 'hangs', until: () => boolean): PaceStore {
  const inner = memoryPace();
  const fail = (): Promise<never> => {
    if (how === 'throws') throw new Error('no store');
    return how === 'rejects' ? Promise.reject(new Error('no store')) : new Promise(() => undefined);
  };
  return {
    kind: 'redis',
    ask: (...asked) => (until() ? fail() : Promise.resolve(inner.ask(...asked))),
    settle: (...settled) => (until() ? fail() : Promise.resolve(inner.settle(...settled))),
    close: () => undefined,
  };
}

describe('a store that is down', () => {
  for (const how of ['throws', 'rejects', 'hangs'] as const) {
    it(`paces nothing while it ${how}, is counted, and paces again when it is back`, async () => {
      await withSteppedTime(async () => {
        let isDown = true;
        const store = failing(how, () => isDown);
        const bench = paced({ store, maxWaitMs: 600_000 }, { [CLASS]: { requests: 60 } });
        const startedMs = Date.now();
        await sent(bench.claude, 10);
        assert.equal(bench.sim.truth.requests.length, 10);
        assert.ok(Date.now() - startedMs < 500, `${Date.now() - startedMs} ms`);
        const errors = await samples(bench.registry, 'plimsoll_errors_total');
        assert.ok((errors['stage=pace'] ?? 0) >= 1);
        isDown = false;
        await new Promise((resolve) => setTimeout(resolve, 2_000));
        const ends = await sent(bench.claude, 55);
        assert.deepEqual(
          ends.filter(({ status }) => status === 'rejected'),
          [],
        );
        assert.equal(refusals(bench), 0);
      });
    });
  }
});

describe('pace()', () => {
  it('refuses options that it cannot use, all at once', () => {
    const options = { share: 2, maxWaitMs: -1, lane: 'express', name: 'a b', limits: { x: { requests: 0 } }, speed: 1 };
    assert.throws(
      () => pace(options as never),
      (error: unknown) => {
        assert.ok(error instanceof ConfigurationError);
        const fields = error.problems.map(({ field }) => field).toSorted();
        assert.deepEqual(fields, ['lane', 'limits.x.requests', 'maxWaitMs', 'name', 'share', 'speed']);
        return true;
      },
    );
  });

  it('shares the limits of an organization among its keys, and of no other', async () => {
    await withSteppedTime(async () => {
      const limits = { [CLASS]: { requests: 60 } };
      const organizations: Readonly<Record<string, string>> = { 'prod-a-api': 'main', 'prod-b-api': 'main' };
      const own = pace({
        ...{ clock: steppedClock, limits, maxWaitMs: 1 },
        organizationOf: (key) => organizations[key] ?? key,
      });
      const went = async (key: string): Promise<number> => {
        const bench = workbench({ simulator: { limits }, instrument: { pace: own, clock: steppedClock, key } });
        await sent(bench.claude, 60);
        return bench.sim.truth.requests.length;
      };
      const [a, b, other] = [await went('prod-a-api'), await went('prod-b-api'), await went('dev-c-api')];
      assert.ok(a > 30 && other > 30, `${a} and ${other}`);
      assert.ok(b < 10, `${b} of the other key`);
    });
  });

  it('paces a model as ever after hundreds of others that do not exist', async () => {
    await withSteppedTime(async () => {
      const bench = paced({ maxWaitMs: 1 }, { [CLASS]: { requests: 10 } }, { unknownModels: 'serve' });
      for (let made = 0; made < 250; made += 1) await sent(bench.claude, 1, { model: `made-up-${made}` });
      const ends = await sent(bench.claude, 30);
      assert.ok(ends.some((end) => end.status === 'rejected' && paceRefused(end.reason)?.reason === 'max_wait'));
      assert.equal(refusals(bench), 0);
    });
  });

  it('leaves calls to platforms alone, and those whose answers show no limits', async () => {
    await withSteppedTime(async () => {
      const faults = [{ probability: 1, fault: WITHOUT_LIMITS }] as const;
      const bench = paced({}, {}, { scenario: { faults } });
      await sent(bench.claude, 1);
      const startedMs = Date.now();
      const ends = await sent(bench.claude, 50);
      assert.deepEqual(
        ends.filter(({ status }) => status === 'rejected'),
        [],
      );
      assert.ok(Date.now() - startedMs <= 100);
    });
  });

  for (const before of [0, 2]) {
    it(`paces as ever after an answer without limits that came after ${before} with them`, async () => {
      await withSteppedTime(async () => {
        const bench = paced({ maxWaitMs: 1 }, { [CLASS]: { requests: 20 } });
        await sent(bench.claude, before);
        bench.sim.script([WITHOUT_LIMITS]);
        await sent(bench.claude, 1);
        await sent(bench.claude, 1);
        await sent(bench.claude, 1);
        const ends = await sent(bench.claude, 40);
        assert.ok(ends.some((end) => end.status === 'rejected' && paceRefused(end.reason)?.reason === 'max_wait'));
        assert.equal(refusals(bench), 0);
      });
    });
  }
});
