import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { clientGuards } from 'plimsoll/gateway';
import { RequestLog } from '../../src/cli/gateway-log.ts';
import { ENDPOINT_GROUPS, endpointOf, groupOf, shownPath } from '../../src/gateway/endpoints.ts';
import { plantedSecret } from '../../testing/planted.ts';
import { PARAMS } from '../../testing/client-workbench.ts';
import { gatewayBench, listening } from '../../testing/gateway/workbench.ts';
import { HEADERS, answering, asked, bench, bytesOf } from '../../testing/gateway/written-api.ts';

describe('an endpoint that the gateway does not forward', () => {
  it('is named in the answer and the log, without its query', async (t) => {
    const made = await gatewayBench();
    const lines: string[] = [];
    const log = new RequestLog((line) => lines.push(line));
    const front = await listening(log.listener(made.gateway.listener));
    t.after(async () => {
      await Promise.all([made.close(), front.close()]);
    });
    const read = async (path: string) => {
      const response = await fetch(front.url + path, { headers: HEADERS });
      assert.equal(response.status, 404);
      return (await response.json()) as { readonly error: { readonly message: string } };
    };
    const { error } = await read('/v1/chat/completions?secret=hunter2');
    assert.match(error.message, /does not forward GET \/v1\/chat\/completions\./);
    await read('/api/v1/messages?x=1');
    while (lines.length < 2) await new Promise(setImmediate);
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { readonly path?: string }).path),
      ['/v1/chat/completions', '/api/v1/messages'],
    );
    assert.ok(!lines.join('').includes('hunter2'));
  });

  it('is shown cut, in the characters of a path, and without secrets', () => {
    assert.equal(shownPath('/v1/chat'), '/v1/chat');
    assert.equal(shownPath('/v1/<script>"\u001b[31m\r\n'), '/v1/?script????31m??');
    assert.equal(shownPath(`/${'a'.repeat(10_000)}`), `/${'a'.repeat(127)}…`);
    for (const path of [`/v1/${plantedSecret(3)}`, `/v1/files/${plantedSecret(4)}/content`])
      assert.equal(shownPath(path), '(a path with a secret)');
  });
});

test('a base URL that ends with /v1 leads to the same calls', async (t) => {
  const made = await gatewayBench();
  t.after(() => made.close());
  const claude = made.claude({ baseURL: `${made.url}/v1` });
  await claude.messages.create(PARAMS);
  const { data } = await claude.models.list();
  assert.ok(data.length > 0);
  assert.deepEqual(
    made.log.calls.map(({ operation, outcome }) => [operation, outcome]),
    [
      ['messages.create', 'ok'],
      ['models.list', 'ok'],
    ],
  );
});

test('only one /v1 more than usual is taken away', () => {
  assert.equal(endpointOf('POST', '/v1/v1/messages'), null);
});

describe('the resources of the API', () => {
  const EVENTS = 'event: session.status_idle\ndata: {"type":"session.status_idle"}\n\n';

  it('go through to it byte for byte, and are counted as what they are', async (t) => {
    const seen: string[] = [];
    const made = await bench(
      t,
      answering((outgoing, incoming) => {
        seen.push(`${incoming.method} ${incoming.url}`);
        const isStream = incoming.url?.endsWith('stream') === true;
        outgoing.writeHead(200, { 'content-type': isStream ? 'text/event-stream' : 'application/json' });
        outgoing.end(isStream ? EVENTS : '{}');
      }),
      { grant: { guards: clientGuards({ endpoints: 'all' }) } },
    );
    for (const [method, path, body] of [
      ['POST', '/v1/skills', 'x'],
      ['POST', '/v1/sessions/sesn_1/events', '{}'],
      ['GET', '/v1/sessions/sesn_1/events/stream', ''],
      ['DELETE', '/v1/vaults/vlt_1', ''],
    ] as const)
      await asked(made.url, { method, path, body }).then(bytesOf);
    await made.log.finishedCalls(4);
    assert.deepEqual(seen, [
      'POST /v1/skills',
      'POST /v1/sessions/sesn_1/events',
      'GET /v1/sessions/sesn_1/events/stream',
      'DELETE /v1/vaults/vlt_1',
    ]);
    assert.deepEqual(
      made.log.calls.map(({ operation, outcome }) => [operation, outcome]),
      [
        ['skills.create', 'ok'],
        ['sessions.events.send', 'ok'],
        ['sessions.events.stream', 'ok'],
        ['vaults.delete', 'ok'],
      ],
    );
  });

  for (const [endpoints, path, status] of [
    ['standard', '/v1/files', 200],
    ['standard', '/v1/sessions', 403],
    ['messages', '/v1/files', 403],
    ['messages', '/v1/models', 200],
    [['sessions'], '/v1/sessions', 200],
    [['sessions'], '/v1/models', 403],
    [['sessions'], '/v1/vaults', 403],
    ['all', '/v1/vaults', 200],
    ['all', '/v1/organizations/api_keys', 404],
  ] as const) {
    it(`are opened by the operator: ${JSON.stringify(endpoints)} and ${path} is ${status}`, async (t) => {
      let sent = 0;
      const made = await bench(
        t,
        answering((outgoing) => {
          sent += 1;
          outgoing.writeHead(200, { 'content-type': 'application/json' }).end('{"data":[],"has_more":false}');
        }),
        { grant: { guards: clientGuards({ endpoints }) } },
      );
      const answer = await asked(made.url, { method: 'GET', path });
      assert.equal(answer.statusCode, status);
      assert.equal(sent, status === 200 ? 1 : 0);
    });
  }

  it('belong to a group each', () => {
    for (const group of ENDPOINT_GROUPS) assert.equal(groupOf(`${group}.list`), group);
    assert.equal(groupOf('messages.batches.create'), 'batches');
    assert.equal(groupOf('messages.stream'), 'messages');
    assert.equal(groupOf('other'), null);
  });
});
