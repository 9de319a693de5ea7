import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Asked } from './network-failure.ts';

/** What is connected to: the API, or the proxy that stands in front of it. */
export interface Endpoint extends Asked {
  readonly port: number;
  readonly tls: boolean;
  /** Host and port of the API itself, whatever stands in front of it. */
  readonly apiHost: string;
}

type Env = Readonly<Record<string, string | undefined>>;

/** Where the calls to a base URL go. Node calls through a proxy only where it is told to by NODE_USE_ENV_PROXY. */
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

/** The addresses of a name, as the system finds them. Rejects as `dns.lookup` does. */
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

/** Shakes hands and says what came of it: `TLSv1.3, certificate until 2027-01-31`. */
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

/** Rejects with a `TimeoutError`, and keeps no process alive. */
function timeout(ms: number): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new DOMException('timed out', 'TimeoutError')), ms).unref();
  });
}
