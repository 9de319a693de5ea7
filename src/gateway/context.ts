import { observation } from '../client/observation.ts';
import { systemTimers, type Timers } from '../clock.ts';
import type { Observation } from '../observe/live-call.ts';
import { GATEWAY_REFUSALS, type GatewayRefusal } from '../record/metrics/catalogue-limits.ts';
import { defaultRegistry, storeFor } from '../record/metrics/registry.ts';
import { ClientRetries } from './attempt.ts';
import type { AllowedOrigins } from './cors.ts';
import { errorResponse, refusalError } from './errors.ts';
import type { GatewayOptions } from './options.ts';
import { HeldBytes } from './request-body.ts';
import type { GatewayRequest } from './request.ts';
import type { BufferedResponse } from './response-body.ts';
import { upstream, type Upstream } from './upstream.ts';

/** The shared state that handling requests needs. */
export interface GatewayContext {
  readonly options: GatewayOptions;
  readonly observation: Observation;
  /** Address of the API, without a trailing slash. */
  readonly baseUrl: string;
  readonly upstream: Upstream;
  readonly retries: ClientRetries;
  readonly open: OpenRequests;
  readonly held: HeldBytes;
  readonly corsOrigins: AllowedOrigins;
  /** Counts a request that is refused before it is a call, and makes its response. */
  readonly refuse: (reason: GatewayRefusal, message?: string) => BufferedResponse;
  /** Counts and reports an internal error of the gateway. */
  readonly onError: (error: unknown) => void;
}

/** Makes the context from checked options. */
export function gatewayContext(options: GatewayOptions, base: URL): GatewayContext {
  const { keys, limits = {}, timers = systemTimers, onError = () => undefined } = options;
  const registry = options.registry ?? defaultRegistry();
  const store = storeFor(registry);
  const refusals = store.families.plimsoll_gateway_refusals_total;
  for (const reason of GATEWAY_REFUSALS) refusals.series({ reason }).add(0);
  return {
    options,
    observation: observation({ ...options, registry }, { keys: [...keys.keys()], onLedgerDown: 'closed' }),
    baseUrl: base.href.replace(/\/$/, ''),
    upstream: upstream(base, { timeoutMs: limits.upstreamSilenceMs ?? 600_000 }),
    retries: new ClientRetries(timers),
    open: new OpenRequests(limits.requests ?? 10_000),
    held: new HeldBytes(limits.heldBytes ?? 512 << 20),
    corsOrigins: new Set(options.corsOrigins ?? []),
    refuse(reason, message) {
      refusals.series({ reason }).add(1);
      return errorResponse(refusalError(reason, message));
    },
    onError(error) {
      store.errors('gateway');
      try {
        onError(error);
      } catch {
        // This runs in the middle of an exchange, which goes on without it.
        store.errors('gateway');
      }
    },
  };
}

/** The requests in progress, and whether more are accepted. */
class OpenRequests {
  readonly #most: number;
  readonly #open = new Set<GatewayRequest>();
  #isDraining = false;
  #onEmpty: (() => void) | null = null;

  constructor(most: number) {
    this.#most = most;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  get isFull(): boolean {
    return this.#open.size > this.#most;
  }

  add(request: GatewayRequest): void {
    this.#open.add(request);
  }

  delete(request: GatewayRequest): void {
    this.#open.delete(request);
    if (this.#open.size === 0) this.#onEmpty?.();
  }

  /** Accepts no more requests, and waits until all have ended. At the deadline, the remaining ones are aborted. */
  async drain(deadlineMs: number, timers: Timers): Promise<void> {
    this.#isDraining = true;
    if (this.#open.size === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = timers.whileWaiting(deadlineMs, () => {
        for (const request of this.#open) request.abort();
        resolve();
      });
      this.#onEmpty = () => {
        cancel();
        resolve();
      };
    });
  }
}
