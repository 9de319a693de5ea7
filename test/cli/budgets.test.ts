import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { budgets, sqliteLedger, type BudgetDefinition, type Ledger } from 'plimsoll/budget';
import { redisLedger } from 'plimsoll/redis';
import { command } from '../../src/cli/budgets.ts';
import { aPosting } from '../../testing/budget/ledgers.ts';
import { redis, redisServer } from '../../testing/redis-server.ts';
import { keptIo } from '../../testing/kept-io.ts';
import { unwrapped } from '../../testing/unwrapped.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOVEMBER_MS = Date.UTC(2026, 10, 1);
const NOW_MS = NOVEMBER_MS + 15 * DAY_MS;

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-budgets-'));
after(() => rmSync(folder, { recursive: true }));

interface Ran {
  readonly code: number;
  readonly out: readonly string[];
  readonly err: readonly string[];
}

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const { io, out, err } = keptIo({ now: () => NOW_MS, env });
  const code = await command.run(args, io);
  assert.deepEqual(
    out.filter((line) => line.length > 80 && !args.includes('--json')),
    [],
  );
  return { code, out, err: unwrapped(err) };
}

const DEFINITIONS: readonly BudgetDefinition[] = [
  { name: 'everything', period: 'month', usd: 600, mode: 'block' },
  { name: 'acme', scope: { label: 'tenant', value: 'acme' }, period: 'month', usd: 1_000 },
  {
    name: 'x'.repeat(64),
    scope: { model: 'claude-opus-5-5' },
    period: { rollingHours: 24 },
    usd: '0.5',
    mode: 'observe',
  },
];

const file = join(folder, 'budgets.json');
writeFileSync(file, JSON.stringify({ budgets: DEFINITIONS }));

/** A dollar in each hour of the first half of November for `everything`, and $42 held; $100 at once for `acme`. */
async function spend(ledger: Ledger): Promise<void> {
  const usd = 1_000_000_000n;
  const hours = Array.from({ length: 15 * 24 }, (_, hour) => ({ startMs: NOVEMBER_MS + hour * HOUR_MS, nanoUsd: usd }));
  const everything = { account: 'everything/month', periodMs: NOVEMBER_MS, nowMs: NOW_MS };
  await ledger.post(aPosting({ ...everything, sequence: 1, spends: hours, heldNanoUsd: 42n * usd }));
  const late = [{ startMs: NOW_MS - HOUR_MS, nanoUsd: 1_000n * usd }];
  await ledger.post(aPosting({ ...everything, account: 'acme/month', sequence: 1, spends: late }));
}

const path = join(folder, 'ledger.db');
const ledger = sqliteLedger(path);
await spend(ledger);
await ledger.close();

test('plimsoll budgets shows each budget with its bar and where it is going, at 80 columns', async () => {
  const { code, out, err } = await run(['--budgets', file, '--ledger', path]);
  assert.deepEqual(err, []);
  assert.equal(code, 0);
  assert.deepEqual(out, [
    `Budgets on 2026-11-16 00:00 UTC, ledger ${path}`,
    '',
    'everything               month          block     all',
    '  [██████████████████████████████▓▓▓▓░░░░░░░░░░░░░░░░]   60%  $360.00 of $600.00',
    '  $42.00 reserved, $720.00 forecast by 2026-12-01, runs out 2026-11-26 00:00',
    '',
    'acme                     month          warn      tenant=acme',
    '  [████████████████████████████████████████████████]  100%  $1000.00 of $1000.00',
    '  too early to forecast, used up',
    '',
    `${'x'.repeat(23)}… rolling_24h    observe   model=claude-opus-5-5`,
    '  [····················································]    0%  $0.00 of $0.5000',
    '  nothing spent yet',
    '',
    '█ spent  ▓ reserved for calls in progress  ░ forecast for the end of the period',
  ]);
});

test('plimsoll budgets --json gives the same for programs, and null for what is not known', async () => {
  const { code, out } = await run(['--budgets', file, '--ledger', path, '--json']);
  assert.equal(code, 0);
  const {
    at,
    ledger,
    budgets: shown,
  } = JSON.parse(out.join('\n')) as {
    readonly at: string;
    readonly ledger: { readonly kind: string };
    readonly budgets: readonly Record<string, unknown>[];
  };
  assert.equal(at, '2026-11-16T00:00:00.000Z');
  assert.equal(ledger.kind, 'sqlite');
  const [everything, , none] = shown;
  const { burnUsdPerHour, forecastUsd, runsOutAt, ...exact } = everything ?? {};
  assert.deepEqual(exact, {
    budget: 'everything',
    scope: 'all',
    period: 'month',
    mode: 'block',
    periodStart: '2026-11-01T00:00:00.000Z',
    periodEnd: '2026-12-01T00:00:00.000Z',
    limitUsd: 600,
    spentUsd: 360,
    reservedUsd: 42,
    usedRatio: 0.6,
  });
  assert.ok(Math.abs(Number(burnUsdPerHour) - 1) < 1e-9);
  assert.ok(Math.abs(Number(forecastUsd) - 720) < 1e-6);
  assert.match(String(runsOutAt), /^2026-11-2[56]T/);
  assert.deepEqual([none?.['spentUsd'], none?.['forecastUsd'], none?.['runsOutAt']], [0, null, null]);
});

test('plimsoll budgets reads what a service has just written, from the files that the environment names', async () => {
  const fresh = join(folder, 'service.db');
  const clock = { epochMs: () => NOW_MS, monotonicMs: () => 0 };
  const held = budgets({ definitions: DEFINITIONS, ledger: sqliteLedger(fresh), clock });
  await held.refresh();
  const { code, out } = await run([], { PLIMSOLL_BUDGETS: file, PLIMSOLL_LEDGER: fresh });
  assert.equal(code, 0);
  assert.ok(out.includes('everything               month          block     all'));
  await held.close();
});

test('plimsoll budgets reads a Redis, and never shows its password', { skip: redis.skip }, async () => {
  const server = await redisServer(['--requirepass', 'hush']);
  const url = `redis://:hush@127.0.0.1:${server.port}`;
  const writing = redisLedger(url);
  try {
    await spend(writing);
    const { code, out } = await run(['--budgets', file, '--ledger', url]);
    assert.equal(code, 0);
    assert.equal(out[0], `Budgets on 2026-11-16 00:00 UTC, ledger redis at 127.0.0.1:${server.port}`);
    assert.ok(out.some((line) => line.endsWith('60%  $360.00 of $600.00')));
    await server.stop();
    const down = await run(['--budgets', file, '--ledger', url]);
    assert.deepEqual(down.err, [`The ledger does not respond: redis at 127.0.0.1:${server.port}.`]);
    assert.equal(down.code, 1);
  } finally {
    await writing.close();
    await server.end();
  }
});

/** Its key is not set here, and nobody asks for it. */
function gatewayFile(name: string, more: object): string {
  const config = join(folder, `${name}.json`);
  const keys = { 'prod-shop-api': { env: 'A_KEY_THAT_IS_NOT_SET_HERE' } };
  writeFileSync(config, JSON.stringify({ keys, clients: { checkout: {} }, ...more }));
  return config;
}

test('plimsoll budgets --config shows the budgets of a gateway and of its clients, without needing its keys', async () => {
  const gateway = {
    clients: { checkout: { budgets: [{ name: 'checkout-month', period: 'month', usd: 200, mode: 'block' }] } },
    budgets: [DEFINITIONS[0]],
    ledger: { sqlite: 'ledger.db' },
  };
  const config = gatewayFile('gateway', gateway);
  const { code, out, err } = await run(['--config', config]);
  assert.deepEqual([code, err], [0, []]);
  assert.equal(out[0], `Budgets on 2026-11-16 00:00 UTC, ledger ${path}`);
  assert.ok(out.some((line) => line.endsWith('60%  $360.00 of $600.00')));
  assert.ok(out.includes('checkout-month           month          block     client=checkout'));
  const elsewhere = join(folder, 'one.db');
  await sqliteLedger(elsewhere).close();
  const named = await run(['--config', config, '--ledger', elsewhere]);
  assert.equal(named.out[0], `Budgets on 2026-11-16 00:00 UTC, ledger ${elsewhere}`);
});

test('plimsoll budgets says where a gateway has nothing to show, and which option its configuration is for', async () => {
  const inMemory = await run(['--config', gatewayFile('memory', { budgets: [DEFINITIONS[0]] })]);
  assert.equal(inMemory.code, 1);
  assert.match(
    inMemory.err[0] ?? '',
    /^ledger: expected a ledger that other processes can read, got none in the configuration/,
  );
  const none = await run(['--config', gatewayFile('none', {})]);
  assert.equal(none.err[0], '--config: expected a configuration with budgets, got nothing: see docs/gateway.md');
  const mistaken = await run(['--budgets', gatewayFile('mistaken', {}), '--ledger', path]);
  assert.deepEqual([mistaken.code, mistaken.err.length], [1, 1]);
  assert.match(mistaken.err[0] ?? '', /: if it is a gateway configuration, pass it as --config FILE$/);
});

test('plimsoll budgets says in a line what is wrong, and ends with 1 or, for its arguments, with 2', async () => {
  const wrong = join(folder, 'wrong.json');
  writeFileSync(
    wrong,
    JSON.stringify({
      budgets: [
        { name: 'all', period: 'week', usd: 1 },
        { name: 'day', period: 'day' },
      ],
    }),
  );
  const bad = await run(['--budgets', wrong, '--ledger', path]);
  assert.equal(bad.code, 1);
  assert.equal(bad.err.length, 2);
  assert.ok(bad.err.every((line) => line.startsWith(`${wrong}: budgets[`)));

  const both = await run(['--budgets', wrong, '--ledger', join(folder, 'absent.db')]);
  assert.equal(both.err.length, bad.err.length + 1, 'the problems of the file and of the ledger');
  const misspelled = join(folder, 'misspelled.json');
  writeFileSync(
    misspelled,
    JSON.stringify({
      budgets: [{ name: 'o', period: 'day', usd: 1, mode: 'warn', scope: { model: 'claude-opsu-5' } }],
    }),
  );
  assert.deepEqual((await run(['--budgets', misspelled, '--ledger', path])).err, [
    'o: claude-opsu-5 is not in the price table, did you mean claude-opus-5?',
  ]);

  const absent = await run(['--budgets', file, '--ledger', join(folder, 'absent.db')]);
  assert.equal(absent.code, 1);
  assert.equal(absent.err.length, 1);
  assert.match(
    absent.err[0] ?? '',
    /^ledger: expected a path for an SQLite file, got ".*absent\.db", which does not exist/,
  );

  const OPTIONS = '--budgets, --ledger, --config, --json, --help';
  for (const [args, first] of [
    [
      ['--ledger', path],
      "--budgets: expected a file of budgets, got nothing: pass --budgets FILE or a gateway's --config FILE, or set PLIMSOLL_BUDGETS",
    ],
    [['--budgets', file], '--ledger: expected a ledger, got nothing: pass --ledger PLACE, or set PLIMSOLL_LEDGER'],
    [['--color'], `--color: expected one of ${OPTIONS}, got an unknown option`],
    [['--budgets', file, '--config', file], '--config: expected --budgets or --config, got both: leave one out'],
    [['all'], 'arguments: expected only options, got "all"'],
  ] as const) {
    const { code, err } = await run(args);
    assert.equal(code, 2);
    assert.equal(err[0], first);
  }
  assert.equal((await run(['--help'])).code, 0);
});
