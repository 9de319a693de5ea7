import { authenticator } from '../../src/gateway/access/authenticator.ts';
import { unboundClient, type GatewayClient } from '../../src/gateway/access/client.ts';
import { mintHandler } from '../../src/gateway/access/mint.ts';
import { memoryRateLimiter } from '../../src/gateway/access/rate-limiter.ts';
import { sqliteTokens } from '../../src/gateway/access/sqlite-tokens.ts';
import { TokenSpend } from '../../src/gateway/access/token-spend.ts';
import { newToken, secretHash, tokenText, type TokenRecord, type TokenStore } from '../../src/gateway/access/tokens.ts';
import type { Authenticate } from '../../src/gateway/grant.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';
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

/** All of the room on one store and one clock that the test sets. */
export interface Office {
  readonly store: TokenStore;
  readonly spend: TokenSpend;
  readonly authenticate: Authenticate;
  /** `POST /plimsoll/tokens` with a token and a body. */
  mint(token: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>;
  issue(client: string, given?: Partial<TokenRecord>): Promise<Issued>;
  /** `let through`, the denial, or the code of the guard's refusal. */
  use(token: { readonly token: string }, operation?: string, origin?: string): Promise<string>;
  at(nowMs: number): void;
  /** How often a record was looked for. */
  reads(): number;
}

export function registryOffice(clients: readonly GatewayClient[]): Office {
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
        ...given,
      });
      return { id: parts.id, token: tokenText(parts) };
    },
    async use({ token }, operation = 'messages.create', origin) {
      const grant = await authenticate({ token, origin: origin ?? null });
      if (typeof grant === 'string') return grant;
      try {
        for (const guard of grant.guards) await guard.admit({ operation } as Call, { body: null, bodyLength: 0 });
        return 'let through';
      } catch (error) {
        return String((error as { code?: unknown }).code);
      }
    },
    at(atMs) {
      nowMs = atMs;
    },
    reads: () => reads,
  };
}
