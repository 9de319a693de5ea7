import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { root } from '../../testing/examples/programs.ts';

test('what the threat model says is shown by tests is shown by tests of that name', () => {
  const page = readFileSync(join(root, 'docs', 'threat-model.md'), 'utf8');
  const rows = page.match(/^\| (?!who,|---).*\|$/gm) ?? [];
  assert.ok(rows.length > 15);
  for (const row of rows) {
    const [, file = '', name = ''] = /\| `([\w/.-]+)`: ([^|]+) \|$/.exec(row) ?? [];
    assert.notEqual(file, '', row);
    const source = readFileSync(join(root, 'test', file), 'utf8');
    assert.ok(source.includes(name), `test/${file} has no test "${name}"`);
  }
});
