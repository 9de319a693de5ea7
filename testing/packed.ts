import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');

/** The package as `npm pack` makes it, in a folder outside of the repository where projects can install it. */
export interface Packed {
  readonly folder: string;
  readonly tarball: string;
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

/** Tarballs that were packed, by the hash of all that they are made of: several test files need the same one. */
const CACHE = join(root, 'node_modules', '.cache', 'plimsoll-packed');

/** Longer than any machine packs: what is older was left by a process that was killed. */
const STALE_MS = 3 * 60_000;

/** The package, packed once for all test files that want it as it is now, in a new folder for this one. */
export async function packed(): Promise<Packed> {
  const cached = await cachedTarball();
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-packed-'));
  const tarball = join(folder, 'plimsoll.tgz');
  copyFileSync(cached, tarball);
  return { folder, tarball, remove: () => rmSync(folder, { recursive: true }) };
}

async function cachedTarball(): Promise<string> {
  mkdirSync(CACHE, { recursive: true });
  const key = hashOfParts();
  const tarball = join(CACHE, `${key}.tgz`);
  const turn = join(CACHE, `${key}.packing`);
  while (!existsSync(tarball)) {
    if (takesTurn(turn)) {
      try {
        await pack(tarball);
      } finally {
        rmSync(turn, { recursive: true, force: true });
      }
    } else await sleep(100);
  }
  return tarball;
}

/** Whether this process is the one that packs now. */
function takesTurn(turn: string): boolean {
  try {
    mkdirSync(turn);
    return true;
  } catch {
    const since = statSync(turn, { throwIfNoEntry: false })?.mtimeMs;
    if (since !== undefined && Date.now() - since > STALE_MS) rmSync(turn, { recursive: true, force: true });
    return false;
  }
}

/** Packs a copy, as `npm pack` does in a clean clone: its `prepack` builds. Nobody's `dist/` is touched. */
async function pack(tarball: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-packing-'));
  const copy = join(folder, 'copy');
  for (const name of PARTS) cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: copy });
  const [made = ''] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  // Under its name it is whole: it may come from another file system, so it is copied first and renamed then.
  copyFileSync(join(folder, made), `${tarball}.part`);
  renameSync(`${tarball}.part`, tarball);
  rmSync(folder, { recursive: true });
  for (const old of readdirSync(CACHE).filter((name) => name.endsWith('.tgz') && name !== basename(tarball))) {
    rmSync(join(CACHE, old), { force: true });
  }
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

/** What a project is made of. */
export interface ProjectOptions {
  readonly name: string;
  readonly type: 'module' | 'commonjs';
  /** By name, as in package.json. */
  readonly dependencies: Readonly<Record<string, string>>;
  /** TypeScript files by name. */
  readonly sources: Readonly<Record<string, string>>;
}

/** A user's TypeScript project with the packed package installed, compiled as strictly as tsc can; its folder. */
export async function project({ folder, tarball }: Packed, options: ProjectOptions): Promise<string> {
  const { name, type, dependencies, sources } = options;
  const place = join(folder, name);
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
  return place;
}
