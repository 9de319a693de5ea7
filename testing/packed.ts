import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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

/** Builds and packs a copy, so that nobody's `dist/` is touched. */
export async function packed(): Promise<Packed> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-adoption-'));
  const copy = join(folder, 'package');
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly files: readonly string[];
  };
  for (const name of [
    'package.json',
    'README.md',
    'LICENSE',
    'tsconfig.json',
    'tsconfig.build.json',
    'scripts',
    ...files,
  ]) {
    if (name !== 'dist' && existsSync(join(root, name)))
      cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  await run(process.execPath, ['scripts/build.ts'], { cwd: copy });
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--silent'], { cwd: copy });
  return { folder, tarball: join(copy, stdout.trim()), remove: () => rmSync(folder, { recursive: true }) };
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
