import type { Clock } from '../clock.ts';
import type { CauseOf, FaultCause, FaultPart } from '../record/metrics/catalogue-gateway.ts';
import { UNSENT_CODE } from '../observe/exchange.ts';
import type { ApiError } from './errors.ts';

/** A failure of something that the gateway needs, or its end, to be told to people. */
export interface GatewayFault {
  readonly part: FaultPart;
  /** Host of the API, or alias of the key; empty for the others. */
  readonly name: string;
  /** `null`: it works again. */
  readonly cause: FaultCause | null;
  /** One sentence without secrets: what happened, and what to do. */
  readonly message: string;
  /** Failures with this cause since it was last told; 0 where it works again. */
  readonly count: number;
  /** Since it last worked. */
  readonly failingSeconds: number;
}

/** What happened, after the name of the part. */
const WHAT: Readonly<Record<FaultCause, string>> = {
  refused: 'the connection was refused',
  dns: 'its name cannot be resolved',
  unreachable: 'no route leads to it',
  tls: 'TLS failed, or its certificate is not trusted',
  connect_timeout: 'it accepted no connection in time',
  timeout: 'it sent nothing for too long',
  reset: 'it reset the connection',
  closed: 'it closed the connection',
  protocol: 'it does not speak HTTP/1.1',
  other: 'the connection failed',
  key_file_empty: 'it is empty, so the previous key stays in use',
  key_file_unreadable: 'it cannot be read, so the previous key stays in use',
  key_file_unusable: 'it has no API key, so the previous key stays in use',
  disk_full: 'its disk is full',
  disk_failed: 'its file cannot be used',
  ledger_unavailable: 'it does not answer',
  tokens_unavailable: 'it does not answer',
};

const ADVICE: Readonly<Record<FaultCause, string>> = {
  refused: 'Check baseUrl, and that what listens there is running.',
  dns: 'Check the host in baseUrl, and the DNS of this machine.',
  unreachable: 'Check the routes and the network policy of this machine.',
  tls: 'Check the certificate, NODE_EXTRA_CA_CERTS, and the clock of this machine.',
  connect_timeout: 'Check the firewall between the gateway and the API.',
  timeout: 'Check the status of the API; limits.upstreamSilenceSeconds is the time.',
  reset: 'Check what stands between the gateway and the API.',
  closed: 'Check what stands between the gateway and the API.',
  protocol: 'Check the scheme and the port in baseUrl.',
  other: 'Check the network of this machine.',
  key_file_empty: 'Write the key into it.',
  key_file_unreadable: 'Check its path and its permissions.',
  key_file_unusable: 'Write the key into it, and nothing else.',
  disk_full: 'Make room: what is spent meanwhile is kept in memory only.',
  disk_failed: 'Check its path, its permissions and its disk.',
  ledger_unavailable: 'Check the Redis or the file that it is in.',
  tokens_unavailable: 'Check the Redis or the file that it is in.',
};

/** The name of a part, and what is said of it while it fails. */
const PARTS: Readonly<Record<FaultPart, { readonly named: (name: string) => string; readonly fails: string }>> = {
  api: { named: (name) => `The API at ${name}`, fails: 'cannot be reached' },
  key: { named: (name) => `The file of the key ${name}`, fails: 'is of no use' },
  ledger: { named: () => 'The ledger of the budgets', fails: 'fails' },
  tokens: { named: () => 'The token store', fails: 'fails' },
};

/** The error of a request that the API did not answer. */
export function unansweredError(cause: CauseOf<'api'>): ApiError {
  if (cause === 'timeout')
    return {
      status: 504,
      type: 'timeout_error',
      message: 'The API did not respond in time (timeout). Try again.',
      cause,
    };
  const message = `The gateway cannot reach the API: ${WHAT[cause]} (${cause}). Try again.`;
  const isSlow = cause === 'connect_timeout';
  return { status: isSlow ? 504 : 502, type: isSlow ? 'timeout_error' : 'api_error', message, cause };
}

const API_CODES: Readonly<Record<string, CauseOf<'api'>>> = {
  ECONNREFUSED: 'refused',
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  EAI_FAIL: 'dns',
  EAI_NODATA: 'dns',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETDOWN: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  UND_ERR_CONNECT_TIMEOUT: 'connect_timeout',
  PLIMSOLL_UPSTREAM_SILENT: 'timeout',
  PLIMSOLL_UPSTREAM_PROTOCOL: 'protocol',
  EPROTO: 'tls',
  EPIPE: 'reset',
};

/** Codes of OpenSSL's and Node's about certificates and handshakes. */
const TLS_CODE =
  /^(?:ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|HOSTNAME_MISMATCH|ERROR_IN_CERT)/;

/** Names the cause of an error of a connection to the API. */
export function apiCause(error: unknown): CauseOf<'api'> {
  const { code, syscall, cause } = (error ?? {}) as Readonly<Record<'code' | 'syscall' | 'cause', unknown>>;
  if (code === UNSENT_CODE) return apiCause(cause);
  if (typeof code !== 'string') return 'other';
  // Node says the same of a connection that was closed in order as of one that was reset, but for the call that failed.
  if (code === 'ECONNRESET') return syscall === undefined ? 'closed' : 'reset';
  if (code === 'ETIMEDOUT') return syscall === 'connect' || syscall === undefined ? 'connect_timeout' : 'timeout';
  if (Object.hasOwn(API_CODES, code)) return API_CODES[code] ?? 'other';
  if (TLS_CODE.test(code)) return 'tls';
  return code.startsWith('HPE_') ? 'protocol' : 'other';
}

const DEEPEST_CAUSE = 8;

/** SQLite's primary result codes: https://sqlite.org/rescode.html */
const [SQLITE_READONLY, SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_FULL, SQLITE_CANTOPEN, SQLITE_NOTADB] = [
  8, 10, 11, 13, 14, 26,
];

const DISK_FAILURES: ReadonlySet<unknown> = new Set([
  ...[SQLITE_READONLY, SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_CANTOPEN, SQLITE_NOTADB],
  ...['EIO', 'EROFS', 'EACCES'],
]);

/** Names the cause of an error of a file or a Redis: a disk that is full or fails, else `otherwise`. */
export function storeCause<Cause extends FaultCause>(
  error: unknown,
  otherwise: Cause,
): 'disk_full' | 'disk_failed' | Cause {
  let at = error as
    { readonly code?: unknown; readonly errcode?: unknown; readonly cause?: unknown } | null | undefined;
  for (let depth = 0; typeof at === 'object' && at !== null && depth < DEEPEST_CAUSE; depth += 1) {
    const { code, errcode } = at;
    const primary = typeof errcode === 'number' ? errcode & 0xff : null;
    if (primary === SQLITE_FULL || code === 'ENOSPC' || code === 'EDQUOT') return 'disk_full';
    if (DISK_FAILURES.has(primary) || DISK_FAILURES.has(code)) return 'disk_failed';
    at = at.cause as typeof at;
  }
  return otherwise;
}

/** The same fault is told once in this time, with how often it happened. */
const TELL_MS = 60_000;

/** A part that is down is asked again at most so often, for `/readyz`. */
const PROBE_MS = 5_000;

interface Failing {
  readonly part: FaultPart;
  readonly name: string;
  readonly sinceMs: number;
  cause: FaultCause;
  /** Asks whether it works again; resolves in bounded time. */
  probe: (() => Promise<void>) | null;
  probedMs: number;
}

/** What fails. */
interface Failed<Part extends FaultPart> {
  readonly part: Part;
  readonly name: string;
}

/** How long a part may fail until the gateway is not ready; 0 forever. A key that has a previous text is never so bad. */
export interface UnreadyAfter {
  readonly apiMs: number;
  readonly ledgerMs: number;
}

interface Readiness {
  readonly isReady: boolean;
  readonly lines: readonly string[];
}

interface FaultsOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly count: (part: FaultPart, cause: FaultCause) => void;
  readonly onFault: (fault: GatewayFault) => void;
}

/** What fails of what the gateway needs, since when and why. Failures are counted, and told at most once a minute each. */
export class Faults {
  /** `false` where nothing fails: then nothing need be told to work. Only this class sets it. */
  isAny = false;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #count: FaultsOptions['count'];
  readonly #onFault: FaultsOptions['onFault'];
  readonly #failing = new Map<string, Failing>();
  /** When each fault was last told, and how often it has happened since. */
  readonly #told = new Map<string, { atMs: number; count: number }>();
  /** Parts of which a fault was told, but not that it works again. */
  readonly #open = new Set<string>();

  constructor({ clock, count, onFault }: FaultsOptions) {
    this.#clock = clock;
    this.#count = count;
    this.#onFault = onFault;
  }

  /** Takes note of a failure of a part. */
  fail<Part extends FaultPart>(
    { part, name }: Failed<Part>,
    cause: CauseOf<Part>,
    probe: Failing['probe'] = null,
  ): void {
    const nowMs = this.#clock.monotonicMs();
    this.#count(part, cause);
    const id = `${part} ${name}`;
    const before = this.#failing.get(id);
    const failing = before ?? { part, name, sinceMs: nowMs, cause, probe, probedMs: Number.NEGATIVE_INFINITY };
    failing.cause = cause;
    failing.probe = probe;
    this.#failing.set(id, failing);
    this.isAny = true;
    const told = this.#told.get(`${id} ${cause}`) ?? { atMs: Number.NEGATIVE_INFINITY, count: 0 };
    this.#told.set(`${id} ${cause}`, told);
    told.count += 1;
    if (nowMs - told.atMs < TELL_MS) return;
    const { count } = told;
    [told.atMs, told.count] = [nowMs, 0];
    this.#open.add(id);
    const { named, fails } = PARTS[part];
    const message = `${named(name)} ${fails}: ${WHAT[cause]}. ${ADVICE[cause]}`;
    this.#onFault({ part, name, cause, message, count, failingSeconds: seconds(nowMs - failing.sinceMs) });
  }

  /** Takes note that a part works. */
  work(part: FaultPart, name: string): void {
    const id = `${part} ${name}`;
    const failing = this.#failing.get(id);
    if (failing === undefined) return;
    this.#failing.delete(id);
    this.isAny = this.#failing.size > 0;
    if (!this.#open.delete(id)) return;
    const failingSeconds = seconds(this.#clock.monotonicMs() - failing.sinceMs);
    const message = `${PARTS[part].named(name)} works again.`;
    this.#onFault({ part, name, cause: null, message, count: 0, failingSeconds });
  }

  /** Forgets the APIs and keys that are configured no more, of which nothing can say that they work again. */
  keep(names: Readonly<Record<'api' | 'key', readonly string[]>>): void {
    for (const [id, { part, name }] of this.#failing) {
      if ((part !== 'api' && part !== 'key') || names[part].includes(name)) continue;
      this.#failing.delete(id);
      this.#open.delete(id);
    }
    this.isAny = this.#failing.size > 0;
  }

  /** Takes note of the state of a part that is asked again and again: a cause counts once, until it changes. */
  set<Part extends FaultPart>(part: Part, name: string, cause: CauseOf<Part> | null): void {
    if (cause === null) this.work(part, name);
    else if (this.#failing.get(`${part} ${name}`)?.cause !== cause) this.fail({ part, name }, cause);
  }

  /**
   * Tells what fails, one line each, and whether that is so bad that no requests should come. Asks APIs again before. `hosts` are
   * those of the APIs: as long as one of them works, requests have somewhere to go.
   */
  async readiness(after: UnreadyAfter, hosts: readonly string[]): Promise<Readiness> {
    const tooLong = (): readonly Failing[] =>
      [...this.#failing.values()].filter((failing) => this.#isTooLong(failing, after));
    await Promise.all(tooLong().map((failing) => this.#probe(failing)));
    const nowMs = this.#clock.monotonicMs();
    const lines = [...this.#failing.values()].map(
      ({ part, name, cause, sinceMs }) => `${`${part} ${name}`.trim()}: ${cause} for ${seconds(nowMs - sinceMs)} s`,
    );
    const down = tooLong();
    const failed = new Set(down.flatMap(({ part, name }) => (part === 'api' ? [name] : [])));
    const isAnyUp = !hosts.every((host) => failed.has(host));
    return { isReady: down.every(({ part }) => part === 'api' && isAnyUp), lines };
  }

  #isTooLong({ part, sinceMs }: Failing, { apiMs, ledgerMs }: UnreadyAfter): boolean {
    const afterMs = { api: apiMs, ledger: ledgerMs, key: 0, tokens: 0 }[part];
    return afterMs > 0 && this.#clock.monotonicMs() - sinceMs >= afterMs;
  }

  async #probe(failing: Failing): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    if (failing.probe === null || nowMs - failing.probedMs < PROBE_MS) return;
    failing.probedMs = nowMs;
    await failing.probe();
  }
}

function seconds(ms: number): number {
  return Math.round(ms / 1_000);
}
