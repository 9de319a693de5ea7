/**
 * `npm run fuzz:gateway -- --seed N --requests 100000`: random requests to a gateway, and all that reaches the API compared
 * with a model of the rules that was written apart. `--mutants` looks for mistakes that are put into the guards,
 * with requests, or with the test that is to find them. The exit code is 0 only if nothing differed, or all mutants were found.
 */
import { parseArgs } from 'node:util';
import * as right from 'plimsoll/gateway';
import { openBench } from './bench.ts';
import { fuzz, type Difference } from './fuzz.ts';
import { findMutant } from './find-mutant.ts';
import { MUTANTS } from './mutants.ts';
import { TESTED_MUTANTS, failsTest } from './tested-mutants.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    requests: { type: 'string', default: '2000' },
    mutants: { type: 'boolean', default: false },
  },
});

function shown({ request, drawn, problem }: Difference): string {
  const { client, kind, damage, bytes } = drawn;
  return `request ${request} of ${client.name}, ${kind}, ${damage ?? 'whole'}: ${problem}\n  ${bytes.toString('utf8', 0, 600)}`;
}

async function compare(seed: number, requests: number): Promise<boolean> {
  const bench = await openBench(right);
  const progress = (request: number): void => {
    if (request % 10_000 === 9_999) console.error(`${request + 1} requests`);
  };
  const tally = await fuzz(bench, { seed, requests, most: 20, progress });
  await bench.close();
  for (const difference of tally.differences) console.log(shown(difference));
  const { sent, refused, mostCharged, heapBytes } = tally;
  console.log(
    `${tally.requests} requests: ${sent} sent, ${refused} refused, ${tally.differences.length} not as the model says; ` +
      `a token of $0.01 was charged at most $${Number(mostCharged) / 1e9}; the heap grew by ${Math.round(heapBytes / 2 ** 20)} MiB`,
  );
  return tally.differences.length === 0;
}

async function hunt(seed: number, requests: number): Promise<boolean> {
  let missed = 0;
  for (const mutant of MUTANTS) {
    const found = await findMutant(mutant, { seed, requests });
    if (found === null) missed++;
    console.log(
      `${found === null ? 'MISSED' : `after ${String(found.request).padStart(5)}`}  ${mutant.name}: ${found?.problem ?? ''}`,
    );
  }
  const all = [...MUTANTS, ...TESTED_MUTANTS];
  for (const mutant of TESTED_MUTANTS) {
    const isFound = await failsTest(mutant, mutant);
    if (!isFound) missed++;
    console.log(`${isFound ? 'by a test   ' : 'MISSED'}  ${mutant.name}: ${mutant.test}: ${mutant.named}`);
  }
  console.log(`${all.length - missed} found, ${missed} missed`);
  return missed === 0;
}

const [seed, requests] = [Number(values.seed), Number(values.requests)];
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(requests) || requests < 1) {
  console.error('Expected whole numbers as --seed and --requests. Try: npm run fuzz:gateway -- --seed 1');
  process.exitCode = 2;
} else process.exitCode = (await (values.mutants ? hunt(seed, requests) : compare(seed, requests))) ? 0 : 1;
