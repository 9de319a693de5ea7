import type { Budgets } from '../budget/budgets.ts';
import { systemClock, type Clock } from '../clock.ts';
import { isServiceVersion } from '../environment/service-version.ts';
import { ConfigurationError, got, mayHoldSecret, optionProblems, unfit, type Problem } from '../errors.ts';
import type { Pace } from '../pace/pace.ts';
import type { PriceTable } from '../pricing/prices.ts';
import { attributionProblems, type AttributionDeclaration } from '../record/call-labels.ts';
import type { MetricRegistry } from '../record/metrics/registry.ts';
import { MODEL_VARIABLES } from '../routing/models.ts';
import type { Routes } from '../routing/routes.ts';
import { tierProblems, type TierOption } from '../tier/tiers.ts';
import type { Guard, RetryPolicy } from '../decisions.ts';
import type { Attribution, Call, Recorder } from '../vocabulary.ts';

/** Options of `instrument()`. All have defaults. */
export interface InstrumentOptions {
  /** Alias of the API key that the client uses, such as `prod-checkout-api`; never the key. Default: `default`. */
  readonly key?: string;
  /** Attribution labels that hold for every call of this client; each name must be in `attribution`. */
  readonly labels?: Attribution;
  /**
   * Names of attribution labels, each with values that are sure of a place as label values. Of other values the first
   * hundred get one, and the rest is counted as `other`. An empty list declares the name alone.
   */
  readonly attribution?: AttributionDeclaration;
  /**
   * Models whose series start at zero, so that their first burst of 429s is seen by `increase()`. Default: what
   * `ANTHROPIC_DEFAULT_MODEL`, `ANTHROPIC_REASONING_MODEL` and `ANTHROPIC_CRITICAL_MODEL` name.
   */
  readonly models?: readonly string[];
  /** A prom-client registry. Default: prom-client's own `register`. */
  readonly registry?: MetricRegistry;
  /** What tokens cost: `loadPrices()`. Default: the table that comes with the package. */
  readonly prices?: PriceTable;
  /** Follow every call, besides the Prometheus metrics. */
  readonly recorders?: readonly Recorder[];
  /** May refuse a call before it is sent; asked in this order. */
  readonly guards?: readonly Guard[];
  /**
   * Decides which refused requests are sent again, and when: `retryPolicy()`. Its `attempts` replace the client's
   * `maxRetries`; a call that sets its own keeps it. Default: the SDK's own rules.
   */
  readonly retry?: RetryPolicy;
  /** The budgets of the calls: `budgets()` of `plimsoll/budget`. Asked after the guards. */
  readonly budgets?: Budgets;
  /**
   * Makes calls wait for room in the rate limits: `pace()` of `plimsoll/pace`. Asked after the guards and before the budgets,
   * so that a call that waits holds nothing. Default: calls are sent at once.
   */
  readonly pace?: Pace;
  /** The usage tier, `{ name: 'Build' }`, and an alias for the organization. Default: inferred from response headers. */
  readonly tier?: TierOption;
  /**
   * The routes of the service, of `routes()`: the attribution label `route` is declared with their names, calls made with
   * `route()` are counted under theirs, and `max_tokens` is kept at what they allow.
   */
  readonly routes?: Omit<Routes, 'route'>;
  /**
   * The version of your service, for the metric `plimsoll_service_info`: dashboards mark where it changes. Default:
   * `service.version` of `OTEL_RESOURCE_ATTRIBUTES`, else `npm_package_version`, which npm sets for its scripts.
   */
  readonly serviceVersion?: string;
  /** Gets every call when it is over. A promise it returns is not waited for. */
  readonly onCall?: (call: Call) => void | Promise<void>;
  /** For tests. */
  readonly clock?: Clock;
}

/** The models of the environment, each once. */
export function configuredModels(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const models = Object.values(MODEL_VARIABLES)
    .map((name) => env[name]?.trim())
    .filter((model) => model !== undefined && model !== '');
  return [...new Set(models as readonly string[])];
}

/** All of them, which the compiler holds to. */
export const INSTRUMENT_NAMES: Readonly<Record<keyof InstrumentOptions, true>> = {
  key: true,
  labels: true,
  attribution: true,
  models: true,
  registry: true,
  prices: true,
  recorders: true,
  guards: true,
  retry: true,
  budgets: true,
  pace: true,
  tier: true,
  routes: true,
  serviceVersion: true,
  onCall: true,
  clock: true,
};

/** The options of a program in plain JavaScript. Throws a `ConfigurationError` (`PLIMSOLL_OPTIONS_INVALID`) for what are none. */
export function optionsObject<Options extends object>(given: Options): Options {
  const value: unknown = given;
  if (isRecord(value) && !hasFunction(value, 'registerMetric')) return given;
  const problem = { expected: 'an object', advice: `pass ${adviceFor(value)}` };
  throw new ConfigurationError('PLIMSOLL_OPTIONS_INVALID', [unfit('options', value, problem)]);
}

function adviceFor(value: unknown): string {
  if (isRecord(value)) return '{ registry }';
  const isAlias = typeof value === 'string' && keyProblems(value).length === 0;
  return isAlias ? `{ key: '${value}' }` : "{ key: 'prod-checkout-api' }, or nothing";
}

/** Options of a program in plain JavaScript that are none: a slip would go unnoticed and measure less. */
export function unknownOptions(given: object): readonly Problem[] {
  return optionProblems(given, INSTRUMENT_NAMES);
}

/**
 * The options, with the label `route` declared where there are routes. Throws a `ConfigurationError`
 * (`PLIMSOLL_OPTIONS_INVALID`) with all problems, those that are `known` already first.
 */
export function checkedOptions(given: InstrumentOptions, known: readonly Problem[] = []): InstrumentOptions {
  const misshapen = shapeProblems(given);
  const wrong = new Set(misshapen.map(({ field }) => field));
  const shaped: InstrumentOptions = Object.fromEntries(Object.entries(given).filter(([name]) => !wrong.has(name)));
  const unrouted = routesProblems(shaped.routes);
  const options = unrouted.length > 0 ? shaped : withRouteLabel(shaped);
  const problems = [
    ...known,
    ...misshapen,
    ...keyProblems(options.key),
    ...attributionProblems(options.attribution ?? {}),
    ...labelProblems(options),
    ...budgetProblems(options),
    ...retryProblems(options.retry),
    ...unrouted,
    ...versionProblems(options.serviceVersion),
    ...tierProblems(options.tier, (options.clock ?? systemClock).epochMs()),
  ];
  if (problems.length > 0) throw new ConfigurationError('PLIMSOLL_OPTIONS_INVALID', problems);
  return options;
}

/** What an option has to be before its parts are looked at. */
interface Shape {
  readonly fits: (value: unknown) => boolean;
  readonly expected: string;
  /** Completes "pass …". */
  readonly example: string;
}

const SHAPES: Readonly<Partial<Record<keyof InstrumentOptions, Shape>>> = {
  labels: { fits: isRecord, expected: 'names of labels, each with a value', example: "{ tenant: 'harbor' }" },
  attribution: { fits: isRecord, expected: 'names of labels, each with a list of values', example: '{ route: [] }' },
  models: {
    fits: listOf((each) => typeof each === 'string'),
    expected: 'a list of models',
    example: "['claude-haiku-4-5']",
  },
  registry: { fits: having('registerMetric'), expected: 'a registry of prom-client', example: 'new Registry()' },
  prices: { fits: having('priceAt'), expected: 'a table of prices', example: "loadPrices('prices.json')" },
  recorders: { fits: listOf(having('started')), expected: 'a list of recorders', example: '[recorder]' },
  guards: { fits: listOf(having('admit')), expected: 'a list of guards', example: '[guard]' },
  pace: { fits: having('waiting'), expected: 'a pace', example: 'pace()' },
  onCall: { fits: (value) => typeof value === 'function', expected: 'a function', example: '(call) => …' },
};

function shapeProblems(given: InstrumentOptions): readonly Problem[] {
  return Object.entries(SHAPES).flatMap(([name, { fits, expected, example }]) => {
    const value: unknown = given[name as keyof InstrumentOptions];
    if (value === undefined || fits(value)) return [];
    return [unfit(name, value, { expected, advice: `pass ${example}` })];
  });
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasFunction(value: unknown, name: string): boolean {
  return isRecord(value) && typeof Reflect.get(value, name) === 'function';
}

function having(name: string): Shape['fits'] {
  return (value) => hasFunction(value, name);
}

function listOf(fits: Shape['fits']): Shape['fits'] {
  return (value) => Array.isArray(value) && value.every(fits);
}

const LONGEST_ALIAS = 64;

/** The problems of a key's alias, as those of the option `key`. */
export function keyProblems(key: unknown): readonly Problem[] {
  if (key === undefined) return [];
  const wrong = (got: string, advice: string): readonly Problem[] => {
    const expected = 'the alias of an API key, such as "prod-checkout-api"';
    return [{ kind: 'invalid', field: 'key', expected, got, advice }];
  };
  if (typeof key !== 'string') return wrong(got(key), 'pass a name of your own');
  if (mayHoldSecret(key))
    return wrong('what looks like the key itself', 'pass a name for it, the key stays in the SDK');
  if (/^[\w.-]+$/.test(key) && key.length <= LONGEST_ALIAS) return [];
  return wrong(`${key.length} characters`, `use up to ${LONGEST_ALIAS} letters, digits, ".", "_" and "-"`);
}

/** The problems of the version of a service, as those of the option `serviceVersion`; it is not shown. */
export function versionProblems(version: unknown): readonly Problem[] {
  if (version === undefined || isServiceVersion(version)) return [];
  const expected = 'up to 128 letters, digits and ". _ + - / : @", and no key';
  const advice = 'pass the version of your service, such as "2.14.0"';
  return [{ kind: 'invalid', field: 'serviceVersion', expected, got: 'something else', advice }];
}

function labelProblems({ labels = {}, attribution = {} }: InstrumentOptions): readonly Problem[] {
  return Object.entries(labels).flatMap(([name, value]: [string, unknown]): readonly Problem[] => {
    if (!Object.hasOwn(attribution, name)) {
      const what = { expected: 'names that `attribution` declares', got: shown(name), advice: 'add it there, with []' };
      return [{ kind: 'conflict', field: 'labels', ...what }];
    }
    if (typeof value === 'string') return [];
    const wanted = { expected: `text as the value of ${shown(name)}`, advice: 'pass a string' };
    return [{ ...unfit('labels', value, wanted), got: typeof value }];
  });
}

/** A name that could be a label's is shown; anything else could be a secret in the wrong place. */
function shown(name: string): string {
  return /^\w{1,64}$/.test(name) ? `"${name}"` : 'one that cannot be shown';
}

function budgetProblems({ budgets, attribution = {} }: InstrumentOptions): readonly Problem[] {
  if (budgets === undefined) return [];
  if (!hasAttach(budgets))
    return [unfit('budgets', budgets, { expected: 'budgets', advice: 'pass budgets({ definitions: [...] })' })];
  return budgets.all.flatMap(({ budget: { name, scope } }): readonly Problem[] => {
    if (scope.kind !== 'label' || Object.hasOwn(attribution, scope.label)) return [];
    const expected = `the label of budget "${name}" to be one that \`attribution\` declares`;
    return [{ kind: 'conflict', field: 'budgets', expected, got: `"${scope.label}"`, advice: 'add it there' }];
  });
}

function hasAttach(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'attach' in value;
}

function retryProblems(retry: unknown): readonly Problem[] {
  if (retry === undefined || hasFunction(retry, 'decide')) return [];
  return [unfit('retry', retry, { expected: 'a retry policy', advice: 'pass retryPolicy({ attempts: 4 })' })];
}

function routesProblems(routes: unknown): readonly Problem[] {
  if (routes === undefined || (typeof routes === 'object' && routes !== null && 'guard' in routes)) return [];
  return [unfit('routes', routes, { expected: 'routes', advice: 'pass routes({ chat: { maxTokens: 512 } })' })];
}

/** The names of the routes keep their places as label values; routes without names only fill `max_tokens`. */
function withRouteLabel(options: InstrumentOptions): InstrumentOptions {
  const { routes, attribution = {} } = options;
  if (routes === undefined || routes.names.length === 0) return options;
  const names = new Set([...routes.names, ...(attribution['route'] ?? [])]);
  return { ...options, attribution: { ...attribution, route: [...names] } };
}
