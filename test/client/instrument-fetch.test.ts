/** What `instrumentFetch()` does to a `fetch`: it stays what it was, and tells what it exchanges with the Claude API. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, describe, it, mock } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import fetch3 from 'node-fetch';
import { ConfigurationError, instrument, instrumentFetch, routes, uninstrument, withAttribution } from 'plimsoll';
import type { InstrumentFetchOptions } from 'plimsoll';
import { budgets, isBudgetExceeded } from 'plimsoll/budget';
import { serve } from 'plimsoll/http';
import { simulator, type Fault } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { fetch as undiciFetch, Request as UndiciRequest } from 'undici';
import { PARAMS, samples, total } from '../../testing/client-workbench.ts';
import { KeepingRecorder } from '../../testing/keeping-recorder.ts';

const fetch2 = createRequire(import.meta.url)('node-fetch2') as typeof fetch;
const HEADERS = { 'x-api-key': 'test', 'anthropic-version': '2023-06-01', 'content-type': 'application/json' };
const TEXT = JSON.stringify(PARAMS);
const API = 'https://api.anthropic.com/v1/messages';

/** A `fetch` of the simulator's, instrumented. */
function bench(options: InstrumentFetchOptions & { readonly script?: readonly Fault[] } = {}) {
  const { script = [], ...given } = options;
  const sim = simulator();
  sim.script(script);
  const [registry, log] = [new Registry(), new KeepingRecorder()];
  const observed = instrumentFetch(sim.fetch, { registry, recorders: [log], ...given });
  const ask = async (init: RequestInit = {}, url = API): Promise<Response> => {
    const response = await observed(url, { method: 'POST', headers: HEADERS, body: TEXT, ...init });
    await response.text();
    return response;
  };
  const calls = (): readonly Counted[] =>
    log.calls.map(({ operation, requestedModel: model, outcome, attempts }) => ({
      operation,
      model,
      outcome,
      attempts,
    }));
  return { sim, registry, log, observed, ask, calls };
}

interface Counted {
  readonly operation: string;
  readonly model: string | null;
  readonly outcome: string | null;
  readonly attempts: number;
}

const OK: Counted = { operation: 'messages.create', model: 'claude-haiku-4-5', outcome: 'ok', attempts: 1 };
const UNREAD = { ...OK, model: null };

describe('a request to another API', () => {
  it('goes straight to the fetch, and its promise comes straight back', async () => {
    const registry = new Registry();
    const [promise, self] = [Promise.resolve(new Response('{}')), {}];
    const given: unknown[] = [];
    const observed = instrumentFetch(
      function (this: unknown, ...all: unknown[]) {
        given.push(this, ...all);
        return promise;
      },
      { registry },
    );
    const init = { method: 'POST', body: '{}' };
    for (const url of [
      'https://example.com/v1/messages',
      'https://api.anthropic.com/other',
      'https://api.anthropic.com.example.com/v1/messages',
      'https://api.anthropic.com/v1/oauth/token',
    ]) {
      given.length = 0;
      assert.equal(Reflect.apply(observed, self, [url, init, 'third']), promise, url);
      assert.deepEqual(given, [self, url, init, 'third']);
      assert.equal(given[2], init);
    }
    assert.equal(await total(registry, 'anthropic_requests_total'), 0);
  });

  it('is told apart by its address, or by the header that names the version of the API', async () => {
    const { observed, calls, log } = bench();
    const plain = { 'x-api-key': 'test', 'content-type': 'application/json' };
    const version = { 'anthropic-version': '2023-06-01' };
    const proxy = 'http://proxy.internal:8080/v1/messages';
    const send = async (url: string | URL, headers: RequestInit['headers']): Promise<void> => {
      await (await observed(url, { method: 'POST', body: TEXT, ...(headers && { headers }) })).text();
    };
    await send(proxy, plain);
    assert.equal(calls().length, 0);
    await send(proxy, { ...plain, 'Anthropic-Version': '2023-06-01' });
    await send(new URL(proxy), new Headers({ ...plain, ...version }));
    await send(proxy, Object.entries({ ...plain, ...version }));
    assert.deepEqual(calls(), [OK, OK, OK]);
    await send(API, plain);
    await log.finishedCalls(4);
    assert.deepEqual(calls()[3], { ...OK, outcome: 'invalid_request' });
  });
});

describe('an instrumented fetch', () => {
  it('returns the very response of the fetch, and keeps its properties', async () => {
    const answer = new Response('{"type":"message","model":"claude-haiku-4-5"}', {
      headers: { 'content-type': 'application/json' },
    });
    const plain = Object.assign(async () => answer, { isRedirect: () => false });
    const observed = instrumentFetch(plain, { registry: new Registry() });
    assert.equal(await (observed as unknown as typeof fetch)(API), answer);
    assert.equal(observed.isRedirect, plain.isRedirect);
    assert.equal(observed.name, plain.name);
  });

  it('throws the very error of the fetch', async () => {
    const error = new TypeError('fetch failed');
    const log = new KeepingRecorder();
    const observed = instrumentFetch(async () => Promise.reject(error), { registry: new Registry(), recorders: [log] });
    await assert.rejects((observed as unknown as typeof fetch)(API), (thrown) => thrown === error);
    assert.deepEqual(log.events, ['started', 'attempted connection_error', 'finished connection_error']);
  });

  it('counts once with the last options where it is instrumented twice, and no more after uninstrument', async () => {
    const { sim, ask, registry, observed } = bench();
    const [second, log] = [new Registry(), new KeepingRecorder()];
    const twice = instrumentFetch(observed, { registry: second, recorders: [log] });
    await (await twice(API, { method: 'POST', headers: HEADERS, body: TEXT })).text();
    assert.equal(await total(registry, 'anthropic_requests_total'), 0);
    assert.equal(await total(second, 'anthropic_requests_total'), 1);
    assert.equal(uninstrument(observed), observed);
    await ask();
    assert.equal(await total(registry, 'anthropic_requests_total'), 0);
    assert.equal(sim.truth.requests.length, 2);
  });

  it('does not count the requests of an instrumented client again', async () => {
    const { observed, registry: ofFetch } = bench();
    const registry = new Registry();
    const claude = instrument(new Anthropic({ apiKey: 'test', fetch: observed }), { registry });
    await claude.messages.create(PARAMS);
    await claude.withOptions({ maxRetries: 0 }).messages.create(PARAMS);
    await claude.messages.create(PARAMS, { middleware: [(request, next) => next(request)] });
    assert.equal(await total(registry, 'anthropic_requests_total'), 3);
    assert.equal(await total(ofFetch, 'anthropic_requests_total'), 0);
    await uninstrument(claude).messages.create(PARAMS);
    assert.equal(await total(ofFetch, 'anthropic_requests_total'), 1);
  });

  it('attributes calls to the labels in force', async () => {
    const { ask, registry } = bench({ attribution: { feature: [] } });
    await withAttribution({ feature: 'search' }, ask);
    const [labels = ''] = Object.keys(await samples(registry, 'anthropic_requests_total'));
    assert.match(labels, /feature=search/);
  });
});

describe('the body of a request', () => {
  const bytes = Buffer.from(TEXT);
  const form = new FormData();
  form.set('file', new Blob(['depths']), 'depths.txt');
  const bodies: Readonly<Record<string, readonly [init: RequestInit, call?: object]>> = {
    'as text': [{ body: TEXT }],
    'as bytes': [{ body: bytes }],
    'as an ArrayBuffer': [{ body: Uint8Array.from(bytes).buffer }],
    'as a DataView': [{ body: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) }],
    'as a stream, which only the API reads': [{ body: new Blob([TEXT]).stream(), duplex: 'half' }, UNREAD],
    'as a blob, which only the API reads': [{ body: new Blob([TEXT]) }, UNREAD],
    'as text that is streamed back': [
      { body: JSON.stringify({ ...PARAMS, stream: true }) },
      { ...OK, operation: 'messages.stream' },
    ],
  };
  for (const [name, [init, call = OK]] of Object.entries(bodies)) {
    it(`is sent as it is and counted: ${name}`, async () => {
      const { ask, calls, log, sim } = bench();
      assert.equal((await ask(init)).status, 200);
      assert.deepEqual(calls(), [call]);
      assert.equal(log.calls[0]?.model, 'claude-haiku-4-5-20251001');
      assert.equal(sim.truth.requests.length, 1);
    });
  }

  it('is a form where a file is uploaded', async () => {
    const { ask, calls } = bench();
    const { 'content-type': _type, ...headers } = HEADERS;
    const beta = { ...headers, 'anthropic-beta': 'files-api-2025-04-14' };
    const response = await ask({ body: form, headers: beta }, 'https://api.anthropic.com/v1/files');
    assert.equal(response.status, 200);
    assert.deepEqual(calls(), [{ ...OK, operation: 'files.upload', model: null }]);
  });

  it('is read from a copy where a Request is the first argument', async () => {
    const { observed, calls, sim } = bench();
    const request = new Request(API, { method: 'POST', headers: HEADERS, body: TEXT });
    const response = await observed(request);
    assert.equal(response.status, 200);
    await response.text();
    assert.ok(request.bodyUsed);
    await (await observed(new Request(API, { method: 'POST', headers: HEADERS }), { body: TEXT })).text();
    assert.deepEqual(calls(), [OK, OK]);
    assert.equal(sim.truth.requests.length, 2);
  });

  it('is sent where a Request cannot be copied, and no error of the copy gets to the program', async () => {
    const { observed, calls } = bench();
    const request = new Request(API, { method: 'POST', headers: HEADERS, body: TEXT });
    const clone = (): never => {
      throw new TypeError('not this one');
    };
    Object.defineProperty(request, 'clone', { value: clone });
    await (await observed(request)).text();
    assert.deepEqual(calls(), [{ ...OK, model: null }]);
  });

  it('is left alone where it comes piece by piece: the answer names the model', async () => {
    const { observed, log, sim } = bench();
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
    const request = new Request(API, { method: 'POST', headers: HEADERS, body, duplex: 'half' });
    const answer = observed(request);
    while (log.events.length === 0) await new Promise((resolve) => setImmediate(resolve));
    controller?.enqueue(Buffer.from(TEXT));
    controller?.close();
    await (await answer).text();
    assert.equal(sim.truth.requests.length, 1);
    assert.deepEqual(
      log.calls.map(({ requestedModel, model }) => [requestedModel, model]),
      [[null, 'claude-haiku-4-5-20251001']],
    );
  });
});

describe('the fetch of another package', () => {
  let api: Awaited<ReturnType<typeof serve>>;
  const sim = simulator();
  before(async () => (api = await serve(sim.handle, { port: 0 })));
  after(() => api.close(0));

  it('answers as it does, and is counted', async () => {
    const registry = new Registry();
    const init = { method: 'POST', headers: HEADERS, body: TEXT };
    const url = `${api.url}/v1/messages`;
    await (await instrumentFetch(fetch, { registry })(url, init)).json();
    await (await instrumentFetch(fetch2, { registry })(url, init)).json();
    const three = await instrumentFetch(fetch3, { registry })(url, init);
    assert.equal(typeof (three.body as NodeJS.ReadableStream).pipe, 'function');
    await three.json();
    const undici = instrumentFetch(undiciFetch, { registry });
    await (await undici(url, init)).json();
    await (await undici(new UndiciRequest(url, init))).json();
    assert.equal(await total(registry, 'anthropic_requests_total'), 5);
    const billed = sim.truth.requests.flatMap((request) => request.billed).map(({ tokens }) => tokens.output);
    const counted = await samples(registry, 'anthropic_tokens_total');
    const [, output] = Object.entries(counted).find(([labels]) => labels.includes('kind=output')) ?? [];
    assert.equal(
      output,
      billed.reduce((sum, tokens) => sum + tokens, 0),
    );
  });
});

describe('a request that is left', () => {
  const never: typeof fetch = (_, init) =>
    new Promise((_resolve, reject) => {
      init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error), { once: true });
    });

  it('is canceled by the program, and timed out by AbortSignal.timeout()', async () => {
    const log = new KeepingRecorder();
    const observed = instrumentFetch(never, { registry: new Registry(), recorders: [log] });
    const controller = new AbortController();
    const canceled = observed(API, { method: 'POST', body: TEXT, signal: controller.signal });
    controller.abort();
    await assert.rejects(canceled, { name: 'AbortError' });
    const late = observed(API, { method: 'POST', body: TEXT, signal: AbortSignal.timeout(1), headers: NUMBERED });
    await assert.rejects(late, { name: 'TimeoutError' });
    uninstrument(observed);
    assert.deepEqual(
      log.calls.map(({ outcome }) => outcome),
      ['cancelled', 'timeout'],
    );
  });
});

const NUMBERED = { ...HEADERS, 'x-stainless-retry-count': '0' };
const NOW = { 'retry-after-ms': '1' };
const REFUSED = [{ fault: 'requests_limit', headers: NOW }] as const;
const JOINED = [{ ...OK, attempts: 2 }];
const APART = [{ ...OK, outcome: 'rate_limited' }, OK];

describe('a request that is sent again after a refusal', () => {
  const numbered = (count: number): RequestInit => ({ headers: { ...HEADERS, 'x-stainless-retry-count': `${count}` } });
  const ofAiSdk = { headers: { ...HEADERS, 'user-agent': 'ai/5.0.0 ai-sdk/anthropic/2.0.0' } };
  const named = (name: string): RequestInit => ({ headers: { ...HEADERS, 'idempotency-key': name } });
  const other = JSON.stringify({ ...PARAMS, max_tokens: 7 });
  const init: RequestInit = { method: 'POST', headers: HEADERS, body: TEXT };

  it('is another attempt where it has the same idempotency key, and a call of its own with another', async () => {
    assert.deepEqual(await both(named('a'), named('a')), JOINED);
    assert.deepEqual(await both(named('a'), named('b')), APART);
  });

  it('is another attempt where the AI SDK sends the same text, and a call of its own with another', async () => {
    assert.deepEqual(await both(ofAiSdk, ofAiSdk), JOINED);
    assert.deepEqual(await both(ofAiSdk, { ...ofAiSdk, body: other }), APART);
  });

  it('is another attempt where the same bytes are sent, and a call of its own where they are equal', async () => {
    const bytes = Buffer.from(TEXT);
    assert.deepEqual(await both({ body: bytes }, { body: bytes }), JOINED);
    assert.deepEqual(await both({ body: bytes }, { body: Buffer.from(TEXT) }), APART);
  });

  it('is a call of its own where only the text is the same', async () => {
    assert.deepEqual(await both({}, {}), APART);
  });

  it('is another attempt where it says so, and a call of its own where its number is not the next', async () => {
    const { ask, calls, observed, log } = bench({ script: REFUSED });
    await (await observed(API, { ...init, ...numbered(0) })).body?.cancel();
    await ask(numbered(5));
    await ask(numbered(1));
    assert.deepEqual(calls(), [OK, ...JOINED]);
    assert.equal(log.inFlight, 0);
  });

  it('is not waited for where the SDK reads the refusal, to report it', async () => {
    const { ask, calls } = bench({ script: REFUSED });
    await ask(numbered(0));
    await ask(numbered(1));
    assert.deepEqual(calls(), APART);
  });

  it('is another attempt where the program sends the same object again', async () => {
    const { observed, calls } = bench({ script: REFUSED });
    await (await observed(API, init)).text();
    await (await observed(API, init)).text();
    assert.deepEqual(calls(), JOINED);
  });

  it('is a call of its own after a refusal that is not to be repeated', async () => {
    const script = [{ fault: 'requests_limit', headers: { 'x-should-retry': 'false' } }] as const;
    const { ask, calls } = bench({ script });
    await ask(ofAiSdk);
    await ask(ofAiSdk);
    assert.deepEqual(calls(), APART);
  });

  for (const [asked, waitMs] of [
    [NOW, 10_001],
    [{}, 18_000],
    [{ 'retry-after': '30' }, 40_000],
    [{ 'retry-after': '1209600' }, 18_000],
  ] as const) {
    it(`ends its call when nobody sends it again in time: ${JSON.stringify(asked)}`, async (t) => {
      t.mock.timers.enable({ apis: ['setTimeout'] });
      const { ask, calls, log } = bench({ script: [{ fault: 'overloaded', headers: asked }] });
      await ask(ofAiSdk);
      t.mock.timers.tick(waitMs - 1);
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(log.inFlight, 1);
      t.mock.timers.tick(1);
      await log.finishedCalls(1);
      await ask(ofAiSdk);
      assert.deepEqual(calls(), [{ ...OK, outcome: 'overloaded' }, OK]);
    });
  }

  it('ends its call as canceled when the program gives it up meanwhile', async () => {
    const { ask, log } = bench({ script: REFUSED });
    const controller = new AbortController();
    await ask({ ...ofAiSdk, signal: controller.signal });
    assert.equal(log.inFlight, 1);
    controller.abort();
    await log.finishedCalls(1);
    assert.equal(log.calls[0]?.outcome, 'cancelled');
  });

  async function both(first: RequestInit, second: RequestInit): Promise<readonly Counted[]> {
    const { ask, calls, observed, log } = bench({ script: REFUSED });
    await ask(first);
    await ask(second);
    uninstrument(observed);
    while (log.inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
    return calls().toSorted((one, another) => Number(another.outcome !== 'ok') - Number(one.outcome !== 'ok'));
  }
});

describe('what may not be sent', () => {
  const spent = (): InstrumentFetchOptions => ({
    budgets: budgets({ definitions: [{ name: 'all', period: 'day', usd: 0.000_001, mode: 'block' }] }),
  });

  it('is refused by a budget with its own error, and the fetch is not called', async () => {
    const { ask, sim, log } = bench(spent());
    await assert.rejects(ask(), (error) => isBudgetExceeded(error));
    assert.equal(sim.truth.requests.length, 0);
    assert.equal(log.calls[0]?.outcome, 'blocked');
  });

  it('is refused by a budget where the model cannot be read', async () => {
    const { ask, sim } = bench(spent());
    const unread = ask({ body: new Blob([TEXT]).stream(), duplex: 'half' });
    await assert.rejects(unread, { name: 'BudgetExceededError', reason: 'unknown_price' });
    assert.equal(sim.truth.requests.length, 0);
  });

  it('is clamped to what its route allows, whatever the kind of its body', async () => {
    const asked: unknown[] = [];
    const plain: typeof fetch = async (input, init) => {
      asked.push(await new Request(input, init).json());
      return new Response('{}', { headers: { 'content-type': 'application/json' } });
    };
    const shop = routes({ chat: { maxTokens: 8 } }, { ceilings: 'clamp', env: {} });
    const observed = instrumentFetch(plain, { registry: new Registry(), routes: shop, labels: { route: 'chat' } });
    await observed(API, { method: 'POST', body: TEXT });
    await observed(API, { method: 'POST', body: Buffer.from(TEXT) });
    await observed(new Request(API, { method: 'POST', body: TEXT }));
    assert.deepEqual(
      asked,
      [1, 2, 3].map(() => ({ ...PARAMS, max_tokens: 8 })),
    );
  });

  it('is not sent where a guard sets max_tokens in a body that cannot be changed', async () => {
    const { ask, sim } = bench({ guards: [{ admit: () => ({ maxTokens: 8 }) }] });
    await assert.rejects(ask({ body: new Blob([TEXT]).stream(), duplex: 'half' }), { name: 'GuardFailedError' });
    assert.equal(sim.truth.requests.length, 0);
  });
});

describe('instrumentFetch()', () => {
  const cases: readonly (readonly [given: unknown, options: unknown, message: RegExp])[] = [
    [undefined, {}, /^fetch: expected a `fetch` function, got nothing: pass globalThis\.fetch$/],
    [
      new Anthropic({ apiKey: 'test' }),
      {},
      /^fetch: expected a `fetch` function, got a client: use instrument\(client\)$/,
    ],
    [
      fetch,
      { retry: {} },
      /^retry: expected nothing, since a fetch sends each request once, got an object: use instrument\(client\)/,
    ],
    [fetch, { key: 'a b' }, /^key: expected the alias of an API key/],
  ];
  for (const [given, options, message] of cases) {
    it(`refuses what it cannot use: ${message.source}`, () => {
      assert.throws(
        () => instrumentFetch(given as typeof fetch, options as InstrumentFetchOptions),
        (error) => error instanceof ConfigurationError && message.test(error.message),
      );
    });
  }

  it('observes what begins with ANTHROPIC_BASE_URL, with its version or without', async (t) => {
    for (const base of ['http://gate.internal/claude', 'http://gate.internal/claude/v1/']) {
      const before = process.env['ANTHROPIC_BASE_URL'];
      process.env['ANTHROPIC_BASE_URL'] = base;
      t.after(() => {
        if (before === undefined) delete process.env['ANTHROPIC_BASE_URL'];
        else process.env['ANTHROPIC_BASE_URL'] = before;
      });
      const log = new KeepingRecorder();
      const answer = async (): Promise<Response> => new Response(null, { status: 204 });
      const observed = instrumentFetch(answer as typeof fetch, { registry: new Registry(), recorders: [log] });
      await observed('http://gate.internal/claude/v1/messages', { method: 'POST' });
      await observed('http://gate.internal/other/v1/messages', { method: 'POST' });
      assert.equal(log.calls.length, 1);
    }
  });

  it('gives back the fetch itself where plimsoll is disabled', (t) => {
    process.env['PLIMSOLL_DISABLED'] = '1';
    t.after(() => delete process.env['PLIMSOLL_DISABLED']);
    const warned = mock.method(process, 'emitWarning', () => undefined);
    assert.equal(instrumentFetch(fetch), fetch);
    assert.equal(warned.mock.callCount(), 1);
    warned.mock.restore();
  });
});
