import type { TracerProvider } from '@opentelemetry/api';
import { ambientAttribution } from './attribution.ts';
import { systemClock } from './clock.ts';
import { ConfigurationError } from './configuration-error.ts';
import { checkedOptions, configuredModels, type InstrumentOptions } from './instrument-options.ts';
import { KnownBatches } from './observe/known-batches.ts';
import type { Observation } from './observe/live-call.ts';
import { observe, type ObservedClient } from './observe/middleware.ts';
import { cost } from './pricing/cost.ts';
import { defaultPrices } from './pricing/prices.ts';
import { defaultRegistry } from './record/default-registry.ts';
import { recordBudgets } from './record/budget-gauges.ts';
import { fanOut } from './record/fan-out.ts';
import { monthBudgets } from './record/month-budgets.ts';
import { prometheusRecorder } from './record/prometheus.ts';
import { recordBuild, recordPrices } from './record/facts.ts';
import { storeFor } from './record/registry.ts';
import { spanRecorder } from './record/spans.ts';
import type { Store } from './record/store.ts';
import { tierRecorder } from './record/tier-gauges.ts';
import { routeOf } from './routing/routes.ts';
import type { Attribution, Call, Guard, Recorder } from './vocabulary.ts';

/**
 * What plimsoll needs of an Anthropic client: the clients of SDK 1.x, those for Bedrock, Vertex and Foundry included.
 * No type of the SDK's is named: it has one set for ES modules and one for CommonJS, and a client may be of either.
 */
export interface InstrumentableClient extends ObservedClient {
  readonly middleware: readonly unknown[];
  /** Of an SDK that has spans: where it makes them, if that is not the registered provider. */
  readonly openTelemetry?: { readonly tracerProvider?: TracerProvider | undefined };
  withOptions(options: never): unknown;
}

/**
 * A client of the same type whose every call is measured, into the metrics of a prom-client registry. The client
 * passed in is not touched; what calls return, throw and send stays as it is. An error of plimsoll's own is counted in
 * `plimsoll_errors_total` and the call goes on. Clients made from it by `withOptions` are measured too, and
 * instrumenting it again counts once, with the last options.
 *
 * Throws a `ConfigurationError` for options that cannot be used, for an SDK before 1.0 (`PLIMSOLL_SDK_TOO_OLD`) or a
 * Node before 22.15 (`PLIMSOLL_NODE_TOO_OLD`), and a `MetricNameTakenError` where the registry has other metrics of
 * plimsoll's names.
 *
 * @example
 * const claude = instrument(new Anthropic(), { key: 'prod-checkout-api' });
 */
export function instrument<Client extends InstrumentableClient>(client: Client, given: InstrumentOptions = {}): Client {
  checkRuntime(client);
  const options = checkedOptions(given);
  const { retry } = options;
  const tries = retry === undefined ? {} : { maxRetries: retry.attempts - 1 };
  return attached(client, tries, observation(options, client.openTelemetry?.tracerProvider));
}

function observation(options: InstrumentOptions, tracerProvider: TracerProvider | undefined): Observation {
  const { clock = systemClock, key = 'default', prices = defaultPrices() } = options;
  const registry = options.registry ?? defaultRegistry();
  const store = storeFor(registry);
  const onError: Observation['onError'] = (stage) => store.errors(stage);
  const spans = spanRecorder({ attribution: Object.keys(options.attribution ?? {}), tracerProvider, clock });
  const labels = {
    keys: [key],
    models: options.models ?? configuredModels(process.env),
    knownModels: prices.knownModels,
    canonicalModel: (model: string) => prices.canonicalModel(model),
  };
  const { attribution = {}, budgets, tier } = options;
  const trace = (call: Call) => spans.trace(call);
  const metrics = prometheusRecorder({ ...labels, registry, clock, attribution, trace });
  const tiers = tierRecorder(store, { ...labels, ...tier, ...(budgets && monthBudgets(budgets)), clock });
  recordBuild(store);
  recordPrices(store, prices, () => clock.epochMs());
  const held = budgets === undefined ? [] : [budgets.attach({ prices, listener: recordBudgets(store, budgets) })];
  return {
    clock,
    key,
    onError,
    guards: [...ceilingsOf(options, store), ...(options.guards ?? []), ...held],
    retry: options.retry,
    recorder: fanOut(
      [spans, metrics, tiers, ...held, ...(options.recorders ?? []), ...onCallRecorder(options, store)],
      () => store.errors('recorder'),
    ),
    attribution: attributionOf(options, () => store.errors('attribution')),
    price: (usage, model, atMs) => cost(usage, { prices, model, atMs }),
    batchPrice: (usage, model, atMs) => cost(usage, { prices, model, atMs, batch: true }),
    batches: batchesOf(store),
  };
}

const batchesByStore = new WeakMap<Store, KnownBatches>();

/** Of all clients that feed the same metrics: a result that one has read is not counted again for another. */
function batchesOf(store: Store): KnownBatches {
  const known = batchesByStore.get(store) ?? new KnownBatches();
  batchesByStore.set(store, known);
  return known;
}

/** A callback that answers with a promise is not waited for; its failure is counted as a throw is. */
function onCallRecorder({ onCall }: InstrumentOptions, store: Store): readonly Recorder[] {
  if (onCall === undefined) return [];
  const failed = (): void => store.errors('on_call');
  return [
    {
      finished: (call) => {
        try {
          void Promise.resolve(onCall(call)).catch(failed);
        } catch {
          failed();
        }
      },
    },
  ];
}

/** First of the guards: the budgets then reserve for what is sent. */
function ceilingsOf({ routes, key = 'default' }: InstrumentOptions, { families }: Store): readonly Guard[] {
  const decisions = families.anthropic_max_tokens_decisions_total;
  return routes === undefined
    ? []
    : [routes.guard((route, decision) => decisions.series({ route, key, decision }).add(1))];
}

const NO_LABELS: Attribution = Object.freeze({});

/** Of the labels of a call the nearest to it hold: those of its parameters, then those around it, then the client's. */
function attributionOf(
  { labels = NO_LABELS, routes }: InstrumentOptions,
  onError: () => void,
): Observation['attribution'] {
  return (body) => {
    const ambient = ambientAttribution(onError);
    const route = routes === undefined ? undefined : routeOf(body);
    if (ambient === undefined && route === undefined) return labels;
    return { ...labels, ...ambient, ...(route !== undefined && { route }) };
  };
}

/** Marks the middleware, so that it is found again in a client, by another copy of this package too. */
const OURS = Symbol.for('plimsoll.middleware');
/** The `withOptions` that an instrumented client had before. */
const PLAIN = Symbol.for('plimsoll.withOptions');

function isOurs(middleware: unknown): boolean {
  return typeof middleware === 'function' && OURS in middleware;
}

type WithOptions = (this: InstrumentableClient, options: object) => InstrumentableClient;

/**
 * A copy of `client` that is observed. The SDK's `withOptions({ middleware })` replaces the chain, so the copy's own
 * `withOptions` puts the middleware back, last: next to the wire, where each HTTP request is seen once.
 */
function attached<Client extends InstrumentableClient>(
  client: Client,
  changes: object,
  observation: Observation,
): Client {
  const plain = plainWithOptions(client);
  const chain =
    (changes as Pick<InstrumentableClient, 'middleware'> | { middleware?: never }).middleware ?? client.middleware;
  const ours = Object.assign(
    observe(observation, () => copy),
    { [OURS]: true },
  );
  const copy = plain.call(client, {
    ...changes,
    middleware: [...chain.filter((middleware) => !isOurs(middleware)), ours],
  }) as Client;
  const withOptions = function withOptions(this: Client, more: object): Client {
    return attached(this, more, observation);
  };
  Object.defineProperty(copy, 'withOptions', {
    value: Object.assign(withOptions, { [PLAIN]: plainWithOptions(copy) }),
    configurable: true,
    writable: true,
  });
  return copy;
}

function plainWithOptions(client: InstrumentableClient): WithOptions {
  const { withOptions } = client as unknown as { withOptions: WithOptions & { [PLAIN]?: WithOptions } };
  return withOptions[PLAIN] ?? withOptions;
}

const OLDEST_NODE = [22, 15] as const;

function checkRuntime(client: unknown): void {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    throw new ConfigurationError('PLIMSOLL_NODE_TOO_OLD', [
      `expected Node ${OLDEST_NODE.join('.')} or later, got ${process.versions.node}: run this program on a newer Node`,
    ]);
  }
  const { withOptions, middleware } = (client ?? {}) as Partial<InstrumentableClient>;
  if (typeof withOptions !== 'function' || !Array.isArray(middleware)) {
    throw new ConfigurationError('PLIMSOLL_SDK_TOO_OLD', [
      'expected a client of @anthropic-ai/sdk 1.0 or later, which has `middleware`, ' +
        `got ${client instanceof Object ? `a ${client.constructor.name} without it` : String(client)}: ` +
        'pass `new Anthropic()` and install @anthropic-ai/sdk@^1',
    ]);
  }
}
