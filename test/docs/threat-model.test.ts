import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { root } from '../../testing/examples/programs.ts';

test('what the threat model says is shown by tests is shown by tests of that name', () => {
  const page = readFileSync(join(root, 'docs', 'threat-model.md'), 'utf8');
  const rows = page.match(/^\| (?!what they try|---).*\|$/gm) ?? [];
  assert.ok(rows.length > 35, `${rows.length} rows found`);
  for (const row of rows) assert.match(row, /\]\(\.\.\/test\/\S+ "[^"]+"\)(?:, [^|]+)? \|$/);
  const shown = [...page.matchAll(/\]\(\.\.\/test\/(\S+)(?: "([^"]+)")?\)/g)];
  assert.ok(shown.length > 50, `${shown.length} tests found`);
  for (const [link, file = '', name = ''] of shown) {
    assert.notEqual(name, '', link);
    const source = readFileSync(join(root, 'test', file), 'utf8');
    assert.ok(source.includes(name), `test/${file} has no test "${name}"`);
  }
});
