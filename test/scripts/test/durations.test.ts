import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { remembered } from '../../../scripts/test/durations.ts';

const root = join(import.meta.dirname, '..', '..', '..');

test('hardly a file whose duration is remembered is gone: npm test -- --remember writes them anew', () => {
  const files = Object.keys(remembered());
  assert.ok(files.length > 10);
  const gone = files.filter((file) => !existsSync(join(root, file)));
  assert.ok(gone.length < files.length / 5, gone.join(', '));
});
