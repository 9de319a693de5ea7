import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'docs', 'budgets.md'), 'utf8');

test('the errors of the forecast in the manual are those that the script prints', () => {
  const script = join(root, 'scripts', 'forecast-error.ts');
  const printed = execFileSync(process.execPath, ['--conditions=plimsoll-source', script], { encoding: 'utf8' });
  assert.ok(page.includes(printed.trim()), 'run scripts/forecast-error.ts and copy what it prints');
});

test('every code and every field that the manual names is one of the code', () => {
  const files = [
    'budget/definition.ts',
    'budget/budgets.ts',
    'budget/budget-exceeded.ts',
    'environment/ledger-place.ts',
  ];
  const sources = files.map((file) => readFileSync(join(root, 'src', file), 'utf8'));
  const named = [...page.matchAll(/^\| `(\w+)` \|/gm), ...page.matchAll(/`(PLIMSOLL_[A-Z_]+)`/g)].map(
    ([, name = '']) => name,
  );
  assert.ok(named.length > 10);
  assert.deepEqual(
    named.filter((name) => !sources.some((source) => source.includes(name))),
    [],
  );
});
