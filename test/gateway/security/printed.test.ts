import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  api,
  BUDGET,
  gatewayPlace,
  PARAMS,
  sdk,
  type Api,
  type GatewayPlace,
} from '../../../testing/gateway/processes.ts';

const LINES = [
  `budgets: [${JSON.stringify(BUDGET)}]`,
  'ledger: { sqlite: ledger.db }',
  'tokens: { sqlite: tokens.db }',
];
const CONFIDENTIAL = 'the depth of the harbor is confidential';

function assertUnseen({ key }: Pick<Api, 'key'>, place: GatewayPlace, token = key): void {
  const said = place.said();
  assert.ok(said.length > 0);
  for (const secret of [key, key.slice(-40), token, token.slice(-40), CONFIDENTIAL])
    assert.ok(!said.includes(secret), `${secret.slice(0, 8)}… was printed`);
}

test('a gateway prints no key, no token, no prompt and no answer, whatever becomes of its requests', async (t) => {
  const server = await api(t, { respond: () => ({ text: CONFIDENTIAL }) });
  const place = await gatewayPlace(t, server, { lines: LINES });
  const token = await place.token();
  const gateway = await place.start();
  const claude = sdk(gateway, token, { maxRetries: 0 });
  const params = { ...PARAMS, messages: [{ role: 'user' as const, content: CONFIDENTIAL }] };
  await claude.messages.create(params);
  await claude.messages.stream(params).finalMessage();
  server.sim.script([
    { fault: 'unauthorized' },
    { fault: 'overloaded' },
    { fault: 'connection_reset' },
    { fault: 'malformed_json' },
  ]);
  for (let fault = 0; fault < 4; fault++) await claude.messages.create(params).catch(() => undefined);
  await fetch(`${gateway.url}/v1/messages?api_key=${token}`, { method: 'POST', body: JSON.stringify(params) });
  await fetch(`${gateway.url}/v1/${token}`, { headers: { 'x-api-key': token } });
  await fetch(`${gateway.url}/${CONFIDENTIAL}`);
  await fetch(`${gateway.url}/v1/messages`, { method: 'POST', headers: { authorization: `Bearer ${server.key}` } });
  await server.kill();
  await claude.messages.create(params).catch(() => undefined);
  assert.equal(await gateway.stop('SIGTERM'), 0);
  assertUnseen(server, place, token);
});

/** Keys in places where none belongs; the gateway says what is wrong and does not repeat it. */
const MISPLACED: Readonly<Record<string, (key: string) => readonly string[]>> = {
  'as the key itself': (key) => [`keys: { prod-api-key: ${key} }`],
  'as the name of a variable': (key) => [`keys: { prod-api-key: { env: ${key} } }`],
  'as the path of a file': (key) => [`keys: { prod-api-key: { file: ${key} } }`],
  'as an alias': (key) => [`keys: { ${key}: { env: ANTHROPIC_API_KEY } }`],
  'as a client': (key) => [`clients: { ${key}: { key: prod-api-key } }`],
  'as the key of a client': (key) => [`clients: { app: { key: ${key} } }`],
  'as a label': (key) => [`clients: { app: { key: prod-api-key, labels: { team: ${key} } } }`],
  'in the address of the API': (key) => [`baseUrl: http://user:${key}@127.0.0.1:1`],
  'in the address of Redis': (key) => [
    `budgets: [${JSON.stringify(BUDGET)}]`,
    `ledger: { redis: 'redis://:${key}@127.0.0.1:1' }`,
  ],
  'as a field': (key) => [`${key}: true`],
  'as a value of nothing': (key) => [`anything: ${key}`],
  'in what is no YAML': (key) => [`keys: [${key}`],
};

for (const [where, lines] of Object.entries(MISPLACED))
  test(`a key that stands in the configuration ${where} is reported without showing it`, async (t) => {
    const key = `sk-ant-api03-${'canary7Q'.repeat(11)}canarAA`;
    const own = lines(key);
    const place = await gatewayPlace(t, { url: 'http://127.0.0.1:1', key }, { lines: own });
    await assert.rejects(place.start());
    assertUnseen({ key }, place);
  });
