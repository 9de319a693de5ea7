/** Asks, and measures what a client sees, in a process of its own: its CPU is nobody's but its own. */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { answering } from './child.ts';
import { BODIES, largeBody, type Kind } from './request.ts';

/** Where the load goes, and with which token. */
export interface Target {
  readonly url: string;
  readonly token: string;
  /** In place of it, one after the other. */
  readonly tokens?: readonly string[];
  /** Headers that this gateway needs besides. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** As fast as it goes: so many requests, so many of them at once. */
export interface Burst {
  readonly target: Target;
  readonly kind: Kind;
  readonly requests: number;
  readonly concurrency: number;
}

/** At a steady rate. */
export interface Paced {
  readonly target: Target;
  readonly kind: Kind;
  readonly requests: number;
  readonly ratePerSecond: number;
}

/** What a client waited for, in milliseconds. */
export interface Latency {
  readonly headMs: number;
  readonly wholeMs: number;
}

const agent = new Agent({ keepAlive: true, maxSockets: Infinity });

/** Bytes of the first answer: all answers are the same, but for other gateways, which write them anew. */
const bytesOf = new Map<string, number>();

let sent = 0;

function asked({ url, token, tokens = [token], headers: more }: Target, kind: Kind): Promise<Latency> {
  const body = BODIES[kind];
  const headers = {
    'content-type': 'application/json',
    'content-length': body.length,
    'anthropic-version': '2023-06-01',
    'x-api-key': tokens[sent++ % tokens.length],
    ...more,
  };
  const known = more === undefined ? kind : `${kind} ${url}`;
  return new Promise((resolve, reject) => {
    const startedMs = performance.now();
    const outgoing = request(`${url}/v1/messages`, { agent, method: 'POST', headers }, (answer) => {
      const headMs = performance.now() - startedMs;
      let bytes = 0;
      answer.on('data', (piece: Buffer) => (bytes += piece.length));
      answer.on('error', reject);
      answer.on('end', () => {
        if (!bytesOf.has(known)) bytesOf.set(known, bytes);
        if (answer.statusCode !== 200 || bytes !== bytesOf.get(known))
          reject(new Error(`expected an answer, got ${answer.statusCode} with ${bytes} bytes from ${url}`));
        else resolve({ headMs, wholeMs: performance.now() - startedMs });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** Seconds that it took. */
async function burst({ target, kind, requests, concurrency }: Burst): Promise<number> {
  const startedMs = performance.now();
  let left = requests;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await asked(target, kind);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return (performance.now() - startedMs) / 1_000;
}

/** One that is late does not hold up the next: what waits in a queue is measured too. */
async function paced({ target, kind, requests, ratePerSecond }: Paced): Promise<readonly Latency[]> {
  const latencies: Promise<Latency>[] = [];
  const startedMs = performance.now();
  for (let sent = 0; sent < requests; sent++) {
    latencies.push(asked(target, kind));
    const waitMs = startedMs + ((sent + 1) * 1_000) / ratePerSecond - performance.now();
    if (waitMs > 0) await sleep(waitMs);
  }
  return Promise.all(latencies);
}

/** Sends one body of so many bytes, and waits for its answer. */
async function large({ target, bytes }: { readonly target: Target; readonly bytes: number }): Promise<void> {
  const body = largeBody(bytes);
  const headers = { 'content-type': 'application/json', 'content-length': body.length, 'x-api-key': target.token };
  await new Promise<void>((resolve, reject) => {
    const outgoing = request(`${target.url}/v1/messages`, { agent, method: 'POST', headers }, (answer) => {
      answer
        .resume()
        .on('end', () => (answer.statusCode === 200 ? resolve() : reject(new Error(`got ${answer.statusCode}`))));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

answering({ burst, paced, large });
