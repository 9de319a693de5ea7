import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock } from '../clock.ts';
import type { Configuration } from '../environment/environment.ts';
import { judgedKey } from '../keys/secrets.ts';
import { networkFailure, type Asked } from './failures.ts';
import { refusalDiagnosis } from './refusals.ts';
import { CheckFailure } from './report.ts';

/** The version that SDK 1.x sends. */
const API_VERSION = '2026-10-21';

const LONGEST_BODY_BYTES = 4 << 20;

/** A response, of any status. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed; `null` if it is not JSON. */
  readonly body: unknown;
  /** The server's clock minus this one, from its Date header, which has whole seconds; `null` without one. */
  readonly clockSkewMs: number | null;
}

/** The configured API, without retries. */
export interface Api {
  /** Throws `CheckFailure` if there is no response. */
  ask(path: string, body?: unknown): Promise<Answer>;
  /** Turns a refusal into a failure. */
  failure(answer: Answer, model: string): CheckFailure;
}

/** Settings of the requests that a check sends. */
interface ApiOptions {
  readonly configuration: Pick<Configuration, 'credential' | 'timeoutMs'>;
  readonly baseUrl: string;
  readonly asked: Asked;
  readonly clock: Clock;
}

/** Makes a client of the API at a base URL. */
export function api({ configuration, baseUrl, asked, clock }: ApiOptions): Api {
  const { credential, timeoutMs } = configuration;
  const ask = async (path: string, body?: unknown): Promise<Answer> => {
    const sentAtMs = clock.epochMs();
    try {
      const url = `${baseUrl.replace(/(?<!\/)\/+$/, '')}${path}`;
      const request: RequestInit = {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          authorization: `Bearer ${credential.token()}`,
          'anthropic-version': API_VERSION,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        // Node follows redirects to another origin without the key, so the result would say nothing about the
        // configured one.
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutMs),
        ...(body !== undefined && { body: JSON.stringify(body) }),
      };
      const response = await fetch(url, request);
      const middleMs = (sentAtMs + clock.epochMs()) / 2;
      const { status, headers } = response;
      return { status, headers, body: await parsed(response), clockSkewMs: skew(headers, middleMs) };
    } catch (error) {
      throw networkFailure(error, asked);
    }
  };
  return {
    ask,
    failure: (answer, model) => {
      const nowMs = clock.epochMs();
      const isGatewayToken = judgedKey(credential.token()).kind === 'gateway_token';
      const about = { ...answer, model, variable: credential.variable, host: asked.host, nowMs, isGatewayToken };
      return new CheckFailure(`${answer.status}${typeOf(answer.body)}`, refusalDiagnosis(about));
    },
  };
}

async function parsed(response: Response): Promise<unknown> {
  if (Number(response.headers.get('content-length') ?? 0) > LONGEST_BODY_BYTES) {
    await response.body?.cancel();
    return null;
  }
  const text = await response.text();
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null; // a page of something that is not the API: the diagnosis says so
  }
}

/** The header has whole seconds, rounded down: the true time is half a second later on average. */
function skew(headers: Headers, atMs: number): number | null {
  const serverMs = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(serverMs) ? null : serverMs + 500 - atMs;
}

function typeOf(body: unknown): string {
  const { error } = (typeof body === 'object' && body !== null ? body : {}) as { readonly error?: unknown };
  const { type } = (typeof error === 'object' && error !== null ? error : {}) as { readonly type?: unknown };
  return typeof type === 'string' && /^[a-z_]{1,40}$/.test(type) ? ` ${type}` : '';
}

/** The host to connect to: the API, or the proxy in front of it. */
export interface Endpoint extends Asked {
  readonly port: number;
  readonly tls: boolean;
  /** Host and port of the API itself, even behind a proxy. */
  readonly apiHost: string;
}

type Env = Readonly<Record<string, string | undefined>>;

/** Returns the endpoint of calls to a base URL. Node uses a proxy only with NODE_USE_ENV_PROXY. */
export function endpointOf(baseUrl: string, env: Env, timeoutMs: number): Endpoint {
  const url = new URL(baseUrl);
  const variables = url.protocol === 'https:' ? ['HTTPS_PROXY', 'https_proxy'] : ['HTTP_PROXY', 'http_proxy'];
  const variable = isExempt(url.hostname, env) ? undefined : variables.find((name) => env[name]);
  const proxy = variable === undefined ? null : URL.parse(env[variable] ?? '');
  const isUsed = proxy !== null && env['NODE_USE_ENV_PROXY'] === '1';
  const target = isUsed ? proxy : url;
  return {
    hostname: target.hostname.replace(/^\[|\]$/g, ''),
    port: portOf(target),
    host: hostOf(target),
    apiHost: hostOf(url),
    proxy: isUsed && variable !== undefined ? { variable, host: hostOf(target) } : null,
    tls: target.protocol === 'https:',
    timeoutMs,
    unusedProxy: isUsed ? null : (variable ?? null),
  };
}

function portOf({ port, protocol }: URL): number {
  return Number(port) || (protocol === 'https:' ? 443 : 80);
}

function hostOf(url: URL): string {
  return `${url.hostname}:${portOf(url)}`;
}

function isExempt(hostname: string, env: Env): boolean {
  const names = (env['NO_PROXY'] ?? env['no_proxy'] ?? '').split(',').map((name) => name.trim().replace(/^\*?\./, ''));
  return names.some((name) => name === '*' || (name !== '' && (hostname === name || hostname.endsWith(`.${name}`))));
}

/** Returns the addresses of a name, as the system resolves them. Rejects as `dns.lookup` does. */
export async function addresses({ hostname, timeoutMs }: Endpoint): Promise<readonly string[]> {
  if (isIP(hostname) !== 0) return [hostname];
  const found = await Promise.race([lookup(hostname, { all: true }), timeout(timeoutMs)]);
  return found.map(({ address }) => address);
}

/** Opens a connection and closes it. Rejects as the socket fails. */
export async function connection(endpoint: Endpoint): Promise<void> {
  const { hostname: host, port, timeoutMs } = endpoint;
  const socket = connectTcp({ host, port });
  await opened(socket, 'connect', timeoutMs);
}

/** Completes a TLS handshake and reports the result: `TLSv1.3, certificate until 2027-01-31`. */
export async function handshake({ hostname, port, timeoutMs }: Endpoint): Promise<string> {
  const socket = connectTls({ host: hostname, port, ...(isIP(hostname) === 0 && { servername: hostname }) });
  let text = '';
  socket.once('secureConnect', () => {
    const until = new Date(socket.getPeerCertificate().valid_to).toISOString().slice(0, 10);
    text = `${socket.getProtocol()}, certificate until ${until}`;
  });
  await opened(socket, 'secureConnect', timeoutMs);
  return text;
}

async function opened(socket: Socket, event: string, timeoutMs: number): Promise<void> {
  try {
    await Promise.race([
      new Promise<void>((resolve, reject) => {
        socket.once(event, resolve);
        socket.once('error', reject);
      }),
      timeout(timeoutMs),
    ]);
  } finally {
    socket.on('error', () => undefined); // it is given up: what comes later is of no interest
    socket.destroy();
  }
}

/** Rejects with a `TimeoutError`, and does not keep the process alive. */
function timeout(ms: number): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new DOMException('timed out', 'TimeoutError')), ms).unref();
  });
}
