import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options?: { readonly type: 'minor' }) => void;

/**
 * Measures what work leaves in memory that only a full collection can free: garbage that something old leads to. Collects all
 * before the work, so that what is there is old, and after it only what is young.
 */
export async function keptBytes(work: () => Promise<void>): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  collect();
  const before = process.memoryUsage().heapUsed;
  await work();
  for (let times = 0; times < 3; times++) collect({ type: 'minor' });
  return process.memoryUsage().heapUsed - before;
}
