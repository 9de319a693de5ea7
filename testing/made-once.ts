import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Makes the file or folder at `path` where nobody has: one process at a time, the others wait for it. `make` writes it to
 * the path that it is given; it gets its own name when it is whole.
 */
export async function madeOnce(path: string, make: (unfinished: string) => Promise<void>): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  while (!existsSync(path)) {
    if (!takesTurn(`${path}.turn`)) {
      await sleep(50);
      continue;
    }
    const unfinished = `${path}.${process.pid}`;
    try {
      // Whoever had the turn before may have finished in between.
      if (existsSync(path)) return;
      rmSync(unfinished, { recursive: true, force: true });
      await make(unfinished);
      renameSync(unfinished, path);
    } finally {
      rmSync(unfinished, { recursive: true, force: true });
      rmSync(`${path}.turn`, { force: true });
    }
  }
}

/** Whether this process makes it now. A turn is a file that names a process: one that is gone has lost it. */
function takesTurn(turn: string): boolean {
  const own = `${turn}.${process.pid}`;
  writeFileSync(own, String(process.pid));
  try {
    linkSync(own, turn); // In one step, with its text: nobody sees the turn of nobody.
    return true;
  } catch {
    if (!isRunning(holderOf(turn))) rmSync(turn, { force: true });
    return false;
  } finally {
    rmSync(own);
  }
}

/** The process that has the turn; `null` when it has just been given back. */
function holderOf(turn: string): number | null {
  try {
    return Number(readFileSync(turn, 'utf8'));
  } catch {
    return null;
  }
}

function isRunning(pid: number | null): boolean {
  if (pid === null) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // Another user's.
  }
}
