import type { TracerProvider } from '@opentelemetry/api';
import { isDisabled, warnOfDisabled } from '../environment/disabled.ts';
import { ConfigurationError } from '../errors.ts';
import { clientProblem } from './client-kind.ts';
import { checkedOptions, optionsObject, unknownOptions, type InstrumentOptions } from './options.ts';
import { platformOf } from '../platform.ts';
import { nodeProblem } from '../version.ts';
import { observation } from './observation.ts';
import { cover } from '../observe/covers.ts';
import type { Observation } from '../observe/observation.ts';
import { UNNAMED_KEY, observedSeams, type ObservedClient, type Seams } from '../observe/sdk-call.ts';

/**
 * An Anthropic client of SDK 0.103 or later, those for Bedrock, Vertex and Foundry included, as far as plimsoll needs it.
 * No type of the SDK's is named: it has one set for ES modules and one for CommonJS, and a client may be of either.
 */
export interface InstrumentableClient extends ObservedClient {
  readonly middleware: readonly unknown[];
  /** Set by an SDK that has spans. `tracerProvider`: where it makes them, if not with the registered provider. */
  readonly openTelemetry?: { readonly tracerProvider?: TracerProvider | undefined };
  /** Makes a copy with other options; copies of an instrumented client are instrumented. */
  withOptions(options: never): unknown;
}

/**
 * Measures every call of a client, into the metrics of a prom-client registry. Returns the client itself: it is observed
 * in place, so subclasses, fields that are set later and Proxies around it stay what they are, and what calls return,
 * throw and send stays as it is. An error of plimsoll's own is counted in `plimsoll_errors_total` and the call goes on.
 * Clients made from it by `withOptions` are measured too. Instrumenting it again counts once, with the last options;
 * `uninstrument` undoes it. With `PLIMSOLL_DISABLED=1` in the environment it does nothing but warn.
 *
 * Throws a `ConfigurationError` for options that cannot be used, for what is no client (`PLIMSOLL_NOT_A_CLIENT`), for one whose
 * SDK is too old (`PLIMSOLL_SDK_TOO_OLD`) or that cannot be observed in place (`PLIMSOLL_CLIENT_FROZEN`), for a Node before 22.15
 * (`PLIMSOLL_NODE_TOO_OLD`), and where the registry has other metrics of plimsoll's names (`PLIMSOLL_METRIC_NAME_TAKEN`).
 *
 * @example
 * const claude = instrument(new Anthropic(), { key: 'prod-checkout-api' });
 */
export function instrument<Client extends InstrumentableClient>(client: Client, given: InstrumentOptions = {}): Client {
  checkRuntime(client);
  const options = checkedOptions(optionsObject(given), unknownOptions(given));
  if (isDisabled(process.env)) {
    warnOfDisabled((options.budgets?.all ?? []).map(({ budget }) => budget));
    return uninstrument(client);
  }
  const { retry, key = 'default' } = options;
  const observed = observation(options, { keys: [key], tracerProvider: tracerProviderOf(client) });
  uninstrument(client);
  const retries = retry === undefined ? null : { ofPolicy: retry.attempts - 1, own: client.maxRetries };
  if (!attach(client, observed, retries)) throw closedClient();
  if (retries !== null) Object.assign(client, { maxRetries: retries.ofPolicy });
  return client;
}

/** `undefined` through a bare Proxy too, where the SDK's own getter throws: then the registered provider makes the spans. */
function tracerProviderOf(client: InstrumentableClient): TracerProvider | undefined {
  try {
    return client.openTelemetry?.tracerProvider;
  } catch {
    return undefined;
  }
}

/**
 * Stops measuring the calls of a client or a `fetch` that was instrumented, and returns it. Calls under way are counted to
 * their end; those of a `fetch` that wait for another attempt end at once.
 */
export function uninstrument<Client extends object>(client: Client): Client {
  (client as { readonly [ATTACHED]?: Attachment })[ATTACHED]?.detach();
  return client;
}

/** Undoes what `instrument` did to a client, or `instrumentFetch` to a `fetch`. */
export interface Attachment {
  detach(): void;
}

/** Marks what is instrumented, for another copy of this package too. */
export const ATTACHED = Symbol.for('plimsoll.instrumented');

type Observable = Seams & { readonly withOptions: (this: object, ...given: unknown[]) => unknown };

/** The `maxRetries` of a client with a retry policy, and the one that it had before. */
interface Retries {
  readonly ofPolicy: number;
  readonly own: number;
}

/**
 * Puts the observed seams in front of the client's own, and a `withOptions` that observes the copies too. `retries` are
 * restored with them; `null` where no retry policy set them. Returns whether the client took the seams and shows them: a
 * Proxy may refuse them, or keep them where its calls do not look. Otherwise the client is left as it was.
 */
export function attach(client: InstrumentableClient, observation: Observation, retries: Retries | null): boolean {
  const plain = ownMethods(client as unknown as Observable);
  const seams = observedSeams(observation, plain, platformOf(client));
  const withOptions: Observable['withOptions'] = function withOptions(...given) {
    const copy = plain.withOptions.apply(this, given);
    const isSet = (given[0] as Partial<ObservedClient> | undefined)?.maxRetries !== undefined;
    if (seams.isOn) observeCopy(copy, ofKey(observation, this, given[0]), isSet ? null : retries);
    return copy;
  };
  const attachment: Attachment = {
    detach() {
      seams.isOn = false;
      for (const undo of undos) undo?.();
    },
  };
  const undos: ((() => void) | null)[] = [];
  try {
    undos.push(
      cover(client, 'fetchWithTimeout', seams.fetchWithTimeout),
      cover(client, 'backendMiddleware', seams.backendMiddleware),
      cover(client, 'withOptions', withOptions),
      cover(client, ATTACHED, attachment),
    );
  } catch {
    undos.push(null); // a Proxy has thrown
  }
  if (undos.includes(null) || (client as { readonly [ATTACHED]?: Attachment })[ATTACHED] !== attachment) {
    attachment.detach();
    return false;
  }
  if (retries !== null) undos.push(() => restoreRetries(client, retries));
  return true;
}

/** The client's methods without plimsoll's. Those of its class are read at each use: others may patch and restore them. */
function ownMethods(client: Observable): Observable {
  const ofClass = Reflect.getPrototypeOf(client) as Observable | null;
  const plain = Object.create(ofClass) as Record<keyof Observable, unknown>;
  for (const name of ['fetchWithTimeout', 'backendMiddleware', 'withOptions'] as const) {
    const own = client[name];
    if (own !== ofClass?.[name]) plain[name] = own;
  }
  return plain as Observable;
}

/** A copy with a key of its own is not counted under the alias of another. */
function ofKey(observation: Observation, client: object, given: unknown): Observation {
  const own = client as Partial<ObservedClient>;
  const { apiKey, authToken } = (given ?? {}) as { readonly apiKey?: unknown; readonly authToken?: unknown };
  const isOther = (apiKey ?? own.apiKey) !== own.apiKey || (authToken ?? own.authToken) !== own.authToken;
  return isOther ? { ...observation, key: UNNAMED_KEY } : observation;
}

/** Observes what a client's own `withOptions` gave, which a subclass may have instrumented, frozen or not made at all. */
function observeCopy(copy: unknown, observation: Observation, retries: Retries | null): void {
  try {
    if (missingParts(copy).length > 0 || Object.hasOwn(copy as object, ATTACHED)) return;
    if (attach(copy as InstrumentableClient, observation, retries)) return;
    observation.onError('middleware', new TypeError('a copy of the client cannot be observed'));
  } catch (error) {
    observation.onError('middleware', error);
  }
}

/** Unless the program has set another since. */
function restoreRetries(client: InstrumentableClient, { ofPolicy, own }: Retries): void {
  if (client.maxRetries === ofPolicy) Object.assign(client, { maxRetries: own });
}

/** What of a client its calls are observed by. SDK 0.103 was the first to have all of it. */
const NEEDED = ['middleware', 'withOptions', 'fetchWithTimeout', 'backendMiddleware'] as const;

const quoted = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ');

function checkRuntime(client: unknown): void {
  const tooOld = nodeProblem();
  if (tooOld !== null) throw new ConfigurationError('PLIMSOLL_NODE_TOO_OLD', [tooOld]);
  const missing = missingParts(client);
  if (missing.length > 0) {
    const other = clientProblem(client);
    if (other !== null) throw new ConfigurationError('PLIMSOLL_NOT_A_CLIENT', [other]);
    throw new ConfigurationError('PLIMSOLL_SDK_TOO_OLD', [
      {
        kind: 'too_old',
        field: 'client',
        expected: `a client that has ${quoted(NEEDED)}, as those of @anthropic-ai/sdk 0.103 and later have`,
        got: `a client without ${quoted(missing)}`,
        advice: 'install @anthropic-ai/sdk@^1, or pass `fetch: instrumentFetch(fetch)` to the client',
      },
    ]);
  }
  if (!Object.isExtensible(client)) throw closedClient();
}

/** What of a client that it needs to be observed is not there. */
function missingParts(client: unknown): readonly string[] {
  const given = (client ?? {}) as Readonly<Record<string, unknown>>;
  return NEEDED.filter((name) => typeof given[name] !== (name === 'middleware' ? 'object' : 'function'));
}

function closedClient(): ConfigurationError {
  return new ConfigurationError('PLIMSOLL_CLIENT_FROZEN', [
    {
      kind: 'invalid',
      field: 'client',
      expected: 'a client that can be instrumented in place',
      got: 'one that is frozen, sealed or not extensible, or a Proxy that keeps changes from its calls',
      advice: 'instrument the client before you freeze it or put a Proxy in front of it',
    },
  ]);
}
