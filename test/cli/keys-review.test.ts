import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { AcceptedKey, OrganizationOptions } from 'plimsoll/simulator';
import { command } from '../../src/cli/keys.ts';
import { serve } from '../../src/http/serve.ts';
import { keptIo } from '../../testing/kept-io.ts';
import { ADMIN_KEY, SetClock } from '../../testing/organization/books-bench.ts';
import { simulator, type Simulator } from 'plimsoll/simulator';

const NOW_MS = Date.UTC(2026, 10, 26, 9);
const DAY_MS = 86_400_000;

const secret = (name: string): string => ['sk-ant-api03', `${name}-0123456789-igAA`].join('-');

const aKey = (name: string, own: Partial<AcceptedKey> = {}): AcceptedKey => ({
  ...{ name, id: `apikey_${name.replaceAll('-', '_')}`, key: secret(name), createdAt: '2026-06-01T00:00:00Z' },
  ...own,
});

const KEYS = [
  aKey('prod-shop-api'),
  aKey('prod-old-api', { createdAt: '2025-11-01T00:00:00Z', workspace: 'wrkspc_shop' }),
  aKey('prod-end-api', { expiresAt: '2026-12-10T00:00:00Z' }),
  aKey('ops', { workspace: null }),
  aKey('prod-gone-api', { status: 'archived' }),
  aKey('prod-past-api', { expiresAt: '2026-11-01T00:00:00Z' }),
];

const USAGE = {
  ...{ input_tokens: 1_000, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 10 },
  cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
  ...({ service_tier: 'standard', inference_geo: 'global' } as const),
};

const servings: { close(deadlineMs: number): Promise<unknown> }[] = [];
after(async () => {
  for (const serving of servings) await serving.close(0);
});

/** An organization in which keys were used so many days ago. */
async function organization(options: OrganizationOptions = {}): Promise<{ sim: Simulator; url: string }> {
  const sim = simulator({ clock: new SetClock(NOW_MS), keys: KEYS, organization: options });
  const used: Readonly<Record<string, number>> = { 'prod-shop-api': 1, 'prod-old-api': 200, 'prod-end-api': 3 };
  for (const [key, daysAgo] of Object.entries(used))
    sim.enterUse({ atMs: NOW_MS - daysAgo * DAY_MS, key, used: { model: 'claude-haiku-4-5', usage: USAGE } });
  const serving = await serve(sim.handle, {
    host: '127.0.0.1',
    port: 0,
    portOption: '--port',
    onError: () => undefined,
  });
  servings.push(serving);
  return { sim, url: serving.url };
}

type House = Awaited<ReturnType<typeof organization>>;

async function run({ url }: House, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
  const { io, out, err } = keptIo({ now: () => NOW_MS, env: { ANTHROPIC_ADMIN_KEY: ADMIN_KEY, ...env } });
  const code = await command.run(['--base-url', url, ...args], io);
  for (const line of [...out, ...err]) if (!args.includes('--json')) assert.ok(line.length <= 80, line);
  return { code, out: out.join('\n'), err: err.join('\n') };
}

const IDS = ['shop', 'old', 'end', 'gone', 'past'].flatMap((name) => [
  '--key',
  `prod-${name}-api=apikey_prod_${name}_api`,
]);

describe('plimsoll keys with an admin key', () => {
  let home: House;
  before(async () => {
    home = await organization();
  });

  test('is a list to tick: each key with its age, its last day with use, and what to do', async () => {
    const { code, out } = await run(home, IDS);
    assert.equal(code, 1);
    assert.equal(
      out,
      [
        'Keys of the organization on 2026-11-26; use was read back to 2026-01-01. 2 of 6',
        'are in order.',
        '[x] prod-shop-api (apikey_prod_shop_api)',
        '      active, Default, 178 days old, last used 2026-11-25',
        '[ ] prod-old-api (apikey_prod_old_api)',
        '      active, shop, 390 days old, last used 2026-05-10',
        '      - older than a year: replace it',
        '[ ] prod-end-api (apikey_prod_end_api)',
        '      active, Default, 178 days old, expires 2026-12-10, last used 2026-11-23',
        '      - expires within 30 days: replace it',
        '[ ] ops (apikey_ops)',
        '      active, all workspaces, 178 days old, not in the report',
        '      - not in the report: find out what it is for, or delete it',
        '      - not named env-service-role: rename it',
        '      - used by nobody that plimsoll knows: join it with an alias, or find out',
        '        who uses it',
        '      - of no workspace: it reaches all of them',
        '[x] prod-gone-api (apikey_prod_gone_api)',
        '      archived, Default, 178 days old, not in the report',
        '[ ] prod-past-api (apikey_prod_past_api)',
        '      expired, Default, 178 days old, expires 2026-11-01, not in the report',
        '      - expired: delete it',
      ].join('\n'),
    );
  });

  test('an alias whose key is another one than the one configured is found out', async () => {
    const env = { PLIMSOLL_KEY: 'prod-shop-api', ANTHROPIC_API_KEY: secret('other-than-that') };
    const { out } = await run(home, IDS, env);
    assert.match(out, /\[ \] prod-shop-api .*\n.*\n +- not the key that its alias is used with here/);
    const same = { PLIMSOLL_KEY: 'prod-shop-api', ANTHROPIC_API_KEY: secret('prod-shop-api') };
    assert.doesNotMatch((await run(home, IDS, same)).out, /is used with here/);
  });

  test('for programs it is in the same object, without hints of keys', async () => {
    const { out } = await run(home, [...IDS, '--json']);
    const { organization: of } = JSON.parse(out) as { organization: { keys: readonly Record<string, unknown>[] } };
    assert.deepEqual(
      of.keys.map(({ name, findings }) => [name, findings]),
      [
        ['prod-shop-api', []],
        ['prod-old-api', ['old']],
        ['prod-end-api', ['expires_soon']],
        ['ops', ['unused', 'badly_named', 'not_watched', 'no_workspace']],
        ['prod-gone-api', []],
        ['prod-past-api', ['expired']],
      ],
    );
    assert.ok(!out.includes('igAA'));
  });

  test('nothing was sent that could change the organization', () => {
    const { requests } = home.sim.truth;
    assert.ok(requests.length > 0 && requests.every(({ method }) => method === 'GET'));
  });
});

test('use is read from the older reports where there are no others', async () => {
  const { out } = await run(await organization({ kind: 'legacy' }), IDS);
  assert.match(out, /prod-shop-api .*\n.*last used 2026-11-25/);
  assert.match(out, /prod-old-api .*\n.*last used 2026-05-10/);
  assert.match(out, /\[ \] ops .*\n.*not in the report/);
});

test('without access one line says why, and what to do', async () => {
  const { code, out, err } = await run(await organization({ kind: 'none' }));
  assert.deepEqual([code, out], [1, '']);
  assert.match(err.replaceAll('\n', ' '), /^The organization's keys cannot be read: .* an individual account has none/);
  const wrong = await run(await organization(), [], { ANTHROPIC_ADMIN_KEY: secret('prod-shop-api') });
  assert.equal(wrong.code, 1);
  assert.match(wrong.err.replaceAll(/\s+/g, ' '), /expected an admin key, .* got an API key, which sends messages/);
});
