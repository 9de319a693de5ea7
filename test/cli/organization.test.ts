import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { OrganizationOptions } from 'plimsoll/simulator';
import { command } from '../../src/cli/organization.ts';
import { KeptDays } from '../../src/organization/kept-days.ts';
import { readAnalytics } from '../../src/organization/read-analytics.ts';
import { serve } from '../../src/http/serve.ts';
import { sqliteReports } from '../../src/totals/report-store.ts';
import { sqliteTotals } from '../../src/totals/sqlite-totals.ts';
import { ADMIN_KEY, BooksBench, KEYS, WATCHED } from '../../testing/organization/books-bench.ts';
import { keptIo } from '../../testing/kept-io.ts';
import { unwrapped } from '../../testing/unwrapped.ts';

const [SHOP = '', SEARCH = ''] = WATCHED;
/** When the report is corrected. */
const REVISED_MS = Date.UTC(2026, 9, 28, 3);

const USAGE = { input_tokens: 1_000_000, output_tokens: 100_000 };

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-organization-'));
const servings: { close(deadlineMs: number): Promise<unknown> }[] = [];
after(async () => {
  for (const serving of servings) await serving.close(0);
  rmSync(folder, { recursive: true });
});

/** An organization of six days: $6 by the shop, $1 by a key that nobody watches, and $2 that plimsoll did not see. */
async function house(name: string, organization: OrganizationOptions = {}) {
  const bench = new BooksBench({
    days: 6,
    organization: { discountPercent: '10', spendLimits: true, ...organization },
  });
  bench.at(1, 12);
  await bench.ask({ key: SHOP, model: 'claude-opus-5-5', usage: USAGE }); // $4 + $2
  await bench.ask({ key: 'foreign', model: 'claude-haiku-4-5', usage: { input_tokens: 1_000_000, output_tokens: 0 } });
  bench.at(2, 12);
  await bench.ask({
    key: SEARCH,
    model: 'claude-sonnet-5-5',
    usage: { input_tokens: 1_000_000, output_tokens: 0 },
    foreign: true,
  });
  const totals = join(folder, `${name}.db`);
  const store = sqliteTotals(totals);
  await store.add({ writer: 'one', sequence: 1, atMs: bench.clock.now(), rows: bench.rows(), ends: true });
  await store.close();
  bench.at(8, 6);
  const serving = await serve(bench.sim.handle, {
    host: '127.0.0.1',
    port: 0,
    portOption: '--port',
    onError: () => undefined,
  });
  servings.push(serving);
  const ids = KEYS.slice(0, 2).flatMap(({ name: alias, id }) => ['--key', `${alias}=${id}`]);
  return { bench, url: serving.url, args: ['--base-url', serving.url, ...ids], totals };
}

interface WindowJson {
  readonly fromDay: string;
  readonly billedNanoUsd: string;
  readonly listedNanoUsd: string;
  readonly difference: readonly { readonly cause: string; readonly nanoUsd: string }[];
  readonly by: Readonly<Record<string, readonly { readonly name: string }[]>>;
}

type House = Awaited<ReturnType<typeof house>>;

async function run(
  { bench }: House,
  args: readonly string[],
  env: Readonly<Record<string, string>> = { ANTHROPIC_ADMIN_KEY: ADMIN_KEY },
) {
  const { io, out, err } = keptIo({ now: () => bench.clock.now(), env });
  const code = await command.run(args, io);
  return { code, out: out.join('\n'), err: unwrapped(err).join('\n') };
}

describe('plimsoll organization', () => {
  let home: House;
  before(async () => {
    home = await house('home');
  });

  test('shows the bill beside what plimsoll saw, and the difference by cause', async () => {
    const { code, out } = await run(home, [...home.args, '--totals', home.totals]);
    assert.equal(code, 0);
    // $9 at list price, a tenth less.
    assert.match(out, /^ {2}Month to date \(27 days\) +\$6\.00 +\$9\.00 +\$8\.10 +\+\$2\.10$/m);
    assert.match(out, /^Month to date: bill \$8\.10, plimsoll \$6\.00$/m);
    assert.match(out, /^ +\+\$2\.00 {2}1 call not seen on prod-search-api/m);
    assert.match(out, /^ +\+\$1\.00 {2}calls by keys that plimsoll does not watch: foreign \(apikey_03\)$/m);
    assert.match(out, /^ +−\$0\.90 {2}discount of 10\.00%$/m);
    assert.match(out, /75\.00% of what the watched keys cost was seen here/);
    assert.match(out, /^ {2}- Instrument what uses those keys/m);
    assert.match(out, /^ {2}prod-shop-api +\$6\.00 +\$6\.00 +\$5\.40 +−\$0\.60$/m);
    assert.match(out, /Cap of the usage tier: \$200,000 a month/);
    assert.deepEqual(
      out.split('\n').filter((line) => line.length > 80),
      [],
    );
  });

  test('its usual tables are by key, workspace and model, and one that is named is whole', async () => {
    const args = [...home.args, '--totals', home.totals];
    const { out } = await run(home, args);
    assert.deepEqual(
      [...out.matchAll(/^Month to date, by (\w+)/gm)].map(([, view]) => view),
      ['key', 'workspace', 'model'],
    );
    assert.match(out, /^ {2}Default +\$6\.00 +\$9\.00 +\$8\.10 +\+\$2\.10$/m);
    const { out: byDay } = await run(home, [...args, '--by', 'day', '--since', '2026-10-20']);
    assert.match(byDay, /^Since 2026-10-20, by day/m);
    assert.match(
      byDay,
      /^ {2}2026-10-21 +\$6\.00 +\$7\.00 +\$6\.30 +\+\$0\.30\n {2}2026-10-22 +\$0\.00 +\$2\.00 +\$1\.80 +\+\$1\.80$/m,
    );
    assert.doesNotMatch(byDay, /^Since 2026-10-20, by key/m);
  });

  test('says it for programs in whole nano-dollars', async () => {
    const { out } = await run(home, [...home.args, '--totals', home.totals, '--json', '--since', '2026-10-22']);
    const { month, since } = JSON.parse(out) as Readonly<Record<'month' | 'since', WindowJson>>;
    assert.equal(month.billedNanoUsd, '8100000000');
    assert.deepEqual(
      month.difference.map(({ cause, nanoUsd }) => [cause, nanoUsd]),
      [
        ['not_seen', '2000000000'],
        ['unwatched_keys', '1000000000'],
        ['discount', '-900000000'],
      ],
    );
    assert.deepEqual(
      [since.fromDay, since.listedNanoUsd, since.by['model']?.[0]?.name],
      ['2026-10-22', '2000000000', 'claude-sonnet-5-5'],
    );
  });

  test('without daily totals the report stands alone, and that is said', async () => {
    const { out } = await run(home, home.args);
    assert.match(out, /No daily totals are kept/);
    assert.match(out, /^ {2}Month to date \(27 days\) +\$9\.00 +\$8\.10$/m);
  });

  test('where nothing has landed no amount is shown: unknown is not zero', async () => {
    const late = await house('late', { lagMs: 40 * 24 * 3_600_000 });
    const { out } = await run(late, [...late.args, '--totals', late.totals]);
    assert.match(out, /nothing has landed yet: unknown, not zero/);
    assert.match(out, /^ {2}Yesterday +– +– +– +–$/m);
  });

  test('shows what is left of a prepaid balance', async () => {
    const { out } = await run(home, [
      ...home.args,
      '--totals',
      home.totals,
      '--balance',
      '100@2026-10-20',
      '--credit',
      '50@2026-10-22',
    ]);
    assert.match(out, /^Credit left: \$141\.90, between/m);
  });

  test('an API key, a placeholder and nothing are no admin key, and no key is shown', async () => {
    const wrong = await run(home, home.args, { ANTHROPIC_ADMIN_KEY: KEYS[0]?.key ?? '' });
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /ANTHROPIC_ADMIN_KEY: expected an admin key, .* got an API key, which sends messages/);
    assert.ok(!wrong.err.includes('0123456789'));
    assert.match((await run(home, home.args, {})).err, /got nothing: create an admin key/);
  });

  test('the admin key may be in a file', async () => {
    const path = join(folder, 'admin-key');
    writeFileSync(path, `${ADMIN_KEY}\n`);
    assert.equal((await run(home, home.args, { ANTHROPIC_ADMIN_KEY_FILE: path })).code, 0);
    assert.match(
      (await run(home, home.args, { ANTHROPIC_ADMIN_KEY_FILE: '/nowhere' })).err,
      /ANTHROPIC_ADMIN_KEY_FILE/,
    );
  });

  test('arguments that are wrong are named', async () => {
    for (const args of [
      ['--by', 'moon'],
      ['--since', '2027-01-01'],
      ['--credit', '5@2026-10-21'],
      ['--prometheus', 'prometheus:9090'],
      ['--since', 'yesterday'],
      ['--balance', '5'],
      ['--key', 'shop=7'],
    ])
      assert.equal((await run(home, args)).code, 2, args.join(' '));
  });

  test('keys are named with what there is to look at', async () => {
    const { out } = await run(home, [...home.args, '--totals', home.totals]);
    assert.match(out, /^ {2}prod-shop-api +active, used 2026-10-21$/m);
    assert.match(out, /^ {2}foreign +active, used 2026-10-21, badly named, not watched$/m);
    assert.match(out, /^ {2}prod-log-batch +active, no use since 2026-10-01, not watched$/m);
  });

  test('the key of the environment is found by its hint', async () => {
    const env = { ANTHROPIC_ADMIN_KEY: ADMIN_KEY, PLIMSOLL_KEY: SHOP, ANTHROPIC_API_KEY: KEYS[0]?.key ?? '' };
    const { out } = await run(home, ['--base-url', home.url, '--totals', home.totals], env);
    // Its hint is that of two keys, which begin and end alike: that is said, and they are compared as one.
    assert.match(unwrapped(out.split('\n')).join('\n'), /prod-shop-api: 3 keys have its hint/);
  });

  test('nothing was written to the organization', () => {
    const admin = home.bench.sim.truth.requests.filter(({ path }) => path.startsWith('/v1/organizations'));
    assert.ok(admin.length > 0 && admin.every(({ method }) => method === 'GET'));
  });
});

test('an organization with the older reports alone is compared, with prices and discounts as one cause', async () => {
  const home = await house('legacy', { kind: 'legacy' });
  const { code, out } = await run(home, [...home.args, '--totals', home.totals]);
  assert.equal(code, 0);
  assert.match(out, /the older reports/);
  assert.match(out, /^ {2}Month to date \(27 days\) +\$6\.00 +\$9\.00 +\$8\.10 +\+\$2\.10$/m);
  assert.match(out, /^ +\+\$2\.00 {2}1 call not seen on prod-search-api/m);
  assert.match(out, /^ +−\$0\.90 {2}prices or discounts, which the older reports do not tell apart$/m);
});

test('an individual account is told so in one sentence, and a report without data is unknown', async () => {
  const alone = await house('alone', { kind: 'none' });
  const { code, err } = await run(alone, alone.args);
  assert.equal(code, 1);
  assert.match(err, /individual account has none/);
  const late = await house('late', { lagMs: 30 * 86_400_000 });
  assert.match((await run(late, late.args)).out, /nothing has landed yet: unknown, not zero/);
});

test('a correction that a process which watches has seen stands under its own name', async () => {
  const revised = [{ day: '2026-10-21', key: SHOP, model: 'claude-opus-5-5', addCents: '150', fromMs: REVISED_MS }];
  const home = await house('revised', { revised });
  const { bench, totals } = home;
  const kept = new KeptDays(new Map());
  const reports = sqliteReports(totals);
  await reports.claim({ holder: 'one', atMs: bench.clock.now(), forMs: 1_000 });
  for (const atMs of [REVISED_MS - 1, REVISED_MS + 1]) {
    bench.clock.nowMs = atMs;
    const source = { client: bench.admin(), prices: bench.prices, now: () => bench.clock.now() };
    const reading = await readAnalytics(source, '2026-10-20', '2026-10-26');
    await reports.claim({ holder: 'one', atMs, forMs: 1_000 });
    await reports.write('one', atMs, kept.add(reading, true));
  }
  await reports.close();
  const { out } = await run(home, [...home.args, '--totals', totals]);
  assert.match(out, /^ +\+\$1\.50 {2}corrections by the report, without other tokens$/m);
});
