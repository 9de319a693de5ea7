/**
 * Builds `dist/` from `src/`, from nothing, so that no file of an earlier build is published. Rollup joins the code into
 * a few chunks; tsc checks it and writes the declarations, which are joined in the same way. package.json says what is
 * built: the entries of `exports` that have a `plimsoll-source`, and the commands of `bin`. What was built of the same files is
 * kept and taken again: packing, the benchmarks and the tests each ask for a build.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rollup, type GetManualChunk, type GetModuleInfo, type Plugin } from 'rollup';
import { dts } from 'rollup-plugin-dts';
import typescript from 'typescript';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly bin: Readonly<Record<string, string>>;
};

/** The name of an entry in `dist/`, and of its file in `src/`, both without their endings. */
type Entry = readonly [name: string, source: string];

const stem = (path: string): string => path.replace(/^\.\/(dist|src)\//, '').replace(/\.(js|ts)$/, '');
const subpaths = Object.values(manifest.exports)
  .filter((target) => typeof target !== 'string')
  .map((target): Entry => [stem(target['default'] ?? ''), stem(target['plimsoll-source'] ?? '')]);
const commands = Object.values(manifest.bin).map((path): Entry => [stem(path), stem(path)]);

/** What is joined: the code in `src/`, or the declarations of it. */
interface Kind {
  readonly folder: string;
  readonly entries: readonly Entry[];
  /** The ending of a file before it is joined, and after. */
  readonly endings: readonly [source: string, built: string];
  readonly plugin: Plugin;
}

/** Compiles a file at a time, as `isolatedModules` allows. Comments are for the readers of the declarations. */
const compiler: Plugin = {
  name: 'compiler',
  transform(code, id) {
    if (id.endsWith('.json')) return { code: jsonModule(JSON.parse(code)), map: null };
    const { ScriptTarget, ModuleKind, transpileModule } = typescript;
    const compilerOptions = {
      target: ScriptTarget.ES2023,
      module: ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      removeComments: true,
    };
    return { code: indentedByTwo(transpileModule(code, { compilerOptions }).outputText), map: null };
  },
};

/** A module of JSON that has each object, list and longer text once: tables say the same source and the same prices often. */
function jsonModule(parsed: unknown): string {
  const counts = new Map<string, number>();
  const count = (value: unknown): void => {
    const text = JSON.stringify(value);
    counts.set(text, (counts.get(text) ?? 0) + 1);
    if (counts.get(text) === 1 && typeof value === 'object' && value !== null) Object.values(value).forEach(count);
  };
  count(parsed);
  const shared = new Map<string, string>();
  const statements: string[] = [];
  const written = (value: unknown): string => {
    const text = JSON.stringify(value);
    const known = shared.get(text);
    if (known !== undefined) return known;
    const code = Array.isArray(value) ? `[${value.map(written).join(',')}]` : objectOr(value, text);
    if (text.length < SHORTEST_SHARED || counts.get(text) === 1) return code;
    const name = `shared${shared.size}`;
    shared.set(text, name);
    statements.push(`const ${name} = ${code};`);
    return name;
  };
  const objectOr = (value: unknown, text: string): string => {
    if (typeof value !== 'object' || value === null) return text;
    const fields = Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}:${written(each)}`);
    return `{${fields.join(',')}}`;
  };
  const all = written(parsed);
  return [...statements, `export default ${all};`].join('\n');
}

/** A shorter text costs less than the name that stands for it. */
const SHORTEST_SHARED = 12;

/** tsc indents by four, whatever the source has: it is a fifteenth of the package. Lines within a template stay as they are. */
function indentedByTwo(code: string): string {
  const templates: (readonly [start: number, end: number])[] = [];
  const visit = (node: typescript.Node): void => {
    if (node.kind >= typescript.SyntaxKind.FirstTemplateToken && node.kind <= typescript.SyntaxKind.LastTemplateToken)
      templates.push([node.getStart(), node.end]);
    typescript.forEachChild(node, visit);
  };
  visit(typescript.createSourceFile('a.js', code, typescript.ScriptTarget.ES2023, true));
  return code.replace(/^( +)\1/gm, (whole, half: string, at: number) =>
    templates.some(([start, end]) => start < at && at < end) ? whole : half,
  );
}

/** The modules that importing `id` loads at once, itself included. */
function loadedWith(id: string, getModuleInfo: GetModuleInfo): ReadonlySet<string> {
  const loaded = new Set([id]);
  for (const module of loaded) for (const imported of getModuleInfo(module)?.importedIds ?? []) loaded.add(imported);
  return loaded;
}

/**
 * Puts each module into one chunk, so that all subpaths share one copy of its state: `core` has what `plimsoll` itself and
 * others load, the rest is in a chunk named after those that load it. `base` has what a command loads before it knows
 * what it is to do. What only the commands load is left to Rollup.
 */
function chunksOf({ folder, endings: [ending] }: Kind): GetManualChunk {
  const cache = new Map<string, ReadonlySet<string>>();
  return (id, { getModuleInfo }) => {
    const loads = ([, source]: Entry): boolean => {
      const entry = join(folder, `${source}${ending}`);
      const loaded = cache.get(entry) ?? loadedWith(entry, getModuleInfo);
      cache.set(entry, loaded);
      return loaded.has(id);
    };
    const loading = subpaths.filter(loads).map(([name]) => name);
    if (loading.length === 0) return null;
    if (commands.some(loads)) return 'base';
    return loading.length > 1 && loading.includes('index') ? 'core' : loading.join('-');
  };
}

/** Packages stay imports. A warning of Rollup ends the build: a cycle, or a type that no subpath exports. */
async function writeJoined(kind: Kind): Promise<void> {
  const { folder, entries, plugin } = kind;
  const [source, built] = kind.endings;
  await using bundle = await rollup({
    input: Object.fromEntries(entries.map(([name, file]) => [name, join(folder, `${file}${source}`)])),
    plugins: [plugin],
    external: (id) => !id.startsWith('.') && !id.startsWith('/'),
    onwarn: ({ message }) => {
      throw new Error(message);
    },
  });
  await bundle.write({
    dir: dist,
    format: 'es',
    manualChunks: chunksOf(kind),
    minifyInternalExports: false,
    hoistTransitiveImports: false,
    entryFileNames: `[name]${built}`,
    chunkFileNames: ({ facadeModuleId }) =>
      `${facadeModuleId?.startsWith(join(folder, 'cli')) === true ? 'cli' : 'chunks'}/[name]${built}`,
  });
}

async function build(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-build-'));
  try {
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', folder], {
      cwd: root,
      stdio: 'inherit',
    });
    await writeJoined({ folder, entries: subpaths, endings: ['.d.ts', '.d.ts'], plugin: dts() });
    const code = [...subpaths, ...commands];
    await writeJoined({ folder: join(root, 'src'), entries: code, endings: ['.ts', '.js'], plugin: compiler });
  } finally {
    rmSync(folder, { recursive: true });
  }
  for (const file of Object.values(manifest.bin)) chmodSync(join(root, file), 0o755);
}

/** The hash of all that a build is made of, the packages that are installed included. */
function hashOfSources(): string {
  const own = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts/build.ts'];
  const sources = globSync('src/**', { cwd: root }).filter((path) => statSync(join(root, path)).isFile());
  const hash = createHash('sha256');
  for (const path of [...own, 'node_modules/.package-lock.json', ...sources.sort()]) {
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update('\0');
  }
  return hash.digest('hex').slice(0, 16);
}

/** Keeps what was built. Under its name it is whole; another build may have kept the same in the meantime. */
function keep(kept: string): void {
  mkdirSync(cache, { recursive: true });
  const copy = `${kept}.${process.pid}`;
  cpSync(dist, copy, { recursive: true });
  if (existsSync(kept)) rmSync(copy, { recursive: true });
  else renameSync(copy, kept);
  const others = readdirSync(cache).filter((name) => !name.includes('.') && join(cache, name) !== kept);
  for (const name of others) rmSync(join(cache, name), { recursive: true, force: true });
}

const cache = join(root, 'node_modules', '.cache', 'plimsoll-built');
const kept = join(cache, hashOfSources());
rmSync(dist, { recursive: true, force: true });
if (existsSync(kept)) cpSync(kept, dist, { recursive: true });
else {
  await build();
  keep(kept);
}
