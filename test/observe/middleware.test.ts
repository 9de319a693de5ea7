/** Middleware of the program's own, with the real SDK: one call is one call wherever the middleware stands. */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import Anthropic, {
  APIConnectionError,
  betaRefusalFallbackMiddleware,
  type ClientOptions,
  type Middleware,
} from '@anthropic-ai/sdk';
import { AnthropicBedrock } from '@anthropic-ai/bedrock-sdk';
import { AnthropicVertex } from '@anthropic-ai/vertex-sdk';
import {
  instrument,
  REFUSAL,
  retryPolicy,
  uninstrument,
  type Call,
  type Guard,
  type InstrumentOptions,
} from 'plimsoll';
import { simulator, type Simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { Anthropic as AnthropicBetween } from 'sdk-between';
import { Anthropic as LowestAnthropic } from 'sdk-lowest';
import { collectUntil } from '../../testing/collect-until.ts';
import { collected, PARAMS, samples, total } from '../../testing/client-workbench.ts';
import { KeepingRecorder } from '../../testing/keeping-recorder.ts';

const SDKS: Readonly<Record<string, typeof Anthropic>> = {
  'the highest SDK': Anthropic,
  'an SDK between': AnthropicBetween as unknown as typeof Anthropic,
  'the lowest SDK': LowestAnthropic as unknown as typeof Anthropic,
};

interface Bench {
  readonly sim: Simulator;
  readonly claude: Anthropic;
  readonly registry: Registry;
  readonly log: KeepingRecorder;
}

interface BenchOptions {
  readonly made?: typeof Anthropic;
  readonly client?: ClientOptions;
  readonly instrument?: InstrumentOptions;
}

function bench({ made = Anthropic, client, instrument: options }: BenchOptions): Bench {
  const sim = simulator();
  const registry = new Registry();
  const log = new KeepingRecorder();
  const plain = new made({ apiKey: 'test', fetch: sim.fetch, logLevel: 'off', ...client });
  return { sim, registry, log, claude: instrument(plain, { registry, recorders: [log], ...options }) };
}

/** What the simulated API has billed, over all models. */
const billed = ({ truth }: Simulator): bigint =>
  [...truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + BigInt(totalNanoUsd), 0n);

const again: Middleware = async (request, next) => {
  const first = await next(request);
  await first.body?.cancel();
  return next(request);
};

const readAndAgain: Middleware = async (request, next) => {
  await (await next(request)).text();
  return next(request);
};

const replaced: Middleware = async (request, next) => {
  const response = await next(request);
  return new Response(await response.text(), response);
};

const cached: Middleware = async () =>
  Response.json({
    ...{ id: 'msg_1', type: 'message', role: 'assistant', model: 'cached', content: [], stop_reason: 'end_turn' },
    usage: { input_tokens: 1_000, output_tokens: 1_000 },
  });

const mistaken: Middleware = async () => {
  throw new TypeError('a mistake in the middleware');
};

const retrying: Middleware = async (request, next) => {
  for (let tries = 0; ; tries++) {
    const response = await next(request);
    if (response.ok || tries === 2) return response;
    await response.body?.cancel();
  }
};

/** Listeners that one call leaves on its signal without plimsoll: SDK 0.103 leaves one, and later ones none. */
async function leftBySdk(made: typeof Anthropic, { client, request }: ReturnType<typeof placed>): Promise<number> {
  const plain = new made({ apiKey: 'test', fetch: simulator().fetch, logLevel: 'off', ...client });
  const { signal } = new AbortController();
  await plain.messages.create(PARAMS, { ...request, signal }).catch(() => undefined);
  return getEventListeners(signal, 'abort').length;
}

/** The places where a program may put a middleware. */
const PLACES = ['of the client', 'of the request'] as const;

function placed(middleware: Middleware, place: (typeof PLACES)[number]) {
  const chain = { middleware: [middleware] };
  return place === 'of the client' ? { client: chain, request: {} } : { client: {}, request: chain };
}

for (const [sdk, made] of Object.entries(SDKS)) {
  for (const place of PLACES) {
    describe(`a middleware ${place}, with ${sdk}`, () => {
      it('that asks twice makes 20 good calls of 40 attempts, and leaves nothing of plimsoll on the signal', async () => {
        const { client, request } = placed(again, place);
        const { claude, registry, sim } = bench({ made, client });
        const { signal } = new AbortController();
        for (let calls = 0; calls < 20; calls++) await claude.messages.create(PARAMS, { ...request, signal });
        assert.equal(sim.truth.requests.length, 40);
        assert.deepEqual(await samples(registry, 'anthropic_requests_total'), {
          'model=claude-haiku-4-5,operation=messages.create,key=default,outcome=ok': 20,
        });
        assert.equal(await total(registry, 'anthropic_attempts_total'), 40);
        assert.equal(await total(registry, 'anthropic_requests_in_flight'), 0);
        assert.equal(await total(registry, 'plimsoll_errors_total'), 0);
        assert.equal(getEventListeners(signal, 'abort').length, 20 * (await leftBySdk(made, placed(again, place))));
      });

      it('that reads both answers pays for both', async () => {
        const { client, request } = placed(readAndAgain, place);
        const { claude, log, sim } = bench({ made, client });
        const { usage } = await claude.messages.create(PARAMS, request);
        const [call] = log.calls;
        const output = call?.usage?.parts.map(({ tokens }) => tokens.output) ?? [];
        assert.equal(output.length, 2);
        assert.equal(output[1], usage.output_tokens);
        assert.equal(BigInt(call?.cost?.totalNanoUsd ?? 0), billed(sim));
      });

      it('that hands on a response of its own ends the call with that, and keeps the tokens', async () => {
        const { client, request } = placed(replaced, place);
        const { claude, log, sim } = bench({ made, client });
        await claude.messages.create(PARAMS, request);
        await collected(await claude.messages.create({ ...PARAMS, stream: true }, request));
        assert.deepEqual(
          log.events.filter((event) => event !== 'firstToken'),
          [...['started', 'attempted 200', 'finished ok'], ...['started', 'attempted 200', 'finished ok']],
        );
        const cost = log.calls.reduce((sum, call) => sum + BigInt(call.cost?.totalNanoUsd ?? 0), 0n);
        assert.equal(cost, billed(sim));
      });

      it('that answers by itself makes a call without attempt, tokens or cost', async () => {
        const { client, request } = placed(cached, place);
        const { claude, log, registry } = bench({ made, client });
        assert.equal((await claude.messages.create(PARAMS, request)).model, 'cached');
        assert.deepEqual(log.events, ['started', 'finished ok']);
        assert.deepEqual(
          log.calls.map(({ attempts, usage, cost }) => [attempts, usage, cost]),
          [[0, null, null]],
        );
        for (const metric of ['attempts', 'tokens', 'cost_usd']) {
          assert.equal(await total(registry, `anthropic_${metric}_total`), 0);
        }
      });

      it('that throws ends the call, with the very error', async () => {
        const { client, request } = placed(mistaken, place);
        const { claude, log, registry } = bench({ made, client });
        const { signal } = new AbortController();
        await assert.rejects(
          Promise.resolve(claude.messages.create(PARAMS, { ...request, signal })),
          new TypeError('a mistake in the middleware'),
        );
        await log.finishedCalls(1);
        assert.deepEqual(log.events, ['started', 'finished cancelled']);
        assert.equal(await total(registry, 'anthropic_requests_in_flight'), 0);
        assert.equal(getEventListeners(signal, 'abort').length, await leftBySdk(made, placed(mistaken, place)));
      });

      it('that retries refusals is seen at it, and so is the SDK that retries the rest', async () => {
        const { client, request } = placed(retrying, place);
        const { claude, log, sim, registry } = bench({ made, client: { ...client, maxRetries: 1 } });
        sim.script([1, 2, 3, 4].map(() => ({ fault: 'overloaded', headers: { 'retry-after-ms': '1' } }) as const));
        await claude.messages.create(PARAMS, request);
        await log.finishedCalls(1);
        assert.deepEqual(
          log.attempts.map(({ index, status, retryReason }) => [index, status, retryReason]),
          [
            ...[
              [0, 529, null],
              [1, 529, 'overloaded'],
              [2, 529, 'overloaded'],
            ],
            ...[
              [3, 529, 'overloaded'],
              [4, 200, 'overloaded'],
            ],
          ],
        );
        assert.deepEqual(
          log.calls.map(({ outcome, attempts }) => [outcome, attempts]),
          [['ok', 5]],
        );
        assert.equal(await total(registry, 'anthropic_retries_total'), 4);
      });

      it('that gives a refusal on lets it end the call with its reason', async () => {
        const { client, request } = placed((request, next) => next(request), place);
        const { claude, log, sim } = bench({ made, client: { ...client, maxRetries: 0 } });
        sim.script([{ fault: 'acceleration_limit' }]);
        await assert.rejects(Promise.resolve(claude.messages.create(PARAMS, request)), { status: 429 });
        await log.finishedCalls(1);
        assert.equal(log.attempts[0]?.rejection?.rateLimitReason, 'acceleration');
        assert.equal(log.calls[0]?.outcome, 'rate_limited');
      });
    });
  }
}

describe('a middleware of the program', () => {
  it('that asks twice at once makes one call of two attempts, ended by the first', async () => {
    const hedged: Middleware = (request, next) => Promise.race([next(request), next(request)]);
    const { claude, log, registry } = bench({ client: { middleware: [hedged] } });
    await claude.messages.create(PARAMS);
    await log.finishedCalls(1);
    assert.deepEqual([log.calls.length, log.calls[0]?.attempts, log.calls[0]?.outcome], [1, 2, 'ok']);
    assert.deepEqual(new Set(log.attempts.map(({ index }) => index)).size, log.attempts.length);
    assert.equal(await total(registry, 'anthropic_requests_in_flight'), 0);
  });

  it('that throws an error of a connection is sent again by the SDK, as one call', async () => {
    let times = 0;
    const unsteady: Middleware = (request, next) => {
      if (times++ === 0) throw new APIConnectionError({ message: 'not now' });
      return next(request);
    };
    const { claude, log } = bench({ client: { middleware: [unsteady] } });
    await claude.messages.create(PARAMS);
    assert.deepEqual(log.events, ['started', 'attempted 200', 'finished ok']);
  });

  it('that makes an error of a refusal ends the call as the refusal would', async () => {
    const strict: Middleware = async (request, next) => {
      const response = await next(request);
      if (response.status === 429) throw new RangeError('too many');
      return response;
    };
    const { claude, log, sim } = bench({ client: { middleware: [strict] } });
    sim.script([{ fault: 'requests_limit' }]);
    await assert.rejects(Promise.resolve(claude.messages.create(PARAMS)), RangeError);
    await log.finishedCalls(1);
    assert.deepEqual(log.events, ['started', 'attempted 429', 'finished rate_limited']);
  });

  const KEEPING: Readonly<Record<string, Middleware>> = {
    'one that it returns': async (request, next) => {
      await next(request);
      return next(request);
    },
    'a later one, both at once': async (request, next) => {
      const [, second] = await Promise.all([next(request), next(request)]);
      return second;
    },
  };

  for (const [what, keeping] of Object.entries(KEEPING)) {
    it(`that keeps a refusal unread beside ${what} counts the call at once`, async ({ mock }) => {
      const { claude, log, sim } = bench({ client: { middleware: [keeping], maxRetries: 0 } });
      sim.script([{ fault: 'requests_limit' }, { fault: 'acceleration_limit' }]);
      mock.timers.enable({ apis: ['setTimeout'] }); // so that nothing is given up for its age
      await assert.rejects(Promise.resolve(claude.messages.create(PARAMS)), { status: 429 });
      await nextTurn();
      assert.deepEqual(log.events, ['started', 'attempted 429', 'attempted 429', 'finished rate_limited']);
      assert.deepEqual(
        log.attempts.map(({ rejection }) => rejection?.rateLimitReason),
        ['requests', 'acceleration'],
      );
    });
  }

  it('that lets its refusal come after its answer counts the call at once', async ({ mock }) => {
    const early: Middleware = async (request, next) => {
      const late = next(request);
      const first = await next(request);
      void late.catch(() => undefined);
      return first;
    };
    const sim = simulator();
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    let asked = 0;
    const fetch: typeof globalThis.fetch = async (...request) => {
      const isLate = asked++ === 0;
      const response = await sim.fetch(...request);
      if (isLate) await released;
      return response;
    };
    const { claude, log } = bench({ client: { fetch, middleware: [early], maxRetries: 0 } });
    sim.script([{ fault: 'requests_limit' }]);
    mock.timers.enable({ apis: ['setTimeout'] });
    const stream = await claude.messages.create({ ...PARAMS, stream: true });
    release();
    await nextTurn();
    await collected(stream);
    await nextTurn();
    assert.deepEqual(
      log.events.filter((event) => event !== 'firstToken'),
      ['started', 'attempted 200', 'attempted 429', 'finished ok'],
    );
  });

  it('that asks another model is priced by what each model used', async () => {
    const other: Middleware = async (request, next) => {
      await (await next(request)).text();
      return next({ ...request, body: (request.body as string).replace('claude-haiku-4-5', 'claude-opus-4-5') });
    };
    const { claude, log, sim } = bench({ client: { middleware: [other] } });
    await claude.messages.create(PARAMS);
    const [call] = log.calls;
    assert.equal(call?.model, 'claude-opus-4-5-20251101');
    assert.deepEqual(
      call.cost?.parts.map(({ model }) => model),
      ['claude-haiku-4-5', 'claude-opus-4-5'],
    );
    assert.equal(BigInt(call.cost?.totalNanoUsd ?? 0), billed(sim));
  });

  for (const stream of [false, true]) {
    it(`of the SDK's own that falls back after a refusal is one call, ${stream ? 'streamed' : 'whole'}`, async () => {
      const sim = simulator({
        respond: ({ body }) => (body.model === 'claude-opus-5-5' ? { stopReason: 'refusal' } : { text: 'Yes.' }),
      });
      const middleware = [betaRefusalFallbackMiddleware([{ model: 'claude-haiku-4-5' }])];
      const { claude, log } = bench({ client: { fetch: sim.fetch, middleware } });
      const params = { ...PARAMS, model: 'claude-opus-5-5' };
      if (stream) await collected(await claude.beta.messages.create({ ...params, stream }));
      else await claude.beta.messages.create(params);
      await log.finishedCalls(1);
      const requests = sim.truth.requests.length;
      assert.deepEqual(
        log.calls.map(({ attempts, outcome }) => [attempts, outcome]),
        [[requests, 'ok']],
      );
      if (!stream) assert.equal(requests, 2);
      assert.equal(BigInt(log.calls[0]?.cost?.totalNanoUsd ?? 0), billed(sim));
    });
  }

  it('of the SDK’s own that meets a 429 at its fallback counts it on that, and leaves the other’s limits alone', async () => {
    const sim = simulator({ respond: () => ({ stopReason: 'refusal' }) });
    const middleware = [betaRefusalFallbackMiddleware([{ model: 'claude-haiku-4-5' }])];
    const fetch: typeof globalThis.fetch = (...request) => {
      if (sim.truth.requests.length === 1) sim.script([{ fault: 'requests_limit' }]);
      return sim.fetch(...request);
    };
    const { claude, registry } = bench({ client: { fetch, middleware, maxRetries: 0 } });
    await claude.beta.messages.create({ ...PARAMS, model: 'claude-opus-5-5' }).catch(() => undefined);
    assert.equal(sim.truth.requests.length, 2);
    assert.deepEqual(Object.keys(await samples(registry, 'anthropic_rate_limited_total')), [
      'model=claude-haiku-4-5,key=default,reason=requests',
    ]);
    assert.deepEqual(await samples(registry, 'anthropic_attempts_total'), {
      'model=claude-opus-5-5,operation=messages.create,key=default,status=200': 1,
      'model=claude-haiku-4-5,operation=messages.create,key=default,status=429': 1,
    });
    const left = await samples(registry, 'anthropic_ratelimit_remaining');
    assert.ok((left['key=default,model_class=opus-5.5,dimension=requests'] ?? 0) > 9_900);
    assert.ok('key=default,model_class=haiku-4.5,dimension=requests' in left);
  });

  it('that writes model and max_tokens anew is counted, guarded and budgeted by what is sent', async () => {
    const rewriting: Middleware = (request, next) =>
      next({
        ...request,
        body: JSON.stringify({
          ...(JSON.parse(request.body as string) as object),
          model: 'claude-opus-5-5',
          max_tokens: 9,
        }),
      });
    const seen: unknown[] = [];
    const guard: Guard = {
      admit: (call, { body }) => {
        seen.push([call.requestedModel, call.maxTokens, body?.['model'], body?.['max_tokens']]);
        return undefined;
      },
    };
    const { claude, log, registry } = bench({
      client: { middleware: [rewriting], maxRetries: 0 },
      instrument: { guards: [guard] },
    });
    await claude.messages.create(PARAMS);
    assert.deepEqual(seen, [['claude-opus-5-5', 9, 'claude-opus-5-5', 9]]);
    assert.equal(log.calls[0]?.requestedModel, 'claude-opus-5-5');
    assert.deepEqual(Object.keys(await samples(registry, 'anthropic_attempts_total')), [
      'model=claude-opus-5-5,operation=messages.create,key=default,status=200',
    ]);
  });

  it('that drops its response leaves a call that ends as abandoned when it has been collected', async () => {
    const sim = simulator();
    // A body of bytes that are there at once: nothing holds it but its response.
    const fetch: typeof globalThis.fetch = async (...request) => {
      const response = await sim.fetch(...request);
      return new Response(await response.text(), response);
    };
    const { claude, log } = bench({ client: { fetch, middleware: [(request, next) => next(request)] } });
    await (async () => {
      await claude.messages.create(PARAMS).asResponse();
    })();
    assert.equal(log.inFlight, 1);
    await collectUntil(() => log.inFlight === 0);
    assert.deepEqual(log.events, ['started', 'attempted 200', 'finished abandoned']);
  });

  it('cannot send what a guard has refused, however often it asks', async () => {
    const refusal = Object.assign(new Error('over the limit'), { [REFUSAL]: true });
    let asked = 0;
    const guard: Guard = {
      admit() {
        asked++;
        throw refusal;
      },
    };
    const stubborn: Middleware = (request, next) => next(request).catch(() => next(request));
    const { claude, log, sim } = bench({ client: { middleware: [stubborn] }, instrument: { guards: [guard] } });
    await assert.rejects(Promise.resolve(claude.messages.create(PARAMS)), refusal);
    assert.deepEqual([asked, sim.truth.requests.length], [1, 0]);
    assert.deepEqual(log.events, ['started', 'finished blocked']);
  });

  it('that writes the body anew does not undo the ceiling of a guard', async () => {
    const guard: Guard = { admit: () => ({ maxTokens: 7 }) };
    const bodies: unknown[] = [];
    const sim = simulator();
    const fetch: typeof globalThis.fetch = (url, init) => {
      bodies.push(JSON.parse(init?.body as string));
      return sim.fetch(url, init);
    };
    const anew: Middleware = (request, next, { options }) => next({ ...request, body: JSON.stringify(options?.body) });
    const { claude } = bench({ client: { fetch, middleware: [anew] }, instrument: { guards: [guard] } });
    await claude.messages.create(PARAMS);
    assert.deepEqual(bodies, [{ ...PARAMS, max_tokens: 7 }]);
  });

  const PASSED_ON: Readonly<Record<string, (response: Response) => Response>> = {
    'another response around the body': ({ body, status, headers }) => new Response(body, { status, headers }),
    'a clone': (response) => response.clone(),
    'a clone of a clone': (response) => response.clone().clone(),
  };

  for (const [what, passed] of Object.entries(PASSED_ON)) {
    for (const stream of [false, true]) {
      it(`that hands on ${what} keeps the tokens, ${stream ? 'streamed' : 'whole'}`, async () => {
        const kept: Response[] = [];
        const handing: Middleware = async (request, next) => {
          const response = await next(request);
          kept.push(response);
          return passed(response);
        };
        const { claude, log, sim } = bench({ client: { middleware: [handing] } });
        if (stream)
          for await (const event of await claude.messages.create({ ...PARAMS, stream })) assert.ok(event.type);
        else await claude.messages.create(PARAMS);
        await log.finishedCalls(1);
        assert.equal(log.calls[0]?.outcome, 'ok');
        assert.ok(billed(sim) > 0n);
        assert.equal(BigInt(log.calls[0].cost?.totalNanoUsd ?? 0), billed(sim));
        assert.equal(kept.length, 1);
      });
    }
  }

  for (const [what, passed] of Object.entries(PASSED_ON)) {
    it(`that hands on ${what} of a refusal keeps its reason`, async ({ mock }) => {
      const handing: Middleware = async (request, next) => passed(await next(request));
      const { claude, log, sim } = bench({ client: { middleware: [handing], maxRetries: 0 } });
      sim.script([{ fault: 'acceleration_limit' }]);
      mock.timers.enable({ apis: ['setTimeout'] });
      await assert.rejects(Promise.resolve(claude.messages.create(PARAMS)), { status: 429 });
      await nextTurn();
      assert.deepEqual(log.events, ['started', 'attempted 429', 'finished rate_limited']);
      assert.equal(log.attempts[0]?.rejection?.rateLimitReason, 'acceleration');
    });
  }

  it('that asks behind its answer makes a call of that, within what guards allow', async () => {
    const guard: Guard = { admit: () => ({ maxTokens: 7 }) };
    const asked: Promise<string>[] = [];
    const refreshing: Middleware = async (request, next, context) => {
      asked.push(nextTurn().then(async () => (await next(request)).text()));
      return cached(request, next, context);
    };
    const options = { client: { middleware: [refreshing] }, instrument: { guards: [guard] } };
    const { claude, log, registry, sim } = bench(options);
    await claude.messages.create(PARAMS);
    await Promise.all(asked);
    await log.finishedCalls(2);
    assert.deepEqual(
      log.calls.map(({ outcome, attempts, usage }) => [outcome, attempts, usage === null]),
      [
        ['ok', 0, true],
        ['ok', 1, false],
      ],
    );
    assert.ok(billed(sim) > 0n);
    assert.equal(BigInt(log.calls[1]?.cost?.totalNanoUsd ?? 0), billed(sim));
    assert.equal(log.calls[1]?.maxTokens, 7);
    assert.equal(await total(registry, 'anthropic_requests_in_flight'), 0);
  });

  it('that asks behind its answer in vain makes a call of that, with its reason, which the SDK does not retry', async () => {
    const asked: Promise<unknown>[] = [];
    const refreshing: Middleware = async (request, next, context) => {
      asked.push(nextTurn().then(async () => (await next(request)).text()));
      return cached(request, next, context);
    };
    const { claude, log, sim } = bench({ client: { middleware: [refreshing] } });
    sim.script([{ fault: 'tier_spend_cap' }]);
    await claude.messages.create(PARAMS);
    await Promise.all(asked);
    await log.finishedCalls(2);
    assert.deepEqual(
      log.calls.map(({ outcome, attempts }) => [outcome, attempts]),
      [
        ['ok', 0],
        ['spend_limited', 1],
      ],
    );
    assert.equal(sim.truth.requests.length, 1);
  });

  it('leaves the decision on what it gives back to the retry policy', async () => {
    const retry = retryPolicy({ budget: null, attempts: 4 });
    const pass: Middleware = (request, next) => next(request);
    const { claude, log, registry, sim } = bench({ client: { middleware: [pass] }, instrument: { retry } });
    sim.script([{ fault: 'tier_spend_cap' }]);
    await assert.rejects(Promise.resolve(claude.messages.create(PARAMS)), { status: 429 });
    await log.finishedCalls(1);
    assert.equal(sim.truth.requests.length, 1);
    assert.equal(log.calls[0]?.outcome, 'spend_limited');
    assert.equal(await total(registry, 'anthropic_retries_denied_total'), 1);
  });
});

describe('what stands around the calls of a client', () => {
  const sorted = (call: Call | undefined) => [call?.model, call?.outcome, call?.attempts, call?.usage?.parts.length];

  it('is not seen by its error classes: no middleware is there that the program did not put there', async () => {
    const broken = (): Promise<Response> => Promise.reject(new TypeError('bad header'));
    const { claude, log } = bench({ client: { fetch: broken, maxRetries: 0 } });
    await assert.rejects(Promise.resolve(claude.messages.create(PARAMS)), APIConnectionError);
    assert.deepEqual(log.events, ['started', 'attempted connection_error', 'finished connection_error']);
  });

  it('is not in a copy that the prototype makes, which is not measured', async () => {
    const { claude, log } = bench({});
    const copy = Anthropic.prototype.withOptions.call(claude, { maxRetries: 0 });
    await copy.messages.create(PARAMS);
    assert.deepEqual(log.events, []);
  });

  it('stays out of the way after uninstrument(), for whoever has wrapped it', async () => {
    const { claude, log } = bench({});
    const open = claude as unknown as { fetchWithTimeout: (...given: unknown[]) => Promise<Response> };
    const { fetchWithTimeout } = open;
    let wrapped = 0;
    open.fetchWithTimeout = function (...given) {
      wrapped++;
      return fetchWithTimeout.apply(this, given);
    };
    await claude.messages.create(PARAMS);
    uninstrument(claude);
    await claude.messages.create(PARAMS);
    assert.deepEqual([wrapped, log.calls.length], [2, 1]);
  });

  it('holds where a subclass takes its time before the SDK sends', async () => {
    // eslint-disable-next-line no-restricted-syntax -- programs derive clients
    class Patient extends Anthropic {
      override async fetchWithTimeout(...given: Parameters<Anthropic['fetchWithTimeout']>): Promise<Response> {
        await Promise.resolve();
        return super.fetchWithTimeout(...given);
      }
    }
    const { claude, log } = bench({ made: Patient, client: { middleware: [again] } });
    await Promise.all([claude.messages.create(PARAMS), claude.messages.create(PARAMS)]);
    assert.deepEqual(
      log.calls.map(({ attempts }) => attempts),
      [2, 2],
    );
  });

  const CLOUDS: Readonly<Record<string, (options: ClientOptions) => Anthropic>> = {
    Bedrock: (options) =>
      new AnthropicBedrock({ ...options, apiKey: 'test', awsRegion: 'us-east-1' } as never) as unknown as Anthropic,
    Vertex: (options) =>
      new AnthropicVertex({
        ...options,
        ...{ apiKey: null, region: 'us-east5', projectId: 'project' },
        authClient: { getRequestHeaders: async () => new Headers(), projectId: 'project' } as never,
      }) as unknown as Anthropic,
  };

  for (const [cloud, made] of Object.entries(CLOUDS)) {
    for (const middleware of [[], [again]]) {
      it(`sees the requests of ${cloud} as the API has them, with ${middleware.length} middleware`, async () => {
        const sim = simulator();
        const log = new KeepingRecorder();
        const urls: string[] = [];
        const fetch: typeof globalThis.fetch = (url, init) => {
          urls.push(url as string);
          const body = JSON.parse(init?.body as string) as object;
          return sim.fetch('https://api.anthropic.com/v1/messages', {
            ...init,
            headers: { 'x-api-key': 'test', 'anthropic-version': '2023-06-01' },
            body: JSON.stringify({ ...PARAMS, ...body, anthropic_version: undefined }),
          });
        };
        const claude = instrument(made({ fetch, middleware, logLevel: 'off' }), {
          registry: new Registry(),
          recorders: [log],
        });
        await claude.messages.create(PARAMS);
        assert.ok(urls.every((url) => !url.endsWith('/v1/messages')));
        assert.deepEqual(sorted(log.calls[0]), ['claude-haiku-4-5-20251001', 'ok', middleware.length + 1, 1]);
        assert.equal(log.calls[0]?.operation, 'messages.create');
      });
    }

    it(`counts what ${cloud} cannot send as the SDK takes it: not tried again`, async () => {
      const log = new KeepingRecorder();
      const fetch = (): never => assert.fail('nothing is sent');
      const plain = made({ fetch, logLevel: 'off' });
      const claude = instrument(plain, { registry: new Registry(), recorders: [log] });
      await assert.rejects(Promise.resolve(claude.post('/v1/messages', { body: 'text' })), /Expected request body/);
      assert.equal(log.calls.length, 1);
      assert.equal(log.inFlight, 0);
    });
  }
});
