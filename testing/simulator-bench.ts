import assert from 'node:assert/strict';
import Anthropic, { type ClientOptions } from '@anthropic-ai/sdk';
import { simulator, type Simulator, type SimulatorClock, type SimulatorOptions } from 'plimsoll/simulator';

/** A quarter of an hour before noon: prices and months of 24 November 2026 hold. */
export const NOW_MS = Date.UTC(2026, 10, 24, 11, 45);

/** A clock that stands still until it is moved; sleepers wake when their time has come. */
export class StandingClock implements SimulatorClock {
  #nowMs = NOW_MS;
  #sleepers: { readonly wakeAtMs: number; readonly wake: () => void }[] = [];

  now(): number {
    return this.#nowMs;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((wake) => this.#sleepers.push({ wakeAtMs: this.#nowMs + ms, wake }));
  }

  /** How long the one that wakes next has to wait; `null` when nobody sleeps. */
  get nextWakeMs(): number | null {
    return this.#sleepers.length === 0 ? null : Math.min(...this.#sleepers.map((each) => each.wakeAtMs)) - this.#nowMs;
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    const due = this.#sleepers.filter((each) => each.wakeAtMs <= this.#nowMs);
    this.#sleepers = this.#sleepers.filter((each) => each.wakeAtMs > this.#nowMs);
    due.forEach((each) => each.wake());
  }
}

/** A clock on which a sleep takes no time, but is kept: its time passes at once. */
export class SkippingClock implements SimulatorClock {
  readonly slept: number[] = [];
  #nowMs = NOW_MS;

  now(): number {
    return this.#nowMs;
  }

  async sleep(ms: number): Promise<void> {
    this.slept.push(ms);
    this.#nowMs += ms;
  }
}

/** Lets everything happen that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** The real SDK on a simulator; it does not retry unless a test says so. */
export function bench(
  options: SimulatorOptions = {},
  client: ClientOptions = {},
): { claude: Simulator; sdk: Anthropic } {
  const claude = simulator({ clock: new StandingClock(), ...options });
  const sdk = new Anthropic({ apiKey: 'test', fetch: claude.fetch, maxRetries: 0, logLevel: 'off', ...client });
  return { claude, sdk };
}

export const ASK = {
  model: 'claude-haiku-5-5',
  max_tokens: 64,
  messages: [{ role: 'user' as const, content: 'Ahoy' }],
};

/** A request as any HTTP client would send it. */
export function post(path: string, body: unknown, headers: Record<string, string> = {}): Request {
  return new Request(`https://api.anthropic.com${path}`, {
    method: 'POST',
    headers: { 'x-api-key': 'test', 'anthropic-version': '2023-06-01', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

export function get(path: string, headers: Record<string, string> = {}): Request {
  return new Request(`https://api.anthropic.com${path}`, {
    headers: { 'x-api-key': 'test', 'anthropic-version': '2023-06-01', ...headers },
  });
}

/** The error of the API that a call is refused with. */
export async function refusal(promise: Promise<unknown>): Promise<InstanceType<typeof Anthropic.APIError>> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof Anthropic.APIError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: 'it was answered' });
}

export const STREAM = { ...ASK, stream: true } as const;

/** 100 output tokens in 400 characters: 18 deltas. */
export const LONG = { respond: () => ({ text: 'ahoy'.repeat(100), usage: { output_tokens: 100 } }) };

/** What a promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof Error);
    return error;
  }
  throw new assert.AssertionError({ message: 'nothing failed' });
}

export function codeOf(error: unknown): unknown {
  return (error as NodeJS.ErrnoException).code;
}
