import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  constants,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';

interface Manifest {
  readonly files: readonly string[];
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const root = join(import.meta.dirname, '..');
const installed = join(root, 'node_modules', '.bin');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-package-'));
test.after(() => rmSync(folder, { recursive: true }));

/** Builds and packs a copy, so that nobody's `dist/` is touched. Gives the tarball; beside it, `package/` is what is in it. */
const pack = (): string => {
  const build = join(folder, 'build');
  const copied = ['package.json', 'README.md', 'LICENSE', 'tsconfig.json', 'tsconfig.build.json', 'scripts'];
  for (const name of [...copied, ...manifest.files]) {
    if (name !== 'dist' && existsSync(join(root, name)))
      cpSync(join(root, name), join(build, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(build, 'node_modules'));
  const run = (program: string, args: readonly string[]) =>
    execFileSync(program, args, { cwd: build, encoding: 'utf8' });
  run(process.execPath, ['scripts/build.ts']);
  const name = run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder]).trim();
  run('tar', ['-xzf', join(folder, name), '-C', folder]);
  return join(folder, name);
};

const tarball = pack();
const shipped = join(folder, 'package');

const filesIn = (path: string): readonly string[] =>
  readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((file) => statSync(join(path, file)).isFile());

const targets = Object.values(manifest.exports).flatMap((target) =>
  typeof target === 'string' ? [target] : Object.values(target),
);

/** What a linter of packages says against the tarball; empty when it is content. */
const complaints = (program: string, args: readonly string[]): string => {
  const { status, stdout, stderr } = spawnSync(join(installed, program), args, { cwd: root, encoding: 'utf8' });
  return status === 0 ? '' : stdout + stderr;
};

test('every path that the package exports is in the package', () => {
  assert.deepEqual(
    targets.filter((target) => !existsSync(join(shipped, target))),
    [],
  );
});

test('the command is executable and asks for node', () => {
  for (const file of Object.values(manifest.bin)) {
    const path = join(shipped, file);
    assert.match(readFileSync(path, 'utf8'), /^#!\/usr\/bin\/env node\n/);
    assert.ok((statSync(path).mode & constants.S_IXUSR) !== 0, `${file} is not executable`);
  }
});

test('the package holds what its users need and nothing of the workshop', () => {
  const files = filesIn(shipped);
  const needed = ['LICENSE', 'README.md', 'CHANGELOG.md', 'package.json', 'src/vocabulary.ts', 'dist/vocabulary.js'];
  assert.deepEqual(
    needed.filter((file) => !files.includes(file)),
    [],
  );
  const workshop = /(^|\/)(test|tests|demo|bench|scripts|cassettes|node_modules)\/|\.test\.|\.tsbuildinfo$|(^|\/)\.env/;
  assert.deepEqual(
    files.filter((file) => workshop.test(file)),
    [],
  );
});

test('every source map leads to a source that is in the package', () => {
  const maps = filesIn(join(shipped, 'dist')).filter((file) => file.endsWith('.map'));
  assert.notEqual(maps.length, 0);
  const lost = maps.flatMap((file) => {
    const path = join(shipped, 'dist', file);
    const { sources } = JSON.parse(readFileSync(path, 'utf8')) as { readonly sources: readonly string[] };
    return sources.filter((source) => !existsSync(join(dirname(path), source)));
  });
  assert.deepEqual(lost, []);
});

test('publint finds nothing against the package', () => {
  assert.equal(complaints('publint', ['run', '--strict', tarball]), '');
});

test('types resolve for ES modules, for CommonJS and for bundlers', () => {
  assert.equal(complaints('attw', [tarball]), '');
});

/** The README's first lines, as a user's compiler sees them. */
const adoption = `import Anthropic from '@anthropic-ai/sdk';
import { instrument } from 'plimsoll';
const claude: Anthropic = instrument(new Anthropic());
console.log(typeof claude.messages.create);
`;

test('a TypeScript user gets the type of the client back, in ES modules and in CommonJS, and both run', () => {
  const project = join(folder, 'user');
  const packages = join(project, 'node_modules');
  cpSync(shipped, join(packages, 'plimsoll'), { recursive: true });
  for (const name of ['@anthropic-ai', '@opentelemetry', '@types', 'prom-client', 'undici-types']) {
    symlinkSync(join(root, 'node_modules', name), join(packages, name));
  }
  for (const file of ['app.mts', 'app.cts']) writeFileSync(join(project, file), adoption);
  const env = { ...process.env, ANTHROPIC_AUTH_TOKEN: 'none' };
  const run = (program: string, args: readonly string[]) =>
    spawnSync(program, args, { cwd: project, encoding: 'utf8', env });
  const compiler = ['--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node', 'app.mts', 'app.cts'];
  assert.equal(run(join(installed, 'tsc'), compiler).stdout, '');
  for (const file of ['app.mjs', 'app.cjs']) {
    const { stdout, stderr } = run(process.execPath, [file]);
    assert.equal(stdout, 'function\n', stderr);
  }
});

test('the lock file names no registry, so every machine installs from its own', () => {
  assert.doesNotMatch(readFileSync(join(root, 'package-lock.json'), 'utf8'), /"resolved"|https?:\/\/[^"]*\.tgz/);
});

test('every dependency has its line of reason, and no line outlives its dependency', () => {
  const page = readFileSync(join(root, 'docs', 'dependencies.md'), 'utf8');
  const reasons = [...page.matchAll(/^\| `([^`]+)` \| [^|]{10,} \|$/gm)].map((match) => match[1]);
  const { dependencies = {}, devDependencies, peerDependencies } = manifest;
  const declared = new Set(Object.keys({ ...dependencies, ...peerDependencies, ...devDependencies }));
  assert.deepEqual([...new Set(reasons)].sort(), [...declared].sort());
});
