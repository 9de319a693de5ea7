import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { madeOnce } from './made-once.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');

/** The package as `npm pack` makes it, in a folder outside of the repository where projects can install it. */
export interface Packed {
  readonly folder: string;
  readonly tarball: string;
  /** The tarball that all test files share. */
  readonly cached: string;
  remove(): void;
}

/** What packing needs of the repository: the manifest, what builds, what is built, and what is shipped as it is. */
const PARTS = [
  '.npmrc',
  'CHANGELOG.md',
  'LICENSE',
  'README.md',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
].concat(['alerts', 'dashboards', 'deploy', 'docs', 'examples', 'scripts/build.ts', 'src']);

/** Outside of the repository, so that nothing of its `node_modules` is found from there: one folder for each clone. */
const CACHE = join(tmpdir(), `plimsoll-packed-${hashOf(root)}`);

/** The package, packed once for all test files that want it as it is now, in a new folder for this one. */
export async function packed(): Promise<Packed> {
  const cached = join(CACHE, hashOfParts(), 'plimsoll.tgz');
  await madeOnce(cached, pack);
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-packed-'));
  const tarball = join(folder, 'plimsoll.tgz');
  copyFileSync(cached, tarball);
  return { folder, tarball, cached, remove: () => rmSync(folder, { recursive: true }) };
}

/** Packs a copy, as `npm pack` does in a clean clone: its `prepack` builds. Nobody's `dist/` is touched. */
async function pack(tarball: string): Promise<void> {
  for (const old of readdirSync(CACHE).filter((name) => name !== basename(dirname(tarball)))) {
    rmSync(join(CACHE, old), { recursive: true, force: true });
  }
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-packing-'));
  const copy = join(folder, 'copy');
  for (const name of PARTS) cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: copy });
  const [made = ''] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  copyFileSync(join(folder, made), tarball);
  rmSync(folder, { recursive: true });
}

function hashOfParts(): string {
  const hash = createHash('sha256').update(readFileSync(join(root, 'package-lock.json')));
  for (const part of PARTS) {
    const path = join(root, part);
    const inside = statSync(path).isDirectory()
      ? readdirSync(path, { recursive: true, encoding: 'utf8' }).sort()
      : [''];
    for (const name of inside) {
      const file = join(path, name);
      if (statSync(file).isFile())
        hash
          .update(`${join(part, name)}\0`)
          .update(readFileSync(file))
          .update('\0');
    }
  }
  return hash.digest('hex').slice(0, 16);
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** What a project is made of. */
export interface ProjectOptions {
  readonly name: string;
  readonly type: 'module' | 'commonjs';
  /** By name, as in package.json. */
  readonly dependencies: Readonly<Record<string, string>>;
  /** TypeScript files by name. */
  readonly sources: Readonly<Record<string, string>>;
}

/**
 * A user's TypeScript project with the packed package installed, compiled as strictly as tsc can; its folder. It is installed
 * and compiled once for all who want the same; the files are their own, the packages are not.
 */
export async function project({ folder, cached }: Packed, options: ProjectOptions): Promise<string> {
  const shared = join(dirname(cached), hashOf(JSON.stringify(options)));
  await madeOnce(shared, (place) => installed(place, cached, options));
  const place = join(folder, options.name);
  const packages = join(shared, 'node_modules');
  cpSync(shared, place, { recursive: true, filter: (path) => path !== packages });
  symlinkSync(packages, join(place, 'node_modules'));
  return place;
}

async function installed(place: string, tarball: string, options: ProjectOptions): Promise<void> {
  const { name, type, dependencies, sources } = options;
  mkdirSync(place);
  const compilerOptions = { module: 'nodenext', target: 'es2023', strict: true, types: ['node'], outDir: '.' };
  const manifest = { private: true, type, dependencies: { plimsoll: `file:${tarball}`, ...dependencies } };
  writeFileSync(join(place, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: Object.keys(sources) }));
  for (const [file, text] of Object.entries(sources)) {
    mkdirSync(dirname(join(place, file)), { recursive: true });
    writeFileSync(join(place, file), text);
  }
  const quiet = [
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    '--no-package-lock',
    '--loglevel=error',
  ];
  await run('npm', ['install', ...quiet], { cwd: place });
  await run(process.execPath, [compiler, '-p', place]).catch((error: { stdout?: string }) => {
    throw new Error(`${name} does not compile: ${error.stdout}`);
  });
}
