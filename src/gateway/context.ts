import { observation } from '../client/observation.ts';
import { systemClock, systemTimers, type Timers } from '../clock.ts';
import { ClientRetries } from '../observe/client-retries.ts';
import type { Observation } from '../observe/observation.ts';
import { defaultPrices } from '../pricing/prices.ts';
import {
  FAULT_CAUSES,
  FAULT_PARTS,
  GATEWAY_REFUSALS,
  KEY_STATES,
  RESEND_CAUSES,
  type CauseOf,
  type ResendCause,
  type GatewayRefusal,
} from '../record/metrics/catalogue-gateway.ts';
import { defaultRegistry, storeFor } from '../record/metrics/registry.ts';
import type { Store } from '../record/metrics/store.ts';
import { modelClass } from '../tier/tiers.ts';
import type { AllowedOrigins } from './cors.ts';
import { errorResponse, refusalError } from './errors.ts';
import { Faults, storeCause } from './faults.ts';
import { DEFAULT_HELD_BYTES, type GatewayOptions } from './options.ts';
import type { Grant } from './grant.ts';
import { ScanTurns } from './receive.ts';
import { SharedRoom } from './shared-room.ts';
import { GrantPlan, type GatewayRequest } from './request.ts';
import type { BufferedResponse } from './response-body.ts';
import { LOCAL_PROXIES, trustedProxies } from './trusted-proxies.ts';
import { Apis, CONNECT_MS, SILENCE_MS } from './upstreams/apis.ts';
import { upstream, type Upstream } from './upstream.ts';
import { KeyStates } from './upstreams/key-states.ts';
import { Logins } from './upstreams/logins.ts';
import { KeyChooser, poolOf } from './upstreams/pool.ts';
import type { RouteSurroundings } from './upstreams/route.ts';

/** The shared state that handling requests needs. */
export interface GatewayContext {
  readonly options: GatewayOptions;
  readonly observation: Observation;
  readonly apis: Apis;
  readonly routes: RouteSurroundings;
  readonly states: KeyStates;
  readonly chooser: KeyChooser;
  readonly logins: Logins;
  readonly retries: ClientRetries;
  readonly open: OpenRequests;
  readonly room: SharedRoom;
  readonly turns: ScanTurns;
  readonly faults: Faults;
  readonly corsOrigins: AllowedOrigins;
  /** Tells whether `X-Forwarded-` headers of this sender are believed. */
  readonly isTrustedProxy: (address: string | undefined) => boolean;
  /** What a grant means under these options: the same object for the same grant. */
  readonly planOf: (grant: Grant) => GrantPlan;
  /** Counts a request that is refused before it is a call, and makes its response. */
  readonly refuse: (reason: GatewayRefusal, message?: string) => BufferedResponse;
  /** Counts and reports an internal error of the gateway. */
  readonly onError: (error: unknown) => void;
}

/**
 * Makes the context from checked options. It takes over what requests in progress share from the `previous` one, and its
 * connections to the API if they are the same.
 */
export function gatewayContext(
  options: GatewayOptions,
  base: URL,
  previous: GatewayContext | null = null,
): GatewayContext {
  const { keys, onError = () => undefined } = options;
  const registry = options.registry ?? defaultRegistry();
  const store = storeFor(registry);
  const refusals = store.families.plimsoll_gateway_refusals_total;
  for (const reason of GATEWAY_REFUSALS) refusals.series({ reason }).add(0);
  const shared = previous ?? { ...sharedParts(options), ...watchingParts(options, store) };
  options.budgets?.gather();
  if (options.budgets !== previous?.options.budgets)
    options.budgets?.watchLedger((error) =>
      shared.faults.set('ledger', '', error === null ? null : storeCause(error, 'ledger_unavailable')),
    );
  const connect = (url: URL): Upstream => upstreamTo(url, options, { store, faults: shared.faults });
  const apis = new Apis(options, base, { previous: previous?.apis ?? null, connect });
  const observed: Observation = {
    ...observation({ ...options, registry }, { keys: [...keys.keys()], onLedgerDown: 'closed' }),
    isStrict: true,
  };
  return {
    ...shared,
    options,
    apis,
    routes: routesOf(options, { shared, apis, store }),
    observation: observed,
    planOf: plans(options, observed),
    corsOrigins: new Set(options.corsOrigins ?? []),
    isTrustedProxy: trustedProxies(options.trustProxy ?? LOCAL_PROXIES),
    refuse(reason, message) {
      refusals.series({ reason }).add(1);
      return errorResponse(refusalError(reason, message));
    },
    onError: countingErrors(store, onError),
  };
}

/** Keeps plans by their grants, for as long as somebody has the grant. */
function plans(options: GatewayOptions, observed: Observation): GatewayContext['planOf'] {
  const kept = new WeakMap<Grant, GrantPlan>();
  return (grant) => {
    const known = kept.get(grant);
    if (known !== undefined) return known;
    const plan = new GrantPlan(grant, options, observed);
    kept.set(grant, plan);
    return plan;
  };
}

/** Counts an error, and one of the listener's, which runs in the middle of an exchange that goes on without it. */
function countingErrors(store: Store, onError: (error: unknown) => void): (error: unknown) => void {
  return (error) => {
    store.errors('gateway');
    try {
      onError(error);
    } catch {
      store.errors('gateway');
    }
  };
}

/** What all requests share, under whichever options they began. */
function sharedParts({
  limits = {},
  timers = systemTimers,
  clock = systemClock,
  random = Math.random,
}: GatewayOptions): Pick<GatewayContext, 'retries' | 'open' | 'room' | 'turns' | 'states' | 'chooser'> {
  return {
    states: new KeyStates(clock),
    chooser: new KeyChooser(clock, random),
    retries: new ClientRetries(timers),
    open: new OpenRequests(limits.requests ?? 10_000),
    room: new SharedRoom(limits.heldBytes ?? DEFAULT_HELD_BYTES),
    turns: new ScanTurns(),
  };
}

/** What shows in the metrics besides calls. */
function watchingParts(options: GatewayOptions, store: Store): Pick<GatewayContext, 'faults' | 'logins'> {
  return { faults: faultsOf(options, store), logins: new Logins(store, options.clock ?? systemClock) };
}

function faultsOf({ clock = systemClock, onFault }: GatewayOptions, store: Store): Faults {
  const counted = store.families.plimsoll_gateway_faults_total;
  for (const part of FAULT_PARTS) for (const cause of FAULT_CAUSES[part]) counted.series({ part, cause }).add(0);
  return new Faults({
    clock,
    count: (part, cause) => counted.series({ part, cause }).add(1),
    onFault(fault) {
      try {
        onFault?.(fault);
      } catch {
        store.errors('gateway');
      }
    },
  });
}

interface Watched {
  readonly store: Store;
  readonly faults: Faults;
}

function upstreamTo(base: URL, { limits = {}, clock = systemClock }: GatewayOptions, watched: Watched): Upstream {
  const { store, faults } = watched;
  const { upstreamSilenceMs: timeoutMs = SILENCE_MS, upstreamConnectMs: connectMs = CONNECT_MS } = limits;
  const resends = store.families.plimsoll_gateway_resends_total;
  for (const cause of RESEND_CAUSES) resends.series({ cause }).add(0);
  const watch = {
    answered(): void {
      if (faults.isAny) faults.work('api', base.host);
    },
    failed: (cause: CauseOf<'api'>, probe: () => Promise<void>): void =>
      faults.fail({ part: 'api', name: base.host }, cause, probe),
  };
  const onResend = (cause: ResendCause): void => resends.series({ cause }).add(1);
  return upstream(base, { timeoutMs, connectMs, clock, onResend, watch });
}

interface Routed {
  readonly shared: Pick<GatewayContext, 'states' | 'chooser'>;
  readonly apis: Apis;
  readonly store: Store;
}

/** What the routes of requests go by. Shows the state of each key that has an alternative. */
function routesOf(options: GatewayOptions, { shared, apis, store }: Routed): RouteSurroundings {
  const { keys, pools, prices = defaultPrices() } = options;
  const { states } = shared;
  const { plimsoll_gateway_failovers_total: failovers, plimsoll_gateway_detours_total: detours } = store.families;
  const { plimsoll_gateway_key_state: shown } = store.families;
  const known = new Map([...[...keys.keys()].map((alias) => [alias, poolOf(alias)] as const), ...(pools ?? [])]);
  for (const key of keys.keys()) {
    for (const state of KEY_STATES) {
      const is = (): number | null => (states.state(key) === null ? null : Number(states.state(key) === state));
      shown.series({ key, state }).computeBy(is);
    }
  }
  return {
    ...shared,
    keys,
    pools: known,
    canonicalModel: (model) => prices.canonicalModel(model),
    classOf: (model) => modelClass(prices.canonicalModel(model)),
    apis: apis.ofKeys,
    onFailover: (key, reason, way) => failovers.series({ key, reason, way }).add(1),
    onDetour: (key, reason, way) => detours.series({ key, reason, way }).add(1),
  };
}

interface Leaving {
  readonly lameDuckMs: number;
  readonly until: Promise<unknown> | undefined;
}

/** The requests in progress, and whether more are accepted. */
export class OpenRequests {
  readonly #most: number;
  /**
   * In no order. Each table that a `Map` or `Set` has outgrown leads to the next one: the one that a full collection finds would
   * keep all requests after it until the next full collection.
   */
  readonly #open: GatewayRequest[] = [];
  readonly #byToken = new Map<string, number>();
  readonly #room: SharedRoom;
  /** No more requests should come; those that do are served until it drains. */
  isLeaving = false;
  /** Another process takes the requests that should not come here: probes have nothing to know of it. */
  isReplaced = false;
  #isDraining = false;
  #onEmpty: (() => void) | null = null;

  constructor(most: number) {
    this.#most = most;
    this.#room = new SharedRoom(most);
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  get isFull(): boolean {
    return this.#open.length > this.#most;
  }

  add(request: GatewayRequest): void {
    request.place = this.#open.push(request) - 1;
  }

  /** Counts a request for its client and its token, and tells why there may not be one more. */
  assign(request: GatewayRequest, grant: Grant): 'busy' | 'overloaded' | null {
    const { client, tokenId, requestsAtOnce } = grant;
    const count = this.#byToken.get(tokenId) ?? 0;
    if (count >= (requestsAtOnce ?? Number.POSITIVE_INFINITY)) return 'busy';
    if (request.place < 0) return null; // its client has gone
    if (!this.#room.take(client, 1)) return 'overloaded';
    request.countedFor = grant;
    this.#byToken.set(tokenId, count + 1);
    return null;
  }

  delete(request: GatewayRequest): void {
    if (request.place < 0) return;
    if (request.countedFor !== null) this.#unassign(request.countedFor);
    const last = this.#open.pop();
    if (last !== undefined && last !== request) {
      last.place = request.place;
      this.#open[last.place] = last;
    }
    request.place = -1;
    if (this.#open.length === 0) this.#onEmpty?.();
  }

  #unassign({ client, tokenId }: Pick<Grant, 'client' | 'tokenId'>): void {
    const count = (this.#byToken.get(tokenId) ?? 1) - 1;
    if (count > 0) this.#byToken.set(tokenId, count);
    else this.#byToken.delete(tokenId);
    this.#room.give(client, 1);
  }

  /** Lets probes and responses say that no more requests should come, and waits: for the time, or until another process serves. */
  async leave({ lameDuckMs, until }: Leaving, timers: Timers): Promise<void> {
    this.isLeaving = true;
    this.isReplaced = until !== undefined;
    if (lameDuckMs > 0) await waited(lameDuckMs, timers, until);
  }

  /** Accepts no more requests, and waits until all have ended. Those that have not by the deadline are aborted. */
  async drain(deadlineMs: number, timers: Timers): Promise<void> {
    this.isLeaving = true;
    this.#isDraining = true;
    if (this.#open.length === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = timers.whileWaiting(deadlineMs, () => {
        for (const request of [...this.#open]) request.abort();
        resolve();
      });
      this.#onEmpty = () => {
        cancel();
        resolve();
      };
    });
  }
}

/** Resolves after the time, or with `until` if that is earlier. */
function waited(waitMs: number, timers: Timers, until: Promise<unknown> = NEVER): Promise<void> {
  return new Promise((resolve) => {
    const cancel = timers.whileWaiting(waitMs, resolve);
    void until.then(() => {
      cancel();
      resolve();
    });
  });
}

const NEVER = new Promise<never>(() => undefined);
