/** Loaded before a test: puts the mistake of `PLIMSOLL_MUTANT` into its file of `src/`, in this process alone. */
import { registerHooks } from 'node:module';
import type { Mutant } from './mutants.ts';
import { MISPLACED } from './tested-mutants.ts';

const mutant = JSON.parse(process.env['PLIMSOLL_MUTANT'] ?? 'null') as Mutant | null;

if (mutant !== null)
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      if (!url.endsWith(`/src/${mutant.file}`)) return loaded;
      const source = typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source);
      if (source.split(mutant.from).length !== 2) throw new Error(MISPLACED);
      return { ...loaded, source: source.replace(mutant.from, () => mutant.to) };
    },
  });
