import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { exchanged } from '../../../testing/gateway/raw-client.ts';
import { answer, answersWell, rawUpstream, type Behaviour } from '../../../testing/gateway/raw-upstream.ts';
import {
  CANARY,
  post,
  requestTo,
  subject,
  type Subject,
  type SubjectOptions,
} from '../../../testing/gateway/subject.ts';

/** All that anybody could get to see of a gateway. */
async function shown(gateway: Subject): Promise<string> {
  return [
    await gateway.metrics(),
    JSON.stringify(await gateway.registry.getMetricsAsJSON()),
    ...gateway.errors.map((error) => inspect(error, { depth: 20, showHidden: true })),
    inspect(await gateway.store.list(), { depth: 20 }),
    inspect(gateway.gateway, { depth: 20, showHidden: true }),
  ].join('\n');
}

/** What of a key would let somebody guess the rest. */
const PARTS = [CANARY, CANARY.slice(0, 30), CANARY.slice(-20), encodeURIComponent(CANARY), btoa(CANARY)];

function assertUnseen(where: string, text: string): void {
  for (const part of PARTS) assert.ok(!text.includes(part), `the real key is in ${where}`);
}

const ERROR =
  '{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"},"request_id":"req_1"}';
const refuses =
  (status: number): Behaviour =>
  (socket) =>
    socket.write(
      `HTTP/1.1 ${status} No\r\nContent-Type: application/json\r\nContent-Length: ${ERROR.length}\r\n\r\n${ERROR}`,
    );

interface Case {
  readonly behave?: Behaviour;
  readonly about?: Partial<SubjectOptions>;
  readonly request?: (token: string) => string;
}

const unlimited = { requests: 10_000, heldBytes: 1 << 20, upstreamSilenceMs: 100 } as const;

/** Whatever can become of a request. */
const ENDINGS: Readonly<Record<string, Case>> = {
  'is answered': {},
  'is refused by the API for its key': { behave: refuses(401) },
  'is refused by the API for its limits': { behave: refuses(429) },
  'fails at the API': { behave: refuses(500) },
  'gets nonsense': { behave: (socket) => socket.end('nonsense\r\n\r\n') },
  'gets nothing and a reset': { behave: (socket) => socket.resetAndDestroy() },
  'gets nothing for too long': { behave: () => undefined, about: { options: { limits: unlimited } } },
  'is cut off within a stream': {
    behave: (socket) => {
      answer(socket, ['Content-Type: text/event-stream', 'Transfer-Encoding: chunked'], '5\r\nevent\r\n');
      socket.end();
    },
  },
  'has a bad token': { request: () => post('plk_nobody') },
  'has the real key itself for a token': { request: () => post('sk-ant-api03-another') },
  'is for a path that is not served': {
    request: (token) => requestTo('GET /v1/organizations', []).replace('TOKEN', token),
  },
  'is no HTTP': { request: (token) => post(token, ['bad header']) },
  'asks for a model that it may not': { about: { client: { models: ['claude-opus-4-8'] } } },
  'asks for too many tokens': { about: { client: { maxTokens: { tokens: 1, above: 'reject' } } } },
  'is over its rate': { about: { client: { requestsPerMinute: 1 } } },
  'meets a store that does not answer': {
    about: { options: { authenticate: () => Promise.reject(new Error('the store is down')) } },
  },
  'names a key that there is not': { about: { client: { key: 'another-api-key' } } },
  'meets a key that cannot be had': {
    about: {
      options: {
        keys: new Map([
          [
            'prod-api-key',
            () => {
              throw new Error('cannot read the file of the key');
            },
          ],
        ]),
      },
    },
  },
  'meets a key that no header can hold': {
    about: { options: { keys: new Map([['prod-api-key', () => `${CANARY}\r\nX-Hidden: yes`]]) } },
  },
};

for (const [what, { behave = answersWell, about = {}, request = post }] of Object.entries(ENDINGS))
  test(`the real key is nowhere to be seen when a request ${what}`, async (t) => {
    const printed: string[] = [];
    for (const method of ['debug', 'error', 'info', 'log', 'warn'] as const)
      t.mock.method(console, method, (...told: unknown[]) => printed.push(inspect(told)));
    t.mock.method(process.stderr, 'write', (text: string | Uint8Array) => printed.push(String(text)) > 0);
    const upstream = await rawUpstream(t, behave);
    const gateway = await subject(t, { upstream, ...about });
    const answers = [];
    for (let times = 0; times < 2; times++) answers.push(await exchanged(gateway.port, request(gateway.token)));
    t.mock.restoreAll();
    assertUnseen('an answer', answers.map((each) => `${each?.head}${each?.body.toString()}`).join());
    assertUnseen('what it shows', await shown(gateway));
    assertUnseen('what it prints', printed.join(''));
    assert.ok(answers.every((each) => each !== null));
    assert.doesNotMatch(upstream.bytes().toString(), /X-Hidden/);
  });

test('a token is nowhere to be seen but where it was presented', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const secret = gateway.token.slice(-40);
  const answered = await exchanged(gateway.port, post(gateway.token));
  await gateway.store.revoke(gateway.tokenId, Date.now());
  const refused = await exchanged(gateway.port, post(gateway.token));
  assert.deepEqual([answered?.status, refused?.status], [200, 401]);
  const all =
    [answered, refused].map((each) => `${each?.head}${each?.body.toString()}`).join() + (await shown(gateway));
  assert.ok(!all.includes(secret));
  assert.ok(!upstream.bytes().includes(secret));
});

test('a prompt and an answer are nowhere to be seen but on their way', async (t) => {
  const upstream = await rawUpstream(t, (socket) => {
    const body = '{"type":"message","content":[{"type":"text","text":"the answer is confidential"}],"usage":{}}';
    answer(socket, ['Content-Type: application/json', `Content-Length: ${body.length}`], body);
  });
  const gateway = await subject(t, { upstream });
  const body =
    '{"model":"claude-haiku-4-5","max_tokens":1,"messages":[{"role":"user","content":"the prompt is confidential"}]}';
  for (const text of [body, body.slice(0, -5)]) await exchanged(gateway.port, post(gateway.token, [], { body: text }));
  assert.doesNotMatch(await shown(gateway), /confidential/);
});
