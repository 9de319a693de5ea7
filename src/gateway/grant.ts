import type { Guard, SpendGuard } from '../decisions.ts';
import type { Attribution, Recorder } from '../vocabulary.ts';

/** The permissions of a token, and the labels of its calls. */
export interface Grant {
  /** Names the token in logs. It is not secret, and not enough to use the token. */
  readonly tokenId: string;
  /** Name of the client that has the token. */
  readonly client: string;
  /** Alias of the API key that its calls are sent with. */
  readonly key: string;
  /** Labels of its calls. Nothing in a request overrides them. */
  readonly labels: Attribution;
  /** Asked in this order, before the budgets of the gateway. `clientGuards()` makes those of models, `max_tokens` and endpoints. */
  readonly guards: readonly TokenGuard[];
  /** Asked after all guards, before the budgets of the gateway: the amount that the token may spend, for one. */
  readonly spendGuards?: readonly SpendGuard[];
  /** Record its calls, besides the recorders of the gateway. */
  readonly recorders: readonly Recorder[];
}

/** A guard of one token. */
export interface TokenGuard extends Guard {
  /**
   * `false` for a guard that decides without the body of the request. For any other the gateway reads the whole body
   * first, and refuses one that has a name twice in an object, because two readers could take it for two requests.
   */
  readonly needsBody?: boolean;
}

/** The most `max_tokens` that a request may ask for, and what is done with one that asks for more. */
export interface MaxTokensCeiling {
  readonly tokens: number;
  readonly above: 'reject' | 'clamp';
}

/** The reason that a request gets no grant. `wrong_origin`: the token is bound to another web origin. */
export type AuthenticationFailure = 'missing' | 'malformed' | 'unknown' | 'expired' | 'revoked' | 'wrong_origin';

/** The credentials of a request. */
export interface Credentials {
  /** From `x-api-key` or `Authorization: Bearer`; `null` without either. */
  readonly token: string | null;
  /** The `Origin` header, which browsers send; `null` without it. */
  readonly origin: string | null;
}

/** Checks a token. If it rejects, the request is refused as overload: the token store does not answer. */
export type Authenticate = (credentials: Credentials) => Promise<Grant | AuthenticationFailure>;
