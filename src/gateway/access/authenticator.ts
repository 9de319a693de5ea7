import { timingSafeEqual } from 'node:crypto';
import { memoryLedger } from '../../budget/memory-ledger.ts';
import { systemClock, type Clock } from '../../clock.ts';
import { defaultPrices } from '../../pricing/prices.ts';
import type { Attribution } from '../../vocabulary.ts';
import type { Authenticate, AuthenticationFailure, Credentials, Grant } from '../grant.ts';
import { CLIENT_RULES, tokenGuards } from '../rules.ts';
import { ClientLimits } from './client-limits.ts';
import type { AuthenticatedToken, GatewayClient } from './client.ts';
import { memoryLimits } from './limits.ts';
import { MemberBudgets } from './member-budgets.ts';
import { limitScopes, memberOf } from './member-limits.ts';
import { OWNER_LABEL } from './member.ts';
import { memoryRateLimiter, type RateLimiter } from './rate-limiter.ts';
import { TokenSpend } from './token-spend.ts';
import { isHashOf, presentedHash, tokenParts, type TokenRecord, type TokenStore } from './tokens.ts';
import { optionProblems, refuseOptions } from '../../errors.ts';

/** Options of `authenticator()`. */
export interface AuthenticatorOptions {
  readonly store: TokenStore;
  /** Clients by name. Their rules apply to all their tokens. */
  readonly clients: ReadonlyMap<string, GatewayClient>;
  /** Stores the spend of minted tokens. Default: in this process, at the shipped prices. */
  readonly spend?: TokenSpend;
  /** Keeps the budgets of members. Default: in this process, at the shipped prices. */
  readonly budgets?: MemberBudgets;
  /** Keeps limits on tokens a minute and requests in progress. Default: in this process. */
  readonly limits?: ClientLimits;
  /** Default: limits only this process's requests. */
  readonly limiter?: RateLimiter;
  /** For tests. */
  readonly clock?: Clock;
}

const NAMES: Readonly<Record<keyof AuthenticatorOptions, true>> = {
  store: true,
  clients: true,
  spend: true,
  budgets: true,
  limits: true,
  limiter: true,
  clock: true,
};

/**
 * Makes a function that checks the token of every request against the store, and grants what its client may do. It
 * rejects if the store does not respond.
 */
export function authenticator(options: AuthenticatorOptions): Authenticate {
  refuseOptions(optionProblems(options, NAMES));
  const { store, clients, limiter = memoryRateLimiter(), clock = systemClock } = options;
  const spend = options.spend ?? new TokenSpend({ prices: defaultPrices(), clock });
  const budgets = options.budgets ?? new MemberBudgets({ prices: defaultPrices(), ledger: memoryLedger(), clock });
  const limits = options.limits ?? new ClientLimits({ store: memoryLimits({ clock }) });
  const state = { spend, budgets, limits, limiter };
  const known = new KnownTokens(store);
  const last = new LastTokens();
  return async function authenticate({ token, origin, connection = null }) {
    const presented = connection === null ? presentedBy(token) : last.presentedOn(connection, token);
    if (typeof presented === 'string') return presented;
    const version = known.version();
    const kept = known.find(presented, version);
    if (kept !== null && !isExpired(kept.token.record, clock)) return originFailure(kept.token, origin) ?? kept.grant;
    const judged = await judge(presented, origin, { store, clients, clock });
    if (typeof judged === 'string') return judged;
    const grant = grantOf(judged, state);
    known.keep(presented, { token: judged, hash: Buffer.from(judged.record.hash, 'hex'), grant, version });
    return grant;
  };
}

/** The token of a request: its id, and the hash of its secret. */
interface Presented {
  readonly id: string;
  readonly hash: Buffer;
  /** The hash as a text. */
  readonly name: string;
}

/**
 * The last token of each connection, with its hash: clients send the same one with each request. Gone with the connection; the
 * store is asked as ever what the token may do.
 */
class LastTokens {
  readonly #last = new WeakMap<object, { readonly codes: Uint8Array; readonly presented: Presented }>();

  presentedOn(connection: object, token: string | null): ReturnType<typeof presentedBy> {
    const last = this.#last.get(connection);
    if (last !== undefined && token !== null && isSame(last.codes, token)) return last.presented;
    const presented = presentedBy(token);
    // A copy: parts of the text of a header keep all of it in memory.
    if (token !== null && typeof presented === 'object')
      this.#last.set(connection, { codes: ENCODER.encode(token), presented });
    return presented;
  }
}

const ENCODER = new TextEncoder();

/** Compares in a time that depends on the length alone: others may send on the connection of a proxy. */
function isSame(codes: Uint8Array, text: string): boolean {
  if (codes.length !== text.length) return false;
  let difference = 0;
  for (let at = 0; at < codes.length; at++) difference |= (codes[at] ?? 0) ^ text.charCodeAt(at);
  return difference === 0;
}

function presentedBy(token: string | null): Presented | 'missing' | 'malformed' {
  if (token === null) return 'missing';
  const parts = tokenParts(token);
  if (parts === null) return 'malformed';
  const hash = presentedHash(parts.secret);
  return { id: parts.id, hash, name: hash.toString('latin1') };
}

/** A token that was valid, and what it was granted, at a version of its store. */
interface KnownToken {
  readonly token: AuthenticatedToken;
  /** Of its secret. */
  readonly hash: Buffer;
  readonly grant: Grant;
  readonly version: number | null;
}

/** Fewer than the budgets of members that are open at a time: a grant that is kept has none that was closed. */
const MOST_KNOWN = 1_000;

/**
 * Tokens that were valid, for as long as nothing has changed in the store, if that can tell. They are found by the hash of
 * their secrets: who has none learns nothing from the time that it takes.
 */
class KnownTokens {
  readonly #store: TokenStore;
  readonly #bySecret = new Map<string, KnownToken>();

  constructor(store: TokenStore) {
    this.#store = store;
  }

  /** `null` where the store cannot tell, or does not answer. */
  version(): number | null {
    try {
      return this.#store.version?.() ?? null;
    } catch {
      return null;
    }
  }

  find({ id, hash, name }: Presented, version: number | null): KnownToken | null {
    const kept = version === null ? undefined : this.#bySecret.get(name);
    if (kept?.version !== version || kept.token.record.id !== id) return null;
    return timingSafeEqual(hash, kept.hash) ? kept : null;
  }

  /** `version` was read before the token was: what has changed since is seen at the next request. */
  keep({ name }: Presented, known: KnownToken): void {
    if (known.version === null) return;
    const [oldest] = this.#bySecret.size >= MOST_KNOWN ? this.#bySecret.keys() : [];
    if (oldest !== undefined) this.#bySecret.delete(oldest);
    this.#bySecret.set(name, known);
  }
}

function isExpired({ expiresAtMs }: TokenRecord, clock: Clock): boolean {
  return expiresAtMs !== null && expiresAtMs <= clock.epochMs();
}

/** The state that tokens share. */
interface TokenState {
  readonly spend: TokenSpend;
  readonly budgets: MemberBudgets;
  readonly limits: ClientLimits;
  readonly limiter: RateLimiter;
}

function grantOf(token: AuthenticatedToken, { spend, budgets, limits, limiter }: TokenState): Grant {
  const { record, client } = token;
  const member = memberOf(token);
  const limited = limits.guard(client.name, limitScopes(token));
  const spending = CLIENT_RULES.mints.read(token)?.spending ?? null;
  return {
    tokenId: record.id,
    client: client.name,
    key: client.key,
    fallbacks: client.fallback ?? [],
    credential: client.credential ?? 'key',
    labels: labelsOf(token),
    guards: tokenGuards(token, limiter),
    spendGuards: [
      ...(limited === null ? [] : [limited]),
      ...(spending === null ? [] : [spend.of(spending)]),
      ...(member?.budget ? [budgets.of(member.name, member.budget)] : []),
    ],
    models: CLIENT_RULES.models.read(token),
    bodyBytes: CLIENT_RULES.bodyBytes.read(token),
    requestsAtOnce: CLIENT_RULES.requestsAtOnce.read(token),
    recorders: [],
  };
}

function labelsOf({ record: { minted, member }, client }: AuthenticatedToken): Attribution {
  const label = client.mints?.subjectLabel ?? null;
  const owner = member?.owner ?? null;
  if (owner === null && (minted === null || label === null)) return client.labels;
  return {
    ...client.labels,
    ...(minted !== null && label !== null && { [label]: minted.subject }),
    ...(owner !== null && { [OWNER_LABEL]: owner }),
  };
}

interface TokenCheck {
  readonly store: TokenStore;
  /** Clients by name. */
  readonly clients: ReadonlyMap<string, GatewayClient>;
  readonly clock: Clock;
}

/**
 * Checks a token by its record in the store, so a revoked token is refused at the next request. A text that cannot be a
 * token is not looked up. Only a caller with the secret learns that a token has expired or was revoked. A token whose
 * client is no longer configured is unknown.
 */
export async function authenticateToken(
  { token, origin }: Credentials,
  check: TokenCheck,
): Promise<AuthenticatedToken | AuthenticationFailure> {
  const presented = presentedBy(token);
  return typeof presented === 'string' ? presented : judge(presented, origin, check);
}

async function judge(
  { id, hash }: Presented,
  origin: string | null,
  check: TokenCheck,
): Promise<AuthenticatedToken | AuthenticationFailure> {
  const record = await check.store.find(id);
  const isKnown = isHashOf(hash, record?.hash ?? null);
  const client = record === null ? undefined : check.clients.get(record.client);
  if (!isKnown || record === null || client === undefined) return 'unknown';
  return (await lapse(record, check)) ?? originFailure({ record, client }, origin) ?? { record, client };
}

/** Returns the reason why a known token is no longer valid; `null` if it is valid. */
async function lapse(record: TokenRecord, check: TokenCheck): Promise<AuthenticationFailure | null> {
  const { store, clients, clock } = check;
  if (record.revokedAtMs !== null) return 'revoked';
  if (isExpired(record, clock)) return 'expired';
  if (record.minted === null) return null;
  const parent = await store.find(record.minted.parent);
  const mayMint = clients.get(record.client)?.mints !== null;
  return parent === null || parent.revokedAtMs !== null || !mayMint ? 'revoked' : null;
}

function originFailure(token: AuthenticatedToken, origin: string | null): AuthenticationFailure | null {
  const lists = CLIENT_RULES.origins.read(token) ?? [];
  return lists.every((allowed) => origin !== null && allowed.includes(origin)) ? null : 'wrong_origin';
}
