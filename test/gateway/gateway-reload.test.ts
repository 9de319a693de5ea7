import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { ALIAS, GRANT, REAL_KEY, TOKEN, gatewayBench, tokens } from '../../testing/gateway/workbench.ts';

/** An API that begins each response and ends it when it is told to, and the key of each request. */
function slowApi() {
  const open: ServerResponse[] = [];
  const keys: unknown[] = [];
  let arrived = (): void => undefined;
  return {
    keys,
    api: (incoming: { readonly headers: Readonly<Record<string, unknown>> }, outgoing: ServerResponse) => {
      keys.push(incoming.headers['x-api-key']);
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
      outgoing.write('event: ping\ndata: {"type":"ping"}\n\n');
      open.push(outgoing);
      arrived();
    },
    async one(): Promise<ServerResponse> {
      while (open.length === 0) await new Promise<void>((resolve) => (arrived = resolve));
      return open.shift() as ServerResponse;
    },
  };
}

const ask = (url: string) =>
  fetch(`${url}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': TOKEN, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'claude-haiku-5-5', max_tokens: 1, stream: true, messages: [] }),
  });

test('a stream under way ends with what it began with, and the next request gets the new options', async (t) => {
  const { api, one, keys } = slowApi();
  const bench = await gatewayBench({ api });
  t.after(() => bench.close());
  const first = await ask(bench.url);
  const held = await one();
  const baseUrl = bench.apiUrl;
  const options = { baseUrl, registry: bench.registry, recorders: [bench.log] };
  const rotated = new Map([[ALIAS, () => `${REAL_KEY}-2`]]);
  // Another silence is another set of connections.
  const limits = { upstreamSilenceMs: 5_000 };
  bench.gateway.reload({ ...options, limits, keys: rotated, authenticate: tokens({ [TOKEN]: GRANT }) });
  const second = await ask(bench.url);
  (await one()).end();
  await second.text();
  bench.gateway.reload({ ...options, keys: rotated, authenticate: tokens({}) });
  assert.equal((await ask(bench.url)).status, 401);
  held.end('data: the end\n\n');
  assert.match(await first.text(), /ping[^]*the end/);
  assert.deepEqual(keys, [REAL_KEY, `${REAL_KEY}-2`]);
});

test('options that cannot be used change nothing', async (t) => {
  const bench = await gatewayBench();
  t.after(() => bench.close());
  const unusable = { baseUrl: 'ftp://api.example.com', keys: new Map(), authenticate: tokens({}) };
  assert.throws(() => bench.gateway.reload(unusable), { code: 'PLIMSOLL_OPTIONS_INVALID' });
  const message = await bench.claude().messages.create({
    model: 'claude-haiku-5-5',
    max_tokens: 1,
    messages: [{ role: 'user', content: 'Ahoy' }],
  });
  assert.equal(message.type, 'message');
});
