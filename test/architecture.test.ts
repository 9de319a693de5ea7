import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import test from 'node:test';
import { cruise } from 'dependency-cruiser';
import type { ICruiseResult } from 'dependency-cruiser';
import extractOptions from 'dependency-cruiser/config-utl/extract-depcruise-options';

const root = join(import.meta.dirname, '..');
const configPath = join(root, '.dependency-cruiser.js');
const { APART, ROWS, entries } = (await import(configPath)) as {
  readonly APART: string;
  readonly ROWS: readonly (readonly string[])[];
  readonly entries: readonly string[];
};
const FOLDERS = ['src', 'demo', 'monitoring', 'testing', 'test', 'bench', 'scripts'];
const options = await extractOptions(configPath);

const violations = async (folders: readonly string[], baseDir: string): Promise<readonly string[]> => {
  const tsConfig = { fileName: join(root, 'tsconfig.json') };
  const { output } = await cruise([...folders], { ...options, baseDir, tsConfig });
  return (output as ICruiseResult).summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`);
};

/** A project of these files, where packages resolve as they do here. */
const planted = async (t: test.TestContext, files: Readonly<Record<string, string>>): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-architecture-'));
  t.after(() => rmSync(folder, { recursive: true }));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  await copyFile(join(root, 'package.json'), join(folder, 'package.json'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
};

const value = 'export const value = 1;\n';
const importing = (path: string) => `import { value } from '${path}';\nexport const other = value;\n`;
const importingType = (path: string) => `import type { Value } from '${path}';\nexport type Other = Value;\n`;

const breaches: ReadonlyArray<readonly [rule: string, files: Readonly<Record<string, string>>]> = [
  [
    'observe-imports-inward',
    { 'src/observe/usage.ts': importing('../record/labels.ts'), 'src/record/labels.ts': value },
  ],
  [
    'observe-imports-inward',
    {
      'src/observe/usage.ts': importingType('../record/labels.ts'),
      'src/record/labels.ts': 'export type Value = number;\n',
    },
  ],
  ['pricing-imports-inward', { 'src/pricing/cost.ts': importing('../tier/tiers.ts'), 'src/tier/tiers.ts': value }],
  ['vocabulary-imports-inward', { 'src/vocabulary.ts': importing('./keys/alias.ts'), 'src/keys/alias.ts': value }],
  ['redis-imports-inward', { 'src/redis/index.ts': importing('../gateway/rules.ts'), 'src/gateway/rules.ts': value }],
  ['http-imports-inward', { 'src/http/serve.ts': importing('../cli/main.ts'), 'src/cli/main.ts': value }],
  [
    'no-cycles',
    {
      'src/observe/limiters.ts': importingType('./usage.ts') + 'export type Value = number;\n',
      'src/observe/usage.ts': importingType('./limiters.ts') + 'export type Value = number;\n',
    },
  ],
  ['no-barrels', { 'src/cli/main.ts': importing('../budget/index.ts'), 'src/budget/index.ts': value }],
  [
    'simulator-stands-apart',
    { 'src/simulator/simulator.ts': importing('../pricing/cost.ts'), 'src/pricing/cost.ts': value },
  ],
  [
    'only-cli-simulates',
    { 'src/observe/usage.ts': importing('../simulator/truth.ts'), 'src/simulator/truth.ts': value },
  ],
  ['pure-rooms-stay-pure', { 'src/tier/tiers.ts': "import 'node:http';\n" }],
  ['pure-rooms-stay-pure', { 'src/pricing/cost.ts': "import 'prom-client';\n" }],
  ['the-sdk-is-known-by-name', { 'src/observe/usage.ts': "import '@anthropic-ai/sdk';\n" }],
  ['observers-know-no-backend', { 'src/observe/usage.ts': "import '@opentelemetry/api';\n" }],
  [
    'optional-peers-stay-optional',
    {
      'src/index.ts': importing('./express/express.ts'),
      'src/express/express.ts': "import 'express';\n" + value,
    },
  ],
  ['only-peers-are-imported', { 'src/record/labels.ts': "import 'fast-check';\n" }],
  ['src-stands-alone', { 'src/record/labels.ts': importing('../../demo/main.ts'), 'demo/main.ts': value }],
  ['the-demo-is-a-user', { 'demo/main.ts': importing('../src/observe/usage.ts'), 'src/observe/usage.ts': value }],
  ['the-demo-is-a-user', { 'demo/main.ts': importing('../testing/calls.ts'), 'testing/calls.ts': value }],
  ['scripts-imports-inward', { 'scripts/stack.ts': importing('../test/calls.ts'), 'test/calls.ts': value }],
  ['monitoring-imports-inward', { 'monitoring/lint.ts': importing('../test/calls.ts'), 'test/calls.ts': value }],
  ['monitoring-imports-inward', { 'monitoring/lint.ts': importing('../scripts/stack.ts'), 'scripts/stack.ts': value }],
  ['bench-imports-inward', { 'bench/calls.ts': importing('../scripts/stack.ts'), 'scripts/stack.ts': value }],
  ['testing-imports-inward', { 'testing/calls.ts': importing('../test/calls.ts'), 'test/calls.ts': value }],
  ['testing-imports-inward', { 'testing/calls.ts': importing('../monitoring/lint.ts'), 'monitoring/lint.ts': value }],
  [
    'the-workshop-is-imported-by-its-own-tests',
    { 'test/observe/usage.test.ts': importing('../../scripts/stack.ts'), 'scripts/stack.ts': value },
  ],
  [
    'the-workshop-is-imported-by-its-own-tests',
    { 'test/scripts/stack.test.ts': importing('../../monitoring/lint.ts'), 'monitoring/lint.ts': value },
  ],
  ['resolvable', { 'src/observe/usage.ts': importing('./not-there.ts') }],
];

test('imports point inward, without cycles, types included', async () => {
  assert.deepEqual(await violations(FOLDERS, root), []);
});

for (const [number, [rule, files]] of breaches.entries()) {
  const importer = Object.keys(files)[0];
  test(`a breach of ${rule} is found in ${importer} (case ${number + 1})`, async (t) => {
    const folder = await planted(t, files);
    const found = await violations(
      FOLDERS.filter((name) => existsSync(join(folder, name))),
      folder,
    );
    assert.ok(
      found.some((violation) => violation.startsWith(`${rule}: ${importer} →`)),
      `found only ${JSON.stringify(found)}`,
    );
  });
}

test('a tree that follows every rule has no violation', async (t) => {
  const folder = await planted(t, {
    'src/index.ts': importing('./client/instrument.ts'),
    'src/client/instrument.ts':
      "import '@anthropic-ai/sdk';\nimport '../observe/middleware.ts';\nexport const value = 1;\n",
    'src/observe/middleware.ts': "import type Anthropic from '@anthropic-ai/sdk';\nexport type Value = Anthropic;\n",
    'src/record/prometheus.ts': "import 'prom-client';\n" + importing('../pricing/cost.ts'),
    'src/pricing/cost.ts': "import 'node:util';\nexport type { Value } from '../vocabulary.ts';\n" + value,
    'src/vocabulary.ts': 'export type Value = number;\n',
    'src/cli/main.ts': importing('../simulator/simulator.ts'),
    'src/simulator/simulator.ts': value,
    'demo/main.ts': "import { value } from 'plimsoll';\nexport const other = value;\n",
    'testing/calls.ts': importing('../src/pricing/cost.ts'),
    'scripts/stack.ts': importing('../monitoring/lint.ts'),
    'monitoring/lint.ts': "import '../testing/calls.ts';\nexport const value = 1;\n",
    'test/scripts/stack.test.ts': "import '../../scripts/stack.ts';\nimport '../../testing/calls.ts';\n",
  });
  assert.deepEqual(await violations(['src', 'demo', 'testing', 'scripts', 'monitoring', 'test'], folder), []);
});

test('every room of src/ has a row in the table', () => {
  const known = new Set([...ROWS.flat(), APART]);
  const strangers = readdirSync(join(root, 'src'))
    .filter((name) => !entries.includes(`src/${name}`))
    .map((name) => basename(name, '.ts'))
    .filter((room) => !known.has(room));
  assert.deepEqual(strangers, []);
});

test('every room in the table is there', () => {
  const rooms = readdirSync(join(root, 'src')).map((name) => basename(name, '.ts'));
  assert.deepEqual(
    [...ROWS.flat(), APART].filter((room) => !rooms.includes(room)),
    [],
  );
});

test('a source file is named after one thing, in kebab-case', () => {
  const vague = /^(utils?|helpers?|common|shared|misc|types?|manager|service)$/;
  const offenders = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.split('/').some((part) => {
      const name = part.replace(/\.(ts|json)$/, '');
      return vague.test(name) || !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) || /-and-/.test(name);
    }),
  );
  assert.deepEqual(offenders, []);
});

test('an index file in src/ is an entry of the package', () => {
  const indexes = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => basename(path) === 'index.ts')
    .map((path) => `src/${path}`);
  assert.deepEqual(
    indexes.filter((path) => !entries.includes(path)),
    [],
  );
});
