import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { JSON_CONTRACTS, type JsonUnit } from '../../scripts/json-contract.ts';
import type { Taken } from '../../src/cli/arguments.ts';
import type { CommandIo } from '../../src/cli/command.ts';
import { main } from '../../src/cli/main.ts';
import { serve } from '../../src/http/serve.ts';
import { sqliteLedger } from '../../src/budget/sqlite-ledger.ts';
import { sqliteTotals } from '../../src/totals/sqlite-totals.ts';
import { KEY, simulated } from '../../testing/checked.ts';
import { api, PARAMS } from '../../testing/gateway/processes.ts';
import { keptIo } from '../../testing/kept-io.ts';
import { ADMIN_KEY, BooksBench, KEYS, WATCHED } from '../../testing/organization/books-bench.ts';
import { plantedSecret } from '../../testing/planted.ts';

const root = join(import.meta.dirname, '../..');

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-json-'));
after(() => rmSync(folder, { recursive: true }));

function written(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** `a.{b,c}` as `a.b` and `a.c`. */
function spread(path: string): readonly string[] {
  const [, before = '', inner, behind = ''] = /^(.*?)\{([^}]*)\}(.*)$/.exec(path) ?? [];
  return inner === undefined ? [path] : inner.split(',').flatMap((each) => spread(`${before}${each}${behind}`));
}

interface Listed {
  readonly path: string;
  readonly unit: JsonUnit;
}

const documented: ReadonlyMap<string, readonly Listed[]> = new Map(
  JSON_CONTRACTS.map(({ command, fields }) => [
    command,
    fields.flatMap(([paths, unit]) => spread(paths).map((path) => ({ path, unit }))),
  ]),
);

/** The fields that the page may have although nothing here prints them: they say what has gone wrong, or is seldom. */
const SELDOM: readonly RegExp[] = [/\.controlFailures\[\]/, /^unread\[\]/, /^tokens\[\]\.minted\./, /^pools\[\]$/];

const isNumber = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value);
const isText = (value: unknown, shape: RegExp): boolean => typeof value === 'string' && shape.test(value);

const FITS: Readonly<Record<JsonUnit, (value: unknown) => boolean>> = {
  any: (value) => isNumber(value) || typeof value === 'string',
  text: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  count: (value) => Number.isSafeInteger(value) && Number(value) >= 0,
  number: isNumber,
  ratio: (value) => isNumber(value) && Number(value) >= 0,
  days: (value) => Number.isSafeInteger(value),
  seconds: isNumber,
  ms: (value) => isNumber(value) && Number(value) >= 0,
  'epoch ms': (value) => isNumber(value) && Number(value) < 1e14,
  time: (value) => isText(value, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/),
  day: (value) => isText(value, /^\d{4}-\d\d-\d\d$/),
  USD: isNumber,
  'USD text': (value) => isText(value, /^-?\d+(\.\d+)?$/),
  'nano-USD': (value) => Number.isSafeInteger(value),
  'nano-USD text': (value) => isText(value, /^-?\d+$/),
};

interface Printed {
  readonly path: string;
  readonly value: unknown;
}

/** Names every value in it; `null`, and what is empty, for itself. */
function fieldsOf(value: unknown, path = ''): readonly Printed[] {
  if (typeof value !== 'object' || value === null) return [{ path, value }];
  if (Array.isArray(value))
    return value.length === 0 ? [{ path, value: null }] : value.flatMap((each) => fieldsOf(each, `${path}[]`));
  const entries = Object.entries(value);
  return entries.length === 0
    ? [{ path, value: null }]
    : entries.flatMap(([name, each]) => fieldsOf(each, path === '' ? name : `${path}.${name}`));
}

/** A name on the page matches any value's, `*` any name; what is `null` or empty stands for what it could hold. */
const isOnPage = (field: string, listed: string): boolean => {
  const [parts, names] = [listed.split('.'), field.split('.')];
  const fits = (name: string, index: number): boolean =>
    parts[index] === '*' || parts[index] === name || (index === names.length - 1 && parts[index] === `${name}[]`);
  return names.length <= parts.length && names.every(fits);
};

const isWhole = (field: string, listed: string): boolean =>
  isOnPage(field, listed) &&
  field.split('.').length === listed.split('.').length &&
  field.endsWith('[]') === listed.endsWith('[]');

function compare(name: string, printed: readonly unknown[]): void {
  const listed = documented.get(name) ?? [];
  const fields = printed.flatMap((each) => fieldsOf(each));
  const strange = new Set(
    fields.map(({ path }) => path).filter((path) => !listed.some((each) => isOnPage(path, each.path))),
  );
  assert.deepEqual([...strange], [], `plimsoll ${name} prints what docs/json.md does not list`);
  const missing = listed.filter(
    (each) => !fields.some(({ path }) => isWhole(path, each.path)) && !SELDOM.some((seldom) => seldom.test(each.path)),
  );
  assert.deepEqual(missing, [], `docs/json.md lists what plimsoll ${name} does not print`);
  const unfit = fields.filter(({ path, value }) => {
    const unit = listed.find((each) => isWhole(path, each.path))?.unit;
    return value !== null && (unit === undefined || !FITS[unit](value));
  });
  assert.deepEqual(unfit, [], `plimsoll ${name} prints another type or unit than docs/json.md says`);
}

interface Surroundings {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly now?: () => number;
}

async function printed(args: readonly string[], surroundings: Surroundings = {}): Promise<unknown> {
  const { io, out, err } = keptIo({ now: () => Date.now(), ...surroundings });
  await main([...args, '--json'], io);
  assert.notEqual(out.length, 0, err.join('\n'));
  return JSON.parse(out.join('\n'));
}

/** Runs a command that serves, does something with its first line, and ends it. Returns its lines. */
async function whileServing(
  args: readonly string[],
  act: (first: string) => Promise<unknown>,
  env: Readonly<Record<string, string>> = {},
): Promise<readonly string[]> {
  const { io, out, err } = keptIo({ now: () => Date.now(), env });
  const ending = new AbortController();
  let hear = (_line: string): void => undefined;
  const first = new Promise<string>((resolve) => (hear = resolve));
  const serving: CommandIo = Object.create(io, {
    signal: { value: ending.signal },
    out: { value: (line: string) => (io.out(line), hear(line)) },
  }) as CommandIo;
  const code = main([...args, '--json'], serving);
  try {
    await act(await Promise.race([first, code.then(() => Promise.reject(new Error(err.join('\n'))))]));
  } finally {
    ending.abort();
  }
  await code;
  return out;
}

const urlIn = (line: string): string => (JSON.parse(line) as { readonly url: string }).url;

async function ask(url: string, token: string): Promise<void> {
  const headers = { 'x-api-key': token, 'anthropic-version': '2023-06-01', 'content-type': 'application/json' };
  const response = await fetch(`${url}/v1/messages`, { method: 'POST', headers, body: JSON.stringify(PARAMS) });
  assert.equal(response.status, 200, await response.text());
}

test('the page has each command that takes --json, and no other', async () => {
  const found = new Set<string>();
  for (const file of readdirSync(join(root, 'src/cli'))) {
    const module = (await import(`../../src/cli/${file}`)) as {
      readonly command?: { readonly takes: readonly Taken[] };
    };
    for (const { name, options } of module.command?.takes ?? []) if ('json' in options) found.add(name);
  }
  // An action of a command may have a part of its own.
  const isOf = (heading: string, name: string): boolean => heading === name || heading.startsWith(`${name} `);
  const headings = [...documented.keys()];
  assert.deepEqual(
    [...found].filter((name) => !headings.some((heading) => isOf(heading, name))),
    [],
  );
  assert.deepEqual(
    headings.filter((heading) => ![...found].some((name) => isOf(heading, name))),
    [],
  );
});

test('plimsoll check prints what the page lists', async (t) => {
  const { ANTHROPIC_BASE_URL } = await simulated(t, [], { tier: 'start' });
  const env = { ANTHROPIC_BASE_URL, ANTHROPIC_AUTH_TOKEN: KEY };
  const right = await printed(['check', '--model', 'claude-haiku-4-5'], { env: { ...env, ANTHROPIC_API_KEY: KEY } });
  const wrong = await printed(['check'], { env: { ...env, ANTHROPIC_TIMEOUT_MS: 'soon' } });
  compare('check', [right, wrong]);
});

test('plimsoll prices prints what the page lists', async () => {
  compare('prices', [await printed(['prices']), await printed(['prices', '--date', '2026-03-01'])]);
  const usage = { input_tokens: 10, output_tokens: 5, server_tool_use: { web_search_requests: 1 } };
  const stdin = JSON.stringify({
    model: 'claude-opus-5-5',
    usage: { ...usage, output_tokens_details: { thinking_tokens: 2 } },
  });
  compare('prices explain', [await printed(['prices', 'explain', '--on', 'claude-haiku-4-5'], { stdin })]);
});

test('plimsoll budgets prints what the page lists', async () => {
  const budgets = [{ name: 'all', scope: 'all', period: 'month', usd: '5', mode: 'observe' }];
  const ledger = join(folder, 'budgets.db');
  await sqliteLedger(ledger).close();
  compare('budgets', [
    await printed(['budgets', '--budgets', written('b.json', JSON.stringify({ budgets })), '--ledger', ledger]),
  ]);
});

test('plimsoll scan prints what the page lists', async () => {
  const secret = written('secret.txt', plantedSecret(0));
  const cut = written('cut.gz', gzipSync('a text that is longer than its end').subarray(0, 20));
  compare('scan', [await printed(['scan', secret, cut])]);
});

test('plimsoll advise prints what the page lists', async () => {
  const stdin = [
    'plimsoll_build_info{version="1"} 1',
    'anthropic_budget_limit_usd{budget="chat",period="day",scope="route",ledger_id="a"} 5',
    'anthropic_budget_spent_usd{budget="chat",period="day",scope="route",ledger_id="a"} 5.1',
    '',
  ].join('\n');
  compare('advise', [await printed(['advise', '--metrics', '-'], { stdin })]);
});

/** An organization in which one key was used within what plimsoll saw, and one was not. */
async function books(t: TestContext) {
  const bench = new BooksBench({ days: 6, organization: { discountPercent: '10', spendLimits: true } });
  const usage = { input_tokens: 1_000_000, output_tokens: 100_000 };
  bench.at(1, 12);
  await bench.ask({ key: WATCHED[0] ?? '', model: 'claude-opus-5-5', usage });
  await bench.ask({ key: 'foreign', model: 'claude-haiku-4-5', usage });
  const totals = join(folder, 'totals.db');
  const store = sqliteTotals(totals);
  await store.add({ writer: 'one', sequence: 1, atMs: bench.clock.now(), rows: bench.rows(), ends: true });
  await store.close();
  bench.at(7, 12);
  await bench.ask({ key: 'foreign', model: 'claude-haiku-4-5', usage });
  bench.at(8, 6);
  const { url, close } = await serve(bench.sim.handle, { port: 0 });
  t.after(() => close(0));
  const env = { ANTHROPIC_ADMIN_KEY: ADMIN_KEY, PLIMSOLL_KEY: 'prod-lost-api', ANTHROPIC_API_KEY: KEY };
  const surroundings = { now: () => bench.clock.now(), env };
  return {
    bench,
    args: ['--base-url', url, '--key', `${WATCHED[0]}=${KEYS[0]?.id}`],
    totals,
    surroundings,
  };
}

test('plimsoll organization and plimsoll keys print what the page lists', async (t) => {
  const { bench, args, totals, surroundings } = await books(t);
  const from = ['--since', bench.day(0), '--balance', `500@${bench.day(0)}`];
  compare('organization', [await printed(['organization', ...args, '--totals', totals, ...from], surroundings)]);
  const stdin = ['anthropic_requests_total{key="shop"} 1', 'process_start_time_seconds 1', ''].join('\n');
  compare('keys', [await printed(['keys', ...args, '--metrics', '-'], { ...surroundings, stdin })]);
});

test('plimsoll simulate prints what the page lists', async () => {
  const lines = await whileServing(['simulate', '--port', '0'], (line) => ask(urlIn(line), 'any'));
  compare(
    'simulate',
    lines.map((line) => JSON.parse(line) as unknown),
  );
});

test('plimsoll gateway and its parts print what the page lists', async (t) => {
  const { url, key } = await api(t);
  const config = written(
    'gateway.json',
    JSON.stringify({
      ...{
        baseUrl: url,
        keys: { 'prod-api-key': { env: 'REAL_KEY' } },
        clients: { platform: { members: { budget: '80/month' } } },
      },
      ...{ ledger: { sqlite: 'ledger.db' }, tokens: { sqlite: 'tokens.db' } },
    }),
  );
  const env = { REAL_KEY: key, USER: 'eve' };
  const { io, out, err } = keptIo({ now: () => Date.now(), env });
  assert.equal(
    await main(['gateway', 'token', 'create', 'platform', '--owner', 'ada', '--config', config], io),
    0,
    err.join('\n'),
  );
  const start = ['gateway', '--port', '0', '--metrics-port', '0', '--config', config];
  const lines = await whileServing(start, (line) => ask(urlIn(line), out[0] ?? ''), env);
  compare('gateway', [JSON.parse(lines[0] ?? '')]);
  const of = (...words: readonly string[]) => printed(['gateway', ...words, '--config', config], { env });
  compare('gateway token list', [await of('token', 'list')]);
  compare('gateway usage', [await of('usage', '--by', 'day,client,owner,key,model')]);
  compare('gateway audit', [await of('audit')]);
});
