import { REFUSAL } from '../../vocabulary.ts';

const BRAND = Symbol.for('plimsoll.gateway_rate_limited');

/** Whose limit it was: of all tokens of a client together, or of one minted token alone. */
export type RateLimitHolder = 'client' | 'token';

const WHO: Readonly<Record<RateLimitHolder, string>> = {
  client: 'the tokens of the client together',
  token: 'this token',
};

/** More requests came in a minute than a client of the gateway, or a token, may make: refused, and nothing was sent. */
export class RateLimitedError extends Error {
  readonly code = 'PLIMSOLL_GATEWAY_RATE_LIMITED';
  readonly requestsPerMinute: number;
  /** Whole seconds from 1 up, for `retry-after`. */
  readonly retryAfterSeconds: number;
  readonly [REFUSAL] = true;
  readonly [BRAND] = true;

  constructor(requestsPerMinute: number, waitMs: number, holder: RateLimitHolder) {
    super(`Not sent: ${WHO[holder]} made more requests than the limit of ${requestsPerMinute} per minute.`);
    this.name = 'RateLimitedError';
    this.requestsPerMinute = requestsPerMinute;
    this.retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1_000));
  }
}

/** Whether it is a refusal for the rate, from whichever copy of the package. */
export function isRateLimited(error: unknown): error is RateLimitedError {
  return typeof error === 'object' && error !== null && (error as { [BRAND]?: unknown })[BRAND] === true;
}
