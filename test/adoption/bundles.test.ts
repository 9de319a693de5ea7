import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { build, type BuildOptions } from 'esbuild';
import { adopts } from '../../testing/adopting.ts';
import { packed, project } from '../../testing/packed.ts';

const root = join(import.meta.dirname, '..', '..');
const [, code = ''] = /```ts\n([^]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];

/** The README's program, with a metric of its own beside plimsoll's, and a ledger in a file. */
const app = `${code}
import { budgets, sqliteLedger } from 'plimsoll/budget';
import { Counter } from 'prom-client';

new Counter({ name: 'harbor_tides_total', help: 'Tides.' }).inc();
instrument(new Anthropic(), {
  key: 'second',
  budgets: budgets({ definitions: [{ name: 'all', period: 'day', usd: 1 }], ledger: sqliteLedger('budgets.db') }),
});
`;

const pack = await packed();
test.after(() => pack.remove());
const folder = await project(pack, {
  name: 'bundled',
  type: 'module',
  dependencies: {
    '@anthropic-ai/sdk': '1.12.0',
    '@types/express': '^5.0.6',
    '@types/node': '^22.20.5',
    express: '^5.3.0',
    'prom-client': '^15.1.0',
  },
  sources: { 'app.ts': app },
});

const bundle = (options: BuildOptions) =>
  build({
    absWorkingDir: folder,
    entryPoints: ['app.js'],
    bundle: true,
    minify: true,
    platform: 'node',
    logLevel: 'warning',
    ...options,
  });

/** A folder in which nothing is installed. */
function bare(): string {
  const place = mkdtempSync(join(tmpdir(), 'plimsoll-bundle-'));
  test.after(() => rmSync(place, { recursive: true }));
  return place;
}

// Packages in CommonJS, which express is, call `require` of Node's own modules: an ES module has to bring one.
const REQUIRE = "import { createRequire as r } from 'node:module'; const require = r(import.meta.url);";

for (const { name, options } of [
  { name: 'app.cjs', options: { format: 'cjs' } },
  { name: 'app.mjs', options: { format: 'esm', banner: { js: REQUIRE } } },
] satisfies { name: string; options: BuildOptions }[]) {
  test(`the code of the README, bundled into ${name} with all packages, shows its metrics beside the app's own`, async (t) => {
    const outfile = join(bare(), name);
    await bundle({ ...options, outfile });
    const page = await adopts(t, { folder, file: outfile, path: '/chat', labels: { route: '/chat' } });
    assert.equal(page.samples.get('harbor_tides_total'), 1);
  });
}

test('`instrument` alone does not grow in a bundle, minified, with its peers external', async () => {
  const place = bare();
  const entry = join(folder, 'alone.js');
  writeFileSync(entry, "export { instrument } from 'plimsoll';\n");
  const outfile = join(place, 'alone.mjs');
  await bundle({ entryPoints: [entry], format: 'esm', outfile, external: PEERS });
  const { size } = statSync(outfile);
  assert.ok(size < 197_000, `${size} bytes`);
});

const PEERS = ['@anthropic-ai/sdk', '@opentelemetry/api', 'prom-client'];
