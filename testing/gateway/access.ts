import { authenticator } from '../../src/gateway/access/authenticator.ts';
import { unboundClient, type GatewayClient } from '../../src/gateway/access/client.ts';
import { mintHandler } from '../../src/gateway/access/mint.ts';
import { memoryRateLimiter } from '../../src/gateway/access/rate-limiter.ts';
import { sqliteTokens } from '../../src/gateway/access/sqlite-tokens.ts';
import { TokenSpend } from '../../src/gateway/access/token-spend.ts';
import { newToken, secretHash, tokenText, type TokenRecord, type TokenStore } from '../../src/gateway/access/tokens.ts';
import type { Authenticate, Grant } from '../../src/gateway/grant.ts';
import { isClientRuleError } from '../../src/gateway/rules.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';
import type { Admission } from '../../src/decisions.ts';
import type { Call } from '../../src/vocabulary.ts';

export const NOW_MS = Date.UTC(2026, 10, 24, 12);

/** A client that may do anything but mint. */
export function aClient(given: Partial<GatewayClient> & Pick<GatewayClient, 'name'>): GatewayClient {
  return { ...unboundClient(given.name, 'prod-api-key'), ...given };
}

interface Issued {
  readonly id: string;
  readonly token: string;
}

/** The access part of a gateway on one store, with a clock that the test sets. */
export interface GatewayAccess {
  readonly store: TokenStore;
  readonly spend: TokenSpend;
  readonly authenticate: Authenticate;
  /** `POST /plimsoll/tokens` with a token and a body. */
  mint(token: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>;
  issue(client: string, given?: Partial<TokenRecord>): Promise<Issued>;
  /** Resolves to `let through`, or the reason: of the token, the client rule that refuses, or the code of another error. */
  use(token: { readonly token: string }, operation?: string, origin?: string): Promise<string>;
  at(nowMs: number): void;
  /** The number of times that a record was looked up. */
  reads(): number;
}

/** The decision of a grant's guards on a request: an admission, the client rule that refuses, or the code of an error. */
export async function decided(
  grant: Grant,
  params: object,
  operation = 'messages.create',
): Promise<string | NonNullable<Admission> | null> {
  const isBatch = operation === 'messages.batches.create';
  const body = isBatch ? { requests: [{ custom_id: 'a', params }] } : params;
  let admission: Admission;
  try {
    for (const guard of grant.guards) {
      admission = (await guard.admit({ operation } as Call, { body: { ...body }, bodyLength: 0 })) ?? admission;
    }
    return admission ?? null;
  } catch (error) {
    return isClientRuleError(error) ? `refused by ${error.field}` : String((error as { code?: unknown }).code);
  }
}

export function gatewayAccess(clients: readonly GatewayClient[]): GatewayAccess {
  let nowMs = NOW_MS;
  let reads = 0;
  const kept = sqliteTokens(':memory:');
  const store: TokenStore = { ...kept, find: (id) => ((reads += 1), kept.find(id)) };
  const clock = { epochMs: () => nowMs, monotonicMs: () => nowMs };
  const limiter = memoryRateLimiter({ clock });
  const spend = new TokenSpend({ prices: defaultPrices(), clock });
  const shared = { store, clients: new Map(clients.map((client) => [client.name, client])), limiter, clock };
  const authenticate = authenticator({ ...shared, spend });
  const handler = mintHandler(shared);
  return {
    store,
    spend,
    authenticate,
    mint: (token, body, headers = {}) =>
      handler(
        new Request('http://gateway/plimsoll/tokens', {
          method: 'POST',
          headers: { authorization: `Bearer ${token}`, ...headers },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        }),
      ),
    async issue(client, given = {}) {
      const parts = newToken();
      const times = { createdAtMs: nowMs, expiresAtMs: null, revokedAtMs: null };
      await kept.put({
        id: parts.id,
        hash: secretHash(parts.secret),
        client,
        ...times,
        note: '',
        minted: null,
        member: null,
        ...given,
      });
      return { id: parts.id, token: tokenText(parts) };
    },
    async use({ token }, operation = 'messages.create', origin) {
      const grant = await authenticate({ token, origin: origin ?? null });
      if (typeof grant === 'string') return grant;
      const decision = await decided(grant, { model: 'claude-haiku-5-5', max_tokens: 1 }, operation);
      return typeof decision === 'string' ? decision : 'let through';
    },
    at(atMs) {
      nowMs = atMs;
    },
    reads: () => reads,
  };
}
