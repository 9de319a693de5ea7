import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { filesOf } from '../../scripts/guide/blocks.ts';
import { typeErrors } from '../../testing/type-errors.ts';

const root = join(import.meta.dirname, '..', '..');
const guide = readFileSync(join(root, 'docs', 'guide.md'), 'utf8');

test('the figures in the prose of the guide are those of its output', () => {
  const [, prose = ''] = /^## A spike of 429s([^]*)/m.exec(guide) ?? [];
  const figure = (line: RegExp): number => Number(line.exec(guide)?.[1]);
  const attempts = [...guide.matchAll(/^anthropic_attempts_total.* (\d+)$/gm)].slice(0, 3);
  const sum = attempts.reduce((total, [, count]) => total + Number(count), 0);
  assert.ok(prose.includes(`became ${sum.toLocaleString('en-US')} attempts`), `${sum} attempts`);
  const judged = figure(/^10:\d\d:\d\d digest: (\d+) of 1200/m);
  assert.ok(prose.includes(`${1_200 - judged} entries are still not judged`), `${judged} entries judged`);
  const waitedMinutes = Math.round(figure(/^anthropic_retry_wait_seconds_total.* ([\d.]+)$/m) / 60);
  assert.ok(prose.includes(`waited ${waitedMinutes} minutes`), `${waitedMinutes} minutes waited`);
  assert.match(guide, /runs out 2026-11-24 13:07\n[^]*\*\*runs out at 13:07\*\*/);
  assert.match(guide, /^13:13:\d\d chat: BudgetExceededError[^]*from 13:13 on/m);
});

test('the code of the guide compiles for strict users, before its changes and after them', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-guide-types-'));
  t.after(() => rmSync(folder, { recursive: true }));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const paths = { plimsoll: ['src/index.ts'], 'plimsoll/budget': ['src/budget/index.ts'] };
  const options = {
    module: 'nodenext',
    target: 'es2023',
    strict: true,
    noEmit: true,
    types: ['node'],
    allowImportingTsExtensions: true,
    resolveJsonModule: true,
    skipLibCheck: true,
    paths: Object.fromEntries(Object.entries(paths).map(([name, [file = '']]) => [name, [join(root, file)]])),
  };
  const states = { before: guide.slice(0, guide.indexOf('```diff')), after: guide };
  for (const [name, page] of Object.entries(states)) {
    mkdirSync(join(folder, name));
    for (const [file, text] of await filesOf(page)) writeFileSync(join(folder, name, file), text);
  }
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: options, include: ['before', 'after'] }),
  );
  assert.equal(typeErrors(folder), '');
});
