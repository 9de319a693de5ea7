import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, after } from 'node:test';
import { inspect, parseEnv } from 'node:util';
import { ConfigurationError, environment, environmentReport, sentenceOf } from 'plimsoll';

const NOW_MS = Date.UTC(2026, 10, 24);
/** A value of the form of a key, without one being in this file. */
const KEY = `sk-ant-api03-${'Ab1-'.repeat(23)}`;

/** As a gateway draws them. */
const TOKEN = `plk_0123456789ab_${'Ab1-'.replace(/\W/g, '2').toLowerCase().repeat(10)}`;

const report = (env: Readonly<Record<string, string>>) =>
  environmentReport({ ANTHROPIC_AUTH_TOKEN: KEY, ...env }, NOW_MS);

const problemsIn = (env: Readonly<Record<string, string>>) => report(env).problems.map(sentenceOf);

/** Without what is always said of the default model. */
const notices = (env: Readonly<Record<string, string>>) =>
  report({ ANTHROPIC_DEFAULT_MODEL: 'claude-haiku-5-5', ...env }).notices.map(sentenceOf);

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-environment-'));
after(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

describe('the environment', () => {
  it('gives the defaults where only a key is set', () => {
    const { credential, prices, ...settings } = environment({ ANTHROPIC_AUTH_TOKEN: KEY });
    assert.deepEqual([credential.variable, credential.token()], ['ANTHROPIC_AUTH_TOKEN', KEY]);
    assert.equal(prices.source, 'default');
    assert.deepEqual(settings, {
      models: { default: 'claude-haiku-4-5', reasoning: 'claude-sonnet-5-5', critical: 'claude-opus-5-5' },
      maxTokens: 1_024,
      timeoutMs: 30_000,
      environment: null,
      baseUrl: null,
      key: null,
      budgets: [],
      ledger: null,
    });
  });

  it('gives what it says', () => {
    const budget = { name: 'all', usd: 5, period: 'day', mode: 'warn' };
    const configuration = environment({
      ANTHROPIC_API_KEY: KEY,
      ANTHROPIC_DEFAULT_MODEL: 'claude-haiku-5-5',
      ANTHROPIC_REASONING_MODEL: 'claude-sonnet-5',
      ANTHROPIC_CRITICAL_MODEL: 'claude-fable-5-2',
      ANTHROPIC_MAX_TOKENS: '2048',
      ANTHROPIC_TIMEOUT_MS: '600000',
      ANTHROPIC_ENV: 'Production',
      ANTHROPIC_BASE_URL: 'https://gateway.example/claude',
      PLIMSOLL_KEY: 'prod-checkout-api',
      PLIMSOLL_PRICES: file('prices.json', '{"extends":"default"}'),
      PLIMSOLL_BUDGETS: file('budgets.json', JSON.stringify({ budgets: [budget] })),
      PLIMSOLL_LEDGER: 'redis://user:secret@cache.example:6379/0',
    });
    const { credential, prices, budgets, ledger, ...settings } = configuration;
    assert.equal(ledger?.shown, 'redis at cache.example:6379');
    assert.doesNotMatch(inspect(configuration, { depth: 9 }), /secret/);
    assert.equal(credential.variable, 'ANTHROPIC_API_KEY');
    assert.equal(prices.source, 'file');
    assert.deepEqual(
      budgets.map(({ name }) => name),
      ['all'],
    );
    assert.deepEqual(settings, {
      models: { default: 'claude-haiku-5-5', reasoning: 'claude-sonnet-5', critical: 'claude-fable-5-2' },
      maxTokens: 2_048,
      timeoutMs: 600_000,
      environment: 'prod',
      baseUrl: 'https://gateway.example/claude',
      key: 'prod-checkout-api',
    });
  });

  it('says first that there is no key, and what to do', () => {
    assert.throws(
      () => environment({}),
      (error: unknown) => {
        assert.ok(error instanceof ConfigurationError);
        assert.equal(error.code, 'PLIMSOLL_ENVIRONMENT_INVALID');
        assert.match(error.message, /^ANTHROPIC_AUTH_TOKEN is not set: .*platform\.claude\.com.*\.env/);
        return true;
      },
    );
    const [empty] = environmentReport({ ANTHROPIC_AUTH_TOKEN: ' ' }).problems;
    assert.deepEqual([empty?.kind, empty?.field, empty?.got], ['no_key', 'ANTHROPIC_AUTH_TOKEN', 'empty']);
    assert.match(empty === undefined ? '' : sentenceOf(empty), /^ANTHROPIC_AUTH_TOKEN is empty: /);
  });

  it('reports all of many mistakes at once', () => {
    const { problems, configuration } = environmentReport(
      {
        ANTHROPIC_AUTH_TOKEN: '<REPLACE_WITH_KEY>',
        ANTHROPIC_CRITICAL_MODEL: 'claude-opus-4-1',
        ANTHROPIC_MAX_TOKENS: '1k',
        ANTHROPIC_TIMEOUT_MS: '30s',
        ANTHROPIC_ENV: 'prd',
        ANTHROPIC_BASE_URL: 'api.anthropic.com',
        PLIMSOLL_KEY: KEY,
        PLIMSOLL_PRICES: join(folder, 'none.json'),
        PLIMSOLL_BUDGETS: file('wrong.json', '{"budgets":[{"name":"a"}]}'),
        PLIMSOLL_LEDGER: 'postgres://user:secret@db.example/budgets',
      },
      NOW_MS,
    );
    assert.equal(configuration, null);
    assert.deepEqual(problems.at(-1), {
      kind: 'invalid',
      field: 'PLIMSOLL_LEDGER',
      expected: 'the path of an SQLite file, the URL of a Redis such as redis://127.0.0.1:6379, or "memory"',
      got: 'a URL of postgres',
      advice: 'name one of them',
    });
    const budgets = `PLIMSOLL_BUDGETS: ${join(folder, 'wrong.json')}: budgets[0]`;
    assert.deepEqual(
      problems.slice(0, -1).map(({ kind, field }) => [kind, field]),
      [
        ['wrong_key', 'ANTHROPIC_AUTH_TOKEN'],
        ['unreadable', `PLIMSOLL_PRICES: ${join(folder, 'none.json')}`],
        ['retired_model', 'ANTHROPIC_CRITICAL_MODEL'],
        ['invalid', 'ANTHROPIC_ENV'],
        ['invalid', 'ANTHROPIC_MAX_TOKENS'],
        ['invalid', 'ANTHROPIC_TIMEOUT_MS'],
        ['invalid', 'ANTHROPIC_BASE_URL'],
        ['invalid', 'PLIMSOLL_KEY'],
        ['missing', `${budgets}.period`],
        ['missing', `${budgets}.usd`],
      ],
    );
    for (const problem of problems) assert.match(sentenceOf(problem), /expected .*, got /);
  });

  it('never shows a secret: not in a problem, not in a notice, not when it is printed', () => {
    const everywhere = Object.fromEntries(
      [
        'ANTHROPIC_DEFAULT_MODEL',
        'ANTHROPIC_MAX_TOKENS',
        'ANTHROPIC_TIMEOUT_MS',
        'ANTHROPIC_ENV',
        'ANTHROPIC_BASE_URL',
        'PLIMSOLL_KEY',
      ].map((name) => [name, KEY]),
    );
    const password = environmentReport({ ANTHROPIC_BASE_URL: `https://user:${KEY.slice(20)}@host/` });
    const said = inspect([report(everywhere), report({}), password], { depth: 9 });
    assert.ok(said.includes('sk-ant-api03-…'));
    assert.ok(!said.includes('Ab1-'));
  });
});

const PROBLEMS: readonly (readonly [name: string, env: Readonly<Record<string, string>>, problem: RegExp])[] = [
  [
    'an admin key',
    { ANTHROPIC_AUTH_TOKEN: `sk-ant-admin01-${'Ab1-'.repeat(23)}` },
    /^ANTHROPIC_AUTH_TOKEN: expected a Claude API key, got an admin key, .*: create an API key/,
  ],
  [
    'a gateway token for the API itself',
    { ANTHROPIC_AUTH_TOKEN: TOKEN },
    /got a plimsoll gateway token, .*: set ANTHROPIC_BASE_URL to the address of the gateway$/,
  ],
  [
    'a gateway token for the address of the API',
    { ANTHROPIC_AUTH_TOKEN: TOKEN, ANTHROPIC_BASE_URL: 'https://api.anthropic.com' },
    /got a plimsoll gateway token/,
  ],
  ['a placeholder', { ANTHROPIC_AUTH_TOKEN: 'your-key-here' }, /got a placeholder: replace it with a key/],
  [
    'a retired model',
    { ANTHROPIC_DEFAULT_MODEL: 'claude-3-5-haiku-20241022' },
    /^ANTHROPIC_DEFAULT_MODEL: .*retired since 2026-02-19: use claude-haiku-5-5/,
  ],
  ['no tokens at all', { ANTHROPIC_MAX_TOKENS: '0' }, /expected a whole number of tokens from 1 up, got "0"/],
  ['a timeout below zero', { ANTHROPIC_TIMEOUT_MS: '-1' }, /expected whole milliseconds from 1 up, got "-1"/],
  ['an address with /v1', { ANTHROPIC_BASE_URL: 'https://api.anthropic.com/v1/' }, /leave out \/v1/],
  [
    'a password in the address',
    { ANTHROPIC_BASE_URL: 'https://me:secret@host' },
    /one with a password in it, for host: remove it/,
  ],
  ['an address of another kind', { ANTHROPIC_BASE_URL: 'ftp://host' }, /begin with https/],
  [
    "another environment's key",
    { ANTHROPIC_ENV: 'production', PLIMSOLL_KEY: 'dev-local-key' },
    /^PLIMSOLL_KEY: expected the alias of a key of prod, .*got "dev-local-key", a key of dev: use the key of prod/,
  ],
];

const NOTICES: readonly (readonly [name: string, env: Readonly<Record<string, string>>, notice: RegExp])[] = [
  [
    'a model that ends soon',
    { ANTHROPIC_REASONING_MODEL: 'claude-sonnet-4-5' },
    /^ANTHROPIC_REASONING_MODEL: claude-sonnet-4-5 retires on 2026-11-30, in 6 days: use claude-sonnet-5-5/,
  ],
  [
    'a model of which there is a newer one',
    { ANTHROPIC_DEFAULT_MODEL: 'claude-haiku-4-5' },
    /a newer haiku than claude-haiku-4-5 exists: claude-haiku-5-5 \(0\.1\/0\.5 instead of 1\/5 USD.*may be retired at 60 days' notice/,
  ],
  [
    'the same by its dated id',
    { ANTHROPIC_DEFAULT_MODEL: 'claude-haiku-4-5-20251001' },
    /a newer haiku than claude-haiku-4-5 exists/,
  ],
  [
    'a slip in a model',
    { ANTHROPIC_CRITICAL_MODEL: 'claude-opus5-5' },
    /claude-opus5-5 is not in the price table, did you mean claude-opus-5-5\?/,
  ],
  ['a timeout in seconds', { ANTHROPIC_TIMEOUT_MS: '30' }, /did you mean seconds/],
  ['a call without TLS', { ANTHROPIC_BASE_URL: 'http://gateway:8787' }, /calls to gateway:8787 do not use TLS/],
  ['an alias by no rule', { PLIMSOLL_KEY: 'mykey' }, /^PLIMSOLL_KEY: expected an alias of the form env-service-role/],
  ['two keys', { ANTHROPIC_API_KEY: `${KEY}2` }, /^ANTHROPIC_API_KEY: it is used instead of ANTHROPIC_AUTH_TOKEN/],
  ['a word for a key', { ANTHROPIC_AUTH_TOKEN: 'test' }, /the API will refuse it with 401/],
];

const QUIET: readonly (readonly [name: string, env: Readonly<Record<string, string>>])[] = [
  ['the newest models', {}],
  ['a local address without TLS', { ANTHROPIC_BASE_URL: 'http://127.0.0.1:8787' }],
  ["a gateway's token at a gateway", { ANTHROPIC_BASE_URL: 'https://gateway.example', ANTHROPIC_AUTH_TOKEN: TOKEN }],
  ['the key of this environment', { ANTHROPIC_ENV: 'live', PLIMSOLL_KEY: 'prod-checkout-api' }],
  ['the same key twice', { ANTHROPIC_API_KEY: KEY }],
];

describe('a mistake in the environment', () => {
  it('is named by its kind, whatever the text of the value', () => {
    const kinds = (env: Readonly<Record<string, string>>) => report(env).problems.map(({ kind }) => kind);
    assert.deepEqual(kinds({ ANTHROPIC_TIMEOUT_MS: '5, retired' }), ['invalid']);
    assert.deepEqual(kinds({ ANTHROPIC_DEFAULT_MODEL: 'claude-3-haiku-20240307' }), ['retired_model']);
    assert.deepEqual(kinds({ ANTHROPIC_AUTH_TOKEN: TOKEN }), ['gateway_token']);
    assert.deepEqual(kinds({ ANTHROPIC_ENV: 'dev', PLIMSOLL_KEY: 'prod-shop-api' }), ['conflict']);
    assert.deepEqual(kinds({ PLIMSOLL_KEY: `prod-${'x'.repeat(60)}-api` }), ['invalid']);
  });

  for (const [name, env, problem] of PROBLEMS)
    it(`is a problem: ${name}`, () => {
      const problems = problemsIn(env);
      assert.equal(problems.length, 1);
      assert.match(problems[0] ?? '', problem);
    });

  for (const [name, env, notice] of NOTICES)
    it(`is a notice: ${name}`, () => {
      assert.deepEqual(report(env).problems, []);
      const said = notices(env);
      assert.equal(said.length, 1, said.join('\n'));
      assert.match(said[0] ?? '', notice);
    });

  for (const [name, env] of QUIET)
    it(`is not reported: ${name}`, () => assert.deepEqual([report(env).problems, notices(env)], [[], []]));
});

describe('.env.example', () => {
  const example = readFileSync(join(import.meta.dirname, '../../.env.example'), 'utf8');
  const optional = example.replace(/^# (?=[A-Z_]+=)/gm, '');

  it('is complete but for the key, and says what to do about that', () => {
    const { problems } = environmentReport(parseEnv(example), NOW_MS);
    assert.deepEqual(
      problems.map(({ kind, field, got }) => [kind, field, got]),
      [['wrong_key', 'ANTHROPIC_AUTH_TOKEN', 'a placeholder']],
    );
  });

  it('has every variable that is read', () => {
    assert.deepEqual(optional.match(/^[A-Z_]+(?==)/gm), [
      'ANTHROPIC_AUTH_TOKEN',
      'ANTHROPIC_DEFAULT_MODEL',
      'ANTHROPIC_REASONING_MODEL',
      'ANTHROPIC_CRITICAL_MODEL',
      'ANTHROPIC_MAX_TOKENS',
      'ANTHROPIC_TIMEOUT_MS',
      'ANTHROPIC_ENV',
      'ANTHROPIC_BASE_URL',
      'PLIMSOLL_KEY',
      'PLIMSOLL_PRICES',
      'PLIMSOLL_BUDGETS',
      'PLIMSOLL_LEDGER',
      'PLIMSOLL_DISABLED',
      'ANTHROPIC_ADMIN_KEY',
    ]);
  });

  it('shows the defaults that hold without it', () => {
    const {
      credential: _none,
      prices: _shipped,
      environment: named,
      ...shown
    } = environment({
      ...parseEnv(example),
      ANTHROPIC_AUTH_TOKEN: KEY,
    });
    const {
      credential: _one,
      prices: _table,
      environment: unnamed,
      ...defaults
    } = environment({ ANTHROPIC_AUTH_TOKEN: KEY });
    assert.deepEqual(shown, defaults);
    assert.deepEqual([named, unnamed], ['dev', null]);
  });
});
