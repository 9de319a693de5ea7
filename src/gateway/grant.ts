import type { Attribution, Guard, Recorder } from '../vocabulary.ts';

/** What the bearer of a token of the gateway's may do. */
export interface Grant {
  /** Names the token in logs; not secret, and not enough to use it. */
  readonly tokenId: string;
  /** Name of the client that the token was given to. */
  readonly client: string;
  /** Alias of the real key that its calls are sent with. */
  readonly key: string;
  /** Labels of its calls, which nothing in a request overrides. */
  readonly labels: Attribution;
  /** The only models it may ask for; `null`: any. */
  readonly models: readonly string[] | null;
  readonly maxTokens: MaxTokensCeiling | null;
  /** Asked before the budgets of the gateway: the rate limit of the client, what the token may spend. */
  readonly guards: readonly Guard[];
  /** Told of its calls, besides everybody else. */
  readonly recorders: readonly Recorder[];
}

/** The most `max_tokens` a request may ask for, and what becomes of one that asks for more. */
export interface MaxTokensCeiling {
  readonly tokens: number;
  readonly above: 'reject' | 'clamp';
}

/** Why a request has no grant. `wrong_origin` is of a token that is bound to another web origin. */
export type Denial = 'missing' | 'malformed' | 'unknown' | 'expired' | 'revoked' | 'wrong_origin';

/** What came with a request. */
export interface Presented {
  /** Of `x-api-key` or `Authorization: Bearer`; `null` where neither is there. */
  readonly token: string | null;
  /** The `Origin` that a browser sent; `null` where none came. */
  readonly origin: string | null;
}

/** Judges a token. It rejects when the place where tokens are kept does not answer: the request is then refused as overload. */
export type Authenticate = (presented: Presented) => Promise<Grant | Denial>;
