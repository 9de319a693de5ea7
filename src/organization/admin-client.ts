import Anthropic from '@anthropic-ai/sdk';
import { retryAfterMs as retryAfterIn } from '../limiter.ts';
import { VERSION } from '../version.ts';

/** A page of a report. */
export interface ReportPage {
  readonly data: readonly unknown[];
  readonly has_more: boolean;
  readonly next_page: string | null;
  readonly data_refreshed_at?: string | null;
}

type Query = Readonly<Record<string, unknown>>;

/** The part of the organization that is read. There is nothing here that writes. */
export interface AdminClient {
  usage(query: Query): Promise<ReportPage>;
  cost(query: Query): Promise<ReportPage>;
  /** A report or list that the SDK has no method for. `betas` are the beta headers it needs. */
  get(path: string, query: Query, betas?: readonly string[]): Promise<unknown>;
}

/** Where and how the organization is asked. */
export interface AdminAccess {
  /** The admin key, read when a client is made. */
  readonly adminKey: () => string;
  /** Default: Anthropic's own. */
  readonly baseUrl?: string | undefined;
  /** For tests, and proxies. */
  readonly fetch?: typeof fetch | undefined;
  /** Tries after a refusal or a lost connection, each after the `retry-after` of the answer. Default: 2. */
  readonly maxRetries?: number | undefined;
  /** Ends the reading at once, also while it waits for another try. Default: none. */
  readonly signal?: AbortSignal | undefined;
}

/** A client of the Admin API by Anthropic's own SDK, which waits as long as a `retry-after` says. */
export function adminClient({ adminKey, baseUrl, fetch, maxRetries = 2, signal }: AdminAccess): AdminClient {
  const sdk = new Anthropic({
    apiKey: adminKey(),
    authToken: null,
    maxRetries,
    logLevel: 'off',
    defaultHeaders: { 'user-agent': `plimsoll/${VERSION}` },
    ...(baseUrl !== undefined && { baseURL: baseUrl }),
    fetch: onlyReading(fetch ?? ((input, init) => globalThis.fetch(input, init))),
  });
  const { usage, cost } = sdk.beta.organization.analytics;
  const until = signal === undefined ? {} : { signal };
  return {
    usage: (query) =>
      unlessAborted(() => usage.list(query as unknown as Parameters<typeof usage.list>[0], until), signal),
    cost: (query) => unlessAborted(() => cost.list(query as unknown as Parameters<typeof cost.list>[0], until), signal),
    get: (path, query, betas = []) => {
      const headers = betas.length > 0 && { headers: { 'anthropic-beta': betas.join(',') } };
      return unlessAborted(() => sdk.get(`/v1/organizations/${path}`, { query, ...until, ...headers }), signal);
    },
  };
}

/** The SDK obeys a signal only once it has waited for its next try. */
async function unlessAborted<Answer>(ask: () => PromiseLike<Answer>, signal: AbortSignal | undefined): Promise<Answer> {
  if (signal === undefined) return ask();
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(new Error('the reading was stopped'));
    signal.addEventListener('abort', leave, { once: true });
    ask().then((answer) => {
      signal.removeEventListener('abort', leave);
      resolve(answer);
    }, reject);
  });
}

/** Lets nothing through that could change the organization, whatever the SDK or a caller of it does. */
export function onlyReading(ask: typeof fetch): typeof fetch {
  return async (input, init) => {
    const method = init?.method ?? (input instanceof Request ? input.method : 'GET');
    if (method.toUpperCase() !== 'GET') throw new TypeError(`${method} would change the organization`);
    return ask(input, init);
  };
}

/** The ends of a reading: a closed set. */
export const READ_OUTCOMES = [
  'ok',
  'unauthorized',
  'forbidden',
  'not_available',
  'rate_limited',
  'invalid',
  'server_error',
  'connection_error',
  'malformed',
] as const;

/** How reading a report ended. */
export type ReadOutcome = (typeof READ_OUTCOMES)[number];

/** What to do about a reading that failed, by its outcome: the second half of a sentence. */
export const READ_ADVICE: Readonly<Record<Exclude<ReadOutcome, 'ok'>, string>> = {
  unauthorized: 'the admin key is refused. Create one at https://platform.claude.com/settings/admin-keys',
  forbidden:
    'this key may not read it. It takes an admin key of the organization; an individual account has none, and spend limits are in an early-access preview',
  not_available: 'this API has no Admin API. Check ANTHROPIC_BASE_URL',
  rate_limited: 'it is read too often. Try again in a minute',
  invalid: 'the API refuses the question. Try a later --since',
  server_error: 'the API has an error of its own. Try again later',
  connection_error: 'the API cannot be reached. plimsoll check says why',
  malformed: 'the report is not what it is documented to be. Update plimsoll',
};

/** An answer that is not what the API says that it answers. */
export class MalformedReportError extends Error {
  constructor(what: string) {
    super(`The report has ${what}.`);
    this.name = 'MalformedReportError';
  }
}

/** The outcome that an error stands for. */
export function outcomeOf(error: unknown): Exclude<ReadOutcome, 'ok'> {
  if (error instanceof MalformedReportError) return 'malformed';
  const status = statusOf(error);
  if (status === null) return 'connection_error';
  return OUTCOME_OF_STATUS.get(status) ?? (status >= 500 ? 'server_error' : 'invalid');
}

const OUTCOME_OF_STATUS: ReadonlyMap<number, Exclude<ReadOutcome, 'ok'>> = new Map([
  [401, 'unauthorized'],
  [403, 'forbidden'],
  [404, 'not_available'],
  [429, 'rate_limited'],
]);

/** The HTTP status of an error of the SDK; `null` where there was no answer. */
export function statusOf(error: unknown): number | null {
  const status = (error as { readonly status?: unknown } | null)?.status;
  return typeof status === 'number' ? status : null;
}

/** Milliseconds that the answer asks to wait before another try; 0 where it asks for none. */
export function retryAfterMs(error: unknown, nowMs: number): number {
  const headers = (error as { readonly headers?: unknown } | null)?.headers;
  return headers instanceof Headers ? (retryAfterIn(headers, nowMs) ?? 0) : 0;
}
