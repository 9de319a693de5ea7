import { statSync } from 'node:fs';
import { systemClock, type Clock } from '../../clock.ts';
import { judgedKey } from '../../keys/secrets.ts';
import { secretText, type Secret } from './secret-source.ts';

/** A key that was put into its file is used at the latest so long after. */
const LOOK_MS = 5_000;

/**
 * The key, which stays current where it came from a file: what is rotated there is used within five seconds, without a
 * restart. What cannot be read by then, or is no key, leaves the one before in use.
 */
export function currentKey({ text, file }: Secret, clock: Clock = systemClock): () => string {
  if (file === null) return () => text;
  let [current, changed, lookedMs] = [text, changedAt(file), clock.monotonicMs()];
  return () => {
    const nowMs = clock.monotonicMs();
    if (nowMs - lookedMs < LOOK_MS) return current;
    lookedMs = nowMs;
    const now = changedAt(file);
    if (now === changed) return current;
    const written = keyIn(file);
    if (written !== null) [current, changed] = [written, now];
    return current;
  };
}

/** `null` where there is none to be had: then it is looked for again. */
function keyIn(file: string): string | null {
  try {
    const text = secretText(file);
    return judgedKey(text).usable ? text : null;
  } catch {
    // It may be on its way from one place to another.
    return null;
  }
}

/** When its content was last changed, or another file was put in its place; `null` where there is none. */
function changedAt(file: string): string | null {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? null : `${found.ino} ${found.mtimeNs}`;
}
