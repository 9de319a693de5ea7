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

test('an unknown command is refused in a line, with the one that was meant if one is near', async () => {
  for (const [name, advice] of [
    ['gatway', 'did you mean gateway?'],
    ['x', 'plimsoll --help lists them'],
  ] as const) {
    const { code, out, err } = await run(name);
    assert.deepEqual([code, out, err], [2, [], [`plimsoll: expected a command, got "${name}": ${advice}`]]);
  }
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
