import type { Attribution } from '../../vocabulary.ts';
import type { MaxTokensCeiling } from '../grant.ts';

/** What the tokens of a client may do: written down in the configuration, and in force for all of them at once. */
export interface GatewayClient {
  readonly name: string;
  /** Alias of the real key that its calls are sent with. */
  readonly key: string;
  readonly labels: Attribution;
  /** The only models it may ask for; `null`: any. */
  readonly models: readonly string[] | null;
  readonly maxTokens: MaxTokensCeiling | null;
  /** `messages`: no files and no batches, which the clients of a key share. What is minted never gets at those. */
  readonly endpoints: 'all' | 'messages';
  /** Of all its tokens together; `null`: no limit. */
  readonly requestsPerMinute: number | null;
  /** The only web origins that may send its tokens; `null`: any, and none. */
  readonly origins: readonly string[] | null;
  /** What it may mint for its own users; `null`: nothing. */
  readonly mints: MintRules | null;
}

/** A client that may do anything with its key but mint. */
export function unboundClient(name: string, key: string): GatewayClient {
  return {
    name,
    key,
    labels: {},
    models: null,
    maxTokens: null,
    endpoints: 'all',
    requestsPerMinute: null,
    origins: null,
    mints: null,
  };
}

/** Bounds of what a client mints. A minted token may do no more than its client besides. */
export interface MintRules {
  /** The most a token may spend, and what it may where its request does not say; `null`: no limit of its own. */
  readonly spendNanoUsd: bigint | null;
  /** Of each token; `null`: only that of the client. */
  readonly requestsPerMinute: number | null;
  /** The longest and the default life. */
  readonly lifetimeSeconds: number;
  /** The label that takes the subject as its value; `null`: none does. The metrics cap the values of every label. */
  readonly subjectLabel: string | null;
}

/** Whatever the configuration says, a minted token lives no longer. */
export const LONGEST_MINTED_SECONDS = 15 * 60;
export const DEFAULT_MINTED_SECONDS = 5 * 60;
