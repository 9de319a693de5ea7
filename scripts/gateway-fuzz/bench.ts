import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import type * as gatewayModule from 'plimsoll/gateway';
import { defaultPrices } from 'plimsoll';
import { CLIENTS, INPUT_NANO_USD, MODEL, OUTPUT_NANO_USD } from './clients.ts';

/** The gateway's module, as it is or with a mistake in it. */
export type GatewayModule = Pick<
  typeof gatewayModule,
  'gateway' | 'authenticator' | 'memoryRateLimiter' | 'TokenSpend' | 'issueToken'
>;

/** A gateway with the clients of the fuzz, before an API that keeps what it gets and charges the most for it. */
export interface Bench {
  handle(request: Request): Promise<Response>;
  /** The bodies that have reached the API since this was last asked. */
  taken(): readonly Buffer[];
  /** A token of a client; each call of `mint` gives the visitor another. */
  token(client: string): string;
  mint(): Promise<void>;
  /** What the API has charged for the visitor's token, in nano-dollars. */
  charged(): bigint;
  close(): Promise<void>;
}

const FROZEN_MS = Date.UTC(2026, 10, 24, 12);

export async function openBench({
  gateway,
  authenticator,
  memoryRateLimiter,
  TokenSpend,
  issueToken,
}: GatewayModule): Promise<Bench> {
  const clock = { epochMs: () => FROZEN_MS, monotonicMs: () => 1_000 };
  const api = await openApi();
  const store = memoryStore();
  const claude = made({ gateway, authenticator, memoryRateLimiter, TokenSpend }, { store, clock, baseUrl: api.url });
  const tokens = new Map<string, string>();
  for (const { name } of CLIENTS) tokens.set(name, (await issueToken(store, { client: name, clock })).token);
  return {
    handle: (request) => claude.handle(request),
    taken: () => api.taken(),
    token: (client) => tokens.get(client) ?? '',
    async mint() {
      api.charged = 0n;
      tokens.set('visitor', await mintedToken(store, issueToken));
    },
    charged: () => api.charged,
    async close() {
      await claude.close({ deadlineMs: 0 });
      await api.close();
    },
  };
}

interface Surroundings {
  readonly store: Store;
  readonly clock: { epochMs(): number; monotonicMs(): number };
  readonly baseUrl: string;
}

function made(
  { gateway, authenticator, memoryRateLimiter, TokenSpend }: Omit<GatewayModule, 'issueToken'>,
  { store, clock, baseUrl }: Surroundings,
): gatewayModule.Gateway {
  const clients = new Map(CLIENTS.map((client) => [client.name, configured(client)]));
  const spend = new TokenSpend({ prices: defaultPrices(), clock });
  return gateway({
    authenticate: authenticator({ store, clients, clock, limiter: memoryRateLimiter({ clock }), spend }),
    keys: new Map([['prod-api-key', () => 'sk-ant-fuzz']]),
    baseUrl,
    clock,
    registry: new Registry(),
  });
}

function configured({
  name,
  models,
  ceiling,
  endpoints,
  perMinute,
  bodyBytes,
  spendNanoUsd,
}: (typeof CLIENTS)[number]) {
  const mints = { spendNanoUsd, requestsPerMinute: null, lifetimeSeconds: 900, subjectLabel: null };
  return {
    ...{ name, key: 'prod-api-key', labels: {}, models, maxTokens: ceiling, endpoints, requestsPerMinute: perMinute },
    ...{ tokenCounts: 'limited' as const },
    ...{ origins: null, mints: spendNanoUsd === null ? null : mints, bodyBytes, requestsAtOnce: null, billTo: null },
    ...{ inputTokensPerMinute: null, outputTokensPerMinute: null, parallelRequests: null, members: null },
  };
}

type Store = gatewayModule.TokenStore;

async function mintedToken(store: Store, issueToken: GatewayModule['issueToken']): Promise<string> {
  const clock = { epochMs: () => FROZEN_MS };
  const parent = await issueToken(store, { client: 'visitor', clock });
  const spendNanoUsd = CLIENTS.find(({ name }) => name === 'visitor')?.spendNanoUsd ?? null;
  const minted = { parent: parent.record.id, subject: 'visitor', origin: null, models: null, spendNanoUsd };
  const put: Store['put'] = (record) => store.put({ ...record, minted, expiresAtMs: FROZEN_MS + 900_000 });
  return (await issueToken({ ...store, put }, { client: 'visitor', clock })).token;
}

function memoryStore(): Store {
  const records = new Map<string, gatewayModule.TokenRecord>();
  return {
    kind: 'sqlite',
    put: (record) => Promise.resolve(void records.set(record.id, record)),
    find: (id) => Promise.resolve(records.get(id) ?? null),
    list: () => Promise.resolve([...records.values()]),
    revoke: () => Promise.resolve(false),
    audit: () => Promise.resolve([]),
    forget: () => Promise.resolve(0),
    close: () => Promise.resolve(),
  };
}

async function openApi() {
  let bodies: Buffer[] = [];
  const api = { charged: 0n };
  const server = createServer((incoming, outgoing) => {
    const pieces: Buffer[] = [];
    incoming.on('data', (piece: Buffer) => pieces.push(piece));
    incoming.on('end', () => {
      const body = Buffer.concat(pieces);
      bodies.push(body);
      api.charged += chargeOf(incoming, body);
      answer(incoming, outgoing, body);
    });
    incoming.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(api, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    taken() {
      const taken = bodies;
      bodies = [];
      return taken;
    },
    close: () => new Promise<void>((resolve) => void (server.closeAllConnections(), server.close(() => resolve()))),
  });
}

/** The output tokens of the models that answer, one after the other: its own, and those of its list of fallbacks. */
function outputs(body: Buffer): readonly number[] {
  try {
    const { max_tokens: own, fallbacks } = JSON.parse(body.toString()) as Readonly<Record<string, unknown>>;
    const further = (Array.isArray(fallbacks) ? fallbacks : []) as readonly { readonly max_tokens?: unknown }[];
    return [own, ...further.map(({ max_tokens: given }) => given ?? own)].map(taken);
  } catch {
    return [0]; // it answers anything, and charges nothing for what it cannot read
  }
}

/** As an API reads it that takes whatever can be taken. */
function taken(maxTokens: unknown): number {
  return Math.min(1_000_000_000, Math.ceil(Math.max(0, Number(maxTokens) || 0)));
}

/** Only what the visitor sends counts: one token at a time has an amount to spend. A refusal costs nothing. */
function chargeOf({ url, headers }: IncomingMessage, body: Buffer): bigint {
  if (url !== '/v1/messages' || headers['x-fuzz-client'] !== 'visitor' || headers['x-fuzz-refuse'] !== undefined)
    return 0n;
  const inputNanoUsd = BigInt(body.toString().length) * INPUT_NANO_USD;
  return outputs(body).reduce((sum, tokens) => sum + inputNanoUsd + BigInt(tokens) * OUTPUT_NANO_USD, 0n);
}

/** It answers with its last fallback, and sometimes it refuses, so that clients have attempts to number. */
function answer(incoming: IncomingMessage, outgoing: ServerResponse, body: Buffer): void {
  const isRefused = incoming.headers['x-fuzz-refuse'] !== undefined;
  const refusal = { type: 'error', error: { type: 'overloaded_error', message: 'Busy.' } };
  outgoing.writeHead(isRefused ? 529 : 200, { 'content-type': 'application/json' });
  const answered = incoming.url === '/v1/messages' ? message(body) : { input_tokens: body.toString().length };
  outgoing.end(JSON.stringify(isRefused ? refusal : answered));
}

/** Each model that declined did so in a category that is billed. */
function message(body: Buffer): unknown {
  const iterations = outputs(body).map((tokens, hop, { length }) => ({
    type: hop > 0 && hop === length - 1 ? 'fallback_message' : 'message',
    model: MODEL,
    input_tokens: body.toString().length,
    output_tokens: tokens,
  }));
  const [last] = iterations.slice(-1);
  const hops = iterations.slice(1).map(() => ({
    type: 'fallback',
    from: { model: MODEL },
    to: { model: MODEL },
    trigger: { type: 'refusal', category: 'bio' },
  }));
  const usage = { input_tokens: last?.input_tokens, output_tokens: last?.output_tokens, iterations };
  return { id: 'msg_1', type: 'message', model: MODEL, content: hops, stop_reason: 'end_turn', usage };
}
