/** The table of what the package runs in: each product in docs/frameworks.md is run by a test or by `scripts/products/main.ts`. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { BUNDLERS } from '../../../scripts/products/bundlers.ts';
import { LOWEST_PEERS } from '../../../scripts/products/lowest-peers.ts';
import { KINDS } from '../../../scripts/products/product.ts';
import { RUNTIMES } from '../../../scripts/products/runtimes.ts';
import { TEST_RUNNERS } from '../../../scripts/products/test-runners.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const page = readFileSync(join(root, 'docs', 'frameworks.md'), 'utf8');
const [, table = ''] = /## What does it run in\?\n\n([^]*?)\n\n/.exec(page) ?? [];
const PRODUCTS = [...BUNDLERS, ...RUNTIMES, ...TEST_RUNNERS];

/**
 * Run by tests: test/adoption/bundles.test.ts, test/client/flush.test.ts for the platforms of functions, and test/package.test.ts,
 * which resolves the types in each way.
 */
const TESTED = ['esbuild', 'Lambda', 'Vercel', 'TypeScript'];

test('each product that the page names is run, and each that is run is named there', () => {
  const named = table
    .split('\n')
    .slice(2)
    .flatMap((row) => (row.split('|')[1] ?? '').split(',').map((name) => name.trim()))
    .filter((name) => !name.startsWith('from '));
  const run = new Set(PRODUCTS.map(({ name }) => name.split(/[ ,]/)[0]));
  assert.deepEqual(named.toSorted(), [...run, ...TESTED].toSorted());
});

test('each kind has a product for every day', () => {
  for (const kind of KINDS) assert.ok([...PRODUCTS, LOWEST_PEERS].some((product) => product.kind === kind));
});
