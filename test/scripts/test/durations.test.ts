import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { remembered } from '../../../scripts/test/durations.ts';

const root = join(import.meta.dirname, '..', '..', '..');

test('every file whose duration is remembered is there: npm test -- --remember writes them anew', () => {
  const files = Object.keys(remembered());
  assert.ok(files.length > 10);
  assert.deepEqual(
    files.filter((file) => !existsSync(join(root, file))),
    [],
  );
});
