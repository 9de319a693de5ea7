import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { CommandIo } from '../../src/cli/command.ts';
import { main } from '../../src/cli/main.ts';
import { plantedSecret } from '../../testing/planted.ts';

const KEY = plantedSecret(0);
const ADMIN = plantedSecret(1);
const TOKEN = `plk_0123456789ab_${'q7w2e9r4t1'.repeat(4)}`;
const PASSWORD = 'hunter2Zq';

/** What is passed by mistake, and what of it must not be printed. */
const SLIPS: readonly (readonly [given: string, unseen: string])[] = [
  [KEY, KEY.slice(-20)],
  [TOKEN, TOKEN.slice(-40)],
  [`http://me:${PASSWORD}@127.0.0.1:1/x`, PASSWORD],
  [`postgres://me:${PASSWORD}@h`, PASSWORD],
  [`me:${PASSWORD}@h`, PASSWORD],
  [`redis://:x@${PASSWORD}@h`, PASSWORD],
];

const home = process.cwd();
const folder = mkdtempSync(join(tmpdir(), 'plimsoll-printed-'));
writeFileSync(
  join(folder, 'budgets.json'),
  JSON.stringify({ budgets: [{ name: 'all', period: 'day', usd: 1, mode: 'warn' }] }),
);
process.chdir(folder);
after(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true });
});

const KEYS = { ANTHROPIC_AUTH_TOKEN: KEY, ANTHROPIC_ADMIN_KEY: ADMIN, ANTHROPIC_BASE_URL: 'http://127.0.0.1:1' };

/** Runs a command that is to end as soon as it has started. */
async function printed(args: readonly string[], env: NodeJS.ProcessEnv = KEYS): Promise<string> {
  const lines: string[] = [];
  const put = (line: string): void => void lines.push(line);
  const io: CommandIo = {
    stdin: (async function* () {})(),
    out: put,
    err: put,
    reveal: put,
    env,
    now: () => Date.UTC(2026, 10, 24, 12),
    columns: 80,
    color: false,
    onReload: () => undefined,
    signal: AbortSignal.abort(),
  };
  await main(args, io);
  return lines.join('\n');
}

/** What a command needs to come as far as the value of an option. */
const WITH: Readonly<Record<string, readonly string[]>> = {
  budgets: ['--budgets', 'budgets.json', '--ledger', 'ledger.db'],
  dashboards: ['export'],
  gateway: ['--port', '0', '--metrics-port', '0'],
  simulate: ['--port', '0'],
  keys: ['--alias', 'prod-shop-api'],
};

const HELP = await printed(['--help']);
const COMMANDS = [...HELP.matchAll(/^ {2}([a-z]+) {2,}/gm)].map(([, name = '']) => [name]);

for (const command of [
  ...COMMANDS,
  ['gateway', 'token', 'create'],
  ['gateway', 'token', 'revoke'],
  ['prices', 'explain'],
])
  test(`plimsoll ${command.join(' ')} never repeats a key or a password that it was given as an argument`, async () => {
    const [name = ''] = command;
    const needed = command.length === 1 ? (WITH[name] ?? []) : [];
    const help = await printed([...command.slice(0, 2), '--help']);
    const options = [...help.matchAll(/(--[a-z-]+) [A-Z]{2}/g)].map(([, option = '']) => option);
    for (const [given, unseen] of SLIPS) {
      const misplaced = [[given], [`--${given}`], [`--json=${given}`], [`--${given}=1`], [`-${given}`]];
      const valued = options.flatMap((option) => [[option, given], [`${option}=${given}`]]);
      for (const more of [...misplaced, ...valued]) {
        const said = await printed([...command, ...needed, ...more]);
        assert.ok(!said.includes(unseen), `${more.join(' ').replaceAll(unseen, '<it>')}: ${said}`);
      }
    }
  });

test('the name of no command is not repeated if it may be a secret', async () => {
  assert.ok(COMMANDS.length >= 10, HELP);
  for (const [given, unseen] of SLIPS) assert.ok(!(await printed([given])).includes(unseen));
});

test('what a terminal obeys is printed as JSON escapes it, and not obeyed', async () => {
  const page = join(folder, 'page');
  writeFileSync(page, 'anthropic_requests_total{key="prod-a\\n\u001b[2J\u009b1m\u202e"} 1\n');
  const people = await printed(['keys', '--metrics', page]);
  assert.match(people, /prod-a\\u000a\\u001b\[2J\\u009b1m\\u202e/);
  // Without an admin key, since what cannot be read with one is said beside the result.
  const programs = await printed(['keys', '--metrics', page, '--json'], { ANTHROPIC_AUTH_TOKEN: KEY });
  for (const said of [people, programs]) assert.doesNotMatch(said, /[\u001b\u009b\u202e]/);
  const { keys } = JSON.parse(programs) as { readonly keys: readonly { readonly alias: string }[] };
  assert.equal(keys[0]?.alias, 'prod-a\n\u001b[2J\u009b1m\u202e');
});

test('an error that no command expects is printed without the secrets in it', async () => {
  const io = {
    out() {
      throw new Error(`cannot write to http://me:${PASSWORD}@h with ${KEY}`);
    },
    err: (line: string) => lines.push(line),
  } as unknown as CommandIo;
  const lines: string[] = [];
  assert.equal(await main(['--version'], io), 1);
  assert.match(lines.join('\n'), /cannot write to http:\/\/me:…@h with sk-ant-api03-…/);
});
