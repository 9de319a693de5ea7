import type { IncomingMessage } from 'node:http';
import type { AnswerHead } from '../observe/answer-head.ts';
import { JsonListener } from '../observe/json-body.ts';
import { decoding } from './decoding.ts';
import { answered, webHeaders } from './headers.ts';
import { Passage } from './passage.ts';

/** What is read of a refusal before it goes back to the client: the API's are below 1 KiB. */
const PEEKED = { bytes: 64 << 10, waitMs: 1_000 } as const;

/** Headers of a refusal in which a retry policy says something to the client. */
const STEERING = ['x-should-retry', 'retry-after-ms', 'plimsoll-retry-denied'] as const;

/** What the API answered. */
export class UpstreamAnswer implements AnswerHead {
  readonly status: number;
  readonly passage: Passage;
  readonly #message: IncomingMessage;
  #headers: Headers | null = null;
  #whole: Promise<Buffer | null> | null = null;

  constructor(message: IncomingMessage) {
    this.#message = message;
    this.status = message.statusCode ?? 502;
    this.passage = new Passage(message);
  }

  /** As `headers`, for who reads a few of them: to make those takes longer than to pass a short answer on. */
  get values(): Pick<Headers, 'get'> {
    const { headers } = this.#message;
    return {
      get(name) {
        const value = headers[name];
        return typeof value === 'string' ? value : null;
      },
    };
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  get headers(): Headers {
    this.#headers ??= webHeaders(this.#message.rawHeaders);
    return this.#headers;
  }

  /** As they go to the client, with what a retry policy has put in. */
  get rawHeaders(): string[] {
    const raw = answered(this.#message.rawHeaders);
    const own = Object.getOwnPropertyDescriptor(this, 'headers')?.value as Headers | undefined;
    return own === undefined ? raw : steered(raw, own);
  }

  /** The body where it is short and has come in time, else `null`: then it is to be passed on as it comes. */
  get whole(): Promise<Buffer | null> {
    this.#whole ??= this.passage.peek(PEEKED);
    return this.#whole;
  }

  /** `whole`, as JSON; `null` where it is none. */
  async json(): Promise<unknown> {
    const bytes = await this.whole;
    if (bytes === null) return null;
    return new Promise((resolve) => {
      const listener = new JsonListener((value) => resolve(value ?? null));
      const encoding = this.#message.headers['content-encoding'] ?? 'identity';
      const reader = encoding === 'identity' ? listener : decoding(encoding, listener);
      reader.chunk(bytes);
      reader.end('done');
    });
  }
}

function steered(raw: readonly string[], own: Headers): string[] {
  const kept: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name = '', value = ''] = [raw[at], raw[at + 1]];
    if (!STEERING.some((steering) => steering === name.toLowerCase())) kept.push(name, value);
  }
  for (const name of STEERING) {
    const value = own.get(name);
    if (value !== null) kept.push(name, value);
  }
  return kept;
}
