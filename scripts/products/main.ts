/**
 * Builds, runs and tests the program of the README with products of others, each installed by npm into a folder of its own, and
 * compares its metrics with what the simulated API billed: bundlers, runtimes and test runners, and the lowest peers. `--one` takes
 * the first of each kind; names on the command line take those alone; `--sdk VERSION` builds the program on another SDK, such as
 * `latest`. What npm cannot install is printed as `not run: …`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { MANUAL_PROJECT } from '../../testing/manual-project.ts';
import { packed, project } from '../../testing/packed.ts';
import { BUNDLERS } from './bundlers.ts';
import { KINDS, notInstalled, type Product } from './product.ts';
import { LOWEST_PEERS } from './lowest-peers.ts';
import { RUNTIMES } from './runtimes.ts';
import { TEST_RUNNERS } from './test-runners.ts';

const PRODUCTS: readonly Product[] = [...BUNDLERS, ...RUNTIMES, ...TEST_RUNNERS, LOWEST_PEERS];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { one: { type: 'boolean', default: false }, sdk: { type: 'string', default: '1.14.0' } },
});

function chosen(): readonly Product[] {
  if (values.one) return KINDS.flatMap((kind) => PRODUCTS.find((product) => product.kind === kind) ?? []);
  return positionals.length === 0 ? PRODUCTS : PRODUCTS.filter(({ name }) => positionals.includes(name));
}

const pack = await packed();
const place = mkdtempSync(join(tmpdir(), 'plimsoll-products-'));
try {
  const folder = await project(pack, {
    ...MANUAL_PROJECT,
    dependencies: { ...MANUAL_PROJECT.dependencies, '@anthropic-ai/sdk': values.sdk },
  });
  for (const product of chosen()) await proved(product, folder);
} finally {
  rmSync(place, { recursive: true });
  pack.remove();
}

async function proved({ name, packages, prove }: Product, app: string): Promise<void> {
  const folder = join(place, name.replaceAll(/\W+/g, '-').toLowerCase());
  const reason = await notInstalled(
    folder,
    packages.map((each) => (each === 'plimsoll' ? pack.tarball : each)),
  );
  if (reason !== null) return console.log(`not run: ${name}: ${reason}`);
  const endings: (() => Promise<void>)[] = [];
  try {
    const seen = await prove({ folder, app, after: (end) => void endings.unshift(end) });
    console.log(`${name}: ${seen}`);
  } catch (error) {
    console.log(`FAILED: ${name}: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  } finally {
    for (const end of endings) await end();
  }
}
