import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, describe } from 'node:test';
import { ConfigurationError, instrument, sentenceOf } from 'plimsoll';
import {
  budgets,
  budgetsFromFile,
  loadBudgets,
  sqliteLedger,
  type Budget,
  type BudgetDefinition,
} from 'plimsoll/budget';
import Anthropic from '@anthropic-ai/sdk';
import { Registry } from 'prom-client';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-budgets-'));
after(() => rmSync(folder, { recursive: true }));

let files = 0;
function file(text: string, ending = 'json'): string {
  files += 1;
  const path = join(folder, `budgets-${files}.${ending}`);
  writeFileSync(path, text);
  return path;
}

function problemsOf(make: () => unknown, code = 'PLIMSOLL_BUDGETS_INVALID'): readonly string[] {
  try {
    make();
  } catch (error) {
    assert.ok(error instanceof ConfigurationError, String(error));
    assert.equal(error.code, code);
    return error.problems.map(sentenceOf);
  }
  return assert.fail('expected a ConfigurationError');
}

const silent = () => ({ ledger: sqliteLedger(':memory:') });
const read = (definition: object): Budget | undefined =>
  budgets({ ...silent(), definitions: [definition as BudgetDefinition] }).all[0]?.budget;

test('what is left out has its default: all calls, warn at 50, 80 and 100%, and nothing is refused', () => {
  assert.deepEqual(read({ name: 'all', period: 'month', usd: 300 }), {
    name: 'all',
    scope: { kind: 'all' },
    period: { kind: 'month' },
    limitNanoUsd: 300_000_000_000n,
    mode: 'warn',
    thresholds: [0.5, 0.8, 1],
    onUnknownPrice: 'allow',
    onLedgerDown: null,
  });
  assert.equal(read({ name: 'all', period: 'month', usd: 300, mode: 'block' })?.onUnknownPrice, 'block');
});

test('an amount is taken as it is written', () => {
  const amounts: ReadonlyArray<readonly [number | string, bigint]> = [
    [0.1, 100_000_000n],
    ['0.1', 100_000_000n],
    ['0.000000001', 1n],
    ['999999999.999999999', 999_999_999_999_999_999n],
    [25.5, 25_500_000_000n],
    ['007', 7_000_000_000n],
  ];
  for (const [usd, nanoUsd] of amounts) assert.equal(read({ name: 'a', period: 'day', usd })?.limitNanoUsd, nanoUsd);
});

describe('a file', () => {
  const definitions = [
    { name: 'month', period: 'month', usd: 300, mode: 'block', onLedgerDown: 'closed', onUnknownPrice: 'allow' },
    { name: 'acme', scope: { label: 'tenant', value: 'acme' }, period: { rollingHours: 1.5 }, usd: '25.50' },
    { name: 'opus', scope: { model: 'claude-opus-5-5' }, period: { rollingMs: 60_000 }, usd: 1, thresholds: [1, 0.25] },
    { name: 'key', scope: { key: 'prod-api-key' }, period: 'day', usd: 2, mode: 'observe', thresholds: [] },
  ];
  const yaml = `# What we may spend.
budgets:
  - { name: month, period: month, usd: 300, mode: block, onLedgerDown: closed, onUnknownPrice: allow }
  - name: acme
    scope: { label: tenant, value: acme }
    period: { rollingHours: 1.5 }
    usd: 25.50
  - name: opus
    scope: { model: claude-opus-5-5 }
    period: { rollingMs: 60000 }
    usd: 1
    thresholds: [1, 0.25]
  - { name: key, scope: { key: prod-api-key }, period: day, usd: 2, mode: observe, thresholds: [] }
`;

  test('says the same as JSON and as YAML, and as the same definitions in code', () => {
    const inCode = budgets({ ...silent(), definitions: definitions as readonly BudgetDefinition[] });
    const expected = inCode.all.map(({ budget }) => budget);
    assert.deepEqual(loadBudgets(file(JSON.stringify({ budgets: definitions }))), expected);
    assert.deepEqual(loadBudgets(file(yaml, 'yaml')), expected);
    assert.deepEqual(loadBudgets(file(yaml, 'YML')), expected);
    assert.equal(expected.length, 4);
  });

  test('is the one that PLIMSOLL_BUDGETS names, if none is passed', () => {
    const before = process.env['PLIMSOLL_BUDGETS'];
    try {
      process.env['PLIMSOLL_BUDGETS'] = file(JSON.stringify({ budgets: definitions }));
      assert.equal(budgetsFromFile(undefined, silent()).all.length, 4);
      delete process.env['PLIMSOLL_BUDGETS'];
      assert.match(problemsOf(() => budgetsFromFile())[0] ?? '', /set PLIMSOLL_BUDGETS$/);
    } finally {
      if (before !== undefined) process.env['PLIMSOLL_BUDGETS'] = before;
    }
  });

  test('that cannot be read, is not JSON or YAML, or has no budgets, is refused in one line without its text', () => {
    const secret = 'sk-ant-api03-secret';
    const cases: ReadonlyArray<readonly [string, RegExp]> = [
      [join(folder, 'absent.json'), /expected to read the file, got no such file: check the path$/],
      [folder, /expected to read the file, got a folder: name a file in it$/],
      [file(`key: ${secret}`), /expected JSON, got a text that cannot be parsed$/],
      [file(`"${secret}`, 'yaml'), /expected YAML, got a text that cannot be parsed \(line 1, column \d+\)$/],
      [file(JSON.stringify([secret])), /expected an object with the field budgets, got a list of 1$/],
      [file(JSON.stringify({ budgets: [], [secret]: 1 })), /expected the field budgets and no other, got another one$/],
      [
        file(JSON.stringify({ budgets: [] })),
        /budgets: expected a list of budgets, got a list of 0: give at least one$/,
      ],
      [file('{}'), /budgets: expected a list of budgets, got nothing: give at least one$/],
    ];
    for (const [path, expected] of cases) {
      const problems = problemsOf(() => loadBudgets(path));
      assert.equal(problems.length, 1);
      assert.match(problems[0] ?? '', expected);
      assert.ok(problems[0]?.startsWith(`${path}: `));
      assert.doesNotMatch(problems[0] ?? '', /secret/);
    }
  });
});

test('settings that would fail at the first call are named when budgets are made, all of them', () => {
  const definitions = [{ name: 'all', period: 'day', usd: 1 }] as const;
  const settings = { ledger: 'budgets.db' as never, deadlineMs: Number.NaN, holdMs: 0 };
  assert.deepEqual(
    problemsOf(() => budgets({ ...settings, definitions })),
    [
      'ledger: expected a ledger, got "budgets.db": pass memoryLedger(), sqliteLedger(path) or redisLedger(url)',
      'deadlineMs: expected milliseconds from 1 to 2147483647, got NaN: leave it out',
      'holdMs: expected milliseconds from 1000 to 2147483647, got 0: leave it out',
    ],
  );
});

test('a value that no file can hold is named as a mistake too, where budgets are written in code', () => {
  const definitions = [{ name: Symbol('a'), period: () => 'day', usd: 10n }] as unknown as readonly BudgetDefinition[];
  const got = problemsOf(() => budgets({ definitions })).map((problem) => /got (.*):/.exec(problem)?.[1]);
  assert.deepEqual(got, ['a symbol', 'a function', 'a bigint']);
});

test('every kind of mistake is named at once, each with its place, what was expected and what came', () => {
  const path = file(
    JSON.stringify({
      budgets: [
        { name: 'a b', period: 'week', usd: -1 },
        { name: 'twice', period: 'day', usd: 1, limit: 3 },
        { name: 'twice', period: { rollingHours: 24, rollingMs: 1 }, usd: '1,50' },
        'month',
        { name: 'x'.repeat(65), period: { rollingMs: 59_999 }, usd: 0 },
        { name: 'scope', period: 'day', usd: 1, scope: { label: 'tenant' } },
        { name: 'scope2', period: 'day', usd: 1, scope: { key: '' } },
        { name: 'scope3', period: 'day', usd: 1, scope: { label: 'tenant', value: 'sk-ant-api03-secret' } },
        { name: 'mode', period: 'day', usd: 1, mode: 'stop', thresholds: [80], onLedgerDown: 'maybe' },
        { name: 'policy', period: 'day', usd: 1, mode: 'warn', onLedgerDown: 'closed', onUnknownPrice: 'block' },
      ],
    }),
  );
  const problems = problemsOf(() => loadBudgets(path)).map((problem) => problem.replace(`${path}: `, ''));
  const named = 'expected up to 64 letters, digits, ".", "_" and "-"';
  const lasting = 'expected day, month, { rollingHours } or { rollingMs }';
  const amount = 'expected an amount above 0 of at most 9 digits on either side of the point';
  assert.deepEqual(problems, [
    `budgets[0].name: ${named}, got "a b": name the budget`,
    `budgets[0].period: ${lasting}, got "week": a window is a minute to 366 days long`,
    `budgets[0].usd: ${amount}, got -1: write dollars, as 25.50`,
    'budgets[1].limit: expected one of name, scope, period, usd, mode, thresholds, onUnknownPrice, onLedgerDown, got an unknown field',
    `budgets[2].period: ${lasting}, got an object: a window is a minute to 366 days long`,
    `budgets[2].usd: ${amount}, got "1,50": write dollars, as 25.50`,
    'budgets[3]: expected a budget with name, period and usd, got "month"',
    `budgets[4].name: ${named}, got a text of 65 characters: name the budget`,
    `budgets[4].period: ${lasting}, got an object: a window is a minute to 366 days long`,
    `budgets[4].usd: ${amount}, got 0: write dollars, as 25.50`,
    'budgets[5].scope: expected one scope, got an object: use all, { key }, { model } or { label, value }',
    'budgets[6].scope.key: expected a text of up to 100 characters, got "": put quotes around a number',
    'budgets[7].scope.value: expected a text of up to 100 characters, got a text of 19 characters: put quotes around a number',
    'budgets[8].mode: expected one of observe, warn, block, got "stop": use one of them',
    'budgets[8].onLedgerDown: expected one of bounded, closed, open, got "maybe": use one of them',
    'budgets[8].thresholds: expected a list of shares of the amount, got a list of 1: write 0.8 for 80%',
    'budgets[9].onUnknownPrice: expected allow outside mode block, got "block": set mode: block, or leave this out',
    'budgets[9].onLedgerDown: expected open outside mode block, got "closed": set mode: block, or leave this out',
    'budgets[2].name: expected a unique name, got the name of budgets[1]: rename one',
  ]);
});

test('a budget of a label that attribution does not declare would never count a call, and is refused', () => {
  const scope = { label: 'tenant', value: 'acme' };
  const held = budgets({ ...silent(), definitions: [{ name: 'acme', scope, period: 'day', usd: 1 }] });
  const registry = new Registry();
  const client = new Anthropic({ apiKey: 'test' });
  assert.deepEqual(
    problemsOf(() => instrument(client, { registry, budgets: held }), 'PLIMSOLL_OPTIONS_INVALID'),
    ['budgets: expected the label of budget "acme" to be one that `attribution` declares, got "tenant": add it there'],
  );
  instrument(client, { registry, budgets: held, attribution: { tenant: [] } });
});

test('a ledger file that cannot be used is refused with its path and what to do', () => {
  const problem = (make: () => unknown) => problemsOf(make, 'PLIMSOLL_LEDGER_INVALID')[0] ?? '';
  assert.match(
    problem(() => sqliteLedger(join(folder, 'no', 'such', 'folder.db'))),
    /check the path and its permissions/,
  );
  assert.match(
    problem(() => sqliteLedger(join(folder, 'absent.db'), { open: 'existing' })),
    /which does not exist/,
  );
  assert.match(
    problem(() => sqliteLedger(file('not a database, but long enough to be looked at', 'db'))),
    /not a database/,
  );
  const url = problem(() => sqliteLedger('valkey://user:s3cret@127.0.0.1/0'));
  assert.match(url, /got a URL of valkey/);
  assert.doesNotMatch(url, /s3cret/);
});
