/** What keeps figures that it sends later: budgets, daily totals, telemetry. */
export interface Flushable {
  /** Resolves once everything that waited has been written. */
  flush(): Promise<unknown>;
}

/**
 * Sends what is kept so far, as a function must before its platform freezes the process: Lambda, Vercel and others run nothing
 * of it after the answer, and may never run it again. Pass `budgets()`, `dailyTotals()` and what `startTelemetry()` gave. Calls whose
 * answer has been read are in it; those under way are not waited for. Resolves with whether all was taken, and never rejects.
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
  const taken = await Promise.allSettled(parts.map(async (part) => part.flush()));
  return taken.every((each) => each.status === 'fulfilled' && each.value !== false);
}
