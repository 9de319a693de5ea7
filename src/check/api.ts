import type { Clock } from '../clock.ts';
import type { Configuration } from '../environment/environment.ts';
import { judgedKey } from '../keys/secrets.ts';
import { networkFailure, type Asked } from './network-failure.ts';
import { refusalDiagnosis } from './refusal-diagnosis.ts';
import { CheckFailure } from './report.ts';

/** What the SDK 1.x sends. */
const API_VERSION = '2026-10-21';
const LONGEST_BODY_BYTES = 4 << 20;

/** An answer, whatever its status. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed; `null` where it is not JSON. */
  readonly body: unknown;
  /** The server's clock less this one, by its Date header, which counts seconds; `null` without one. */
  readonly clockSkewMs: number | null;
}

/** The API as the configuration reaches it, without retries. */
export interface Api {
  /** Throws `CheckFailure` where no answer comes. */
  ask(path: string, body?: unknown): Promise<Answer>;
  /** The failure that a refusal is. */
  failure(answer: Answer, model: string): CheckFailure;
}

/** How the API is reached. */
export interface ApiOptions {
  readonly configuration: Pick<Configuration, 'credential' | 'timeoutMs'>;
  readonly baseUrl: string;
  readonly asked: Asked;
  readonly clock: Clock;
}

/** The API behind a base URL. */
export function api({ configuration, baseUrl, asked, clock }: ApiOptions): Api {
  const { credential, timeoutMs } = configuration;
  const ask = async (path: string, body?: unknown): Promise<Answer> => {
    const sentAtMs = clock.epochMs();
    try {
      const url = `${baseUrl.replace(/\/+$/, '')}${path}`;
      const request: RequestInit = {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          authorization: `Bearer ${credential.token()}`,
          'anthropic-version': API_VERSION,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        // Node follows to another origin without the key: where that leads says nothing of the one that was named.
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

/** The header is of whole seconds, cut off: its middle is half a second later. */
function skew(headers: Headers, atMs: number): number | null {
  const serverMs = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(serverMs) ? null : serverMs + 500 - atMs;
}

function typeOf(body: unknown): string {
  const { error } = (typeof body === 'object' && body !== null ? body : {}) as { readonly error?: unknown };
  const { type } = (typeof error === 'object' && error !== null ? error : {}) as { readonly type?: unknown };
  return typeof type === 'string' && /^[a-z_]{1,40}$/.test(type) ? ` ${type}` : '';
}
