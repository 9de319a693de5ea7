import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import test from 'node:test';
import { serve } from 'plimsoll/http';
import { simulator } from 'plimsoll/simulator';
import { MANUAL_PROJECT } from '../../testing/manual-project.ts';
import { packed, project } from '../../testing/packed.ts';
import { sampleKey, scraped } from '../../testing/scraped.ts';
import { answered, stays } from '../../testing/examples/programs.ts';
import { freePort } from '../../testing/free-port.ts';

/** Of claude-haiku-4-5, at $5 a million: half of the budget of the route, and more than a tenant of the example may spend. */
const OUTPUT_TOKENS = 400_000;

const pack = await packed();
test.after(() => pack.remove());
const folder = await project(pack, MANUAL_PROJECT);

test('the Express service of the examples attributes its calls, keeps its budgets and shows its metrics', async (t) => {
  const api = simulator({
    respond: () => ({ text: 'At noon.', usage: { input_tokens: 0, output_tokens: OUTPUT_TOKENS } }),
  });
  const serving = await serve(api.handle, { port: 0 });
  t.after(() => serving.close(0));
  const [port, metricsPort] = [await freePort(), await freePort()];
  const env = {
    PORT: String(port),
    METRICS_PORT: String(metricsPort),
    LEDGER: join(folder, 'budgets.sqlite'),
    ANTHROPIC_BASE_URL: serving.url,
    ANTHROPIC_AUTH_TOKEN: 'test',
  };
  const service = stays(t, [process.execPath, 'service.js'], { cwd: folder, env });

  const asks = async (path: string, token: string): Promise<string> => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const body = '{"question":"When is high water?"}';
    const response = await answered(service, `http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body });
    return `${response.status} ${await response.text()}`;
  };

  assert.equal(await asks('/chat', 'token-h'), '200 At noon.');
  assert.equal(await asks('/chat', 'nobody'), '401 {"error":"who are you?"}');
  assert.equal(await asks('/logbooks/7/summary', 'token-p'), '200 {"summary":"At noon."}');
  assert.match(await asks('/chat', 'token-p'), /^402 \{"error":"spent","budget":"pilot","again":"2/);

  const page = scraped(await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text());
  const calls = [...page.samples].filter(([key, value]) => key.startsWith('anthropic_requests_total{') && value > 0);
  const haiku = { key: 'dev-local-key', model: 'claude-haiku-4-5', operation: 'messages.stream', route: '/chat' };
  const sonnet = {
    key: 'dev-local-key',
    model: 'claude-sonnet-5-5',
    operation: 'messages.create',
    route: '/logbooks/:id/summary',
  };
  const counted = (labels: Readonly<Record<string, string>>) => [sampleKey('anthropic_requests_total', labels), 1];
  assert.deepEqual(
    new Map(calls),
    new Map([
      counted({ ...haiku, tenant: 'harbor', outcome: 'ok' }),
      counted({ ...haiku, tenant: 'pilot', outcome: 'blocked' }),
      counted({ ...sonnet, tenant: 'pilot', outcome: 'ok' }),
    ] as [string, number][]),
  );
  const costUsd = [...page.samples].filter(([key]) => key.startsWith('anthropic_cost_usd_total{'));
  const billedNanoUsd = [...api.truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0);
  assert.equal(costUsd.reduce((sum, [, value]) => sum + value, 0).toFixed(9), (billedNanoUsd / 1e9).toFixed(9));
  assert.equal(api.truth.requests.length, 2);

  service.kill('SIGTERM');
  assert.deepEqual(await once(service, 'exit'), [0, null]);
});

test('a gateway within a service, as its page has it, takes the credentials of the service', async (t) => {
  const api = simulator({ keys: [{ name: 'tools', key: 'test' }] });
  const serving = await serve(api.handle, { port: 0 });
  t.after(() => serving.close(0));
  const [port, metricsPort] = [await freePort(), await freePort()];
  const env = {
    PORT: String(port),
    METRICS_PORT: String(metricsPort),
    ANTHROPIC_BASE_URL: serving.url,
    TOOLS_KEY: 'test',
  };
  const service = stays(t, [process.execPath, 'embedded.js'], { cwd: folder, env });
  const here = `http://127.0.0.1:${port}`;
  assert.equal(await (await answered(service, here)).text(), 'The rest of the service.');

  const asks = async (token: string, model: string): Promise<number> => {
    const headers = { 'x-api-key': token, 'anthropic-version': '2023-06-01' };
    const body = JSON.stringify({ model, max_tokens: 20, messages: [{ role: 'user', content: 'Ahoy' }] });
    const response = await fetch(`${here}/v1/messages`, { method: 'POST', headers, body });
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await asks('secret-of-billing', 'claude-haiku-5-5'), 200);
  assert.equal(await asks('secret-of-billing', 'claude-opus-5-5'), 403);
  assert.equal(await asks('another', 'claude-haiku-5-5'), 401);
  assert.deepEqual(
    api.truth.requests.map(({ key }) => key),
    ['tools'],
  );
  const page = scraped(await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text());
  const labels = { key: 'prod-tools-api', model: 'claude-haiku-5-5', operation: 'messages.create', service: 'billing' };
  assert.equal(page.samples.get(sampleKey('anthropic_requests_total', { ...labels, outcome: 'ok' })), 1);
});
