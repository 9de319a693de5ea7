import { execFileSync } from 'node:child_process';
import { spread, type Spread } from './compare.ts';

/** The peers first: an application that observes its calls has loaded them anyway. */
const SCRIPT = `
for (const peer of ['@anthropic-ai/sdk', '@opentelemetry/api', 'prom-client']) await import(peer);
const before = process.cpuUsage();
await import(process.argv[1]);
const { user, system } = process.cpuUsage(before);
console.log((user + system) / 1_000);
`;

/**
 * Milliseconds of CPU that `import 'plimsoll'` takes in a fresh process that has loaded its required peers: the built package,
 * and what it imports of Node.
 */
export function importMs(rounds: number): Spread {
  const entry = new URL('../dist/index.js', import.meta.url).href;
  const run = { cwd: import.meta.dirname, encoding: 'utf8' } as const;
  const figures = Array.from({ length: rounds }, () =>
    Number(execFileSync(process.execPath, ['--input-type=module', '-e', SCRIPT, entry], run)),
  );
  return spread(figures);
}
