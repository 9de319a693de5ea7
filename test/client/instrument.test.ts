/** What `instrument()` does to a client, with the real SDK: it stays the same client. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { ConfigurationError, instrument, retryPolicy, uninstrument } from 'plimsoll';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { PARAMS, samples, total, workbench } from '../../testing/client-workbench.ts';

describe('instrument()', () => {
  it('refuses an unknown option: with a typo it would measure less than was asked', () => {
    const slip = { attribtion: { route: [] }, key: 'a b' };
    assert.throws(
      () => instrument(new Anthropic({ apiKey: 'test' }), slip as never),
      (error: unknown) => {
        assert.ok(error instanceof ConfigurationError);
        assert.deepEqual(
          error.problems.map(({ kind, field }) => [kind, field]),
          [
            ['unknown_field', 'attribtion'],
            ['invalid', 'key'],
          ],
        );
        assert.match(
          error.message,
          /attribtion: expected one of key, labels, attribution, .*: did you mean attribution\?/,
        );
        return true;
      },
    );
  });

  it('shows the version of the service that it is given, and refuses one that could be a key', async () => {
    const shown = async (option: object): Promise<string | null> => {
      const registry = new Registry();
      instrument(new Anthropic({ apiKey: 'test' }), { registry, ...option });
      return /^plimsoll_service_info\{version="([^"]+)"\} 1$/m.exec(await registry.metrics())?.[1] ?? null;
    };
    const before = process.env['npm_package_version'];
    try {
      process.env['npm_package_version'] = '1.2.3';
      assert.equal(await shown({}), '1.2.3');
      assert.equal(await shown({ serviceVersion: '2026-11-24.7' }), '2026-11-24.7');
      delete process.env['npm_package_version'];
      assert.equal(await shown({}), null);
    } finally {
      if (before !== undefined) process.env['npm_package_version'] = before;
    }
    const serviceVersion = ['sk', 'ant', 'api03', 'x'.repeat(40)].join('-');
    await assert.rejects(shown({ serviceVersion }), (error: unknown) => {
      assert.ok(error instanceof ConfigurationError);
      assert.deepEqual(
        error.problems.map(({ field }) => field),
        ['serviceVersion'],
      );
      assert.ok(!error.message.includes('api03'));
      return true;
    });
  });

  const plain = (): { sim: ReturnType<typeof simulator>; client: Anthropic } => {
    const sim = simulator();
    return { sim, client: new Anthropic({ apiKey: 'test', fetch: sim.fetch, logLevel: 'off' }) };
  };

  it('is the client itself, with nothing new to be listed', async () => {
    const { client } = plain();
    const registry = new Registry();
    const before = Object.keys(client);
    assert.equal(instrument(client, { registry }), client);
    assert.deepEqual(Object.keys(client), before);
    await client.messages.create(PARAMS);
    assert.equal(await total(registry, 'anthropic_requests_total'), 1);
  });

  it('can be undone: then it is as it was, and nothing is counted any more', async () => {
    const { client } = plain();
    const registry = new Registry();
    const before = Object.getOwnPropertyNames(client);
    instrument(client, { registry, retry: retryPolicy({ attempts: 7 }) });
    assert.equal(client.maxRetries, 6);
    assert.equal(uninstrument(client), client);
    assert.deepEqual([Object.getOwnPropertyNames(client), Object.getOwnPropertySymbols(client)], [before, []]);
    assert.deepEqual([client.middleware, client.maxRetries], [[], 2]);
    await client.messages.create(PARAMS);
    assert.equal(await total(registry, 'anthropic_requests_total'), 0);
    assert.equal(uninstrument(client), client);
  });

  it('gives copies their own number of retries back, unless the program has set it', () => {
    const { client } = plain();
    const claude = instrument(client, { registry: new Registry(), retry: retryPolicy({ attempts: 7 }) });
    const copies = [
      claude.withOptions({}),
      claude.withOptions({ maxRetries: 6 }),
      claude.withOptions({}).withOptions({}),
    ];
    assert.deepEqual(
      copies.map(({ maxRetries }) => maxRetries),
      [6, 6, 6],
    );
    assert.deepEqual(
      copies.map((copy) => uninstrument(copy).maxRetries),
      [2, 6, 2],
    );
  });

  it('counts a key of a copy, or of one call, apart, until the program names it', async () => {
    const { client } = plain();
    const registry = new Registry();
    const claude = instrument(client, { registry, key: 'prod-api-main' });
    const keys = async (): Promise<readonly string[]> =>
      Object.keys(await samples(registry, 'anthropic_requests_total')).map(
        (labels) => /key=([^,]+)/.exec(labels)?.[1] ?? '',
      );
    await claude.withOptions({ maxRetries: 1 }).messages.create(PARAMS);
    await claude.withOptions({ apiKey: 'test' }).messages.create(PARAMS, { headers: { 'x-own': '1' } });
    await claude.messages.create(PARAMS, { headers: { authorization: 'Bearer test' } });
    assert.deepEqual(await keys(), ['prod-api-main']);
    const other = claude.withOptions({ apiKey: 'other' });
    for (const copy of [other, other.withOptions({}), claude.withOptions({ apiKey: null, authToken: 'other' })])
      await copy.messages.create(PARAMS).catch(() => undefined);
    await claude.messages.create(PARAMS, { headers: { 'X-Api-Key': 'other' } }).catch(() => undefined);
    const counted = Object.entries(await samples(registry, 'anthropic_requests_total'));
    const unnamed = counted.filter(([labels]) => labels.includes('key=unnamed'));
    assert.equal(
      unnamed.reduce((sum, [, value]) => sum + value, 0),
      4,
    );
    await instrument(claude.withOptions({ apiKey: 'other' }), { registry, key: 'prod-api-tenant' }).messages.create(
      PARAMS,
    );
    assert.ok((await keys()).includes('prod-api-tenant'));
  });

  it('sends where a signal of the client was aborted long ago, as the SDK does', async () => {
    const api = createServer((request, response) => {
      request.resume();
      response.setHeader('content-type', 'application/json').end('{"id":"msg_1","type":"message"}');
    }).listen(0, '127.0.0.1');
    await once(api, 'listening');
    const { port } = api.address() as AddressInfo;
    const options = {
      ...{ apiKey: 'test', baseURL: `http://127.0.0.1:${port}`, maxRetries: 0 },
      // The SDK's types have no signal here, and its code takes it.
      fetchOptions: { signal: AbortSignal.abort() } as object,
    };
    const registry = new Registry();
    for (const guards of [[], [{ admit: async () => undefined }]]) {
      const claude = instrument(new Anthropic(options), { registry, guards });
      assert.equal((await claude.messages.create(PARAMS)).id, 'msg_1');
    }
    api.close();
    assert.equal(await total(registry, 'anthropic_requests_total'), 2);
  });

  it('goes through what is patched on the class afterwards, and no longer when that is restored', async (t) => {
    const { client } = plain();
    const registry = new Registry();
    instrument(client, { registry });
    const copies = t.mock.method(Anthropic.prototype, 'withOptions');
    await client.withOptions({}).messages.create(PARAMS);
    assert.equal(copies.mock.callCount(), 1);
    copies.mock.restore();
    await client.withOptions({}).messages.create(PARAMS);
    assert.equal(copies.mock.callCount(), 1);
    assert.equal(await total(registry, 'anthropic_requests_total'), 2);
  });

  it('keeps the guard of the SDK that a long answer has to be streamed', async () => {
    const { client, sim } = plain();
    instrument(client, { registry: new Registry() });
    const long = { ...PARAMS, max_tokens: 64_000 };
    assert.throws(() => client.messages.create(long), /Streaming is required/);
    assert.throws(() => client.beta.messages.create(long), /Streaming is required/);
    assert.deepEqual(sim.truth.requests, []);
  });

  it('goes by what is set on the client afterwards', async () => {
    const { client } = plain();
    const registry = new Registry();
    const urls: string[] = [];
    const { fetch } = client as unknown as { readonly fetch: typeof globalThis.fetch };
    instrument(client, { registry });
    client.baseURL = 'http://proxy.internal';
    Object.assign(client, {
      fetch: (url: string, init: RequestInit) => {
        urls.push(url);
        return fetch(url, init);
      },
    });
    await client.messages.create(PARAMS);
    assert.deepEqual(urls, ['http://proxy.internal/v1/messages']);
    assert.equal(await total(registry, 'anthropic_requests_total'), 1);
  });

  it('is constructed once, so a subclass with another constructor keeps its key', async () => {
    const { sim } = plain();
    const keys: (string | null)[] = [];
    let constructed = 0;
    // eslint-disable-next-line no-restricted-syntax -- programs derive clients
    class Tenant extends Anthropic {
      readonly tenant: string;

      constructor(tenant: string) {
        super({
          apiKey: `key-of-${tenant}`,
          fetch: (url, init) => {
            keys.push(new Headers(init?.headers).get('authorization'));
            return sim.fetch(url, init);
          },
        });
        this.tenant = tenant;
        constructed += 1;
      }
    }
    const claude = instrument(new Tenant('harbor'), { registry: new Registry() });
    await claude.messages.create(PARAMS);
    assert.deepEqual([claude.tenant, constructed, keys], ['harbor', 1, ['Bearer key-of-harbor']]);
  });

  it('is seen through a Proxy that hands everything on', async () => {
    const { client } = plain();
    const registry = new Registry();
    const around = new Proxy(client, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    assert.equal(instrument(around, { registry }), around);
    await around.messages.create(PARAMS);
    await client.messages.create(PARAMS);
    assert.equal(await total(registry, 'anthropic_requests_total'), 2);
  });

  const CLOSED: Readonly<Record<string, (client: Anthropic) => Anthropic>> = {
    'a lazy Proxy': (client) =>
      new Proxy({} as Anthropic, {
        get(_target, name) {
          const value: unknown = Reflect.get(client, name, client);
          return typeof value === 'function' ? (value.bind(client) as unknown) : value;
        },
      }),
    'a Proxy that refuses changes': (client) => new Proxy(client, { defineProperty: () => false }),
    'a Proxy that throws at changes': (client) =>
      new Proxy(client, {
        defineProperty() {
          throw new Error('no changes here');
        },
      }),
    'a client with a fixed method': (client) =>
      Object.defineProperty(client, 'withOptions', { value: client.withOptions.bind(client), configurable: false }),
  };

  for (const [kind, closed] of Object.entries(CLOSED)) {
    it(`refuses ${kind}, whose calls it would not see, and leaves it as it was`, () => {
      const { client } = plain();
      const given = closed(client);
      const before = [Reflect.ownKeys(given), Reflect.ownKeys(client)];
      const retry = retryPolicy({ attempts: 7 });
      assert.throws(() => instrument(given, { registry: new Registry(), retry }), { code: 'PLIMSOLL_CLIENT_FROZEN' });
      assert.deepEqual([Reflect.ownKeys(given), Reflect.ownKeys(client)], before);
      assert.equal(client.maxRetries, 2);
    });
  }

  it('hands all arguments of withOptions to a subclass, and its result back, whatever that is', async () => {
    const fetch = simulator().fetch;
    // eslint-disable-next-line no-restricted-syntax -- programs derive clients
    class Tenant extends Anthropic {
      tenant = 'none';
      override withOptions(options: object, tenant?: string, finish?: (made: this) => unknown): this {
        const made = super.withOptions(options);
        made.tenant = tenant ?? 'lost';
        return (finish === undefined ? made : finish(made)) as this;
      }
    }
    const registry = new Registry();
    const claude = instrument(new Tenant({ apiKey: 'test', fetch, logLevel: 'off' }), { registry });
    const harbor = claude.withOptions({}, 'harbor');
    assert.equal(harbor.tenant, 'harbor');
    await harbor.messages.create(PARAMS);
    assert.equal(await total(registry, 'anthropic_requests_total'), 1);
    assert.equal(
      claude.withOptions({}, 'pilot', () => undefined),
      undefined,
    );
    assert.equal(await total(registry, 'plimsoll_errors_total'), 0);
    const frozen = claude.withOptions({}, 'pilot', Object.freeze);
    await frozen.messages.create(PARAMS);
    assert.equal(await total(registry, 'anthropic_requests_total'), 1);
    assert.equal(await total(registry, 'plimsoll_errors_total'), 1);
  });

  it('refuses a client that is frozen, before anything of it is changed', () => {
    const { client } = plain();
    const { middleware } = Object.freeze(client);
    assert.throws(() => instrument(client, { registry: new Registry() }), { code: 'PLIMSOLL_CLIENT_FROZEN' });
    assert.deepEqual(middleware, []);
  });

  it('counts once when it is applied twice, with the last options', async () => {
    const { client } = plain();
    const registry = new Registry();
    const once = instrument(client, { registry, key: 'first-svc-key' });
    await instrument(once, { registry, key: 'second-svc-key' }).messages.create(PARAMS);
    assert.deepEqual(await samples(registry, 'anthropic_requests_total'), {
      'model=claude-haiku-4-5,operation=messages.create,key=second-svc-key,outcome=ok': 1,
    });
  });

  it('survives withOptions, with and without a middleware, however often', async () => {
    const { client, sim } = plain();
    const registry = new Registry();
    const seen: string[] = [];
    const claude = instrument(client, { registry })
      .withOptions({ maxRetries: 1 })
      .withOptions({
        middleware: [
          (request, next) => {
            seen.push(new URL(request.url).pathname);
            return next(request);
          },
        ],
      })
      .withOptions({ timeout: 10_000 });
    assert.equal(claude.maxRetries, 1);
    sim.script([{ fault: 'overloaded', headers: { 'retry-after-ms': '1' } }]);
    await claude.messages.create(PARAMS);
    assert.deepEqual(seen, ['/v1/messages', '/v1/messages']);
    assert.equal(await total(registry, 'anthropic_requests_total'), 1);
    assert.equal(await total(registry, 'anthropic_attempts_total'), 2);
  });

  it('keeps a middleware that the client had', async () => {
    const { sim } = plain();
    const seen: string[] = [];
    const client = new Anthropic({
      apiKey: 'test',
      fetch: sim.fetch,
      middleware: [
        (request, next) => {
          seen.push(request.url);
          return next(request);
        },
      ],
    });
    await instrument(client, { registry: new Registry() }).messages.create(PARAMS);
    assert.equal(seen.length, 1);
  });

  it('tells two calls apart that send the same options object at the same time', async () => {
    const { claude, log, sim, registry } = workbench();
    sim.script([
      { fault: 'overloaded', headers: { 'retry-after-ms': '1' } },
      { fault: 'overloaded', headers: { 'retry-after-ms': '1' } },
      { fault: 'overloaded', headers: { 'retry-after-ms': '1' } },
    ]);
    const options = { method: 'post', path: '/v1/messages', body: PARAMS } as const;
    await Promise.all([claude.request(options), claude.request(options)]);
    await log.finishedCalls(2);
    assert.equal(
      log.calls.reduce((sum, { attempts }) => sum + attempts, 0),
      5,
    );
    assert.equal(await total(registry, 'anthropic_requests_in_flight'), 0);
  });

  it('joins attempts when the user removed the retry count header', async () => {
    const { claude, log, sim } = workbench();
    sim.script([{ fault: 'overloaded', headers: { 'retry-after-ms': '1' } }]);
    await claude.messages.create(PARAMS, { headers: { 'x-stainless-retry-count': null } });
    await log.finishedCalls(1);
    assert.deepEqual(
      log.calls.map(({ attempts }) => attempts),
      [2],
    );
  });
});
