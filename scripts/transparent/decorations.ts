import type Anthropic from '@anthropic-ai/sdk';
import { instrument, type Call } from 'plimsoll';
import { Registry } from 'prom-client';

/** What is done to a client before the program uses it. */
export interface Decoration {
  decorate(client: Anthropic): Anthropic;
  /** Begins a sequence. What it returns says what has been counted since; `null`: it counts nothing. */
  begin(): (() => Promise<Account>) | null;
}

export interface Account {
  /** Calls that came to an end. */
  readonly calls: number;
  readonly attempts: number;
  readonly inFlight: number;
}

export const PLAIN: Decoration = { decorate: (client) => client, begin: () => null };

/** `instrument()` as users have it, on one registry for all sequences. */
export function instrumented(): Decoration {
  const registry = new Registry();
  let calls = 0;
  let attempts = 0;
  const inFlight = async (): Promise<number> => {
    const gauge = await registry.getSingleMetric('anthropic_requests_in_flight')?.get();
    return (gauge?.values ?? []).reduce((sum, { value }) => sum + value, 0);
  };
  const counted = (call: Call): void => {
    calls++;
    attempts += call.attempts;
  };
  return {
    decorate: (client) => instrument(client, { registry, onCall: counted }),
    begin() {
      const before = { calls, attempts, inFlight: inFlight() };
      return async () => ({
        calls: calls - before.calls,
        attempts: attempts - before.attempts,
        inFlight: (await inFlight()) - (await before.inFlight),
      });
    },
  };
}
