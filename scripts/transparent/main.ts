/**
 * `npm run fuzz:transparent -- --seed N --sequences 20000`: random sequences of calls, each with a plain client and
 * with an instrumented one, and all that a program or its server can see of the two compared. `--plan JSON` runs one
 * sequence again, `--mutants` looks for decorators that are broken on purpose, `--noise` compares plain with plain.
 * The exit code is 0 only if all were equal, or all mutants found.
 */
import { parseArgs } from 'node:util';
import { instrumented, PLAIN } from './decorations.ts';
import { fuzz, plansOf } from './fuzz.ts';
import { hunt } from './mutation.ts';
import { MUTANTS } from './mutants.ts';
import { parsePlan, type Plan } from './plan.ts';
import { printed, printedMutant } from './report.ts';
import { warmUp } from './run.ts';
import { openServers, type Servers } from './server.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    sequences: { type: 'string', default: '2000' },
    plan: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    noise: { type: 'boolean', default: false },
  },
});

async function warmServers(): Promise<Servers> {
  const servers = await openServers();
  await warmUp(servers);
  return servers;
}

async function findMutants(seed: number, sequences: number): Promise<boolean> {
  const servers = await warmServers();
  const right = instrumented();
  let missed = 0;
  for (const mutant of MUTANTS) {
    const found = await hunt(mutant, { plans: plansOf(seed, sequences), right, servers });
    if (found === null) missed++;
    console.log(printedMutant(mutant, found));
  }
  console.log(`${MUTANTS.length - missed} found, ${missed} missed`);
  return missed === 0;
}

async function compare(plans: Iterable<Plan>): Promise<boolean> {
  const servers = await warmServers();
  const decoration = values.noise ? PLAIN : instrumented();
  const startedMs = performance.now();
  // A call of a sequence that was given up can fail when the next one is not watching yet.
  let late = 0;
  process.on('unhandledRejection', () => late++);
  const progress = (sequences: number): void => {
    if (sequences % 1_000 === 0)
      console.error(`${sequences} after ${Math.round((performance.now() - startedMs) / 1_000)} s`);
  };
  const report = await fuzz({ plans, decoration, servers, progress });
  console.log(printed(report));
  console.error(`${late} rejections that nobody handled, all sequences together`);
  return report.counts.different + report.counts.noisy === 0;
}

const seed = Number(values.seed);
const sequences = Number(values.sequences);
if (!Number.isSafeInteger(seed) || !(Number.isSafeInteger(sequences) && sequences > 0)) {
  console.error('Expected whole numbers as --seed and --sequences. Try: npm run fuzz:transparent -- --seed 1');
  process.exitCode = 2;
} else {
  const plans = values.plan === undefined ? plansOf(seed, sequences) : [parsePlan(values.plan)];
  const good = await (values.mutants ? findMutants(seed, sequences) : compare(plans));
  // Some sequences leave timers behind that are longer than anybody waits: those of the SDK's timeouts.
  process.exit(good ? 0 : 1);
}
