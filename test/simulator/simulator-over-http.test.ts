import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import Anthropic from '@anthropic-ai/sdk';
import { simulator, type Simulator, type SimulatorOptions } from 'plimsoll/simulator';
import type { Serving } from '../../src/http/listen.ts';
import { serve } from '../../src/http/serve.ts';
import { ASK, settle } from '../../testing/simulator-bench.ts';

const servings: Serving[] = [];
after(() => Promise.all(servings.map(({ close }) => close(0))));

const LONG = { respond: () => ({ text: 'ahoy'.repeat(200), usage: { output_tokens: 200 } }) };

async function served(options: SimulatorOptions = {}): Promise<{ claude: Simulator; sdk: Anthropic; url: string }> {
  const claude = simulator(options);
  const serving = await serve(claude.handle, { port: 0 });
  servings.push(serving);
  const sdk = new Anthropic({ apiKey: 'test', baseURL: serving.url, maxRetries: 0, logLevel: 'off' });
  return { claude, sdk, url: serving.url };
}

/** Waits for what the server learns from the network, however long that takes there. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await settle();
}

test('served over HTTP, streams and JSON are what they are in the process', async () => {
  const { sdk } = await served({ seed: 3 });
  const inProcess = new Anthropic({ apiKey: 'test', fetch: simulator({ seed: 3 }).fetch });
  for (const client of [sdk, inProcess]) client.baseURL = client === sdk ? sdk.baseURL : 'https://api.anthropic.com';
  const over = [await sdk.messages.create(ASK), await sdk.messages.stream(ASK).finalMessage()];
  const within = [await inProcess.messages.create(ASK), await inProcess.messages.stream(ASK).finalMessage()];
  assert.deepEqual(over, within);
});

test('results of a batch are found at the address that was called', async () => {
  const { sdk, url } = await served();
  const { id } = await sdk.messages.batches.create({ requests: [{ custom_id: 'a', params: ASK }] });
  assert.equal((await sdk.messages.batches.retrieve(id)).results_url, `${url}/v1/messages/batches/${id}/results`);
  const lines: string[] = [];
  for await (const line of await sdk.messages.batches.results(id)) lines.push(line.custom_id);
  assert.deepEqual(lines, ['a']);
});

test('a connection that breaks before the response is reset, and one in the body is closed early', async () => {
  const { claude, url } = await served(LONG);
  claude.script([{ fault: 'connection_reset' }, { fault: 'body_reset', at: 'content_block_stop' }]);
  const init = {
    method: 'POST',
    headers: { 'x-api-key': 'k', 'anthropic-version': '2023-06-01' },
    body: JSON.stringify({ ...ASK, stream: true }),
  };
  await assert.rejects(fetch(`${url}/v1/messages`, init), (error: TypeError) => {
    assert.equal((error.cause as NodeJS.ErrnoException).code, 'ECONNRESET');
    return error.message === 'fetch failed';
  });
  const response = await fetch(`${url}/v1/messages`, init);
  await assert.rejects(response.text(), { name: 'TypeError', message: 'terminated' });
});

test('a body that is cut ends without an error', async () => {
  const { claude, url } = await served(LONG);
  claude.script([{ fault: 'cut_body' }]);
  const response = await fetch(`${url}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': 'k', 'anthropic-version': '2023-06-01' },
    body: JSON.stringify({ ...ASK, stream: true }),
  });
  const text = await response.text();
  assert.ok(text.includes('event: content_block_stop') && !text.includes('event: message_delta'));
});

test('a client that breaks out of a stream stops it at the server', async () => {
  const { claude, sdk } = await served(LONG);
  claude.script([{ fault: 'stalled_body', at: 10 }]);
  for await (const event of await sdk.messages.create({ ...ASK, stream: true })) {
    if (event.type === 'content_block_delta') break;
  }
  await until(() => claude.truth.open === 0);
  assert.deepEqual([claude.truth.requests[0]?.delivery, claude.truth.requests[0]?.eventsSent], ['cancelled', 10]);
});

test('a client that times out before the head is recorded as gone', async () => {
  const { claude, sdk } = await served();
  claude.script([{ fault: 'slow_first_byte', delayMs: 600_000 }]);
  const leave = new AbortController();
  const asked = sdk.messages.create(ASK, { signal: leave.signal });
  const rejected = assert.rejects(asked, Anthropic.APIUserAbortError);
  await until(() => claude.truth.open === 1);
  leave.abort();
  await rejected;
  await until(() => claude.truth.open === 0);
  assert.deepEqual([claude.truth.requests[0]?.status, claude.truth.requests[0]?.delivery], [null, 'cancelled']);
});

test('a request that nobody else references still passes on its abort', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const claude = simulator(LONG);
  claude.script([{ fault: 'stalled_body', at: 1 }]);
  const leave = new AbortController();
  const reader = (await claude.handle(request(leave.signal))).body?.getReader();
  await reader?.read();
  await settle();
  collect();
  leave.abort();
  await settle();
  assert.equal(claude.truth.requests[0]?.delivery, 'cancelled');
});

/** Made in a function of its own, so that nothing of it is left on the stack. */
function request(signal: AbortSignal): Request {
  const headers = { 'x-api-key': 'k', 'anthropic-version': '2023-06-01' };
  const body = JSON.stringify({ ...ASK, stream: true });
  return new Request('https://api.anthropic.com/v1/messages', { method: 'POST', headers, body, signal });
}
