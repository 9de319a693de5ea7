import assert from 'node:assert/strict';
import test from 'node:test';
import { examples } from '../../testing/examples/programs.ts';
import { typeErrors } from '../../testing/type-errors.ts';

test('the examples in TypeScript have no type errors', () => {
  assert.equal(typeErrors(examples), '');
});
