/**
 * `npm run chaos -- --seed N --calls 10000 [--mutant NAME]`: the real SDK against the simulator's faults, and every
 * number of plimsoll's against the server's own. The exit code is 0 only if all are equal and everything was met.
 */
import { parseArgs } from 'node:util';
import { chaos } from './chaos.ts';
import { MUTANTS, MUTANT_NAMES, type MutantName } from './mutants.ts';
import { printed, shortcomings } from './report.ts';
import { scenario } from './scenario.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    calls: { type: 'string', default: '10000' },
    mutant: { type: 'string' },
  },
});

const isMutant = (name: string): name is MutantName => (MUTANT_NAMES as readonly string[]).includes(name);

const seed = Number(values.seed);
const calls = Number(values.calls);
if (!Number.isSafeInteger(seed) || !(Number.isSafeInteger(calls) && calls > 0)) {
  console.error('Expected whole numbers as --seed and --calls. Try: npm run chaos -- --seed 1 --calls 10000');
  process.exitCode = 2;
} else if (values.mutant !== undefined && !isMutant(values.mutant)) {
  console.error(`Expected one of these as --mutant:\n  ${MUTANT_NAMES.join('\n  ')}`);
  process.exitCode = 2;
} else {
  const mutant = values.mutant === undefined ? {} : { mutant: MUTANTS[values.mutant] };
  const startedMs = performance.now();
  const report = await chaos({ calls: scenario(seed, calls), ...mutant });
  console.log(printed(report, (performance.now() - startedMs) / 1_000));
  if (report.differences.length > 0 || shortcomings(report).length > 0) process.exitCode = 1;
}
