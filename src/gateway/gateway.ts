import type { IncomingMessage, ServerResponse } from 'node:http';
import { observation } from '../client/observation.ts';
import { systemTimers } from '../clock.ts';
import { GATEWAY_REFUSALS } from '../record/metrics/catalogue-limits.ts';
import { defaultRegistry, storeFor } from '../record/metrics/registry.ts';
import { ClientRetries } from './attempt.ts';
import { CrossOrigin, OpenRequests, type Desk } from './context.ts';
import { answerAt } from './handle.ts';
import { nodeListener } from './node.ts';
import { checkedGatewayOptions, type GatewayOptions } from './options.ts';
import { HeldBytes } from './request-body.ts';
import { arrivalOf, type Arrival } from './request.ts';
import type { GatewayAnswer } from './response-body.ts';
import { upstream } from './upstream.ts';
import { responseOf } from './web.ts';

/** A gateway, for whichever server. */
export interface Gateway {
  /** For a server that speaks the web's objects. Never rejects. */
  readonly handle: (request: Request) => Promise<Response>;
  /** For node:http and Express, past those objects: faster. Mount it before anything that reads bodies. */
  readonly listener: (incoming: IncomingMessage, outgoing: ServerResponse) => void;
  /**
   * Takes no new requests, lets those under way end for at most `deadlineMs` (default 30,000), then breaks them. Calls
   * that wait for a client's next attempt end with their last. Safe to call again; every call waits for the end.
   */
  readonly close: (options?: { readonly deadlineMs?: number }) => Promise<void>;
}

/**
 * A proxy for the Claude API that holds the keys: who has a token of its own gets the API's answers, byte for byte, and
 * every call is measured, priced and held to budgets as by `instrument()`. What it refuses itself has the API's own shape.
 *
 * Throws a `ConfigurationError` (`PLIMSOLL_OPTIONS_INVALID`) for options that cannot be used, and what `instrument()`
 * throws for its registry.
 */
export function gateway(given: GatewayOptions): Gateway {
  const { options, base } = checkedGatewayOptions(given);
  const { timers = systemTimers } = options;
  const desk = deskOf(options, base);
  const { open } = desk;
  const answer = (arrival: Arrival): Promise<GatewayAnswer> => {
    open.begin(arrival);
    return answerAt(desk, arrival);
  };
  return {
    async handle(request) {
      const arrival = arrivalOf(request);
      return responseOf(await answer(arrival), () => open.end(arrival));
    },
    listener: nodeListener({ answer, over: (arrival) => open.end(arrival), failed: desk.onError }),
    async close({ deadlineMs = 30_000 } = {}) {
      await open.drain(deadlineMs, timers);
      desk.retries.end();
      desk.upstream.close();
    },
  };
}

function deskOf(options: GatewayOptions, base: URL): Desk {
  const { keys, limits = {}, timers = systemTimers, onError = () => undefined } = options;
  const registry = options.registry ?? defaultRegistry();
  const store = storeFor(registry);
  const refusals = store.families.plimsoll_gateway_refusals_total;
  for (const reason of GATEWAY_REFUSALS) refusals.series({ reason }).add(0);
  return {
    options,
    observation: observation({ ...options, registry }, { keys: [...keys.keys()] }),
    baseUrl: base.href.replace(/\/$/, ''),
    upstream: upstream(base, { timeoutMs: limits.upstreamSilenceMs ?? 600_000 }),
    retries: new ClientRetries(timers),
    open: new OpenRequests(limits.requests ?? 10_000),
    held: new HeldBytes(limits.heldBytes ?? 512 << 20),
    crossOrigin: new CrossOrigin(options.corsOrigins ?? []),
    refusal: (reason) => refusals.series({ reason }).add(1),
    onError(error) {
      store.errors('gateway');
      onError(error);
    },
  };
}
