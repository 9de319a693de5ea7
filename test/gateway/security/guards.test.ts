import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { GatewayClient } from '../../../src/gateway/access/client.ts';
import { budgets } from 'plimsoll/budget';
import type { TokenGuard } from 'plimsoll/gateway';
import { exchanged, rawClient, type RawAnswer } from '../../../testing/gateway/raw-client.ts';
import { rawUpstream, type Behaviour, type RawUpstream } from '../../../testing/gateway/raw-upstream.ts';
import { errorIn, post, subject, type Subject, type SubjectOptions } from '../../../testing/gateway/subject.ts';

const MODEL = 'claude-haiku-4-5';

interface Bench extends Subject {
  readonly upstream: RawUpstream;
  sent(body: string, lines?: readonly string[], target?: string): Promise<RawAnswer | null>;
}

async function bench(t: TestContext, options: Omit<SubjectOptions, 'upstream'>, behave?: Behaviour): Promise<Bench> {
  const upstream = await rawUpstream(t, behave);
  const gateway = await subject(t, { upstream, ...options });
  return {
    ...gateway,
    upstream,
    sent: (body, lines = [], target = '/v1/messages') =>
      exchanged(gateway.port, post(gateway.token, lines, { body, target })),
  };
}

const request = (fields: Readonly<Record<string, unknown>> = {}, extra = ''): string =>
  `${JSON.stringify({ model: MODEL, max_tokens: 10, messages: [], ...fields }).slice(0, -1)}${extra}}`;

/** Bodies at which a guard that reads them carelessly throws, or sees nothing. */
const THROWING: Readonly<Record<string, string>> = {
  'is nested 2,400 levels deep': request({}, `,"x":${'['.repeat(2_400)}${']'.repeat(2_400)}`),
  'is nested 20,000 levels deep in its settings': request({}, `,"x":${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`),
  'has a max_tokens that cannot be a number': request({ max_tokens: { toString: 1, valueOf: 1 } }),
  'has a model that cannot be a text': request({ model: { toString: null } }),
  'has a max_tokens of text': request({ max_tokens: '1000000' }),
  'has a max_tokens below 0': request({ max_tokens: -1 }),
  'has a list as max_tokens': request({ max_tokens: [1_000_000] }),
  'has true as max_tokens': request({ max_tokens: true }),
  'has an endless max_tokens': request().replace('"max_tokens":10', '"max_tokens":1e400'),
  'has a max_tokens with an exponent': request().replace('"max_tokens":10', '"max_tokens":1e6'),
  'has no max_tokens': request({ max_tokens: undefined }),
  'has a max_tokens whose price is no safe integer': request({ max_tokens: 9_007_199_254_740_991 }),
  'asks for a speed that has no price': request({ speed: 'ludicrous' }),
  'is declared as UTF-16': request(),
};

const CHARSET: Readonly<Record<string, readonly string[]>> = {
  'is declared as UTF-16': ['Content-Type: application/json; charset=utf-16'],
};

const block = () => ({ budgets: budgets({ definitions: [{ name: 'all', period: 'day', usd: 100, mode: 'block' }] }) });

const LIMITED: Readonly<Record<string, () => Omit<SubjectOptions, 'upstream'>>> = {
  'a token with a ceiling': () => ({ client: { maxTokens: { tokens: 100, above: 'clamp' } } }),
  'a token that is bound to models': () => ({ client: { models: [MODEL] } }),
  'a gateway with a block budget': () => ({ options: block() }),
};

for (const [who, options] of Object.entries(LIMITED))
  test(`what ${who} cannot read for certain is not sent on, alone or in a batch`, async (t) => {
    const { sent, upstream, errors } = await bench(t, options());
    for (const [what, body] of Object.entries(THROWING)) {
      const lines = CHARSET[what] ?? [];
      const answered = await sent(body, lines);
      assert.equal(answered?.status, 400, what);
      assert.equal(errorIn(answered).type, 'invalid_request_error');
      if (lines.length > 0) continue;
      const good = `{"custom_id":"good","params":${request()}}`;
      const batch = `{"requests":[${good},{"custom_id":"bad","params":${body}},${good}]}`;
      assert.equal((await sent(batch, [], '/v1/messages/batches'))?.status, 400, `${what}, in a batch`);
    }
    assert.equal(upstream.requests.length, 0);
    assert.deepEqual(errors, []);
    assert.equal((await sent(request()))?.status, 200);
  });

test('what is none of the business of rules is sent on as it came', async (t) => {
  const client: Partial<GatewayClient> = { models: [MODEL], maxTokens: { tokens: 100, above: 'reject' } };
  const { sent, upstream } = await bench(t, { client, options: block() });
  const bodies = [
    request({ tools: [{ name: 'cars', input_schema: { type: 'object' }, input_examples: [{ model: 'Civic' }] }] }),
    request({ mcp_servers: [{ type: 'url', name: 'cars', url: 'https://cars.example', model: 'none of ours' }] }),
    request({ tools: [{ type: 'mcp_toolset', mcp_server_name: 'cars', configs: { model: { enabled: true } } }] }),
    request({ metadata: { user_id: 'model' }, fallbacks: null, top_k: 1e3 }, ',"top_k":2'),
    request({ messages: [{ role: 'user', content: [{ type: 'tool_use', input: { model: 7, max_tokens: 'all' } }] }] }),
    request({ output_config: { format: { schema: { properties: { model: { type: 'string' }, max_tokens: {} } } } } }),
  ];
  for (const body of bodies) assert.equal((await sent(body))?.status, 200, body);
  assert.deepEqual(
    upstream.requests.map(({ body }) => body.toString()),
    bodies,
  );
});

test('a fallback or an advisor may ask for no more than the request itself', async (t) => {
  const client: Partial<GatewayClient> = { models: [MODEL], maxTokens: { tokens: 100, above: 'clamp' } };
  const { sent, upstream } = await bench(t, { client });
  const refused: readonly [object, number][] = [
    [{ fallbacks: [{ model: MODEL, max_tokens: 101 }] }, 400],
    [{ tools: [{ type: 'advisor_20260301', name: 'advisor', model: MODEL, max_tokens: 101 }] }, 400],
    [{ fallbacks: [{ model: 'claude-opus-4-8' }] }, 403],
    [{ fallbacks: 'default' }, 403],
    [{ some_new_field: { of: [{ model: 'claude-opus-4-8' }] } }, 403],
  ];
  for (const [fields, status] of refused)
    assert.equal((await sent(request({ ...fields })))?.status, status, JSON.stringify(fields));
  assert.equal(upstream.requests.length, 0);
  assert.equal((await sent(request({ fallbacks: [{ model: MODEL, max_tokens: 100 }] })))?.status, 200);
});

test('a ceiling changes max_tokens and not another byte', async (t) => {
  const { sent, upstream } = await bench(t, { client: { maxTokens: { tokens: 100, above: 'clamp' } } });
  const body = `{ "messages" : [ {"content":"\\u00fc \\/ \u00fc"} ] ,\n"max_tokens" : 1000000 , "n":1.50e3, "model":"${MODEL}" }`;
  assert.equal((await sent(body))?.status, 200);
  assert.equal(upstream.requests[0]?.body.toString(), body.replace('1000000', '100'));
});

/** Guards that fail instead of allowing or refusing. */
const FAILING: Readonly<Record<string, TokenGuard['admit']>> = {
  throws() {
    throw new TypeError('of the guard');
  },
  rejects: () => Promise.reject(new TypeError('of the guard')),
  'rejects by a promise of its own kind': () =>
    ({ then: (_resolve: unknown, reject: (error: Error) => void) => reject(new TypeError('of the guard')) }) as never,
};

for (const [how, admit] of Object.entries(FAILING))
  for (const needsBody of [true, false])
    test(`a guard that ${how} lets nothing through (needsBody: ${needsBody})`, async (t) => {
      const guard: TokenGuard = { needsBody, admit };
      const grant = { tokenId: 't', client: 'c', key: 'prod-api-key', labels: {}, guards: [guard], recorders: [] };
      const { sent, upstream, metrics } = await bench(t, { options: { authenticate: () => Promise.resolve(grant) } });
      const answered = await sent(request());
      assert.equal(answered?.status, 529);
      assert.equal(errorIn(answered).type, 'overloaded_error');
      assert.equal(upstream.requests.length, 0);
      assert.match(await metrics(), /plimsoll_errors_total\{stage="guard"\} 1/);
    });

test('a budget that cannot begin to hold a call lets it not through', async (t) => {
  const spendGuard = {
    started() {
      throw new TypeError('of the budget');
    },
  };
  const grant = { tokenId: 't', client: 'c', key: 'prod-api-key', labels: {}, guards: [], recorders: [] };
  const authenticate = () => Promise.resolve({ ...grant, spendGuards: [spendGuard] });
  const { sent, upstream } = await bench(t, { options: { authenticate } });
  assert.equal((await sent(request()))?.status, 529);
  assert.equal(upstream.requests.length, 0);
});

test('every request takes from the rate of its token, whatever it says about its attempts', async (t) => {
  const { sent, upstream } = await bench(t, { client: { requestsPerMinute: 2 } }, refuses);
  for (let count = 0; count < 100; count++) await sent(request(), [`x-stainless-retry-count: ${count}`]);
  assert.equal(upstream.requests.length, 2);
});

/** A refusal that the SDKs try again: the call waits for its next attempt. */
const refuses: Behaviour = (socket) => {
  const body = '{"type":"error","error":{"type":"rate_limit_error","message":"slow"},"request_id":"req_1"}';
  socket.write(
    `HTTP/1.1 429 Too Many\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
};

test('every request takes from the budget, whatever it says about its attempts', async (t) => {
  // Of 1,000,000 output tokens at $5 a million, half is expected: $2.50 each, so that four fit.
  const options = { budgets: budgets({ definitions: [{ name: 'all', period: 'day', usd: 10.5, mode: 'block' }] }) };
  const { upstream, port, token } = await bench(t, { options }, () => undefined);
  const leave = async (count: number): Promise<void> => {
    const client = await rawClient(port);
    const lines = [`x-stainless-retry-count: ${count}`, 'x-stainless-timeout: 0'];
    await client.send(post(token, lines, { body: request({ max_tokens: 1_000_000 }) }));
    const sentOn = upstream.arrived(upstream.requests.length + 1);
    await Promise.race([sentOn, client.answer()]);
    client.leave();
    await upstream.idle();
  };
  for (let count = 0; count < 12; count++) await leave(count);
  assert.equal(upstream.requests.length, 4);
});
