import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sampleKey } from '../../testing/scraped.ts';
import { tool } from '../../testing/tools.ts';
import { costs, counted, gateway } from '../../testing/examples/gateway.ts';
import { examples, pythonFiles, ran } from '../../testing/examples/programs.ts';

const python = tool('python3');

/** What is said of the calls of this program, and of nothing else. */
const labels = { key: 'dev-local-key', client: 'python', team: 'research', feature: 'standard-library' };

describe("a program in nothing but Python's standard library", { skip: python.skip }, () => {
  it('counts, calls, streams and is refused through the gateway, and is in its metrics', async (t) => {
    const { url, api, realKey, token, metrics, said } = await gateway(t);
    const plk = await token('python');
    assert.match(plk, /^plk_/);
    const env = { ...pythonFiles, ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: plk };
    const { code, out, err } = await ran(python.path, [join(examples, 'python', 'standard_library.py'), 'Ahoy?'], {
      env,
    });
    assert.equal(code, 0, err);

    const [, call, stream, error] = api.truth.requests;
    assert.deepEqual(
      api.truth.requests.map(({ operation, key, status }) => `${operation} ${key} ${status}`),
      [
        'messages.count_tokens real 200',
        'messages.create real 200',
        'messages.stream real 200',
        'messages.create real 400',
      ],
    );
    const printed = out.split('\n');
    assert.equal(printed[0], `counted: ${call?.usage?.input_tokens} tokens in`);
    assert.equal(printed[1], `whole: ${call?.usage?.input_tokens} tokens in, ${call?.usage?.output_tokens} out`);
    assert.equal(printed.at(-3), `streamed: ${stream?.usage?.output_tokens} tokens out`);
    assert.equal(printed.at(-2), `refused: ${error?.status} ${error?.errorType}`);

    const page = await metrics();
    const requests = (operation: string, outcome: string): [string, number] => [
      sampleKey('anthropic_requests_total', { ...labels, model: 'claude-haiku-4-5', operation, outcome }),
      1,
    ];
    assert.deepEqual(
      counted(page, 'anthropic_requests_total'),
      new Map([
        requests('messages.count_tokens', 'ok'),
        requests('messages.create', 'ok'),
        requests('messages.create', 'invalid_request'),
        requests('messages.stream', 'ok'),
      ]),
    );
    const { counted: cost, billed } = costs(page, api);
    assert.ok(Number(billed) > 0);
    assert.equal(cost, billed);
    for (const secret of [realKey, plk]) assert.ok(!`${said()}${out}${err}`.includes(secret));
  });

  it('makes one call of a request that is refused and sent again, as the client says which try it is', async (t) => {
    const { url, api, token, metrics } = await gateway(t);
    api.script([{ fault: 'requests_limit', headers: { 'retry-after-ms': '1' } }]);
    const env = { ...pythonFiles, ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: await token('python') };
    const program = `
import os
from claude_client import Claude
claude = Claude(os.environ["ANTHROPIC_BASE_URL"], os.environ["ANTHROPIC_AUTH_TOKEN"])
claude.create(model="claude-haiku-4-5", max_tokens=50, messages=[dict(role="user", content="Ahoy")])
`;
    const { code, err } = await ran(python.path, ['-'], { env, input: program });
    assert.equal(code, 0, err);
    assert.deepEqual(
      api.truth.requests.map(({ status, retryCount }) => [status, retryCount]),
      [
        [429, 0],
        [200, 1],
      ],
    );
    const page = await metrics();
    assert.deepEqual([...counted(page, 'anthropic_requests_total').values()], [1]);
    assert.deepEqual([...counted(page, 'anthropic_retries_total').values()], [1]);
    const [[limited, times] = []] = counted(page, 'anthropic_rate_limited_total');
    assert.match(limited ?? '', /reason="requests"/);
    assert.equal(times, 1);
  });
});
