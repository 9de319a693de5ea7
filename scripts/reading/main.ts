/**
 * `npm run fuzz:reading -- --seed N --inputs 1000000`: odd event streams, each read by the SDK's own reader and by
 * plimsoll's scanner, however they are cut. The exit code is 0 only if both found the same in all of them.
 */
import { parseArgs } from 'node:util';
import { compare } from './compare.ts';

const { values } = parseArgs({
  options: { seed: { type: 'string', default: '1' }, inputs: { type: 'string', default: '100000' } },
});

const seed = Number(values.seed);
const inputs = Number(values.inputs);
if (!Number.isSafeInteger(seed) || !(Number.isSafeInteger(inputs) && inputs > 0)) {
  console.error(
    'Expected whole numbers as --seed and --inputs. Try: npm run fuzz:reading -- --seed 1 --inputs 1000000',
  );
  process.exitCode = 2;
} else {
  const startedMs = performance.now();
  const seconds = (): string => ((performance.now() - startedMs) / 1_000).toFixed(1);
  const progress = (done: number): void => {
    if (done % 100_000 === 0) console.error(`${done} after ${seconds()} s`);
  };
  const { inputs: read, events, unreadable, differences } = await compare({ seed, inputs, progress });
  for (const each of differences) console.log(`DIFFERENT  ${JSON.stringify(each)}`);
  console.log(`${read} inputs with ${events} events in ${seconds()} s, ${unreadable} with something unreadable`);
  console.log(`${differences.length} read differently`);
  if (differences.length > 0) process.exitCode = 1;
}
