import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, metricsHandler } from 'plimsoll';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { command } from '../../src/cli/keys.ts';
import { samplesIn } from '../../src/advice/samples.ts';
import { serve } from '../../src/http/serve.ts';
import { simulator } from '../../src/simulator/index.ts';
import { plantedSecret } from '../../testing/planted.ts';
import { keptIo } from '../../testing/kept-io.ts';
import { unwrapped } from '../../testing/unwrapped.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-keys-'));
after(() => rmSync(folder, { recursive: true }));

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}, stdin = '') {
  const { io, out, err } = keptIo({ stdin, env });
  const code = await command.run(args, io);
  if (!args.includes('--json')) for (const line of [...out, ...err]) assert.ok(line.length <= 80, line);
  return { code, out, err: unwrapped(err) };
}

describe('plimsoll keys', () => {
  it('reads well-named aliases, those of PLIMSOLL_KEY too', async () => {
    const { code, out } = await run(['--alias', 'prod-checkout-api,ci-runner-key'], { PLIMSOLL_KEY: 'dev-local-key' });
    assert.equal(code, 0);
    assert.deepEqual(out, [
      'ok    prod-checkout-api',
      '      prod / checkout / api',
      'ok    ci-runner-key',
      '      ci / runner / key',
      'ok    dev-local-key',
      '      dev / local / key',
    ]);
  });

  it('says what is wrong with a name, and with a key of another environment', async () => {
    const { code, out } = await run(['--alias', 'My_Key', '--alias', 'prod-checkout-api'], {
      ANTHROPIC_ENV: 'staging',
    });
    assert.equal(code, 1);
    assert.deepEqual(out, [
      'BAD   My_Key',
      '      ? / ? / ?',
      '      expected an alias of the form env-service-role, such as',
      '      "prod-checkout-api", got "My_Key": use lowercase letters and digits,',
      '      joined by "-"',
      'BAD   prod-checkout-api',
      '      prod / checkout / api',
      '      expected a key of staging, which ANTHROPIC_ENV names, got one of prod: use',
      '      the key of staging',
    ]);
  });

  it('never shows a key that was passed as an alias', async () => {
    const secret = plantedSecret(0);
    for (const args of [
      ['--alias', secret],
      ['--alias', secret, '--json'],
    ]) {
      const { code, out, err } = await run(args);
      assert.equal(code, 1);
      assert.ok(![...out, ...err].join('\n').includes(secret.slice(15, 40)));
    }
  });

  it("shows from a service's own page which key was used, when and for how much, and which was not", async (t) => {
    const registry = new Registry();
    collectDefaultMetrics({ register: registry });
    const claude = simulator();
    const client = (key: string) =>
      instrument(new Anthropic({ apiKey: 'any', fetch: claude.fetch }), {
        registry,
        key,
        models: ['claude-haiku-5-5'],
      });
    const used = client('prod-checkout-api');
    client('prod-reports-batch');
    const ask = { model: 'claude-haiku-5-5', max_tokens: 20, messages: [{ role: 'user' as const, content: 'Ahoy' }] };
    await used.messages.create(ask);
    await used.messages.create(ask);
    const { url, close } = await serve(metricsHandler({ registry }), { port: 0 });
    t.after(() => close(0));

    const { code, out } = await run(['--metrics', url, '--alias', 'prod-search-api', '--json']);
    assert.equal(code, 0);
    const { sinceMs, keys } = JSON.parse(out.join('\n')) as {
      sinceMs: number;
      keys: { alias: string; use: { calls: number; tokens: number; costUsd: number; lastSeenAtMs: number | null } }[];
    };
    const use = new Map(keys.map(({ alias, use: counted }) => [alias, counted]));
    const [billed] = claude.truth.totals().values();
    assert.deepEqual([...use.keys()].sort(), ['prod-checkout-api', 'prod-reports-batch', 'prod-search-api']);
    assert.equal(use.get('prod-checkout-api')?.calls, 2);
    assert.equal(Math.round((use.get('prod-checkout-api')?.costUsd ?? 0) * 1e9), billed?.totalNanoUsd);
    assert.ok(Math.abs(Number(use.get('prod-checkout-api')?.lastSeenAtMs) - Date.now()) < 60_000);
    assert.ok(Math.abs(sinceMs - (Date.now() - process.uptime() * 1_000)) < 5_000);

    const text = (await run(['--metrics', url, '--alias', 'prod-search-api'])).out.join('\n');
    assert.match(text, /prod \/ checkout \/ api\n {6}2 calls, \d+ tokens, 0\.\d{6} USD\n {6}last response at 20/);
    assert.match(text, /Not used in that time:\n {2}prod-search-api\n {2}prod-reports-batch$/);
  });

  it('names calls without an alias, and calls without a price', async () => {
    const page = [
      '# TYPE anthropic_requests_total counter',
      'anthropic_requests_total{model="x",key="default",outcome="ok"} 3',
      'anthropic_unpriced_requests_total{model="x",key="default"} 3',
      '',
    ].join('\n');
    const { code, out } = await run(['--metrics', '-'], {}, page);
    assert.equal(code, 1);
    assert.deepEqual(out, [
      'BAD   default',
      '      ? / ? / ?',
      '      expected calls that name their key, got none: set PLIMSOLL_KEY, or the',
      '      option key',
      '      3 calls, 0 tokens, 0.000000 USD, without 3 unpriced calls',
      '',
      'These counts are of one process, since it started.',
    ]);
  });

  it('counts results of batches as such: their tokens are those of no call', async () => {
    const page = [
      'anthropic_requests_total{model="",key="prod-reports-batch",operation="batches.results",outcome="ok"} 2',
      'anthropic_batch_results_total{model="claude-haiku-5-5",key="prod-reports-batch",result="succeeded",error=""} 300',
      'anthropic_batch_results_total{model="",key="prod-reports-batch",result="errored",error="overloaded"} 4',
      'anthropic_tokens_total{model="claude-haiku-5-5",key="prod-reports-batch",kind="input"} 9000',
      'anthropic_unpriced_requests_total{model="x",key="prod-reports-batch"} 5',
      '',
    ].join('\n');
    const { out } = await run(['--metrics', '-'], {}, page);
    const said = '2 calls, 304 batch results, 9000 tokens, 0.000000 USD, without 5 unpriced of these';
    assert.equal(
      out
        .slice(2, 4)
        .map((line) => line.trim())
        .join(' '),
      said,
    );
    const { keys } = JSON.parse((await run(['--metrics', '-', '--json'], {}, page)).out.join('\n')) as {
      readonly keys: readonly { readonly use: { readonly batchResults: number } }[];
    };
    assert.deepEqual(
      keys.map(({ use }) => use.batchResults),
      [304],
    );
  });

  it('counts one call in the singular', async () => {
    const page = [
      '# TYPE anthropic_requests_total counter',
      'anthropic_requests_total{model="x",key="dev-local-key",outcome="ok"} 1',
      'anthropic_tokens_total{model="x",key="dev-local-key",kind="input"} 1',
      'anthropic_unpriced_requests_total{model="x",key="dev-local-key"} 1',
      '',
    ].join('\n');
    const { out } = await run(['--metrics', '-'], {}, page);
    assert.equal(out[2], '      1 call, 1 token, 0.000000 USD, without 1 unpriced call');
  });

  it('reads a page from a file, and says so if there is none or it is something else', async () => {
    const path = join(folder, 'page.txt');
    writeFileSync(path, '<html>');
    assert.deepEqual((await run(['--metrics', path])).err, [
      `--metrics: expected a page in the text format of Prometheus, got something else at ${path}: pass the URL or the file of another page`,
    ]);
    const missing = await run(['--metrics', join(folder, 'none.txt')]);
    assert.deepEqual(
      [missing.code, missing.err],
      [
        1,
        [
          `--metrics: expected a readable page, got no such file at ${join(folder, 'none.txt')}: pass the URL or the file of another page`,
        ],
      ],
    );
  });

  it('names the port when it is one that fetch refuses', async () => {
    const { code, err } = await run(['--metrics', 'http://127.0.0.1:1/metrics']);
    const said =
      '--metrics: expected a readable page, got a port that fetch does not allow at http://127.0.0.1:1/metrics: pass the URL or the file of another page';
    assert.deepEqual([code, err], [1, [said]]);
  });

  it('refuses an empty request, and an unknown ANTHROPIC_ENV', async () => {
    const nothing = await run([]);
    assert.equal(nothing.code, 2);
    assert.match(nothing.err[0] ?? '', /^--alias: expected the alias of a key, got nothing: pass --alias /);
    assert.equal((await run(['--alias', 'dev-local-key'], { ANTHROPIC_ENV: 'moon' })).code, 2);
  });
});

describe('a metrics page', () => {
  it('is read with its escapes, its exemplars and its infinities', () => {
    assert.deepEqual(samplesIn('# HELP a b\na{b="c\\"d\\\\e\\nf",g="h"} 1 # {trace_id="x"} 2\nc +Inf\n'), [
      { name: 'a', labels: { b: 'c"d\\e\nf', g: 'h' }, value: 1 },
      { name: 'c', labels: {}, value: Infinity },
    ]);
  });
});
