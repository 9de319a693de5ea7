/** The README's table of stacks: the line of code for each. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileFunction } from 'node:vm';

const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
const [, table = ''] = /### Which stack do I have\?\n\n([^]*?)\n\n/.exec(readme) ?? [];

/** The names of the stacks, and the first code of each line. */
export const STACKS: readonly { readonly stack: string; readonly code: string }[] = table
  .split('\n')
  .slice(2)
  .map((row) => row.split('|').map((cell) => cell.trim()))
  .map(([, stack = '', line = '']) => ({ stack, code: /`(.*?)`/.exec(line)?.[1] ?? '' }));

/** Runs the line of the stack whose name begins like this, with the names that it uses, and returns its value. */
export function madeByLine(stack: string, names: Readonly<Record<string, unknown>>): unknown {
  const row = STACKS.find((each) => each.stack.startsWith(stack));
  assert.ok(row, `the table has no ${stack}`);
  const made = compileFunction(`return ${row.code}`, Object.keys(names)) as (...values: unknown[]) => unknown;
  return made(...Object.values(names));
}
