import { Registry } from 'prom-client';
import type { Budgets } from '../budget/budgets.ts';
import type { Ledger } from '../budget/ledger.ts';
import { memoryLedger } from '../budget/memory-ledger.ts';
import { authenticator } from '../gateway/access/authenticator.ts';
import { ClientLimits } from '../gateway/access/client-limits.ts';
import { withDeclared } from '../gateway/access/declared-tokens.ts';
import { mintHandler } from '../gateway/access/mint.ts';
import { isModelId } from '../gateway/access/model-list.ts';
import type { AccessStores } from '../gateway/access/stores.ts';
import { TokenSpend } from '../gateway/access/token-spend.ts';
import type { GatewayConfiguration } from '../gateway/configuration/configuration.ts';
import { ledgerAt, openStores, type Place } from '../gateway/configuration/places.ts';
import { gateway, type Gateway } from '../gateway/gateway.ts';
import type { GatewayFault } from '../gateway/faults.ts';
import type { GatewayOptions } from '../gateway/options.ts';
import { pace, type Pace } from '../pace/pace.ts';
import { hideBudgets } from '../record/budgets.ts';
import { CONFIGURATION_LOADS, type RedisStore } from '../record/metrics/catalogue-gateway.ts';
import { storeFor } from '../record/metrics/registry.ts';
import { REDIS_OUTAGES, type OnAvailability, type RedisOutage } from '../redis-address.ts';
import { dailyTotals, type DailyTotals } from '../totals/daily-totals.ts';
import type { RequestLog } from './gateway-log.ts';
import { openMembers, type Members } from './gateway-members.ts';
import { HeldBudgets, requireNoRestart, type Reloadable } from './gateway-reload.ts';
import { drained, handedOver, listening } from './gateway-listening.ts';
import { serveMetrics } from './metrics-server.ts';
import { TOKEN_LEDGER } from './worker-ledgers.ts';

/** A running gateway. */
export interface RunningGateway extends Reloadable {
  readonly url: string;
  readonly metricsUrl: string;
  /** Refuses new requests, lets open ones finish for the configured time, and closes everything. */
  close(): Promise<void>;
}

/** A gateway that runs in this process. */
export interface StartedGateway extends RunningGateway {
  /** Closes as `close()` does, but other processes serve its port: it takes no new connections, and its clients see no end. */
  replaced(): Promise<void>;
}

/** What the process that supervises several workers keeps for each of them. */
export interface Supervised {
  /** Of all workers, this one does what is done once, such as reading books. */
  readonly isFirst: boolean;
  /** A ledger in memory that all workers share. */
  readonly memory: (name: string) => Ledger;
  /** Tells the supervising process of everything that is counted in the registry. */
  readonly follow: (registry: Registry) => void;
  /** Lines of `/readyz` about the other workers. */
  readonly readyLines: () => readonly string[];
}

/** The request log, and the listeners for the gateway's internal errors and for what fails around it. */
interface GatewayTelling {
  readonly log: RequestLog;
  readonly onError: (error: unknown) => void;
  readonly onFault: (fault: GatewayFault) => void;
  /** Gets one sentence, with what to do, when the organization's books cannot be read. */
  readonly onProblem: (sentence: string) => void;
  /** Gets the cause when the Redis of a store stops answering, and `null` when it answers again. */
  readonly onRedis: (store: RedisStore, outage: RedisOutage | null) => void;
}

/**
 * Opens everything in the configuration and listens; a worker serves no metrics page. Rejects with a `ConfigurationError` or a
 * `PortError`, after closing everything.
 */
export async function startGateway(
  configuration: GatewayConfiguration,
  telling: GatewayTelling,
  supervised: Supervised = ALONE,
): Promise<StartedGateway> {
  const { log, onError } = telling;
  const parts = new Parts();
  try {
    const registry = new Registry();
    const watch = redisWatch(registry, telling);
    const { held, ...kept } = openAccess(configuration, { parts, supervised, onError, watch });
    const totals = totalsOf(configuration, { onError, watch });
    if (totals !== null) parts.add(totals, (sums) => sums.close());
    if (supervised.isFirst || configuration.ledger !== null)
      await watchBooks(configuration, { ...telling, parts, registry, totals, watch });
    const metricsUrl = await metricsPage(configuration, { parts, registry, onError, supervised });
    const paced = new GatewayPace(configuration);
    parts.add(paced, (pacing) => pacing.close());
    const { readyLines } = supervised;
    const opened = { ...telling, ...kept, totals, registry, paced, readyLines };
    const claude = gateway(gatewayOptions(configuration, { ...opened, budgets: held.current }));
    const serving = await listening(configuration, log.listener(claude.listener));
    const running = { configuration };
    parts.add(serving, () => drained(claude, serving, running.configuration));
    const again = reloadable({ running, held, claude, opened });
    const replaced = (): Promise<void> => handedOver(claude, serving, running.configuration).then(() => parts.close());
    return { url: serving.url, metricsUrl, ...again, replaced, close: () => parts.close() };
  } catch (error) {
    await parts.close();
    throw error;
  }
}

interface Opening extends Pick<GatewayTelling, 'onError'> {
  readonly parts: Parts;
  readonly supervised: Supervised;
  readonly watch: RedisWatch;
}

/** Opens what says whether a client may call, and what it has spent. */
function openAccess(configuration: GatewayConfiguration, { parts, supervised, onError, watch }: Opening) {
  const { prices, tokens, budgets, ledger } = configuration;
  const stores = parts.add(openStores(tokens, 'create', watch('tokens', tokens)), (opened) => opened.close());
  const ledgerAway = watch('ledger', budgets.length === 0 ? null : ledger);
  const held = new HeldBudgets(configuration, ledgerAway, supervised.memory('budgets'));
  parts.add(held, (all) => all.close());
  const spendLedger = stores.shared ? stores.spendLedger : (id: string) => supervised.memory(`${TOKEN_LEDGER}${id}`);
  const spend = parts.add(new TokenSpend({ prices, ledger: spendLedger, onError }), (kept) => kept.close());
  const limits = new ClientLimits({ store: stores.limits, onError });
  const members = openMembers(configuration, { tokens: stores.tokens, onError, memory: supervised.memory('members') });
  parts.add(members, (kept) => kept.close());
  return { stores, held, spend, limits, members };
}

/** What the only process of a gateway has in place of a supervising one. */
const ALONE: Supervised = {
  isFirst: true,
  memory: () => memoryLedger(),
  follow: () => undefined,
  readyLines: () => [],
};

interface Shown extends Pick<GatewayTelling, 'onError'> {
  readonly parts: Parts;
  readonly registry: Registry;
  readonly supervised: Supervised;
}

/** Serves the metrics, and returns their address; `''` for a worker, whose numbers another process shows. */
async function metricsPage({ metrics }: GatewayConfiguration, shown: Shown): Promise<string> {
  const { parts, registry, onError, supervised } = shown;
  supervised.follow(registry);
  if (supervised !== ALONE) return '';
  const address = { ...metrics, onError, portOption: '--metrics-port', livePage: 'gateway' };
  const page = parts.add(await serveMetrics(registry, address), (open) => open.close(0));
  return `${page.url}/metrics`;
}

interface Reloading {
  readonly running: { configuration: GatewayConfiguration };
  readonly held: HeldBudgets;
  readonly claude: Gateway;
  readonly opened: Omit<Opened, 'budgets'>;
}

function reloadable({ running, held, claude, opened }: Reloading): Reloadable {
  const store = storeFor(opened.registry);
  const loads = store.families.plimsoll_gateway_configuration_loads_total;
  for (const outcome of CONFIGURATION_LOADS) loads.series({ outcome }).add(0);
  return {
    reload(next) {
      requireNoRestart(running.configuration, next);
      const kept = { ...next, prices: running.configuration.prices };
      const replaced = held.replace(kept, (budgets) => claude.reload(gatewayOptions(kept, { ...opened, budgets })));
      if (replaced !== null) hideBudgets(store, replaced, held.current);
      running.configuration = kept;
    },
    counted: (outcome) => loads.series({ outcome }).add(1),
  };
}

/** The open parts, to be closed in reverse order. */
class Parts {
  #closers: (() => Promise<unknown>)[] = [];

  add<Part>(part: Part, close: (part: Part) => Promise<unknown>): Part {
    this.#closers.unshift(() => close(part));
    return part;
  }

  async close(): Promise<void> {
    const closers = this.#closers;
    this.#closers = [];
    for (const close of closers) await close();
  }
}

/** Tells who is to hear of the Redis of a store. A place that is no Redis has none, and no series. */
type RedisWatch = (store: RedisStore, place: Place | null) => OnAvailability;

/** Shows in metrics whether the Redis of each store answers, and tells of each change. */
function redisWatch(registry: Registry, { onRedis }: Pick<GatewayTelling, 'onRedis'>): RedisWatch {
  const { plimsoll_gateway_redis_up: up, plimsoll_gateway_redis_outages_total: outages } = storeFor(registry).families;
  return (store, place) => {
    if (place?.kind === 'redis') {
      up.series({ store }).set(1);
      for (const cause of REDIS_OUTAGES) outages.series({ store, cause }).add(0);
    }
    return (outage) => {
      up.series({ store }).set(outage === null ? 1 : 0);
      if (outage !== null) outages.series({ store, cause: outage }).add(1);
      onRedis(store, outage);
    };
  };
}

/** Daily totals are kept where spend is. */
function totalsOf(
  { ledger, prices }: GatewayConfiguration,
  { onError, watch }: Pick<Watched, 'onError' | 'watch'>,
): DailyTotals | null {
  const store = ledger === null ? null : ledgerAt(ledger).openTotals({ onAvailability: watch('totals', ledger) });
  return store === null ? null : dailyTotals({ store, prices, onError });
}

interface Watched extends GatewayTelling {
  readonly parts: Parts;
  readonly registry: Registry;
  readonly totals: DailyTotals | null;
  readonly watch: RedisWatch;
}

/** Of the replicas with one ledger, one reads the organization's books; all of them show what it read. */
async function watchBooks(
  { organization, ledger, keys, prices, tier }: GatewayConfiguration,
  { parts, registry, totals, onError, onProblem, watch }: Watched,
): Promise<void> {
  if (organization === null) return;
  // Loaded here, because most gateways need no client of the Admin API.
  const { watchOrganization } = await import('../organization/watch.ts');
  const store = ledger === null ? null : ledgerAt(ledger).openReports({ onAvailability: watch('reports', ledger) });
  if (store !== null) parts.add(store, async (opened) => opened.close());
  const { everyMs, ...settings } = organization;
  const books = watchOrganization({
    ...settings,
    ...{ prices, registry, onError, onProblem, aliases: [...keys.keys()] },
    ...(everyMs !== undefined && { everyMs }),
    ...(store !== null && { store }),
    ...(totals !== null && { totals }),
    ...(tier?.organization !== undefined && { organization: tier.organization }),
  });
  parts.add(books, (running) => running.close());
}

interface Opened extends GatewayTelling, Pick<Supervised, 'readyLines'> {
  readonly stores: AccessStores;
  readonly budgets: Budgets | null;
  readonly spend: TokenSpend;
  readonly members: Members;
  readonly limits: ClientLimits;
  readonly totals: DailyTotals | null;
  readonly registry: Registry;
  readonly paced: GatewayPace;
}

/** The pace of the clients that have a lane. It is opened with the first of them, and kept through reloads. */
class GatewayPace {
  #configuration: GatewayConfiguration;
  #pace: Pace | null = null;

  constructor(configuration: GatewayConfiguration) {
    this.#configuration = configuration;
  }

  /** For the clients of this configuration, from now on; nothing where none has a lane and none ever had. */
  of(configuration: GatewayConfiguration): { readonly pace?: Pace } {
    this.#configuration = configuration;
    if ([...configuration.clients.values()].some(({ pace: lane }) => lane !== undefined)) this.#pace ??= this.#open();
    return this.#pace === null ? {} : { pace: this.#pace };
  }

  #open(): Pace {
    const { ledger, workers } = this.#configuration;
    return pace({
      name: 'gateway',
      // No alias has an equals sign.
      organizationOf: (key) => {
        const organization = this.#configuration.keyOrganizations.get(key);
        return organization === undefined ? key : `=${organization}`;
      },
      lane: ({ client }) => this.#configuration.clients.get(client ?? '')?.pace ?? null,
      // Workers that share nothing use a part each.
      ...(ledger === null ? { share: 1 / workers } : { store: ledgerAt(ledger).openPace() }),
    });
  }

  async close(): Promise<void> {
    await this.#pace?.close();
  }
}

function gatewayOptions(configuration: GatewayConfiguration, opened: Opened): GatewayOptions {
  const {
    stores,
    budgets,
    spend,
    members,
    limits: tokenLimits,
    totals,
    registry,
    paced,
    readyLines,
    log,
    onError,
    onFault,
  } = opened;
  const { clients, publicUrl, prices, tier, serviceVersion, limits } = configuration;
  const { keys, keyUrls, pools, baseUrl, trustProxy, labelHeaders, attribution, corsOrigins } = configuration;
  const { limiter } = stores;
  const tokens = withDeclared(stores.tokens, () => configuration.declaredTokens);
  const models = [...new Set([...clients.values()].flatMap((client) => (client.models ?? []).filter(isModelId)))];
  return {
    ...{ keys, keyUrls, pools, baseUrl, trustProxy, labelHeaders, attribution, corsOrigins, prices, registry },
    onError,
    onFault,
    authenticate: log.authenticate(
      authenticator({ store: tokens, clients, spend, budgets: members.budgets, limits: tokenLimits, limiter }),
    ),
    recorders: [log.recorder, members.usage.recorder, ...(totals === null ? [] : [totals.recorder])],
    handlers: { '/plimsoll/tokens': mintHandler({ store: tokens, clients, limiter, onError }) },
    isReady: () => tokens.find('').then(() => true),
    readyLines,
    limits: boundsOf(limits),
    ...paced.of(configuration),
    ...(budgets !== null && { budgets }),
    ...(publicUrl !== null && { publicUrl }),
    ...(tier !== undefined && { tier }),
    ...(serviceVersion !== undefined && { serviceVersion }),
    ...(models.length > 0 && { models }),
  };
}

function boundsOf(limits: GatewayConfiguration['limits']): NonNullable<GatewayOptions['limits']> {
  return {
    requests: limits.connections,
    heldBytes: limits.heldBytes,
    upstreamSilenceMs: limits.upstreamSilenceSeconds * 1_000,
    upstreamConnectMs: limits.upstreamConnectSeconds * 1_000,
    unreadyAfter: {
      apiMs: limits.unreadyUpstreamSeconds * 1_000,
      ledgerMs: limits.unreadyLedgerSeconds * 1_000,
    },
  };
}
