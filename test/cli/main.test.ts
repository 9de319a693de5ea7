import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { CommandIo } from '../../src/cli/command.ts';
import { main } from '../../src/cli/main.ts';
import { nodeProblem } from '../../src/version.ts';

async function run(...args: readonly string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const io = { out: (line: string) => out.push(line), err: (line: string) => err.push(line) } as unknown as CommandIo;
  return { code: await main(args, io), out, err };
}

test('--version says the version of the package', async () => {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
    readonly version: string;
  };
  assert.deepEqual(await run('--version'), { code: 0, out: [version], err: [] });
});

test('version says it too', async () => assert.deepEqual(await run('version'), await run('--version')));

test('no line of help is wider than 80 columns', async () => {
  const { out } = await run('--help');
  const names = out.flatMap((line) => /^ {2}(\w+) /.exec(line)?.slice(1, 2) ?? []);
  assert.ok(names.length > 10);
  const parts = ['gateway token', 'gateway usage', 'gateway audit', 'gateway forget'].map((name) => name.split(' '));
  for (const words of [[], ...names.map((name) => [name]), ...parts]) {
    const help = await run(...words, '--help');
    assert.equal(help.code, 0);
    for (const line of help.out) assert.ok([...line].length <= 80, `${words.join(' ')}: ${line}`);
    assert.deepEqual(await run('help', ...words), help, 'help COMMAND is COMMAND --help');
  }
});

test('an unknown command is refused in a line, with the one that was meant if one is near', async () => {
  for (const [name, advice] of [
    ['gatway', 'did you mean gateway?'],
    ['versoin', 'did you mean version?'],
    ['x', 'plimsoll --help lists them'],
  ] as const) {
    const { code, out, err } = await run(name);
    assert.deepEqual([code, out, err], [2, [], [`plimsoll: expected a command, got "${name}": ${advice}`]]);
  }
});

test('help of an unknown command, and an unknown part of one, are refused alike', async () => {
  const { code, err } = await run('help', 'gatway');
  assert.deepEqual([code, err], [2, ['plimsoll: expected a command, got "gatway": did you mean gateway?']]);
  const part = await run('gateway', 'tokne', '--config', 'gateway.yaml');
  assert.equal(part.code, 2);
  assert.match(
    part.err.join(' '),
    /^gateway: expected one of token, usage, audit, forget, got "tokne": did you {2,3}mean token\?$/,
  );
});

for (const { args, code } of [
  { args: ['prices'], code: 0 },
  { args: ['simulate', '--port', '0'], code: 0 },
  { args: ['keys', '--alias', 'badly named'], code: 1 },
])
  test(`plimsoll ${args[0]} ends quietly, with exit code ${code} as ever, when nobody reads its output`, async () => {
    const entry = join(import.meta.dirname, '../../src/cli/main.ts');
    const child = spawn(process.execPath, ['--conditions=plimsoll-source', entry, ...args]);
    child.stdout.destroy();
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const [ended] = (await once(child, 'close')) as [number | null];
    assert.equal(ended, code, said);
    assert.doesNotMatch(said, /EPIPE|node:events/);
  });

for (const version of ['20.20.0', '22.14.1'])
  test(`Node ${version} is refused as too old`, () => {
    const advice = 'run this program on a newer Node';
    const expected = '22.15 or later';
    assert.deepEqual(nodeProblem(version), { kind: 'too_old', field: 'Node', expected, got: version, advice });
  });

for (const version of ['22.15.0', '24.0.0', process.versions.node])
  test(`Node ${version} is new enough`, () => assert.equal(nodeProblem(version), null));
