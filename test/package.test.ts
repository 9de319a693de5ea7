import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { packed } from '../testing/packed.ts';

interface Manifest {
  readonly author: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly bugs: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly homepage: string;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional: boolean }>>;
  readonly repository: { readonly url: string };
}

const root = join(import.meta.dirname, '..');
const installed = join(root, 'node_modules', '.bin');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

const { folder, tarball, remove } = await packed();
test.after(remove);
execFileSync('tar', ['-xzf', tarball, '-C', folder]);
const shipped = join(folder, 'package');

const filesIn = (path: string): readonly string[] =>
  readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((file) => statSync(join(path, file)).isFile());

const files = filesIn(shipped);
const textOf = (file: string): string => readFileSync(join(shipped, file), 'utf8');

const subpaths = Object.entries(manifest.exports).flatMap(([name, target]) =>
  typeof target === 'string' ? [] : [{ specifier: join('plimsoll', name), target }],
);

/** A user's project beside the tarball, with the package and its peers. Gives how to run a program in it. */
function project(name: string, sources: Readonly<Record<string, string>>) {
  const place = join(folder, name);
  const packages = join(place, 'node_modules');
  mkdirSync(packages, { recursive: true });
  cpSync(shipped, join(packages, 'plimsoll'), { recursive: true });
  for (const peer of [
    '@anthropic-ai',
    '@opentelemetry',
    '@types',
    'express',
    'ioredis',
    'prom-client',
    'undici-types',
  ]) {
    symlinkSync(join(root, 'node_modules', peer), join(packages, peer));
  }
  for (const [file, text] of Object.entries(sources)) writeFileSync(join(place, file), text);
  const env = { ...process.env, ANTHROPIC_AUTH_TOKEN: 'none' };
  return (program: string, args: readonly string[]) => spawnSync(program, args, { cwd: place, encoding: 'utf8', env });
}

/** The value, made when it is first asked for. */
function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}

const strictly = [
  '--strict',
  '--exactOptionalPropertyTypes',
  '--module',
  'nodenext',
  '--target',
  'es2023',
  '--types',
  'node',
];

/** What a linter of packages says against the tarball; empty when it is content. */
const complaints = (program: string, args: readonly string[]): string => {
  const { status, stdout, stderr } = spawnSync(join(installed, program), args, { cwd: root, encoding: 'utf8' });
  return status === 0 ? '' : stdout + stderr;
};

/** The modules that a built file names in its imports: at once, or later by `import()`. */
const imports = (file: string, kind: 'static' | 'dynamic'): readonly string[] => {
  const pattern = kind === 'static' ? /^(?:import|export)(?: [^;]*? from)? '([^']+)';$/gm : /\bimport\('([^']+)'\)/g;
  return [...textOf(file).matchAll(pattern)].map(([, name = '']) => name);
};

/** The built files that importing one loads at once, itself included. */
const loadedWith = (entry: string): ReadonlySet<string> => {
  const loaded = new Set([join(entry)]);
  for (const file of loaded) {
    for (const name of imports(file, 'static')) if (name.startsWith('.')) loaded.add(join(dirname(file), name));
  }
  return loaded;
};

test('every path that the package exports is in the package, but for the sources that the repository itself uses', () => {
  const targets = subpaths.flatMap(({ target }) => Object.entries(target));
  const missing = targets.filter(([, path]) => !existsSync(join(shipped, path))).map(([condition]) => condition);
  assert.deepEqual([...new Set(missing)], ['plimsoll-source']);
});

test('the command is executable and asks for node', () => {
  for (const file of Object.values(manifest.bin)) {
    assert.match(textOf(file), /^#!\/usr\/bin\/env node\n/);
    assert.ok((statSync(join(shipped, file)).mode & constants.S_IXUSR) !== 0, `${file} is not executable`);
  }
});

test('the package holds what its users need and nothing of the workshop', () => {
  const needed = ['LICENSE', 'README.md', 'CHANGELOG.md', 'package.json', 'dashboards/overview.json', 'docs/guide.md'];
  assert.deepEqual(
    [...needed, 'docs/runbooks/PlimsollRateLimited.md'].filter((file) => !files.includes(file)),
    [],
  );
  const workshop =
    /(^|\/)(src|test|tests|testing|demo|bench|scripts|cassettes|node_modules)\/|\.test\.|\.tsbuildinfo$|(^|\/)\.env|tsconfig/;
  const extra = /\.(map|png|jpe?g|gif|svg|webp)$|checklist/;
  assert.deepEqual(
    files.filter((file) => workshop.test(file) || extra.test(file)),
    [],
  );
});

test('the package is less than 200 files and 2.85 MB', () => {
  const bytes = files.reduce((sum, file) => sum + statSync(join(shipped, file)).size, 0);
  assert.ok(files.length < 200, `${files.length} files`);
  assert.ok(bytes < 2_850_000, `${bytes} bytes`);
});

test('every alert leads to a runbook that is in the package', () => {
  const alerts = files.filter((file) => file.startsWith('alerts/')).map(textOf);
  const named = alerts.flatMap((text) => [...text.matchAll(/runbook_url: .*\/(\w+)"/g)].map(([, name = '']) => name));
  assert.notEqual(named.length, 0);
  assert.deepEqual(
    named.filter((name) => !files.includes(`docs/runbooks/${name}.md`)),
    [],
  );
});

test('publint finds nothing against the package', () => {
  assert.equal(complaints('publint', ['run', '--strict', tarball]), '');
});

test('types resolve for ES modules, for CommonJS and for bundlers', () => {
  assert.equal(complaints('attw', [tarball]), '');
});

test('the code imports nothing but Node, peers, and itself', () => {
  const code = files.filter((file) => /^dist\/.*\.(js|d\.ts)$/.test(file));
  const named = new Set(code.flatMap((file) => imports(file, 'static')).filter((name) => !name.startsWith('.')));
  const peers = Object.keys(manifest.peerDependencies);
  const known = (name: string): boolean =>
    peers.some((peer) => name === peer || name.startsWith(`${peer}/`)) ||
    builtinModules.includes(name.replace('node:', ''));
  assert.deepEqual(
    [...named].filter((name) => !known(name)),
    [],
  );
});

test('no subpath loads an optional peer when it is imported, so nobody needs one that they do not use', () => {
  const optional = Object.keys(manifest.peerDependenciesMeta);
  const loading = subpaths.map(({ specifier, target }) => {
    const packages = [...loadedWith(target['default'] ?? '')].flatMap((file) => imports(file, 'static'));
    return [specifier, optional.filter((peer) => packages.includes(peer))] as const;
  });
  assert.deepEqual(
    loading.filter(([, peers]) => peers.length > 0),
    [],
  );
});

test('a command loads no other command, and nothing of the library before it is chosen', () => {
  const [main = ''] = Object.values(manifest.bin).map((path) => join(path));
  // `command.js` is what every command is defined by: its arguments, its help and its refusals.
  assert.deepEqual([...loadedWith(main)], [main, 'dist/chunks/base.js', 'dist/chunks/command.js']);
  const commands = imports(main, 'dynamic');
  assert.equal(new Set(commands).size, 13);
  const run = project('commands', {});
  for (const command of commands) {
    const name = command.replace(/^.*\/|\d*\.js$/g, ''); // A chunk may have had the name already.
    const { status, stderr } = run(process.execPath, ['node_modules/plimsoll/dist/cli/main.js', name, '--help']);
    assert.equal(status, 0, stderr);
  }
});

test('importing the package does not load the fetch of Node, which takes longer than the package itself', () => {
  const run = project('importing', {});
  const program = `await import('plimsoll'); console.log(process.moduleLoadList.filter((name) => name.includes('undici')));`;
  const { status, stdout, stderr } = run(process.execPath, ['--input-type=module', '--eval', program]);
  assert.equal(status, 0, stderr);
  assert.equal(stdout, '[]\n');
});

test('the command finds the dashboards and the rules that are in the package', () => {
  const run = project('exporting', {});
  const main = 'node_modules/plimsoll/dist/cli/main.js';
  const { status, stderr } = run(process.execPath, [main, 'dashboards', 'export', '--out', 'monitoring']);
  assert.equal(status, 0, stderr);
  const exported = filesIn(join(folder, 'exporting', 'monitoring')).filter((file) => file.endsWith('overview.json'));
  assert.equal(exported.length, 1);
});

/** The README's first lines, as a user's compiler sees them. */
const adoption = `import Anthropic from '@anthropic-ai/sdk';
import { instrument } from 'plimsoll';
const claude: Anthropic = instrument(new Anthropic());
console.log(typeof claude.messages.create);
`;

/** Exports whose types nobody wrote down: the compiler has to name them. */
const inferred = `
import Anthropic from '@anthropic-ai/sdk';
import { environment, instrument, metricsHandler, retryPolicy, routes, tierReport } from 'plimsoll';
import { budgets, forecast, memoryLedger, sqliteLedger } from 'plimsoll/budget';
import { attribution } from 'plimsoll/express';
import { authenticator, gateway, issueToken, memoryRateLimiter, sqliteTokens } from 'plimsoll/gateway';
import { redisRateLimiter, redisTokens } from 'plimsoll/gateway';
import { listen, serve } from 'plimsoll/http';
import { otelMetrics, startTelemetry } from 'plimsoll/otel';
import { redisLedger } from 'plimsoll/redis';
import { simulator } from 'plimsoll/simulator';
export const claude = instrument(new Anthropic(), { budgets: budgets({ definitions: [], ledger: memoryLedger() }) });
export const made = { attribution, authenticator, budgets, environment, forecast, gateway, instrument, issueToken, listen };
export const more = { memoryRateLimiter, metricsHandler, otelMetrics, redisLedger, redisRateLimiter, redisTokens };
export const rest = { retryPolicy, routes, serve, simulator, sqliteLedger, sqliteTokens, startTelemetry, tierReport };
export const read = () => environment();
export const chosen = () => environment().models;
export const registry = (options: Parameters<typeof metricsHandler>[0]) => options?.registry;
export const declared = (options: Parameters<typeof otelMetrics>[0]) => options?.attribution;
export const spending = () => budgets({ definitions: [] });
export const proxy = (options: Parameters<typeof gateway>[0]) => gateway(options);
export const fake = simulator();
export const config = (options: Parameters<typeof instrument>[1]) => options;
`;

const INFERRED = 'exported.ts';

/** The programs of a user, compiled in one run: most of it goes into the declarations of the peers. */
const compiled = once(() => {
  const files = { 'app.mts': adoption, 'app.cts': adoption, [INFERRED]: inferred };
  const run = project('user', { 'package.json': '{"type":"module"}', ...files });
  const { stdout } = run(join(installed, 'tsc'), [...strictly, '--declaration', ...Object.keys(files)]);
  return { run, said: stdout.split('\n').filter((line) => line !== '') };
});

test('a TypeScript user gets the type of the client back, in ES modules and in CommonJS, and both run', () => {
  const { run, said } = compiled();
  assert.deepEqual(
    said.filter((line) => !line.startsWith(INFERRED)),
    [],
  );
  for (const file of ['app.mjs', 'app.cjs']) {
    const { stdout, stderr } = run(process.execPath, [file]);
    assert.equal(stdout, 'function\n', stderr);
  }
});

test("a user's own declarations name the public subpaths and no file within the package", () => {
  const { said } = compiled();
  assert.deepEqual(
    said.filter((line) => line.startsWith(INFERRED)),
    [],
  );
  const written = readFileSync(join(folder, 'user', 'exported.d.ts'), 'utf8');
  const named = [...written.matchAll(/["']((?:plimsoll|\.)[^"']*)["']/g)].map(([, name]) => name);
  assert.notEqual(named.length, 0);
  const known = new Set(subpaths.map(({ specifier }) => specifier));
  assert.deepEqual(
    named.filter((name) => name === undefined || !known.has(name)),
    [],
  );
});

const sharing = `
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import Anthropic from '@anthropic-ai/sdk';
import { ConfigurationError, instrument, metricsHandler } from 'plimsoll';
import { budgets, isBudgetExceeded, BudgetExceededError, memoryLedger } from 'plimsoll/budget';
import { attribution } from 'plimsoll/express';
import { gateway } from 'plimsoll/gateway';
import { simulator } from 'plimsoll/simulator';

const require = createRequire(import.meta.url);
for (const subpath of process.argv.slice(2)) assert.equal(require(subpath), await import(subpath));

const client = () => new Anthropic({ apiKey: 'test', maxRetries: 0, fetch: simulator().fetch });

for (const wrong of [
  () => instrument(client(), { key: 'Not A Key' }),
  () => budgets({ definitions: [{ name: 'day', period: 'day', usd: -1 }] }),
  () => attribution({ headers: { 'x-route': 'route' } }),
  () => gateway({ authenticate: () => null, keys: new Map() }),
]) assert.throws(wrong, ConfigurationError);

const spending = budgets({ definitions: [{ name: 'day', period: 'day', usd: 0.000001, mode: 'block' }], ledger: memoryLedger() });
const ask = { model: 'claude-haiku-4-5', max_tokens: 40, messages: [{ role: 'user', content: 'Ahoy' }] };

const claude = instrument(client(), { attribution: { tenant: [] } });
await new Promise((resolve, reject) =>
  attribution({ labels: () => ({ tenant: 'harbor' }) })({ get: () => undefined, headers: {} }, {}, () =>
    claude.messages.create(ask).then(resolve, reject)),
);
const page = await (await metricsHandler()(new Request('http://localhost/metrics'))).text();
assert.match(page, /^anthropic_requests_total\\{.*tenant="harbor"/m);

const refused = await instrument(client(), { budgets: spending }).messages.create(ask).catch((error) => error);
assert.ok(refused instanceof BudgetExceededError && isBudgetExceeded(refused), String(refused));
console.log('shared');
`;

test('all subpaths share one copy of classes, attribution and metrics, whether imported or required', () => {
  const run = project('sharing', { 'app.mjs': sharing });
  const { stdout, stderr } = run(process.execPath, ['app.mjs', ...subpaths.map(({ specifier }) => specifier)]);
  assert.equal(stdout, 'shared\n', stderr);
});

/** `sideEffects: false` promises this to bundlers. */
const untouched = `
import assert from 'node:assert/strict';
const seen = () => ({
  globals: Reflect.ownKeys(globalThis).map(String),
  listeners: process.eventNames().map((name) => [name, process.listenerCount(name)]),
  open: process.getActiveResourcesInfo(),
});
// The peers first, and what of Node loads its own fetch when it is imported.
for (const other of ['@anthropic-ai/sdk', '@opentelemetry/api', 'ioredis', 'node:http', 'prom-client']) await import(other);
const before = seen();
for (const subpath of process.argv.slice(2)) await import(subpath);
assert.deepEqual(seen(), before);
console.log('untouched');
`;

test('importing the package changes nothing outside of it and leaves nothing running', () => {
  const run = project('untouched', { 'app.mjs': untouched });
  const { stdout, stderr } = run(process.execPath, ['app.mjs', ...subpaths.map(({ specifier }) => specifier)]);
  assert.equal(stdout, 'untouched\n', stderr);
});

test('the manifest says whose the package is, and of the rest only the address for reports of weaknesses does', () => {
  const [, home = '', organization = ''] =
    /^git\+(https:\/\/github\.com\/([\w-]+)\/plimsoll)\.git$/.exec(manifest.repository.url) ?? [];
  assert.notEqual(organization, '');
  assert.equal(manifest.homepage, `${home}#readme`);
  assert.equal(manifest.bugs, `${home}/issues`);
  assert.ok(manifest.author.endsWith(`(https://github.com/${organization})`));
  const { stdout } = spawnSync('git', ['grep', '-l', organization], { cwd: root, encoding: 'utf8' });
  // GitHub takes only whole addresses there.
  const contact = '.github/ISSUE_TEMPLATE/config.yml';
  assert.deepEqual(stdout.trim().split('\n'), [contact, 'package.json']);
  const addresses = readFileSync(join(root, contact), 'utf8').match(/https:\/\/\S+/g) ?? [];
  assert.deepEqual(addresses, [`${home}/security/advisories/new`]);
});

test('the lock file names no registry, so every machine installs from its own', () => {
  assert.doesNotMatch(readFileSync(join(root, 'package-lock.json'), 'utf8'), /"resolved"|https?:\/\/[^"]*\.tgz/);
});

test('every dependency has its line of reason, and no line outlives its dependency', () => {
  const page = readFileSync(join(root, 'docs', 'dependencies.md'), 'utf8');
  const reasons = [...page.matchAll(/^\| `([^`]+)` \| [^|]+ \| [^|]{10,} \|$/gm)].map((match) => match[1]);
  const { dependencies = {}, devDependencies, peerDependencies } = manifest;
  const declared = new Set(Object.keys({ ...dependencies, ...peerDependencies, ...devDependencies }));
  assert.deepEqual([...new Set(reasons)].sort(), [...declared].sort());
});

test('every package of the lock files has a permissive license, or is named with its own', () => {
  const permissive = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT', 'Unlicense'];
  // Only run while developing, unchanged; nothing of them is shipped.
  const others: Readonly<Record<string, string>> = {
    '@iconify-json/simple-icons': 'CC0-1.0',
    argparse: 'Python-2.0',
    'axe-core': 'MPL-2.0',
    'railroad-diagrams': 'CC0-1.0',
    'rollup-plugin-dts': 'LGPL-3.0-only',
  };
  const packages = ['package-lock.json', 'site/package-lock.json', 'deploy/demo/package-lock.json'].flatMap((file) => {
    const lock = JSON.parse(readFileSync(join(root, file), 'utf8')) as {
      readonly packages: Readonly<Record<string, { readonly license?: string; readonly link?: boolean }>>;
    };
    return Object.entries(lock.packages).filter(([path, { link }]) => path.includes('node_modules/') && link !== true);
  });
  assert.ok(packages.length > 500);
  const unknown = packages.filter(([path, { license = 'none' }]) => {
    const alternatives = license.replaceAll(/[()]/g, '').split(' OR ');
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    return !alternatives.some((each) => permissive.includes(each)) && others[name] !== license;
  });
  assert.deepEqual(
    unknown.map(([path, { license }]) => `${path}: ${license}`),
    [],
  );
});
