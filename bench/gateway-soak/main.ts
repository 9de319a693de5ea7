/**
 * `npm run soak:gateway [-- --streams 1000 --seconds 60]`: so many streams at once through a gateway, on loopback. Every
 * byte is compared with what was sent, and every token with the gateway's metrics. The exit code is 0 only if all are
 * the same and the gateway reported no failure. Its memory is printed for the reader to judge.
 */
import { parseArgs } from 'node:util';
import { soakLines } from './report.ts';
import { problemsOf, soak, STREAMS } from './soak.ts';

const { values } = parseArgs({
  options: { streams: { type: 'string', default: '1000' }, seconds: { type: 'string', default: '60' } },
});
const concurrent = Number(values.streams);
const forSeconds = Number(values.seconds);

if (!(Number.isSafeInteger(concurrent) && concurrent > 0 && concurrent <= 5_000 && forSeconds > 0)) {
  console.error('Expected --streams from 1 to 5000 and --seconds above 0. Try: npm run soak:gateway -- --streams 100');
  process.exitCode = 2;
} else {
  const shape = { concurrent, forSeconds, ...STREAMS };
  const soaked = await soak(shape);
  for (const line of soakLines(soaked, shape)) console.log(line);
  const problems = problemsOf(soaked);
  for (const problem of problems.slice(0, 20)) console.log(`wrong: ${problem}`);
  console.log(problems.length === 0 ? 'every byte and every token is right' : `${problems.length} wrong`);
  if (problems.length > 0) process.exitCode = 1;
}
