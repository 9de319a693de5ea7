import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { main } from '../../src/cli/main.ts';
import { TIER_NAMES } from '../../src/simulator/limits.ts';
import { keptIo } from '../../testing/kept-io.ts';
import { tool } from '../../testing/tools.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-completion-'));
after(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, 'budgets.json'), '');

async function printed(...args: readonly string[]): Promise<readonly string[]> {
  const { io, out } = keptIo();
  assert.equal(await main(args, io), 0);
  return out;
}

/** What is typed, the last word perhaps begun, and what is then offered. */
const CASES: readonly (readonly [typed: readonly string[], offered: readonly string[]])[] = [
  [['pri'], ['prices']],
  [['prices', 'ex'], ['explain']],
  [['prices', '--da'], ['--date']],
  [['prices', 'explain', '--mo'], ['--model']],
  [['simulate', '--tier', ''], TIER_NAMES],
  [['simulate', '--pace', 'n'], ['natural']],
  [['organization', '--by', 'm'], ['model']],
  [['dashboards', 'export', '--format', 'c'], ['configmap']],
  [
    ['gateway', ''],
    ['audit', 'forget', 'token', 'usage'],
  ],
  [['gateway', 'token', 're'], ['revoke']],
  [['gateway', 'token', '--min'], ['--minted']],
  [['gateway', '--min'], []],
  [
    ['completion', ''],
    ['bash', 'zsh', 'fish'],
  ],
  [['budgets', '--budgets', 'bud'], ['budgets.json']],
];

const sorted = (words: readonly string[]): readonly string[] => words.toSorted();

test('bash completes commands, options, their values and files', async () => {
  const script = join(folder, 'completion.bash');
  writeFileSync(script, (await printed('completion', 'bash')).join('\n'));
  // As bash does it: the function first, then files if it offers nothing, as `-o default` asks for.
  const asked = (typed: readonly string[]): string =>
    `COMP_WORDS=(plimsoll ${typed.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${typed.length}; _plimsoll; ` +
    `[ "\${#COMPREPLY[@]}" = 0 ] && COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")); ` +
    `[[ $(complete -p plimsoll) == *'-o default'* ]] && echo "\${COMPREPLY[@]}"`;
  const cases = [...CASES, [['simulate', '--pace', '=', 'n'], ['natural']] as const];
  const program = [`source '${script}'`, ...cases.map(([typed]) => asked(typed))].join('\n');
  const lines = execFileSync('bash', ['--norc', '-c', program], { cwd: folder, encoding: 'utf8' }).split('\n');
  for (const [index, [typed, offered]] of cases.entries())
    assert.deepEqual(sorted((lines[index] ?? '').split(' ').filter(Boolean)), sorted(offered), typed.join(' '));
});

const fish = tool('fish');

test('fish completes the same', { skip: fish.skip }, async () => {
  const script = (await printed('completion', 'fish')).join('\n');
  const program = CASES.map(([typed]) => `complete -C 'plimsoll ${typed.join(' ')}' | string split -f1 \\t; echo =`);
  const said = execFileSync(fish.path, ['--no-config', '-c', [script, ...program].join('\n')], {
    ...{ cwd: folder, encoding: 'utf8', env: { ...process.env, HOME: folder } },
  });
  for (const [index, [typed, offered]] of CASES.entries()) {
    const found = (said.split('=\n')[index] ?? '').split('\n').filter(Boolean);
    assert.deepEqual(
      sorted(found.filter((word) => word !== 'budgets.json' || offered.includes(word))),
      sorted(offered),
      typed.join(' '),
    );
  }
});

const zsh = tool('zsh');

test('zsh takes the script', { skip: zsh.skip }, async () => {
  const script = join(folder, '_plimsoll');
  writeFileSync(script, (await printed('completion', 'zsh')).join('\n'));
  // The words that zsh would offer, by a stand-in for compadd: the real one needs a line editor.
  const asked = (typed: readonly string[]): string =>
    `words=(plimsoll ${typed.map((word) => `'${word}'`).join(' ')}); CURRENT=${typed.length + 1}; PREFIX='${typed.at(-1)}'; _plimsoll; print`;
  const program = [
    'compdef() { }; compadd() { shift; for each; do [[ $each == $PREFIX* ]] && print -rn -- "$each "; done }; _files() { print -n files }',
    `source '${script}'`,
    ...CASES.map(([typed]) => asked(typed)),
  ].join('\n');
  const lines = execFileSync(zsh.path, ['-f', '-c', program], { cwd: folder, encoding: 'utf8' }).split('\n');
  for (const [index, [typed, offered]] of CASES.entries()) {
    const expected = offered[0] === 'budgets.json' ? ['files'] : offered;
    assert.deepEqual(sorted((lines[index] ?? '').split(' ').filter(Boolean)), sorted(expected), typed.join(' '));
  }
});

test('every option of a command that has only a few values asks for the one that was meant', async () => {
  for (const [args, field] of [
    [['simulate', '--tier', 'scal'], 'scale'],
    [['simulate', '--pace', 'natura'], 'natural'],
    [['scan', '--format', 'jsn'], 'json'],
    [['organization', '--by', 'modle'], 'model'],
    [['dashboards', 'export', '--format', 'fils'], 'files'],
    [['prices', 'explian'], 'explain'],
    [['dashboards', 'exprot'], 'export'],
    [['gateway', 'token', 'creat'], 'create'],
    [['completion', 'bsh'], 'bash'],
  ] as const) {
    const { io, err } = keptIo({ env: { ANTHROPIC_ADMIN_KEY: '' } });
    assert.equal(await main(args, io), 2);
    assert.ok(err.join(' ').replaceAll(/\s+/g, ' ').endsWith(`did you mean ${field}?`), err.join('\n'));
  }
});

test('a shell that it does not know is refused', async () => {
  const { io, err } = keptIo();
  assert.equal(await main(['completion'], io), 2);
  assert.deepEqual(err, ['completion: expected one shell: bash, zsh or fish, got nothing']);
});
