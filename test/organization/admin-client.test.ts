import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adminClient, onlyReading, outcomeOf } from '../../src/organization/admin-client.ts';
import { ADMIN_KEY, BooksBench } from '../../testing/organization/books-bench.ts';

test('nothing that could change the organization is sent, whoever asks for it', async () => {
  const sent: string[] = [];
  const guarded = onlyReading(async (_input, init) => {
    sent.push(init?.method ?? 'GET');
    return Response.json({});
  });
  await guarded('https://api.example');
  await guarded('https://api.example', { method: 'get' });
  for (const method of ['POST', 'put', 'PATCH', 'DELETE'])
    await assert.rejects(guarded('https://api.example', { method }), /would change the organization/);
  await assert.rejects(guarded(new Request('https://api.example', { method: 'POST' })), TypeError);
  assert.deepEqual(sent, ['GET', 'get']);
});

test('an API key of the environment is not sent beside the admin key', async () => {
  const sent: Headers[] = [];
  process.env['ANTHROPIC_AUTH_TOKEN'] = 'sk-ant-api03-of-the-environment';
  try {
    const client = adminClient({
      adminKey: () => ADMIN_KEY,
      fetch: async (_input, init) => {
        sent.push(new Headers(init?.headers));
        return Response.json({ data: [], has_more: false, next_page: null });
      },
    });
    await client.get('api_keys', {});
  } finally {
    delete process.env['ANTHROPIC_AUTH_TOKEN'];
  }
  assert.equal(sent[0]?.get('authorization') ?? sent[0]?.get('x-api-key'), `Bearer ${ADMIN_KEY}`);
  assert.ok(![...(sent[0]?.values() ?? [])].some((value) => value.includes('of-the-environment')));
});

test('each refusal of the API has an outcome of its own', async () => {
  const bench = new BooksBench({ organization: { readsPerMinute: 0 } });
  await assert.rejects(bench.admin().get('api_keys', {}), (error) => outcomeOf(error) === 'rate_limited');
  const none = new BooksBench({ organization: { kind: 'none' } });
  await assert.rejects(none.admin().get('api_keys', {}), (error) => outcomeOf(error) === 'forbidden');
  const other = new BooksBench({ organization: { adminKeys: [] } });
  await assert.rejects(other.admin().get('api_keys', {}), (error) => outcomeOf(error) === 'unauthorized');
  const client = new BooksBench().admin();
  const unknown = client.get('rate_limits', { model: 'claude-none' });
  await assert.rejects(unknown, (error) => outcomeOf(error) === 'not_available');
});

test('a reading that is stopped ends while it waits for another try, and asks no more', async () => {
  const stopping = new AbortController();
  let asked = 0;
  const busy: typeof fetch = async () => {
    asked += 1;
    setImmediate(() => stopping.abort());
    return Response.json({ type: 'error' }, { status: 429, headers: { 'retry-after': '30' } });
  };
  const client = adminClient({ adminKey: () => 'simulated', fetch: busy, signal: stopping.signal });
  await assert.rejects(client.get('me', {}), /the reading was stopped/);
  await assert.rejects(client.usage({}));
  assert.equal(asked, 1);
});
