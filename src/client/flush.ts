/** What keeps figures that it sends later: budgets, daily totals, telemetry. */
export interface Flushable {
  /** Resolves once everything that waited has been written. */
  flush(): Promise<unknown>;
}

/**
 * Sends what is kept so far, as a function must before its platform freezes the process: Lambda, Vercel and others run nothing
 * of it after the answer, and may never run it again. Pass `budgets()`, `dailyTotals()` and what `startTelemetry()` gave. Calls whose
 * answer has been read are in it; those under way are not waited for. Resolves with whether all was taken, after at most 2 s,
 * because an answer waits for it; the rest goes on while the process runs. Warns the first time that something was not taken
 * (`PLIMSOLL_NOT_FLUSHED`), with `process.emitWarning`. Never rejects.
 *
 * @example
 * export const handler = async (event) => {
 *   try {
 *     return await answer(event);
 *   } finally {
 *     await flush(telemetry, limits, totals);
 *   }
 * };
 */
export async function flush(...parts: readonly Flushable[]): Promise<boolean> {
  // What is read is counted, and its spans are ended, before the event loop has turned.
  await new Promise((resolve) => setImmediate(resolve));
  const taken = Promise.allSettled(parts.map(async (part) => part.flush()));
  const isTaken = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), LONGEST_MS);
    void taken.then((all) => {
      clearTimeout(timer);
      resolve(all.every(wasTaken));
    });
  });
  if (!isTaken) warn();
  return isTaken;
}

const LONGEST_MS = 2_000;

function wasTaken(each: PromiseSettledResult<unknown>): boolean {
  return each.status === 'fulfilled' && each.value !== false;
}

let hasWarned = false;

function warn(): void {
  if (hasWarned) return;
  hasWarned = true;
  process.emitWarning('flush() could not send everything.', {
    type: 'PlimsollWarning',
    code: 'PLIMSOLL_NOT_FLUSHED',
    detail: 'OTEL_LOG_LEVEL=error shows why telemetry was not sent.',
  });
}
