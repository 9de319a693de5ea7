import { getEventListeners } from 'node:events';
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import type Anthropic from '@anthropic-ai/sdk';
import type { SeenRequest } from './answers.ts';
import { errorClasses, HEADERS } from './client.ts';
import { chain, describe, describeBytes } from './describe.ts';
import { middlewareOf, type Witness } from './middleware.ts';
import { OPERATIONS, type Arguments } from './operations.ts';
import type { CallPlan, Choice, Reply } from './plan.ts';
import { READINGS, type Seen } from './readings.ts';
import { MOVED } from './server.ts';
import type { Trace } from './trace.ts';

/** A call that takes so long has waited for something that the plain one does not wait for. */
const LATE_MS = 400;

/** Where a call says what was seen of it. */
interface Place {
  readonly trace: Trace;
  readonly witness: Witness;
}

/** One call of a plan, while it is made. */
export class PlannedCall {
  /** Resolves when something of an answer has been read. */
  readonly read: Promise<void>;
  readonly #plan: CallPlan;
  readonly #at: number;
  readonly #place: Place;
  readonly #controller = new AbortController();
  readonly #kept: unknown[] = [];
  readonly #arrived = new Gate();
  readonly #opened = new Gate();
  #requests = 0;
  /** The requests that the SDK has sent: those that a redirect has sent are not its own. */
  attempts = 0;

  constructor(plan: CallPlan, at: number, place: Place) {
    this.#plan = plan;
    this.#at = at;
    this.#place = place;
    this.read = this.#opened.passed;
  }

  async play(client: Anthropic): Promise<void> {
    const { operation = 'create', reading = usualReading(operation), abort } = this.#plan;
    if (abort === 'before') this.#controller.abort();
    const startedMs = performance.now();
    try {
      const result = OPERATIONS[operation](client, this.#arguments());
      // Held until the end: the SDK takes its listener off the signal when it is collected.
      this.#kept.push(result);
      this.#note('result', chain(result as object).join(' < '));
      await READINGS[reading](result as Parameters<(typeof READINGS)['await']>[0], this.#seen());
    } catch (error) {
      this.#kept.push(error);
      this.#note('error', describe(error));
      this.#note('error is', errorClasses(error));
    }
    this.#note('pace', performance.now() - startedMs > LATE_MS ? 'late' : 'prompt');
  }

  arrived(request: SeenRequest, host: string): Reply {
    const { method, path, headers, body } = request;
    this.#place.trace.note(`requests ${this.#at}`, 'line', `${host} ${method} ${path}`);
    this.#place.trace.note(`requests ${this.#at}`, 'headers', JSON.stringify(headers));
    const isText = body.length < 4_000;
    this.#place.trace.note(`requests ${this.#at}`, 'body', isText ? body.toString() : describeBytes(body));
    this.#arrived.open();
    if (!path.startsWith(MOVED)) this.attempts++;
    if (this.#plan.abort === 'on-request') setImmediate(() => this.#controller.abort());
    return this.#plan.replies?.[this.#requests++] ?? {};
  }

  retries(): void {
    if (this.#plan.abort === 'on-retry') this.#controller.abort();
  }

  giveUp(): void {
    this.#controller.abort();
  }

  noteListeners(): void {
    this.#note('listeners left', String(getEventListeners(this.#controller.signal, 'abort').length));
  }

  #arguments(): Arguments {
    const { maxTokens = 64, promptLength = 5, headers, middleware, maxRetries, timeoutMs, abort } = this.#plan;
    return {
      params: {
        ...{ model: 'claude-haiku-4-5', max_tokens: maxTokens },
        messages: [{ role: 'user', content: 'hello'.repeat(Math.ceil(promptLength / 5)) }],
      },
      options: {
        headers: { 'x-call': String(this.#at), ...(headers !== undefined && HEADERS[headers]) },
        ...(abort !== undefined && { signal: this.#controller.signal }),
        ...(maxRetries !== undefined && { maxRetries }),
        ...(timeoutMs !== undefined && { timeout: timeoutMs }),
        ...(middleware && { middleware: middleware.map((kind) => middlewareOf(kind, this.#place.witness)) }),
      },
    };
  }

  #seen(): Seen {
    return {
      note: (what, value) => this.#note(what, describe(value)),
      say: (what, text) => this.#note(what, text),
      opened: () => {
        this.#opened.open();
        if (this.#plan.abort === 'on-read') this.#controller.abort();
      },
      keep: (value) => {
        this.#kept.push(value);
        return value;
      },
      answered: this.#arrived.passed.then(async () => {
        for (let turns = 0; turns < 20; turns++) await turn();
        await pause(5);
      }),
    };
  }

  #note(what: string, is: string): void {
    this.#place.trace.note(`call ${this.#at}`, what, is);
  }
}

function usualReading(operation: Choice<'operation'>): Choice<'reading'> {
  return operation.startsWith('runner') || operation === 'stream' || operation === 'beta-stream' ? 'iterate' : 'await';
}

/** Shut until something has happened. */
class Gate {
  readonly passed: Promise<void>;
  #open: () => void = () => undefined;

  constructor() {
    this.passed = new Promise((resolve) => (this.#open = resolve));
  }

  open(): void {
    this.#open();
  }
}
