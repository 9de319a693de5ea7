import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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
].concat(['alerts', 'dashboards', 'deploy', 'docs', 'examples', 'scripts', 'src']);

/** Packs a copy, as `npm pack` does in a clean clone: its `prepack` builds. Nobody's `dist/` is touched. */
export async function packed(): Promise<Packed> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-packed-'));
  const copy = join(folder, 'copy');
  for (const name of PARTS) cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: copy });
  const [tarball = ''] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  return { folder, tarball: join(folder, tarball), remove: () => rmSync(folder, { recursive: true }) };
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
