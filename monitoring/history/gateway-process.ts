import { metricsHandler } from 'plimsoll';
import { gateway, type GatewayOptions } from 'plimsoll/gateway';
import { Registry } from 'prom-client';
import type { HistoryClock } from './history-clock.ts';

/** Requests that the gateway refuses between two scrapes, by reason. */
export interface Refused {
  readonly unknown?: number;
  readonly unavailable?: number;
}

/** A gateway beside a service. What it refuses never reaches the API, so it needs none. */
interface GatewayProcess {
  refuse(counts: Refused): Promise<void>;
  readonly scrape: () => Promise<string>;
  close(): Promise<void>;
}

export const GATEWAY_KEY = 'prod-gateway-api';
const LOST = 'of-a-store-that-does-not-answer';

/** A real gateway with a registry of its own, whose store of tokens knows none and can be lost. */
export function gatewayProcess(clock: HistoryClock, organization: string): GatewayProcess {
  const registry = new Registry();
  const keys: GatewayOptions['keys'] = new Map([[GATEWAY_KEY, () => 'simulated']]);
  const authenticate: GatewayOptions['authenticate'] = async ({ token }) => {
    if (token === LOST) throw new Error('the store of tokens does not answer');
    return 'unknown';
  };
  const running = gateway({ authenticate, keys, registry, clock, tier: { organization, name: 'Start' } });
  const scraped = metricsHandler({ registry });
  const send = async (token: string): Promise<void> => {
    const headers = { authorization: `Bearer ${token}` };
    await (await running.handle(new Request('http://gateway/v1/models', { headers }))).text();
  };
  return {
    async refuse({ unknown = 0, unavailable = 0 }) {
      for (let request = 0; request < unknown; request += 1) await send('nobody-knows-it');
      for (let request = 0; request < unavailable; request += 1) await send(LOST);
    },
    async scrape() {
      const accept = 'application/openmetrics-text;version=1.0.0';
      return (await scraped(new Request('http://gateway/metrics', { headers: { accept } }))).text();
    },
    close: () => running.close({ deadlineMs: 0 }),
  };
}
