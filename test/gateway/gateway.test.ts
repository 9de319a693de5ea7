import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { PARAMS, collected, samples } from '../../testing/client-workbench.ts';
import { ALIAS, gatewayBench, REAL_KEY, TOKEN, type GatewayBenchOptions } from '../../testing/gateway/workbench.ts';

async function bench(t: TestContext, options?: GatewayBenchOptions) {
  const made = await gatewayBench(options);
  t.after(() => made.close());
  return made;
}

describe('a gateway', () => {
  it('answers a client that has a token with what the API says, and counts it under the alias of the key', async (t) => {
    const { claude, sim, registry } = await bench(t);
    const message = await claude().messages.create(PARAMS);
    assert.equal(message.role, 'assistant');
    assert.equal(sim.truth.requests.length, 1);
    const requests = await samples(registry, 'anthropic_requests_total');
    assert.deepEqual(requests, {
      [`model=${PARAMS.model},operation=messages.create,key=${ALIAS},outcome=ok`]: 1,
    });
  });

  it('passes a stream on', async (t) => {
    const { claude, log } = await bench(t);
    const events = await collected(await claude().messages.create({ ...PARAMS, stream: true }));
    assert.equal(events.at(-1)?.type, 'message_stop');
    assert.equal(log.calls[0]?.outcome, 'ok');
  });

  it('joins the attempts of a client that is refused and tries again', async (t) => {
    const { claude, sim, log } = await bench(t);
    sim.script([{ fault: 'requests_limit', headers: { 'retry-after-ms': '1' } }, { fault: 'none' }]);
    await claude().messages.create(PARAMS);
    assert.equal(log.calls.length, 1);
    assert.equal(log.calls[0]?.attempts, 2);
  });

  it('answers the same to a server that speaks the objects of the web', async (t) => {
    const { gateway } = await bench(t);
    const headers = { 'x-api-key': TOKEN, 'content-type': 'application/json', 'anthropic-version': '2023-06-01' };
    const body = JSON.stringify({ ...PARAMS, stream: true });
    const response = await gateway.handle(new Request('http://gateway/v1/messages', { method: 'POST', headers, body }));
    assert.equal(response.status, 200);
    assert.match(await response.text(), /event: message_stop\n/);
  });

  it('refuses a token that it does not know, in the words of the API, and sends nothing', async (t) => {
    const { url, sim, registry } = await bench(t);
    const response = await fetch(`${url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': REAL_KEY },
      body: '{}',
    });
    assert.equal(response.status, 401);
    const { error } = (await response.json()) as { error: { type: string } };
    assert.equal(error.type, 'authentication_error');
    assert.equal(sim.truth.requests.length, 0);
    assert.deepEqual(await samples(registry, 'plimsoll_gateway_refusals_total'), { 'reason=unknown': 1 });
  });
});
