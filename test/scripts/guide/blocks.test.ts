import assert from 'node:assert/strict';
import test from 'node:test';
import { patched } from '../../../scripts/guide/blocks.ts';

test('a diff of the guide changes what it finds once, and is refused where it does not', () => {
  assert.equal(patched('a\nb\nc\n', '--- x.ts\n@@\n a\n-b\n+B\n'), 'a\nB\nc\n');
  assert.throws(() => patched('a\na\n', '--- x.ts\n@@\n-a\n+b\n'), /expected these lines once/);
});
