import { ConfigurationError } from '../configuration-error.ts';
import type { AnyFamily } from './family.ts';
import { registeredMetric } from './registered-metric.ts';
import type { OnError, Stage } from './stages.ts';
import { Store } from './store.ts';

/** What is used of a prom-client `Registry`, whatever its content type. */
export interface MetricRegistry {
  readonly contentType: string;
  registerMetric(metric: never): void;
  getSingleMetric(name: string): object | undefined;
  getMetricsAsArray(): readonly object[];
  getMetricsAsJSON(): Promise<readonly object[]>;
}

interface Registered {
  readonly store: Store;
  readonly metrics: ReadonlyMap<string, object>;
}

const STORES = Symbol.for('plimsoll.stores');

/** By registry, and shared by all copies of the package in the process: a metric is registered once. */
function stores(): WeakMap<MetricRegistry, Registered> {
  const home = globalThis as { [STORES]?: WeakMap<MetricRegistry, Registered> };
  home[STORES] ??= new WeakMap();
  return home[STORES];
}

/**
 * The store of a registry, got or created, with all families of the catalogue in the registry. After
 * `registry.clear()` the next call registers the same families again and starts from 0.
 *
 * Throws a `ConfigurationError` (`PLIMSOLL_METRIC_NAME_TAKEN`) where another metric has one of the names. Whatever else the registry
 * throws is counted and told to `onError`, and the store counts all the same.
 */
export function storeFor(registry: MetricRegistry, onError: OnError = () => {}): Store {
  const known = stores().get(registry);
  const registered = known ?? newlyRegistered(registry);
  try {
    const missing = absentNames(registry, registered.metrics);
    if (known !== undefined && missing.length === registered.metrics.size) registered.store.reset();
    for (const name of missing) registry.registerMetric(registered.metrics.get(name) as never);
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    registered.store.errors('registry');
    onError('registry', error);
  }
  stores().set(registry, registered);
  return registered.store;
}

function newlyRegistered(registry: MetricRegistry): Registered {
  const store = new Store();
  const metric = (family: AnyFamily): object => registeredMetric(family, () => registry.contentType);
  return { store, metrics: new Map(store.all().map((family) => [family.declaration.name, metric(family)])) };
}

function absentNames(registry: MetricRegistry, metrics: ReadonlyMap<string, object>): readonly string[] {
  const absent: string[] = [];
  const taken: string[] = [];
  for (const [name, metric] of metrics) {
    const present = registry.getSingleMetric(name);
    if (present === undefined) absent.push(name);
    else if (present !== metric) taken.push(name);
  }
  if (taken.length > 0) throw namesTaken(taken);
  return absent;
}

function namesTaken(names: readonly string[]): ConfigurationError {
  return new ConfigurationError('PLIMSOLL_METRIC_NAME_TAKEN', [
    `expected a registry whose metrics have other names than plimsoll's, got metrics named ${names.join(', ')}: ` +
      'rename them, or pass another registry as `registry`',
  ]);
}

/** The store of a registry that has one already; nothing is created or registered. */
export function knownStore(registry: MetricRegistry): Store | null {
  return stores().get(registry)?.store ?? null;
}

/** Counts an error at the store of a registry that has one. */
export function countError(registry: MetricRegistry, stage: Stage): void {
  knownStore(registry)?.errors(stage);
}
