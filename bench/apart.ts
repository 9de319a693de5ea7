import { fork } from 'node:child_process';
import { once } from 'node:events';
import { COMPARISONS, type ComparisonName, type Length } from './calls.ts';
import type { Compared } from './compare.ts';

/** The compiler makes other choices in each process, and they last: one process would measure its luck. */
const PROCESSES: Readonly<Record<Length, number>> = { short: 1, full: 3 };

/**
 * Runs a comparison in processes of its own, one after the other, and joins their rounds: what other variants leave to the
 * garbage collector, and how they make the compiler see the SDK, would be measured with it. Throws where a process does.
 */
export async function comparedApart(name: ComparisonName, length: Length): Promise<Compared> {
  const parts: Compared[] = [];
  for (let process = 0; process < PROCESSES[length]; process++) parts.push(await comparedOnce(name, length));
  const ways = Object.keys(parts[0] ?? {});
  return Object.fromEntries(ways.map((way) => [way, parts.flatMap((part) => part[way] ?? [])]));
}

async function comparedOnce(name: ComparisonName, length: Length): Promise<Compared> {
  const child = fork(import.meta.filename, [name, length], { serialization: 'advanced' });
  const messages: unknown[] = [];
  child.on('message', (message) => messages.push(message));
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0 || messages.length !== 1) throw new Error(`the comparison ${name} ended with ${code}`);
  return messages[0] as Compared;
}

if (process.argv[1] === import.meta.filename) {
  const [name, length] = process.argv.slice(2) as [ComparisonName, Length];
  const compared = await COMPARISONS[name](length);
  process.send?.(compared, () => process.exit(0));
}
