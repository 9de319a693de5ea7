import { registerHooks } from 'node:module';
import { openBench, type GatewayModule } from './bench.ts';
import { fuzz, type Difference } from './fuzz.ts';
import { sourceOf, type Mutant } from './mutants.ts';

const MARK = 'mutant';
let current: { readonly index: number; readonly mutant: Mutant } | null = null;
let loads = 0;

/** Imports of a file of `src/` by one with a mark get the same mark: each mutant has modules of its own. */
registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    const mark = new URL(context.parentURL ?? 'file:///').searchParams.get(MARK);
    if (mark === null || !/\/src\/.*\.ts$/.test(resolved.url)) return resolved;
    return { ...resolved, url: `${resolved.url}?${MARK}=${mark}` };
  },
  load(url, context, next) {
    const loaded = next(url, context);
    const path = new URL(url).pathname;
    if (current === null || !url.endsWith(`?${MARK}=${current.index}`) || !path.endsWith(`/src/${current.mutant.file}`))
      return loaded;
    return { ...loaded, source: mutated(textOf(loaded.source), current.mutant) };
  },
});

function textOf(source: unknown): string {
  if (typeof source === 'string') return source;
  if (source instanceof Uint8Array) return new TextDecoder().decode(source);
  throw new TypeError('a module has no text');
}

/** Throws unless the place of the mistake is there, and only once. */
function mutated(source: string, { name, from, to }: Mutant): string {
  if (source.split(from).length !== 2)
    throw new Error(`"${name}": the place stands there ${source.split(from).length - 1} times`);
  return source.replace(from, () => to);
}

/** The first request that shows the mistake; `null` where none does. */
export async function findMutant(
  mutant: Mutant,
  { seed, requests }: { readonly seed: number; readonly requests: number },
): Promise<Difference | null> {
  current = { index: ++loads, mutant };
  const entry = sourceOf(`gateway/index.ts?${MARK}=${loads}`);
  const module = (await import(entry.href)) as GatewayModule;
  const bench = await openBench(module);
  try {
    return (await fuzz(bench, { seed, requests, most: 1 })).differences[0] ?? null;
  } finally {
    await bench.close();
    current = null;
  }
}
