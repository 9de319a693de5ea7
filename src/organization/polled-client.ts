import type { AdminClient } from './admin-client.ts';

/** Another process reads by now: this one asks nothing more. */
export class LeaseLostError extends Error {
  constructor() {
    super('Another process reads the organization now.');
    this.name = 'LeaseLostError';
  }
}

interface Pace {
  /** Asked before each request, and again after each wait. */
  readonly mayAsk: () => boolean;
  /** Requests of the last minute, at most. */
  readonly perMinute: number;
  readonly monotonicMs: () => number;
  readonly wait: (waitMs: number) => Promise<void>;
}

const MINUTE_MS = 60_000;

/**
 * A client that asks so many times a minute at most, and only while this process holds the lease: else it throws a
 * `LeaseLostError`.
 */
export function polledClient(client: AdminClient, { mayAsk, perMinute, monotonicMs, wait }: Pace): AdminClient {
  const askedAtMs: number[] = [];
  const turn = async (): Promise<void> => {
    while (askedAtMs.length >= perMinute) {
      const [oldest = 0] = askedAtMs;
      const waitMs = oldest + MINUTE_MS - monotonicMs();
      if (waitMs <= 0) askedAtMs.shift();
      else await wait(waitMs);
    }
    if (!mayAsk()) throw new LeaseLostError();
    askedAtMs.push(monotonicMs());
  };
  return {
    usage: async (query) => (await turn(), client.usage(query)),
    cost: async (query) => (await turn(), client.cost(query)),
    get: async (path, query, betas) => (await turn(), client.get(path, query, betas)),
  };
}
