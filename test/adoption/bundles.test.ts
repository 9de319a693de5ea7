import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { build, type BuildOptions } from 'esbuild';
import { adopts } from '../../testing/adopting.ts';
import { MANUAL_PROJECT } from '../../testing/manual-project.ts';
import { packed, project } from '../../testing/packed.ts';

const pack = await packed();
test.after(() => pack.remove());
const folder = await project(pack, MANUAL_PROJECT);

const bundle = (options: BuildOptions) =>
  build({
    absWorkingDir: folder,
    entryPoints: ['ledger.js'],
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
  assert.ok(size < 203_000, `${size} bytes`);
});

const PEERS = ['@anthropic-ai/sdk', '@opentelemetry/api', 'prom-client'];
