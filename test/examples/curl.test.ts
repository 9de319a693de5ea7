import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sampleKey } from '../../testing/scraped.ts';
import { tool } from '../../testing/tools.ts';
import { costs, counted, gateway } from '../../testing/examples/gateway.ts';
import { examples, ran } from '../../testing/examples/programs.ts';

const curl = tool('curl');
const script = join(examples, 'curl', 'calls.sh');

describe('the commands of curl', { skip: curl.skip }, () => {
  it('count, call, stream and show an error with its status and the id of the request', async (t) => {
    const { url, api, token, metrics } = await gateway(t);
    const env = { ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: await token('shell') };
    const { code, out, err } = await ran('bash', [script], { env });
    assert.equal(code, 0, err);
    const [count, call, stream, error] = out.split(/^== \w+\n/m).slice(1);
    const [counting, answering, streaming, refusing] = api.truth.requests;

    assert.deepEqual(JSON.parse(count ?? ''), { input_tokens: answering?.usage?.input_tokens });
    assert.equal(counting?.operation, 'messages.count_tokens');
    const message = JSON.parse(call ?? '') as { readonly type: string; readonly usage: object };
    assert.deepEqual([message.type, message.usage], ['message', answering?.usage]);
    assert.equal(stream?.match(/^event: /gm)?.length, streaming?.eventsSent);
    assert.match(stream ?? '', /event: message_stop\ndata: .*\n\n$/);
    assert.match(error ?? '', /"type":"invalid_request_error"/);
    assert.match(error ?? '', new RegExp(`^400 ${refusing?.id}$`, 'm'));

    const page = await metrics();
    const labels = { key: 'dev-local-key', client: 'shell', feature: 'curl', model: 'claude-haiku-4-5' };
    const stream1 = sampleKey('anthropic_requests_total', { ...labels, operation: 'messages.stream', outcome: 'ok' });
    assert.equal(counted(page, 'anthropic_requests_total').get(stream1), 1);
    const { counted: cost, billed } = costs(page, api);
    assert.equal(cost, billed);
  });

  it('show what the gateway says to a client without a token, and end with an error', async (t) => {
    const { url, api } = await gateway(t);
    const { code, out } = await ran('bash', [script, 'call'], {
      env: { ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: 'plk_no' },
    });
    assert.equal(code, 22);
    assert.match(out, /"type":"authentication_error"/);
    assert.equal(api.truth.requests.length, 0);
  });
});
