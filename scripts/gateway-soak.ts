/**
 * `npm run soak:gateway [-- --streams 1000 --seconds 60]`: so many streams at once through a gateway, on loopback. Every
 * byte is compared with what was sent, and every token with the gateway's metrics. The exit code is 0 only if all are
 * the same and the gateway reported no failure. Its memory is printed for the reader to judge.
 */
import { parseArgs } from 'node:util';
import { problemsOf, soak, type Memory } from './gateway-soak/soak.ts';

const { values } = parseArgs({
  options: { streams: { type: 'string', default: '1000' }, seconds: { type: 'string', default: '60' } },
});
const concurrent = Number(values.streams);
const forSeconds = Number(values.seconds);

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1).padStart(7);
const memoryLine = ({ when, rssBytes, heapBytes }: Memory): string =>
  `  ${when.padEnd(8)} RSS ${mib(rssBytes)} MiB   heap ${mib(heapBytes)} MiB`;

if (!(Number.isSafeInteger(concurrent) && concurrent > 0 && concurrent <= 5_000 && forSeconds > 0)) {
  console.error('Expected --streams from 1 to 5000 and --seconds above 0. Try: npm run soak:gateway -- --streams 100');
  process.exitCode = 2;
} else {
  const startedMs = performance.now();
  const soaked = await soak({ concurrent, forSeconds, seconds: 5, pieces: 25 });
  const { received, memory, mostOpen } = soaked;
  const tookSeconds = (performance.now() - startedMs) / 1_000;
  const cpuMicros = (memory.at(-1)?.cpuMicros ?? 0) - (memory[0]?.cpuMicros ?? 0);
  const pieces = received.streams * 25;
  console.log(
    [
      `${received.streams} streams, at most ${mostOpen} at once, ${mib(received.bytes).trim()} MiB in ${pieces} pieces, ${tookSeconds.toFixed(0)} s`,
      `CPU of the gateway: ${(cpuMicros / 1e6).toFixed(1)} s, ${(cpuMicros / pieces).toFixed(0)} µs a piece`,
      'memory of the gateway, after a collection:',
      ...memory.map(memoryLine),
    ].join('\n'),
  );
  const problems = problemsOf(soaked);
  for (const problem of problems.slice(0, 20)) console.log(`wrong: ${problem}`);
  console.log(problems.length === 0 ? 'every byte and every token is right' : `${problems.length} wrong`);
  if (problems.length > 0) process.exitCode = 1;
}
