import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { examples, ran, root } from '../../testing/examples/programs.ts';

test('the examples in TypeScript have no type errors', async () => {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { code, out } = await ran(process.execPath, [compiler, '-p', examples]);
  assert.equal(code, 0, out);
});
