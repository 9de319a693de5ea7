import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { audit } from '../../src/cli/gateway-audit.ts';
import { command } from '../../src/cli/gateway-token.ts';
import { secretHash, tokenParts } from '../../src/gateway/access/tokens.ts';
import { redis, redisServer } from '../../testing/redis-server.ts';
import { keptIo } from '../../testing/kept-io.ts';
import { unwrapped } from '../../testing/unwrapped.ts';

const NOW_MS = Date.UTC(2026, 10, 24, 12);
const folder = mkdtempSync(join(tmpdir(), 'plimsoll-token-'));
after(() => rmSync(folder, { recursive: true }));

const config = (name: string, more: object = {}): string => {
  const path = join(folder, `${name}.json`);
  const clients = { checkout: {}, 'search-with-a-name-of-many-letters': {} };
  const keys = { 'prod-api-key': { env: 'A_KEY_THAT_IS_NOT_SET_HERE' } };
  writeFileSync(path, JSON.stringify({ keys, clients, tokens: { sqlite: `${name}.db` }, ...more }));
  return path;
};

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}, nowMs = NOW_MS) {
  const { io, out, err } = keptIo({ now: () => nowMs, env });
  const code = await command.run(args, io);
  if (!args.includes('--json'))
    for (const line of [...out, ...err]) assert.ok(line.length <= 80 || line.includes(folder), line);
  return { code, out, err: unwrapped(err) };
}

describe('plimsoll gateway token', () => {
  it('makes a token without needing the key, writes it alone to stdout, and keeps only its hash', async () => {
    const path = config('made');
    const { code, out, err } = await run([
      'create',
      'checkout',
      '--config',
      path,
      '--expires',
      '90d',
      '--note',
      'the shop',
    ]);
    assert.equal(code, 0);
    const parts = tokenParts(out[0] ?? '');
    assert.ok(parts !== null && out.length === 1);
    assert.equal(err[0], `Token ${parts.id} of checkout is valid until 2027-02-22T12:00:00.000Z.`);
    const files = readdirSync(folder).filter((name) => name.startsWith('made.db'));
    const kept = files.map((name) => readFileSync(join(folder, name), 'latin1')).join('');
    assert.ok(!kept.includes(parts.secret) && kept.includes(secretHash(parts.secret)));
  });

  it('lists tokens with their purpose and whether they are valid, at 80 columns', async () => {
    const path = config('list');
    const ids: string[] = [];
    for (const args of [
      ['checkout', '--expires', '30m', '--note', 'the shop at the corner of the street'],
      ['search-with-a-name-of-many-letters'],
      ['checkout', '--expires', '2d'],
    ]) {
      const { out } = await run(['create', ...args, '--config', path], {}, NOW_MS + ids.length);
      ids.push(tokenParts(out[0] ?? '')?.id ?? '');
    }
    const [first, second, third] = ids;
    await run(['revoke', second ?? '', '--config', path]);
    const { code, out } = await run(['list', '--config', path], {}, NOW_MS + 3_600_000);
    assert.equal(code, 0);
    assert.deepEqual(out, [
      'id            client              created      expires      state    owner, note',
      `${first}  checkout            11-24 12:00  11-24 12:30  expired  the shop a…`,
      `${second}  search-with-a-nam…  2026-11-24   never        revoked`,
      `${third}  checkout            2026-11-24   2026-11-26   valid`,
    ]);
    const json = await run(['list', '--config', path, '--json'], {}, NOW_MS);
    const { tokens } = JSON.parse(json.out.join('\n')) as { tokens: readonly Record<string, unknown>[] };
    assert.deepEqual(tokens[1], {
      id: second,
      client: 'search-with-a-name-of-many-letters',
      state: 'revoked',
      createdAt: '2026-11-24T12:00:00.001Z',
      expiresAt: null,
      revokedAt: '2026-11-24T12:00:00.000Z',
      note: '',
      owner: null,
      limits: null,
      minted: null,
    });
  });

  it('revokes a token by its id, or by the token itself, without showing that', async () => {
    const path = config('revoke');
    for (const given of ['id', 'token']) {
      const [token = ''] = (await run(['create', 'checkout', '--config', path])).out;
      const id = tokenParts(token)?.id ?? '';
      const { code, out, err } = await run(['revoke', given === 'id' ? id : token, '--config', path]);
      assert.deepEqual([code, out, err], [0, [`Token ${id} is revoked, and so are the tokens that it minted.`], []]);
    }
    const { code, err } = await run(['revoke', 'nothere', '--config', path]);
    assert.equal(code, 1);
    assert.match(err[0] ?? '', /^There is no token with the id nothere\.$/);
  });

  it('makes no token for a client that is not configured', async () => {
    const { code, out, err } = await run(['create', 'chekout', '--config', config('unknown')]);
    assert.deepEqual([code, out], [1, []]);
    const said = err.join(' ').replace(join(folder, 'unknown.json'), 'FILE');
    assert.equal(said, 'Expected a client of FILE, got another: did you mean checkout?');
  });

  it('keeps tokens of the client default where PLIMSOLL_TOKENS says, without a file of configuration', async () => {
    const env = { PLIMSOLL_TOKENS: join(folder, 'env.db') };
    assert.equal((await run(['create', 'default'], env)).code, 0);
    assert.equal((await run(['list'], env)).out.length, 2);
  });

  it('says for which configuration a token is, and what was passed over where there is a file and it was not named', async (t) => {
    const path = config('said');
    const named = await run(['create', 'checkout', '--config', path]);
    const made = (file: string, tokens: string) =>
      `Created for a gateway with ${file}, which keeps its tokens in ${tokens}.`;
    assert.equal(named.err.slice(2).join(' '), made(path, join(folder, 'said.db')));

    const before = process.cwd();
    t.after(() => process.chdir(before));
    const here = mkdtempSync(join(folder, 'here-'));
    process.chdir(here);
    const tokens = join(here, 'plimsoll-tokens.db');
    const alone = await run(['create', 'default']);
    assert.equal(alone.err.slice(2).join(' '), made('the environment (no configuration file)', tokens));
    writeFileSync('gateway.yaml', 'clients: { checkout: {} }');
    const advice = 'gateway.yaml in this folder was not read. For a gateway that uses it, add --config gateway.yaml.';
    const besides = await run(['create', 'default']);
    assert.equal(
      besides.err.slice(2).join(' '),
      `${made('the environment (no configuration file)', tokens)} ${advice}`,
    );
    const stranger = await run(['create', 'checkout']);
    assert.deepEqual([stranger.code, stranger.out], [1, []]);
    assert.equal(
      stranger.err.join(' '),
      `Expected a client of the environment (no configuration file), got another: name one of default. ${advice}`,
    );
  });

  it('lists valid tokens of clients that are not configured, and says that they are refused', async () => {
    const tokens = { tokens: { sqlite: 'shared.db' } };
    const path = config('shared', tokens);
    await run(['create', 'checkout', '--config', path]);
    assert.deepEqual((await run(['list', '--config', path])).err, []);
    const other = config('other', { ...tokens, clients: { billing: {} } });
    const { code, out, err } = await run(['list', '--config', other]);
    assert.deepEqual([code, out.length], [0, 2]);
    const refused = 'A gateway with that configuration refuses them.';
    assert.equal(err.join(' '), `Tokens of clients that are not in ${other}: checkout. ${refused}`);
  });

  it('makes a token of an owner with limits of its own, and none that go beyond the client', async () => {
    const platform = {
      requestsPerMinute: 600,
      models: ['claude-haiku-5-5', 'claude-sonnet-5-5'],
      members: { requestsPerMinute: 100, budget: '80/month' },
      budgets: [{ name: 'platform-month', period: 'month', usd: 200, mode: 'block' }],
    };
    const path = config('members', { clients: { platform, checkout: {} }, ledger: { sqlite: 'members-ledger.db' } });
    const within = ['--owner', 'ada', '--budget', '50/month', '--rpm', '60', '--models', 'claude-haiku-5-5'];
    const { code, out, err } = await run([
      'create',
      '--client',
      'platform',
      ...within,
      '--config',
      path,
      '--by',
      'eve',
    ]);
    assert.deepEqual([code, out.length], [0, 1]);
    const { id = '' } = tokenParts(out[0] ?? '') ?? {};
    assert.deepEqual(err.slice(0, 2), [
      `Token ${id} of platform for ada is valid until it is revoked.`,
      'Its own limits: $50/month, 60 requests a minute, claude-haiku-5-5.',
    ]);
    const refused = `Not created: a token cannot go beyond its client platform in ${path}.`;
    for (const [args, ...reasons] of [
      [
        ['--rpm', '700'],
        '700 requests a minute are 600 more than the 100 that each member has.',
        '700 requests a minute are 100 more than the 600 that the whole client has.',
      ],
      [['--budget', '80.5/month'], '$80.5/month is $0.5 more than the $80/month that each member has.'],
      [
        ['--budget', '7/day'],
        '$7/day × 31 days = $217, which is $137 more than the $80/month that each member has.',
        "$7/day × 31 days = $217, which is $17 more than the $200/month of the client's budget platform-month.",
      ],
      [
        ['--models', 'claude-opus-5-5'],
        'claude-opus-5-5 is not among the models of the client: claude-haiku-5-5, claude-sonnet-5-5.',
      ],
    ] as const) {
      const beyond = await run(['create', 'platform', ...args, '--config', path]);
      assert.deepEqual([beyond.code, beyond.out, beyond.err.join(' ')], [1, [], [refused, ...reasons].join(' ')]);
    }
    const without = await run(['create', 'checkout', '--owner', 'ada', '--config', path]);
    assert.match(
      without.err.join(' '),
      /^The client checkout has no members\. Add members: \{\} to the client checkout/,
    );
    const listed = await run(['list', '--owner', 'ada', '--config', path]);
    assert.equal(listed.out[1], `${id}  platform            2026-11-24   never        valid    ada`);
    const revoked = await run(['revoke', '--owner', 'ada', '--config', path]);
    assert.deepEqual(revoked.out, [`All tokens of ada are revoked: ${id}. So are those that they minted.`]);
    assert.equal((await run(['revoke', '--owner', 'ada', '--config', path])).code, 1);
  });

  it('stores no owner in clear where the configuration has a key to hash them with', async () => {
    const env = { OWNERS: 'a-random-key-of-enough-characters' };
    const more = { clients: { platform: { members: {} } }, owners: { hash: { env: 'OWNERS' } } };
    const path = config('hashed', more);
    const made = await run(['create', 'platform', '--owner', 'ada lovelace', '--config', path], env);
    assert.match(made.err[0] ?? '', / of platform for h-[0-9a-f]{20} is valid /);
    const files = readdirSync(folder).filter((name) => name.startsWith('hashed.db'));
    const kept = files.map((name) => readFileSync(join(folder, name), 'latin1')).join('');
    assert.ok(!kept.includes('lovelace') && kept.includes('h-'));
    assert.equal((await run(['list', '--owner', 'ada lovelace', '--config', path], env)).out.length, 2);
    assert.equal((await run(['revoke', '--owner', 'ada lovelace', '--config', path], env)).code, 0);
    const short = await run(['list', '--owner', 'ada', '--config', path], { OWNERS: 'short' });
    assert.match(short.err[0] ?? '', /owners\.hash: expected a random text of at least 16 characters/);
  });

  for (const [what, broken, problem] of [
    ['a misspelt field of a client', { clients: { checkout: { modells: [] } } }, /clients\.checkout\.modells/],
    ['no client', { clients: {} }, /clients: expected a client/],
    ['clients that are a list', { clients: ['checkout'] }, /clients: expected names of clients/],
    ['a budget that is none', { budgets: 'fifty' }, /budgets: expected/],
    ['a secret of owners that is not set', { owners: { hash: { env: 'NOT_SET' } } }, /owners\.hash\.env: expected/],
    ['declared tokens that are gone', { declaredTokens: 'gone.json' }, /declaredTokens: expected/],
    ['a ledger that is none', { ledger: { sqlite: 7 } }, /ledger\.sqlite: expected/],
  ] as const)
    it(`revokes and lists tokens while the file has ${what}`, async () => {
      const name = `broken-${what.replaceAll(' ', '-')}`;
      const path = config(name);
      const { id } = tokenParts((await run(['create', 'checkout', '--config', path])).out[0] ?? '') ?? {};
      config(name, broken);
      const revoked = await run(['revoke', id ?? '', '--config', path]);
      const done = `Token ${id} is revoked, and so are the tokens that it minted.`;
      assert.deepEqual([revoked.code, revoked.out], [0, [done]]);
      assert.match(revoked.err[0] ?? '', /broken-.*\.json has problems\. A gateway would not start with it:/);
      assert.match(revoked.err.join(' '), problem);
      const listed = await run(['list', '--config', path]);
      assert.equal(listed.code, 0);
      assert.match(listed.out[1] ?? '', / revoked$/);
      assert.doesNotMatch(listed.err.join(' '), /Tokens of clients that are not in/);
      const audited = await audit.run(['--config', path], keptIo().io);
      assert.equal(audited, 0);
      assert.equal((await run(['create', 'checkout', '--config', path])).code, 1);
    });

  it('does not call the tokens of an owner all revoked while those in a file cannot be read', async () => {
    const clients = { platform: { members: {} } };
    const path = config('declared-gone', { clients });
    const { id } =
      tokenParts((await run(['create', 'platform', '--owner', 'ada', '--config', path])).out[0] ?? '') ?? {};
    config('declared-gone', { clients, declaredTokens: 'gone.json' });
    const { code, out, err } = await run(['revoke', '--owner', 'ada', '--config', path]);
    assert.deepEqual([code, out], [1, [`Tokens of ada are revoked: ${id}. So are those that they minted.`]]);
    assert.equal(err.at(-1), 'Declared tokens were not looked at: declaredTokens has a problem.');
    const unknown = await run(['revoke', 'abcdefghijkl', '--config', path]);
    assert.deepEqual([unknown.code, unknown.err.at(-1)], [1, err.at(-1)]);
  });

  it('needs the key of hashed owners to find the tokens of one, and says so', async () => {
    const more = { clients: { platform: { members: {} } }, owners: { hash: { env: 'NOT_SET' } } };
    const { code, err } = await run(['revoke', '--owner', 'ada', '--config', config('no-hash', more)]);
    assert.equal(code, 1);
    assert.match(err.join(' '), /owners\.hash\.env: expected a secret in NOT_SET/);
    assert.doesNotMatch(err.join(' '), /PLIMSOLL_TOKENS/);
  });

  it('says how to revoke when the file does not say where tokens are kept', async () => {
    const path = config('placeless');
    const { id = '' } = tokenParts((await run(['create', 'checkout', '--config', path])).out[0] ?? '') ?? {};
    config('placeless', { tokens: { sqlite: 7 } });
    const garbled = join(folder, 'garbled.yaml');
    writeFileSync(garbled, 'clients:\n\tcheckout: {}\n  }');
    for (const [file, first] of [
      [path, /tokens\.sqlite: expected the path of an SQLite file, got 7/],
      [garbled, /garbled\.yaml: expected YAML, got a text that cannot be parsed/],
    ] as const) {
      const { code, out, err } = await run(['revoke', id, '--config', file]);
      assert.deepEqual([code, out], [1, []]);
      assert.match(err.join(' '), first);
      assert.match(
        err.join(' '),
        /leave out --config and set PLIMSOLL_TOKENS to the SQLite file or the URL of the Redis/,
      );
    }
    const env = { PLIMSOLL_TOKENS: join(folder, 'placeless.db'), ANTHROPIC_API_KEY_FILE: '/not/there' };
    assert.equal((await run(['revoke', id], env)).code, 0);
  });

  it('keeps them in Redis, and says when that does not answer', { skip: redis.skip }, async () => {
    const server = await redisServer(['--requirepass', 'hush']);
    const env = { REDIS: `redis://:hush@127.0.0.1:${server.port}` };
    const path = config('redis', { tokens: { redis: { env: 'REDIS' } } });
    try {
      assert.equal((await run(['create', 'checkout', '--config', path], env)).code, 0);
      assert.equal((await run(['list', '--config', path], env)).out.length, 2);
      await server.stop();
      const { code, err } = await run(['list', '--config', path], env);
      assert.deepEqual([code, err], [1, ['The token store is unavailable: Redis failed.']]);
    } finally {
      await server.end();
    }
  });

  it('says in a line what is wrong, and ends with 1 or, for its arguments, with 2', async () => {
    for (const [args, first] of [
      [[], 'token: expected create, list, revoke or export, got nothing'],
      [['make'], 'gateway token: expected one of create, list, revoke, export, got "make"'],
      [['create'], 'create: expected the name of one client, got nothing'],
      [['create', 'a', 'b'], 'create: expected the name of one client, got something else'],
      [['list', 'a'], 'list: expected nothing after list, got something else'],
      [['revoke', 'not-an-id'], 'revoke: expected the id of one token, or --owner, got something else'],
      [['create', 'a', '--expires', '90'], '--expires: expected a time such as 90d, 12h or 30m, got "90"'],
      [['create', 'a', '--note', 'a\nb'], '--note: expected up to 200 characters in one line, got "a\\nb"'],
      [
        ['list', '--color'],
        '--color: expected one of --owner, --budget, --rpm, --itpm, --otpm, --parallel, --models, --client, --config, --expires, --note, --by, --minted, --json, --help, got an unknown option',
      ],
    ] as const) {
      const { code, err } = await run(args);
      assert.deepEqual([code, err[0]], [2, first]);
    }
    const absent = await run(['list', '--config', config('absent')]);
    assert.equal(absent.code, 1);
    assert.match(absent.err[0] ?? '', /^tokens: expected a path for an SQLite file, got .*which does not exist/);
    const help = await run(['--help']);
    assert.equal(help.code, 0);
    assert.ok(help.out.some((line) => line.includes('TOKEN=$(plimsoll gateway token create checkout')));
  });
});
