import type { Lane } from '../../pace/pace-state.ts';
import type { Attribution } from '../../vocabulary.ts';
import type { Unbounded } from '../body-names.ts';
import type { EndpointChoice } from '../endpoints.ts';
import type { MaxTokensCeiling } from '../grant.ts';
import type { FallbackRule } from '../upstreams/route.ts';
import { NO_LIMITS, type Limits, type MemberRules } from './member.ts';
import type { TokenRecord } from './tokens.ts';

/** A valid token, and its client. */
export interface AuthenticatedToken {
  readonly client: GatewayClient;
  readonly record: TokenRecord;
}

/** A service that calls through the gateway, as configured. */
export interface GatewayClient extends ClientRules {
  readonly name: string;
  /** Alias of the API key for its calls, or name of a pool. */
  readonly key: string;
  /** `client`: its users send logins of their own, and `key` only names their calls. Default: `key`. */
  readonly credential?: 'key' | 'client';
  /** Where its messages go after a refusal; default: nowhere. */
  readonly fallback?: readonly FallbackRule[];
  /** The lane in which its calls wait for room in the rate limits; default: they do not wait. */
  readonly pace?: Lane;
  /** Labels of its calls. */
  readonly labels: Attribution;
}

/** The rules of a client, which apply to all its tokens. `CLIENT_RULES` in `rules.ts` enforces them. */
export interface ClientRules extends Limits {
  /** The models that it may use: ids, families such as `haiku`, and patterns with `*`; `null` for any model. */
  readonly models: readonly string[] | null;
  /** The highest `max_tokens`; `null` for no ceiling. */
  readonly maxTokens: MaxTokensCeiling | null;
  /**
   * What it may call. `messages`: messages and models. `standard`: batches and files too, which all clients of a key share.
   * `all`: everything that the gateway forwards, such as sessions, whose cost it does not see. Minted tokens get `messages`.
   */
  readonly endpoints: EndpointChoice;
  /**
   * `limited`: a token count is a request of `requestsPerMinute`. `free`, the default: those of the client's own tokens have no
   * limit but the API's, and those of minted tokens one of their own, of the same size.
   */
  readonly tokenCounts: 'limited' | 'free';
  /** The web origins that may send its tokens; `null` for any origin, and for requests without an `Origin` header. */
  readonly origins: readonly string[] | null;
  /** Bounds of the tokens that it mints for its own users; `null` if it may not mint. */
  readonly mints: MintRules | null;
  /** The longest body of a request, in bytes; `null`: what the API accepts. */
  readonly bodyBytes: number | null;
  /** Requests that each of its tokens may have in progress; `null`: no limit of their own. */
  readonly requestsAtOnce: number | null;
  /**
   * `self`: no request may be billed to the customer behind a user profile. `null`: `any` for the client's own tokens, and
   * `self` for minted ones, because what others pay is in no spend limit.
   */
  readonly billTo: 'self' | 'any' | null;
  /** The bounds of each of its members, whose tokens `plimsoll gateway token create` makes; `null`: no others than its own. */
  readonly members: MemberRules | null;
}

/** The name of a client rule. */
export type ClientRule = keyof ClientRules;

/** Bounds of the tokens that a client mints. The client's own rules apply to them too. */
export interface MintRules {
  /** The most that a token may spend, and its limit if the mint request sets none; `null` for no limit of its own. */
  readonly spendNanoUsd: bigint | null;
  /** Requests per minute of each token; `null` for only the client's limit. */
  readonly requestsPerMinute: number | null;
  /** The longest lifetime. */
  readonly lifetimeSeconds: number;
  /** The label that gets the subject as its value; `null` for none. The metrics cap the values of every label. */
  readonly subjectLabel: string | null;
  /** The longest body of a request, in bytes. Default: `MINTED_BODY_BYTES`. */
  readonly bodyBytes?: number;
  /** Requests that each token may have in progress. Default: `MINTED_AT_ONCE`. */
  readonly requestsAtOnce?: number;
  /** What its tokens may ask for although it can cost more than they may spend. Default: nothing. */
  readonly unbounded?: readonly Unbounded[];
}

/** A long conversation, or a photo: what a visitor of a page sends. */
export const MINTED_BODY_BYTES = 1 << 20;

/** More than a page has open at a time, and too few to hold the gateway's connections. */
export const MINTED_AT_ONCE = 32;

/** No minted token lives longer, whatever the configuration says. */
export const LONGEST_MINTED_SECONDS = 15 * 60;
export const DEFAULT_MINTED_SECONDS = 5 * 60;

/** Makes a client that may do anything with its key except mint. */
export function unboundClient(name: string, key: string): GatewayClient {
  return { name, key, labels: {}, ...UNBOUND };
}

/** The rules of a client that may do anything except mint. */
export const UNBOUND: ClientRules = {
  models: null,
  maxTokens: null,
  endpoints: 'standard',
  ...NO_LIMITS,
  tokenCounts: 'free',
  origins: null,
  mints: null,
  bodyBytes: null,
  requestsAtOnce: null,
  billTo: null,
  members: null,
};
