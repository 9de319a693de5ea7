import type { Attribution } from '../../vocabulary.ts';
import type { MaxTokensCeiling } from '../grant.ts';

/** A service that calls through the gateway, as the configuration describes it. */
export interface GatewayClient extends ClientRules {
  readonly name: string;
  /** Alias of the API key that its calls are sent with. */
  readonly key: string;
  /** Labels of its calls. */
  readonly labels: Attribution;
}

/** The rules of a client, in force for all its tokens at once. `CLIENT_RULES` in `rules.ts` says how each is kept. */
export interface ClientRules {
  /** The models that it may ask for; `null`: any model. */
  readonly models: readonly string[] | null;
  /** The most `max_tokens`; `null`: no ceiling. */
  readonly maxTokens: MaxTokensCeiling | null;
  /** `messages`: no files and no batches, which all clients of a key share. Minted tokens never get those. */
  readonly endpoints: 'all' | 'messages';
  /** Requests per minute of all its tokens together; `null`: no limit. */
  readonly requestsPerMinute: number | null;
  /** The web origins that may send its tokens; `null`: any origin, or no `Origin` header at all. */
  readonly origins: readonly string[] | null;
  /** Bounds of the tokens that it mints for its own users; `null`: it may not mint. */
  readonly mints: MintRules | null;
}

/** The name of a client rule. */
export type ClientRule = keyof ClientRules;

/** Bounds of the tokens that a client mints. The rules of the client hold for them too. */
export interface MintRules {
  /** The most that a token may spend, and its limit if the mint request names none; `null`: no limit of its own. */
  readonly spendNanoUsd: bigint | null;
  /** Requests per minute of each token; `null`: only the client's limit. */
  readonly requestsPerMinute: number | null;
  /** The longest lifetime. */
  readonly lifetimeSeconds: number;
  /** The label that takes the subject as its value; `null`: none. The metrics cap the values of every label. */
  readonly subjectLabel: string | null;
}

/** No minted token lives longer, whatever the configuration says. */
export const LONGEST_MINTED_SECONDS = 15 * 60;
export const DEFAULT_MINTED_SECONDS = 5 * 60;

/** Makes a client that may do anything with its key but mint. */
export function unboundClient(name: string, key: string): GatewayClient {
  return { name, key, labels: {}, ...UNBOUND };
}

/** The rules of a client that may do anything but mint. */
export const UNBOUND: ClientRules = {
  models: null,
  maxTokens: null,
  endpoints: 'all',
  requestsPerMinute: null,
  origins: null,
  mints: null,
};
