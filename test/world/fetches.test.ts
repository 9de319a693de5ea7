/**
 * The fetch functions that programs and their tests give the SDK, and what each answers with. An instrumented client is
 * to return and throw what the plain one does, to count the call by its status, and its tokens where they can be seen.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createRequire } from 'node:module';
import { after, before, describe, it, mock } from 'node:test';
import Anthropic, { type ClientOptions, type Middleware } from '@anthropic-ai/sdk';
import fetch3 from 'node-fetch';
import { instrument, retryPolicy } from 'plimsoll';
import { fetch as undiciFetch, Response as UndiciResponse } from 'undici';
import { PARAMS } from '../../testing/client-workbench.ts';
import { KeepingRecorder } from '../../testing/keeping-recorder.ts';

type Fetch = typeof fetch;

// Their types are their own: to the SDK a fetch is a fetch.
const fetch2 = createRequire(import.meta.url)('node-fetch2') as Fetch;

const PACKAGES: Readonly<Record<string, Fetch>> = {
  'Node’s own': fetch,
  undici: undiciFetch as unknown as Fetch,
  'node-fetch 2': fetch2,
  'node-fetch 3': fetch3 as unknown as Fetch,
};

const MESSAGE = {
  ...{ id: 'msg_01', type: 'message', role: 'assistant', model: 'claude-haiku-4-5' },
  content: [{ type: 'text', text: 'Ahoy' }],
  ...{ stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 12, output_tokens: 7 } },
};

const EVENTS = [
  { type: 'message_start', message: { ...MESSAGE, content: [], usage: { input_tokens: 12, output_tokens: 1 } } },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Ahoy' } },
  { type: 'content_block_stop', index: 0 },
  { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 7 } },
  { type: 'message_stop' },
];

const SPEND_LIMIT = {
  type: 'error',
  error: {
    ...{ type: 'rate_limit_error', message: 'Enough.' },
    details: { error_code: 'enforced_spend_limit_reached' },
  },
};

const JSON_HEADERS = { 'content-type': 'application/json' };
const IN_A_MILLISECOND = { ...JSON_HEADERS, 'retry-after-ms': '1' };

type Serve = (response: ServerResponse) => void;

const send =
  (status: number, body: unknown, headers: Readonly<Record<string, string>> = JSON_HEADERS): Serve =>
  (response) =>
    void response.writeHead(status, headers).end(JSON.stringify(body));

const stream: Serve = (response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const event of EVENTS) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  response.end();
};

/** Sends the head and the beginning of a body, and then nothing more. */
const standStill =
  (status: number): Serve =>
  (response) => {
    if (response.socket !== null) stalled.push(response.socket);
    response.writeHead(status, { ...IN_A_MILLISECOND, 'content-length': '500' }).write('{"type":"err');
  };

const breakOff =
  (status: number, framing: Readonly<Record<string, string>>): Serve =>
  (response) => {
    response.writeHead(status, { ...IN_A_MILLISECOND, ...framing });
    response.write('{"type":"error"', () => response.socket?.destroySoon());
  };

let server: Server;
let replies: Serve[] = [];
/** The connections of answers that stand still. */
const stalled: Socket[] = [];

before(async () => {
  server = createServer((request, response) => {
    request.resume();
    replies.shift()?.(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

after(() => {
  server.closeAllConnections();
  server.close();
});

const port = (): number => (server.address() as AddressInfo).port;

/** What the call came to, as a program sees it. */
async function outcome(call: Promise<unknown>): Promise<unknown> {
  try {
    return JSON.parse(JSON.stringify(await call)) as unknown;
  } catch (error) {
    assert.ok(error instanceof Error);
    const { name, message, constructor } = error;
    const { status, error: body } = error as { readonly status?: number; readonly error?: unknown };
    return { name, message, class: constructor.name, status, body };
  }
}

interface Asked {
  readonly client: Partial<ClientOptions>;
  readonly replies?: readonly Serve[];
  readonly retry?: Parameters<typeof instrument>[1];
  readonly call?: (client: Anthropic) => Promise<unknown>;
}

const create = (client: Anthropic): Promise<unknown> => client.messages.create(PARAMS);

/** Makes the call with a plain client and with an instrumented one, and returns what was recorded of it. */
async function sameAsPlain({ client, replies: served = [], retry, call = create }: Asked): Promise<KeepingRecorder> {
  const options = { apiKey: 'test', logLevel: 'off', baseURL: `http://127.0.0.1:${port()}`, ...client } as const;
  const log = new KeepingRecorder();
  const results: unknown[] = [];
  for (const made of [new Anthropic(options), instrument(new Anthropic(options), { recorders: [log], ...retry })]) {
    replies = [...served];
    results.push(await outcome(call(made)));
  }
  assert.deepEqual(results[1], results[0]);
  await log.finishedCalls(1);
  assert.equal(log.inFlight, 0);
  return log;
}

const statuses = ({ attempts }: KeepingRecorder): readonly unknown[] => attempts.map(({ status }) => status);

function assertCounted(log: KeepingRecorder): void {
  assert.deepEqual(statuses(log), [200]);
  assert.equal(log.calls[0]?.outcome, 'ok');
  assert.deepEqual(log.calls[0]?.usage?.parts[0]?.tokens.output, 7);
}

describe('a fetch that answers with a Response of its own package', () => {
  for (const [name, itsFetch] of Object.entries(PACKAGES)) {
    it(`has its tokens counted: ${name}`, async () => {
      assertCounted(await sameAsPlain({ client: { fetch: itsFetch }, replies: [send(200, MESSAGE)] }));
    });

    it(`has the tokens of its streams counted: ${name}`, async () => {
      const call = async (client: Anthropic): Promise<unknown> => client.messages.stream(PARAMS).finalMessage();
      assertCounted(await sameAsPlain({ client: { fetch: itsFetch }, replies: [stream], call }));
    });

    it(`has its tokens counted where the program wipes each piece that it has read: ${name}`, async () => {
      const call = async (client: Anthropic): Promise<unknown> => {
        const { body } = await client.messages.create(PARAMS).asResponse();
        const texts: string[] = [];
        for await (const piece of body as unknown as AsyncIterable<Uint8Array>) {
          texts.push(Buffer.from(piece).toString());
          piece.fill(0);
        }
        return texts.join('');
      };
      assertCounted(await sameAsPlain({ client: { fetch: itsFetch }, replies: [send(200, MESSAGE)], call }));
    });

    it(`has a stream that breaks off counted as that: ${name}`, async () => {
      const half: Serve = (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const [start] = EVENTS;
        response.write(`event: message_start\ndata: ${JSON.stringify(start)}\n\n`, () => response.socket?.destroy());
      };
      const call = async (client: Anthropic): Promise<unknown> => {
        await client.messages
          .stream(PARAMS)
          .finalMessage()
          .catch(() => undefined); // the packages word it differently
        return 'broken off';
      };
      const log = await sameAsPlain({ client: { fetch: itsFetch }, replies: [half], call });
      assert.equal(log.calls[0]?.outcome, 'connection_error');
    });

    it(`has the reason of the refusal that it reports read along: ${name}`, async () => {
      const client = { fetch: itsFetch, maxRetries: 0 };
      const log = await sameAsPlain({ client, replies: [send(429, SPEND_LIMIT)] });
      assert.equal(log.calls[0]?.outcome, 'spend_limited');
      assert.equal(log.attempts[0]?.rejection?.spendScope, 'tier');
    });

    it(`goes on after a refusal that is not read: ${name}`, async () => {
      const log = await sameAsPlain({
        client: { fetch: itsFetch, maxRetries: 1 },
        replies: [send(429, SPEND_LIMIT, IN_A_MILLISECOND), send(200, MESSAGE)],
      });
      assert.deepEqual(statuses(log), [429, 200]);
    });

    it(`goes on by the decision of a retry policy: ${name}`, async () => {
      const call = async (client: Anthropic): Promise<unknown> => {
        await create(client);
        return 'answered';
      };
      const log = await sameAsPlain({
        client: { fetch: itsFetch, maxRetries: 1 },
        replies: [send(429, { type: 'error' }, IN_A_MILLISECOND), send(200, MESSAGE)],
        retry: { retry: retryPolicy() },
        call,
      });
      assert.deepEqual(statuses(log), [429, 200]);
    });
  }
});

const REFUSALS: Readonly<Record<string, Serve>> = {
  'of 100 kB': send(418, { type: 'error', padding: 'x'.repeat(100_000) }),
  'that says nothing': (response) => void response.writeHead(400, { 'content-length': '0' }).end(),
  'cut short of its length': breakOff(404, { 'content-length': '100000' }),
  'in chunks that breaks off': breakOff(404, { 'transfer-encoding': 'chunked' }),
  'that is no gzip': (response) => void response.writeHead(400, { 'content-encoding': 'gzip' }).end('{"type":"error"}'),
};

describe('a refusal', () => {
  for (const [name, itsFetch] of Object.entries(PACKAGES)) {
    for (const [kind, refuse] of Object.entries(REFUSALS)) {
      if (name === 'node-fetch 2' && kind === 'cut short of its length') continue; // it never notices, plimsoll or not
      it(`${kind} ends as without plimsoll: ${name}`, async () => {
        const log = await sameAsPlain({ client: { fetch: itsFetch }, replies: [refuse] });
        assert.equal(log.calls[0]?.outcome, log.attempts[0]?.status === 404 ? 'not_found' : 'invalid_request');
      });
    }

    it(`that a middleware clones keeps its body: ${name}`, async () => {
      const clone: Middleware = async (request, next) => {
        const response = await next(request);
        assert.equal(await response.clone().text(), JSON.stringify(SPEND_LIMIT));
        return response;
      };
      const client = { fetch: itsFetch, maxRetries: 0, middleware: [clone] };
      const log = await sameAsPlain({ client, replies: [send(500, SPEND_LIMIT)] });
      assert.equal(log.calls[0]?.outcome, 'server_error');
    });
  }

  for (const status of [408, 429, 500]) {
    it(`that stands still is given up with its connection when the SDK retries: ${status}`, async () => {
      stalled.length = 0;
      const log = await sameAsPlain({
        client: { maxRetries: 1 },
        replies: [standStill(status), send(200, MESSAGE)],
      });
      assert.deepEqual(statuses(log), [status, 200]);
      assert.equal(stalled.length, 2);
      for (const socket of stalled) if (!socket.destroyed) await once(socket, 'close');
    });
  }

  it('that stands still holds up no middleware that cancels it', async () => {
    const cancel: Middleware = async (request, next) => {
      const response = await next(request);
      await response.body?.cancel();
      return Response.json(MESSAGE);
    };
    const stalledFetch: Fetch = async () => new Response(new ReadableStream(), { status: 429 });
    // Timers stand still: what waits for one never comes.
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const options = {
        apiKey: 'test',
        fetch: stalledFetch,
        maxRetries: 0,
        middleware: [cancel],
        logLevel: 'off',
      } as const;
      const message = await instrument(new Anthropic(options)).messages.create(PARAMS);
      assert.equal(message.id, 'msg_01');
    } finally {
      mock.timers.reset();
    }
  });
});

const headers = new Headers(JSON_HEADERS);
const text = JSON.stringify(MESSAGE);

/** What tests and wrappers answer with in place of a fetched Response. */
const ANSWERS: Readonly<Record<string, () => unknown>> = {
  'a plain object': () => ({ ok: true, status: 200, headers, json: async () => MESSAGE, text: async () => text }),
  'a plain object whose json() is no promise': () => ({ ok: true, status: 200, headers, json: () => MESSAGE }),
  'a plain object with body null': () => ({ ok: true, status: 200, headers, body: null, json: async () => MESSAGE }),
  'a plain object whose headers are a Map': () => ({
    ...{ ok: true, status: 200, headers: new Map(Object.entries(JSON_HEADERS)) },
    json: async () => MESSAGE,
  }),
  'an instance of a class': () =>
    new (class {
      readonly ok = true;
      readonly status = 200;
      readonly headers = headers;
      async json(): Promise<unknown> {
        return MESSAGE;
      }
    })(),
  'a Response of undici’s': () => new UndiciResponse(text, { headers: JSON_HEADERS }),
  'a Proxy of a Response': () =>
    new Proxy(new Response(text, { headers: JSON_HEADERS }), {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    }),
};

const answering =
  (answer: () => unknown): Fetch =>
  async () =>
    answer() as Response;

describe('a fetch that answers with', () => {
  for (const [kind, answer] of Object.entries(ANSWERS)) {
    it(`${kind} has its tokens counted`, async () => {
      assertCounted(await sameAsPlain({ client: { fetch: answering(answer) } }));
    });
  }

  it('one plain object for all calls has each counted, and gets it back as it was', async () => {
    const json = async (): Promise<unknown> => MESSAGE;
    const one = { ok: true, status: 200, headers, json };
    const log = new KeepingRecorder();
    const client = new Anthropic({ apiKey: 'test', fetch: answering(() => one), logLevel: 'off' });
    const claude = instrument(client, { recorders: [log] });
    for (let calls = 0; calls < 3; calls++) await claude.messages.create(PARAMS);
    assert.deepEqual(log.events.filter((event) => event === 'finished ok').length, 3);
    assert.deepEqual(Reflect.ownKeys(one), ['ok', 'status', 'headers', 'json']);
    assert.equal(one.json, json);
  });

  it('an object with methods of its own shows them to whoever lists or copies it', async () => {
    const shown: unknown[] = [];
    const look = async (client: Anthropic): Promise<unknown> => {
      const response = await client.messages.create(PARAMS).asResponse();
      shown.push([Object.keys(response), typeof { ...response }.text]);
      return response.json();
    };
    const plainObject = (): object => ({
      ok: true,
      status: 200,
      headers,
      text: async () => text,
      json: async () => MESSAGE,
    });
    const patched = (): object =>
      Object.assign(new Response(text, { headers: JSON_HEADERS }), { json: async () => MESSAGE });
    await sameAsPlain({ client: { fetch: answering(plainObject) }, call: look });
    await sameAsPlain({ client: { fetch: answering(patched) }, call: look });
    const ofObject = [['ok', 'status', 'headers', 'text', 'json'], 'function'];
    const ofResponse = [['json'], 'undefined'];
    assert.deepEqual(shown, [ofObject, ofObject, ofResponse, ofResponse]);
  });

  it('one refusal for all calls, as a mock does, has the calls end as without plimsoll', async () => {
    const call = async (client: Anthropic): Promise<unknown> => {
      const calls = await Promise.all([1, 2].map(() => outcome(client.messages.create(PARAMS, { maxRetries: 1 }))));
      return { calls };
    };
    const refusing = (): Fetch => {
      const one = new Response('{"type":"error"', { status: 429, headers: IN_A_MILLISECOND });
      return answering(() => one);
    };
    const outcomes: unknown[] = [];
    for (const decorate of [(client: Anthropic) => client, instrument]) {
      outcomes.push(await call(decorate(new Anthropic({ apiKey: 'test', fetch: refusing(), logLevel: 'off' }))));
    }
    assert.deepEqual(outcomes[1], outcomes[0]);
  });

  it('an async iterable as its body has the streamed call counted by its status', async () => {
    const encoded = EVENTS.map((event) => Buffer.from(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`));
    const iterable = () => ({
      ...{ ok: true, status: 200, headers },
      body: (async function* () {
        yield* encoded;
      })(),
    });
    const call = async (client: Anthropic): Promise<unknown> => {
      const types: string[] = [];
      for await (const { type } of await client.messages.create({ ...PARAMS, stream: true })) types.push(type);
      return types;
    };
    const log = await sameAsPlain({ client: { fetch: answering(iterable) }, call });
    assert.deepEqual(log.events, ['started', 'attempted 200', 'finished ok']);
  });

  it('a frozen object has the call counted by its status', async () => {
    const frozen = Object.freeze({ ok: true, status: 200, headers, json: async () => MESSAGE });
    const log = await sameAsPlain({ client: { fetch: answering(() => frozen) } });
    assert.deepEqual(log.events, ['started', 'attempted 200', 'finished ok']);
  });

  it('a Response of null has the call counted by its status', async () => {
    const log = await sameAsPlain({ client: { fetch: answering(() => new Response(null)) } });
    assert.deepEqual(log.events, ['started', 'attempted 200', 'finished ok']);
  });

  it('a plain object that refuses has the reason counted', async () => {
    const refusal = {
      ...{ ok: false, status: 429, headers: new Headers(), text: async () => JSON.stringify(SPEND_LIMIT) },
    };
    const log = await sameAsPlain({ client: { fetch: answering(() => refusal), maxRetries: 0 } });
    assert.equal(log.calls[0]?.outcome, 'spend_limited');
  });
});
