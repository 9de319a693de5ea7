import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, describe } from 'node:test';
import { ConfigurationError, sentenceOf } from 'plimsoll';
import { configurationInEnvironment } from '../../../src/gateway/configuration/environment.ts';
import { plantedSecret, plantedToken } from '../../../testing/planted.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-gateway-'));
after(() => rmSync(folder, { recursive: true }));

const KEY = plantedSecret(0);
const read = (env: Readonly<Record<string, string>>) => configurationInEnvironment(env, folder);

function problemsOf(env: Readonly<Record<string, string>>): readonly string[] {
  try {
    read(env);
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    return error.problems.map(sentenceOf);
  }
}

describe("a gateway's configuration from environment variables only", () => {
  test('is one key and one client that may do anything with it', () => {
    const { keys, clients, tokens, ledger, baseUrl, attribution } = read({ ANTHROPIC_API_KEY: KEY });
    assert.equal(keys.get('default')?.(), KEY);
    const client = clients.get('default');
    assert.deepEqual([clients.size, client?.key, client?.models, client?.labels], [1, 'default', null, {}]);
    assert.deepEqual(tokens, { kind: 'sqlite', path: join(folder, 'plimsoll-tokens.db') });
    assert.deepEqual([ledger, baseUrl, attribution], [null, 'https://api.anthropic.com', {}]);
  });

  test('takes the address, the alias, budgets and the places where things are kept', () => {
    const budgets = join(folder, 'budgets.json');
    writeFileSync(budgets, JSON.stringify({ budgets: [{ name: 'all', period: 'day', usd: 1 }] }));
    const configuration = read({
      ANTHROPIC_AUTH_TOKEN: KEY,
      ANTHROPIC_BASE_URL: 'http://127.0.0.1:8788/',
      PLIMSOLL_KEY: 'prod-api-key',
      PLIMSOLL_BUDGETS: budgets,
      PLIMSOLL_LEDGER: 'ledger.db',
      PLIMSOLL_TOKENS: 'tokens.db',
    });
    assert.equal(configuration.baseUrl, 'http://127.0.0.1:8788');
    assert.equal(configuration.clients.get('default')?.key, 'prod-api-key');
    assert.deepEqual([...configuration.keys.keys()], ['prod-api-key']);
    assert.deepEqual(
      configuration.budgets.map(({ name }) => name),
      ['all'],
    );
    assert.deepEqual(configuration.ledger, { kind: 'sqlite', path: join(folder, 'ledger.db') });
    assert.deepEqual(configuration.tokens, { kind: 'sqlite', path: join(folder, 'tokens.db') });
  });

  test('keeps tokens in the Redis of the ledger, if there is one', () => {
    const url = 'redis://:hush@cache.example:6379';
    const { ledger, tokens } = read({ ANTHROPIC_API_KEY: KEY, PLIMSOLL_LEDGER: url });
    assert.ok(ledger?.kind === 'redis' && tokens.kind === 'redis');
    assert.deepEqual([ledger.url(), tokens.url()], [url, url]);
  });

  test('finds secrets in the files that variables with _FILE name', () => {
    writeFileSync(join(folder, 'key'), `${KEY}\n`);
    writeFileSync(join(folder, 'redis'), 'redis://:hush@cache.example:6379\n');
    const { keys, ledger } = read({ ANTHROPIC_API_KEY_FILE: 'key', PLIMSOLL_LEDGER_FILE: join(folder, 'redis') });
    assert.equal(keys.get('default')?.(), KEY);
    assert.equal(ledger?.kind === 'redis' && ledger.url(), 'redis://:hush@cache.example:6379');
  });

  test('names the variables for the key if there is none', () => {
    for (const env of [{}, { ANTHROPIC_AUTH_TOKEN: '' }]) {
      const [problem = '', ...others] = problemsOf(env);
      assert.deepEqual(others, []);
      assert.match(problem, /^ANTHROPIC_AUTH_TOKEN is not set: expected the key that the gateway holds; create one/);
      for (const variable of ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN_FILE', 'ANTHROPIC_API_KEY_FILE'])
        assert.ok(problem.includes(variable), variable);
      assert.ok(!problem.includes('.env'));
    }
  });

  test('refuses a gateway token as its key, whatever its upstream: clients have such tokens', () => {
    const { token } = plantedToken(0);
    writeFileSync(join(folder, 'token'), token);
    for (const [key, variable] of [
      [{ ANTHROPIC_AUTH_TOKEN: token }, 'ANTHROPIC_AUTH_TOKEN'],
      [{ ANTHROPIC_API_KEY: token }, 'ANTHROPIC_API_KEY'],
      [{ ANTHROPIC_AUTH_TOKEN_FILE: 'token' }, 'ANTHROPIC_AUTH_TOKEN'],
    ] as const)
      for (const base of [{}, { ANTHROPIC_BASE_URL: 'http://127.0.0.1:8787' }]) {
        const [problem = '', ...others] = problemsOf({ ...key, ...base });
        assert.deepEqual(others, []);
        assert.ok(problem.startsWith(`${variable}: expected an API key, got a gateway token: `), problem);
        assert.ok(!problem.includes(token.slice(20)));
      }
  });

  test('lists all that is wrong, without a secret', () => {
    assert.throws(
      () =>
        read({
          ANTHROPIC_API_KEY: KEY,
          ANTHROPIC_API_KEY_FILE: 'key',
          PLIMSOLL_TOKENS: `mysql://:${KEY}@db`,
          PLIMSOLL_KEY: KEY,
        }),
      (error: unknown) => {
        assert.ok(error instanceof ConfigurationError);
        assert.equal(error.code, 'PLIMSOLL_GATEWAY_INVALID');
        assert.ok(!error.message.includes(KEY.slice(14, 40)));
        assert.deepEqual(
          error.problems.map(({ kind, field }) => [kind, field]),
          [
            ['conflict', 'ANTHROPIC_API_KEY_FILE'],
            ['invalid', 'PLIMSOLL_TOKENS'],
            ['no_key', 'ANTHROPIC_AUTH_TOKEN'],
            ['invalid', 'PLIMSOLL_KEY'],
          ],
        );
        return true;
      },
    );
  });
});
