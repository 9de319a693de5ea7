import type { Guard, SpendGuard } from '../decisions.ts';
import type { Attribution, Recorder } from '../vocabulary.ts';
import type { FallbackRule } from './upstreams/route.ts';

/** The permissions of a token, and the labels of its calls. */
export interface Grant {
  /** Names the token in logs. It is not secret, and does not suffice to use the token. */
  readonly tokenId: string;
  /** Name of the client that has the token. */
  readonly client: string;
  /** Alias of the API key for its calls, or name of a pool. */
  readonly key: string;
  /** Where its messages go after a refusal that another key or model may not give, in this order. Default: nowhere. */
  readonly fallbacks?: readonly FallbackRule[];
  /**
   * `client`: the API gets the login of the subscriber who calls, from the request, and no key: that of `key` is only a name
   * then. Default: `key`.
   */
  readonly credential?: 'key' | 'client';
  /** Labels of its calls. Nothing in a request overrides them. */
  readonly labels: Attribution;
  /**
   * Asked in this order, before the budgets of the gateway. `clientGuards()` makes those for models, `max_tokens` and
   * endpoints.
   */
  readonly guards: readonly TokenGuard[];
  /** Asked after all guards, before the budgets of the gateway; for example, the token's spend limit. */
  readonly spendGuards?: readonly SpendGuard[];
  /** What lists of models show: those that are in all of these lists; `null`, the default: all. Guards refuse the others. */
  readonly models?: readonly (readonly string[])[] | null;
  /** The longest body of its requests, in bytes; `null`, the default: what the API accepts. */
  readonly bodyBytes?: number | null;
  /** Requests that it may have in progress; `null`, the default: no limit of its own. */
  readonly requestsAtOnce?: number | null;
  /** Record its calls, besides the recorders of the gateway. */
  readonly recorders: readonly Recorder[];
}

/** A guard of one token. It fails closed: if it throws anything but a refusal, the request is refused too. */
export interface TokenGuard extends Guard {
  /**
   * `false` for a guard that decides without the body of the request: it is asked before the body is read, and can only
   * refuse. For any other the gateway reads the body first, and refuses one that it and the API could understand
   * differently.
   */
  readonly needsBody?: boolean;
}

/** The highest `max_tokens` of a request, and what happens to a request with more. */
export interface MaxTokensCeiling {
  readonly tokens: number;
  readonly above: 'reject' | 'clamp';
}

/** The reason why a request gets no grant. `wrong_origin`: the token is bound to another web origin. */
export type AuthenticationFailure = 'missing' | 'malformed' | 'unknown' | 'expired' | 'revoked' | 'wrong_origin';

/** The credentials of a request. */
export interface Credentials {
  /** From `x-api-key` or `Authorization: Bearer`; `null` without either. */
  readonly token: string | null;
  /** The `Origin` header, which browsers send; `null` without it. */
  readonly origin: string | null;
  /** Stands for the connection of the client, to which a weak reference may be kept; `null`, the default, if it is not known. */
  readonly connection?: object | null;
}

/** Checks a token. If it rejects, the token store did not respond, and the request is refused as overload. */
export type Authenticate = (credentials: Credentials) => Promise<Grant | AuthenticationFailure>;
