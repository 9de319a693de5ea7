import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Far longer than the collector needs. */
const PATIENCE_MS = 60_000;

/** Collects garbage until something has come of it, which may be a turn or a timer later; gives up after a minute. */
export async function collectUntil(isDone: () => boolean): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (!isDone() && performance.now() < deadlineMs) {
    collect();
    await setTimeout(10);
  }
}
