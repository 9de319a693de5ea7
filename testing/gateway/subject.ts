/** The gateway that the security tests attack: with real tokens in a real store, on a real port. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { authenticator } from '../../src/gateway/access/authenticator.ts';
import { unboundClient, type GatewayClient } from '../../src/gateway/access/client.ts';
import { mintHandler } from '../../src/gateway/access/mint.ts';
import { sqliteTokens } from '../../src/gateway/access/sqlite-tokens.ts';
import { TokenSpend } from '../../src/gateway/access/token-spend.ts';
import { newToken, secretHash, tokenText, type TokenStore } from '../../src/gateway/access/tokens.ts';
import { gateway, type Gateway } from '../../src/gateway/gateway.ts';
import type { GatewayOptions } from '../../src/gateway/options.ts';
import { listen, type ListenOptions } from '../../src/http/listen.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';
import type { RawAnswer } from './raw-client.ts';
import type { Ends, RawUpstream } from './raw-upstream.ts';

export interface SubjectOptions {
  readonly upstream: Pick<RawUpstream, 'url'>;
  readonly options?: Partial<GatewayOptions>;
  readonly client?: Partial<GatewayClient>;
  readonly server?: Partial<ListenOptions>;
}

export interface Subject {
  readonly port: number;
  readonly url: string;
  /** The token of a client that may do everything, unless the test says otherwise. */
  readonly token: string;
  readonly tokenId: string;
  readonly store: TokenStore;
  /** What only the gateway and the API may see. */
  readonly realKey: string;
  readonly registry: Registry;
  readonly errors: readonly unknown[];
  readonly gateway: Gateway;
  metrics(): Promise<string>;
  /** Takes no new requests and breaks those under way. */
  close(): Promise<void>;
}

/** Unlike anything else: wherever it turns up, it is the key that turned up. */
export const CANARY = `sk-ant-api03-${'canary'.repeat(8)}-AA`;

export async function subject(ends: Ends, { upstream, options, client, server }: SubjectOptions): Promise<Subject> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-security-'));
  const store = sqliteTokens(join(folder, 'tokens.db'));
  const errors: unknown[] = [];
  const registry = new Registry();
  const prices = defaultPrices();
  const clients = new Map([['web', { ...ANYTHING, ...client }]]);
  const spend = new TokenSpend({ prices, onError: (error) => errors.push(error) });
  const held = gateway({
    authenticate: authenticator({ store, clients, spend }),
    keys: new Map([['prod-api-key', () => CANARY]]),
    baseUrl: upstream.url,
    registry,
    handlers: { '/plimsoll/tokens': mintHandler({ store, clients }) },
    onError: (error) => errors.push(error),
    ...options,
  });
  const serving = await listen(held.listener, { port: 0, ...server });
  const parts = newToken();
  await store.put({ ...FOREVER, id: parts.id, hash: secretHash(parts.secret), client: 'web', createdAtMs: Date.now() });
  const close = async (): Promise<void> => {
    await Promise.all([held.close({ deadlineMs: 0 }), serving.close(0)]);
  };
  ends.after(async () => {
    await close();
    await store.close();
    rmSync(folder, { recursive: true });
  });
  return {
    port: serving.port,
    url: serving.url,
    token: tokenText(parts),
    tokenId: parts.id,
    store,
    realKey: CANARY,
    registry,
    errors,
    gateway: held,
    metrics: () => registry.metrics(),
    close,
  };
}

/** A token that the client has minted for a visitor of its page, with so much to spend. The client needs `mints`. */
export async function visitorToken({ store, tokenId }: Subject, spendNanoUsd: bigint): Promise<string> {
  const parts = newToken();
  const minted = { parent: tokenId, subject: 'visitor', origin: null, models: null, spendNanoUsd };
  const expiresAtMs = Date.now() + 300_000;
  const record = { ...FOREVER, id: parts.id, hash: secretHash(parts.secret), client: 'web', createdAtMs: Date.now() };
  await store.put({ ...record, minted, expiresAtMs });
  return tokenText(parts);
}

/** What a client may mint, with nothing that a test would run into. */
export const MINTS = {
  spendNanoUsd: null,
  requestsPerMinute: null,
  lifetimeSeconds: 900,
  subjectLabel: null,
  requestsAtOnce: 1_000,
} as const;

const ANYTHING = unboundClient('web', 'prod-api-key');

const FOREVER = { expiresAtMs: null, revokedAtMs: null, note: '', minted: null, member: null } as const;

/** A small, good body of a Messages request. */
export const BODY = JSON.stringify({
  model: 'claude-haiku-4-5',
  max_tokens: 64,
  messages: [{ role: 'user', content: 'hello' }],
});

/** A head: `TOKEN` stands where the token comes. `request` is method and target. */
export function requestTo(request: string, lines: readonly string[]): string {
  return [`${request} HTTP/1.1`, 'Host: gateway', 'X-Api-Key: TOKEN', ...lines, '', ''].join('\r\n');
}

export interface PostOptions {
  readonly target?: string;
  readonly body?: string;
  /** What it says its length is. */
  readonly length?: number;
}

/** A whole POST with this token. */
export function post(token: string, lines: readonly string[] = [], options: PostOptions = {}): string {
  const { target = '/v1/messages', body = BODY, length = Buffer.byteLength(body) } = options;
  const head = requestTo(`POST ${target}`, [`Content-Length: ${length}`, ...lines]);
  return head.replace('TOKEN', token) + body;
}

/** The error of an answer. Throws where it is not the API's own shape of one. */
export function errorIn(answer: RawAnswer | null): { readonly type: string; readonly message: string } {
  const { type, error, request_id } = JSON.parse(answer?.body.toString() ?? '') as {
    readonly type: string;
    readonly error: { readonly type: string; readonly message: string };
    readonly request_id: string;
  };
  if (type !== 'error' || typeof error.type !== 'string' || !/^req_/.test(request_id)) throw new Error('no API error');
  return error;
}
