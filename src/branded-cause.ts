/**
 * The error itself, or the first among its causes, that carries the brand: helpers of the SDK wrap what they catch.
 * `null` where none does. Causes that go round in a circle end the search.
 */
export function brandedCause(error: unknown, brand: symbol): object | null {
  const seen = new Set<unknown>();
  for (let cause = error; typeof cause === 'object' && cause !== null && !seen.has(cause);) {
    if ((cause as Readonly<Record<symbol, unknown>>)[brand] === true) return cause;
    seen.add(cause);
    cause = (cause as { cause?: unknown }).cause;
  }
  return null;
}
