/**
 * Why a page or file could not be read: `ECONNREFUSED`, `ENOENT`, or what the error says of itself. A port that is kept for
 * another protocol, which `fetch` refuses and calls only bad, is named as such.
 */
export function unreadableReason(error: unknown): string {
  const cause: unknown = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return 'no reason given';
  if (cause.message === 'bad port') return 'a port that fetch never asks';
  if (cause.name === 'TimeoutError') return 'no answer in time';
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message;
}
