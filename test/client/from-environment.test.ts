import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import Anthropic from '@anthropic-ai/sdk';
import {
  clientFromEnvironment,
  ConfigurationError,
  routes,
  type EnvironmentClientOptions,
  type Notice,
} from 'plimsoll';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { samples } from '../../testing/client-workbench.ts';

const messages = [{ role: 'user' as const, content: 'hello' }];

function made(env: Readonly<Record<string, string>>, options: EnvironmentClientOptions = {}) {
  const sim = simulator();
  const requests: Request[] = [];
  const fetch: typeof globalThis.fetch = (input, init) => {
    requests.push(new Request(input, init));
    return sim.fetch(input, init);
  };
  const registry = new Registry();
  const notices: Notice[] = [];
  const onNotice = (notice: Notice): void => void notices.push(notice);
  const client = { fetch, ...options.client };
  const claude = clientFromEnvironment({ env, registry, onNotice, ...options, client });
  return { claude, sim, requests, registry, notices };
}

describe('a client from the environment', () => {
  it("is the SDK's own, configured and measured", async () => {
    const { claude, registry, requests } = made({
      ANTHROPIC_AUTH_TOKEN: 'token-1',
      ANTHROPIC_BASE_URL: 'http://127.0.0.1:1234',
      ANTHROPIC_TIMEOUT_MS: '5000',
      PLIMSOLL_KEY: 'dev-shop-api',
    });
    assert.ok(claude instanceof Anthropic, 'errors are instances of the imported classes');
    assert.equal(claude.timeout, 5_000);
    await claude.messages.create({ model: 'claude-haiku-4-5', max_tokens: 16, messages });
    assert.equal(requests[0]?.url, 'http://127.0.0.1:1234/v1/messages');
    assert.equal(requests[0].headers.get('authorization'), 'Bearer token-1');
    const [labels] = Object.keys(await samples(registry, 'anthropic_requests_total'));
    assert.equal(labels, 'model=claude-haiku-4-5,operation=messages.create,key=dev-shop-api,outcome=ok');
  });

  it('takes the API key where there are both, as the SDK does, and the token where there is no key', async () => {
    const only = made({ ANTHROPIC_API_KEY: 'key-1' });
    await only.claude.models.list();
    assert.equal(only.requests[0]?.headers.get('authorization'), 'Bearer key-1');
    const both = made({ ANTHROPIC_API_KEY: 'key-1', ANTHROPIC_AUTH_TOKEN: 'token-1' });
    await both.claude.models.list();
    assert.equal(both.requests[0]?.headers.get('authorization'), 'Bearer key-1');
    const token = made({ ANTHROPIC_AUTH_TOKEN: 'token-1' });
    await token.claude.models.list();
    assert.equal(token.requests[0]?.headers.get('authorization'), 'Bearer token-1');
  });

  it('asks for the max_tokens of the environment where a call does not say', async () => {
    const { claude, requests } = made({ ANTHROPIC_AUTH_TOKEN: 'token-1', ANTHROPIC_MAX_TOKENS: '77' });
    await claude.messages.create({ model: 'claude-haiku-4-5', messages } as never);
    assert.equal(((await requests[0]?.json()) as { max_tokens: number }).max_tokens, 77);
  });

  it('has the series of the three models from the start', async () => {
    const { registry } = made({ ANTHROPIC_AUTH_TOKEN: 'token-1', ANTHROPIC_DEFAULT_MODEL: 'claude-haiku-5-5' });
    const text = await registry.metrics();
    for (const model of ['claude-haiku-5-5', 'claude-sonnet-5-5', 'claude-opus-5-5'])
      assert.ok(text.includes(`anthropic_overloaded_total{model="${model}",key="default"} 0`), model);
  });

  it('lets options win over the environment', async () => {
    const env = { ANTHROPIC_AUTH_TOKEN: 'token-1', PLIMSOLL_KEY: 'dev-shop-api' };
    const shop = routes({ chat: { maxTokens: 5 } }, { env });
    const { claude, registry } = made(env, { key: 'dev-other-api', routes: shop, client: { timeout: 1_000 } });
    assert.equal(claude.timeout, 1_000);
    await claude.messages.create({ ...shop.route('chat'), messages });
    const [labels] = Object.keys(await samples(registry, 'anthropic_requests_total'));
    assert.equal(labels, 'model=claude-haiku-4-5,operation=messages.create,key=dev-other-api,outcome=ok,route=chat');
  });

  it('warns of what had better be changed', () => {
    const { notices } = made({ ANTHROPIC_AUTH_TOKEN: 'token-1', ANTHROPIC_BASE_URL: 'http://127.0.0.1:1' });
    assert.deepEqual(
      notices.map(({ field }) => field),
      ['ANTHROPIC_DEFAULT_MODEL'],
    );
  });

  it('keeps spend where the environment says, so that it outlives the client', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'plimsoll-environment-'));
    const PLIMSOLL_BUDGETS = join(folder, 'budgets.json');
    const PLIMSOLL_LEDGER = join(folder, 'budgets.db');
    writeFileSync(PLIMSOLL_BUDGETS, '{"budgets":[{"name":"all","usd":1,"period":"day","mode":"block"}]}');
    const env = { ANTHROPIC_AUTH_TOKEN: 'token-1', PLIMSOLL_BUDGETS, PLIMSOLL_LEDGER };
    const first = made(env);
    await first.claude.messages.create({ model: 'claude-haiku-4-5', max_tokens: 16, messages });
    await setImmediate(); // what was spent is in the ledger before its process waits for anything
    const spent = await samples(made(env).registry, 'anthropic_budget_spent_usd');
    rmSync(folder, { recursive: true });
    const [billed] = first.sim.truth.totals().values();
    assert.deepEqual(Object.values(spent), [Number(billed?.totalNanoUsd) / 1e9]);
  });

  it('says what to install where the package for Redis is missing, and shows no password', () => {
    const env = { ANTHROPIC_AUTH_TOKEN: 'token-1', PLIMSOLL_LEDGER: 'redis://user:secret@127.0.0.1:not-a-port/0' };
    assert.throws(
      () => made(env),
      (error: unknown) => error instanceof ConfigurationError && !error.message.includes('secret'),
    );
  });

  it('is not made where the environment cannot be used', () => {
    assert.throws(
      () => made({ ANTHROPIC_MAX_TOKENS: 'many' }),
      (error: unknown) => {
        assert.ok(error instanceof ConfigurationError);
        assert.match(error.message, /^2 problems:\n- ANTHROPIC_AUTH_TOKEN is not set: .*\n- ANTHROPIC_MAX_TOKENS: /);
        return true;
      },
    );
  });

  it('is of the class that is passed', () => {
    const CommonJs = (createRequire(import.meta.url)('@anthropic-ai/sdk') as { readonly default: typeof Anthropic })
      .default;
    const { claude } = made({ ANTHROPIC_AUTH_TOKEN: 'token-1' }, { Anthropic: CommonJs });
    assert.deepEqual([claude instanceof CommonJs, claude instanceof Anthropic], [true, false]);
  });
});
