import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import Anthropic, { toFile } from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import { ConfigurationError, instrument, retryPolicy, uninstrument } from 'plimsoll';
import { simulator, type MessagesRequest, type Reply } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { STREAMED, UNSTREAMED } from '../../testing/cassettes/cassettes.ts';
import { collected, PARAMS, samples, total, workbench, type Workbench } from '../../testing/client-workbench.ts';

/** Calls a tool at the first turn and answers at the second. */
function usesTool({ body }: MessagesRequest): Reply {
  const turns = body.messages.length;
  return turns === 1 ? { text: '', toolUse: [{ name: 'depth', input: { at: 'harbour' } }] } : { text: 'Four fathoms.' };
}

const depth = betaTool({
  name: 'depth',
  description: 'how deep the water is',
  inputSchema: { type: 'object', properties: { at: { type: 'string' } } },
  run: () => '4 fathoms',
});

interface Way {
  readonly does: (bench: Workbench) => Promise<unknown>;
  /** Operation of each call that it makes. */
  readonly operations: readonly string[];
}

const BATCH = { requests: [{ custom_id: 'a', params: PARAMS }] };

const WAYS: Readonly<Record<string, Way>> = {
  'messages.create': { does: ({ claude }) => claude.messages.create(PARAMS), operations: ['messages.create'] },
  'messages.create, streamed': {
    does: async ({ claude }) => collected(await claude.messages.create({ ...PARAMS, stream: true })),
    operations: ['messages.stream'],
  },
  'messages.stream': {
    does: ({ claude }) => claude.messages.stream(PARAMS).finalText(),
    operations: ['messages.stream'],
  },
  'messages.stream, by events': {
    does: ({ claude }) =>
      new Promise((resolve, reject) => {
        claude.messages
          .stream(PARAMS)
          .on('text', () => undefined)
          .on('end', () => resolve(null))
          .on('error', reject);
      }),
    operations: ['messages.stream'],
  },
  withResponse: {
    does: ({ claude }) => claude.messages.create(PARAMS).withResponse(),
    operations: ['messages.create'],
  },
  asResponse: {
    does: async ({ claude }) => (await claude.messages.create(PARAMS).asResponse()).json(),
    operations: ['messages.create'],
  },
  'beta.messages.create': {
    does: ({ claude }) => claude.beta.messages.create(PARAMS),
    operations: ['messages.create'],
  },
  'beta.messages.stream': {
    does: ({ claude }) => claude.beta.messages.stream(PARAMS).finalMessage(),
    operations: ['messages.stream'],
  },
  'beta.messages.toolRunner': {
    does: ({ claude }) => claude.beta.messages.toolRunner({ ...PARAMS, tools: [depth] }).runUntilDone(),
    operations: ['messages.create', 'messages.create'],
  },
  'beta.messages.toolRunner, streamed': {
    does: async ({ claude }) => {
      for await (const stream of claude.beta.messages.toolRunner({ ...PARAMS, tools: [depth], stream: true }))
        await collected(stream);
    },
    operations: ['messages.stream', 'messages.stream'],
  },
  'messages.countTokens': {
    does: ({ claude }) => claude.messages.countTokens({ model: PARAMS.model, messages: PARAMS.messages }),
    operations: ['messages.count_tokens'],
  },
  'batches, from creation to results': {
    does: async ({ claude }) => {
      const { id } = await claude.messages.batches.create(BATCH);
      await claude.messages.batches.retrieve(id);
      await collected(await claude.messages.batches.results(id));
    },
    operations: [
      'messages.batches.create',
      'messages.batches.retrieve',
      // The SDK asks for the batch to learn where its results are.
      'messages.batches.retrieve',
      'messages.batches.results',
    ],
  },
  'models.list': {
    does: async ({ claude }) => collected(claude.models.list()),
    operations: ['models.list', 'models.list'],
  },
  'models.retrieve': { does: ({ claude }) => claude.models.retrieve(PARAMS.model), operations: ['models.retrieve'] },
  'files, up and down': {
    does: async ({ claude }) => {
      const { id } = await claude.beta.files.upload({ file: await toFile(Buffer.from('log'), 'log.txt') });
      await claude.beta.files.retrieveMetadata(id);
      await (await claude.beta.files.download(id)).text();
      await claude.beta.files.delete(id);
    },
    operations: ['files.upload', 'files.retrieve_metadata', 'files.download', 'files.delete'],
  },
  'a path that is not known': {
    does: ({ claude }) => claude.get('/v1/unheard_of/id_123').catch(() => null),
    operations: ['other'],
  },
};

function waysBench(): Workbench {
  return workbench({
    simulator: {
      respond: (request) => ('tools' in request.body ? usesTool(request) : { text: 'Ahoy.' }),
      downloadableFiles: 'uploaded',
    },
  });
}

describe('every way of calling the SDK', () => {
  for (const [name, { does, operations }] of Object.entries(WAYS)) {
    it(`is counted as its own operation: ${name}`, async () => {
      const bench = waysBench();
      await does(bench);
      await bench.log.finishedCalls(operations.length);
      assert.deepEqual(
        bench.log.calls.map(({ operation }) => operation),
        operations,
      );
      const outcomes = new Set(bench.log.calls.map(({ outcome }) => outcome));
      assert.deepEqual([...outcomes], [operations[0] === 'other' ? 'not_found' : 'ok']);
      assert.equal(await total(bench.registry, 'anthropic_requests_total'), operations.length);
      assert.equal(await total(bench.registry, 'anthropic_requests_in_flight'), 0);
      assert.equal(await total(bench.registry, 'plimsoll_errors_total'), 0);
      const billed = bench.sim.truth.requests.flatMap(({ billed: parts }) => parts).length;
      if (!name.startsWith('batches'))
        assert.equal(bench.log.calls.filter(({ usage }) => usage !== null).length, billed);
    });
  }
});

describe('a stream that is left by break', () => {
  it('closes the upstream at once and counts once, with the input known and the output estimated', async () => {
    const bench = workbench({ simulator: { respond: () => ({ text: 'word '.repeat(200) }) } });
    let events = 0;
    for await (const event of await bench.claude.messages.create({ ...PARAMS, max_tokens: 4096, stream: true })) {
      if (event.type === 'content_block_delta' && ++events === 3) break;
    }
    await bench.log.finishedCalls(1);
    const [request] = bench.sim.truth.requests;
    assert.equal(request?.delivery, 'cancelled');
    const [call] = bench.log.calls;
    assert.equal(call?.outcome, 'cancelled');
    const tokens = call.usage?.parts[0]?.tokens;
    assert.equal(tokens?.input, request.billed[0]?.tokens.input);
    assert.equal(tokens?.output, 0);
    assert.ok((tokens?.output_estimated ?? 0) > 0);
    assert.deepEqual(bench.log.events, ['started', 'attempted 200', 'firstToken', 'finished cancelled']);
    const sent = request.eventsSent;
    await nextTurn();
    assert.equal(bench.sim.truth.requests[0]?.eventsSent, sent, 'the server sends no more');
  });
});

describe('a body that nobody reads', () => {
  it('ends its call as abandoned when it has been collected', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const [streamed] = STREAMED;
    const [unstreamed] = UNSTREAMED;
    const replay: typeof fetch = (_, init) => {
      const asked = JSON.parse(init?.body as string) as { stream?: boolean };
      const recording = asked.stream === true ? streamed : unstreamed;
      return Promise.resolve(
        new Response(recording?.response.body ?? '', { headers: recording?.response.headers ?? {} }),
      );
    };
    const bench = workbench({ client: { fetch: replay } });
    await (async () => {
      await bench.claude.messages.create(PARAMS).asResponse();
      await bench.claude.messages.create({ ...PARAMS, stream: true });
    })();
    assert.equal(await total(bench.registry, 'anthropic_requests_in_flight'), 2);
    for (let round = 0; round < 50 && bench.log.calls.length < 2; round++) {
      collect();
      await nextTurn();
    }
    assert.deepEqual(
      bench.log.calls.map(({ outcome }) => outcome),
      ['abandoned', 'abandoned'],
    );
    assert.equal(await total(bench.registry, 'anthropic_requests_in_flight'), 0);
  });
});

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
        assert.match(error.message, /attribtion: expected one of key, labels, attribution, .*: correct or remove it/);
        return true;
      },
    );
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
