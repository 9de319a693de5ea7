import { fork } from 'node:child_process';
import { once } from 'node:events';
import { COMPARISONS, type ComparisonName, type Length } from './calls.ts';
import type { Compared } from './compare.ts';

/**
 * Runs a comparison in a process of its own: what other variants leave to the garbage collector, and how they make the compiler
 * see the SDK, would be measured with it. Throws where the process does.
 */
export async function comparedApart(name: ComparisonName, length: Length): Promise<Compared> {
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
