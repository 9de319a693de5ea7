import type { TracerProvider } from '@opentelemetry/api';
import { ConfigurationError } from '../errors.ts';
import { checkedOptions, unknownOptions, type InstrumentOptions } from './options.ts';
import { nodeProblem } from '../version.ts';
import { observation } from './observation.ts';
import type { Observation } from '../observe/live-call.ts';
import { observe, type ObservedClient } from '../observe/middleware.ts';

/**
 * An Anthropic client of SDK 1.x, those for Bedrock, Vertex and Foundry included, as far as plimsoll needs it.
 * No type of the SDK's is named: it has one set for ES modules and one for CommonJS, and a client may be of either.
 */
export interface InstrumentableClient extends ObservedClient {
  readonly middleware: readonly unknown[];
  /** Set by an SDK that has spans. `tracerProvider`: where it makes them, if not with the registered provider. */
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
 * Node before 22.15 (`PLIMSOLL_NODE_TOO_OLD`), and where the registry has other metrics of plimsoll's names
 * (`PLIMSOLL_METRIC_NAME_TAKEN`).
 *
 * @example
 * const claude = instrument(new Anthropic(), { key: 'prod-checkout-api' });
 */
export function instrument<Client extends InstrumentableClient>(client: Client, given: InstrumentOptions = {}): Client {
  checkRuntime(client);
  const options = checkedOptions(given, unknownOptions(given));
  const { retry, key = 'default' } = options;
  const tries = retry === undefined ? {} : { maxRetries: retry.attempts - 1 };
  const tracerProvider = client.openTelemetry?.tracerProvider;
  return attached(client, tries, observation(options, { keys: [key], tracerProvider }));
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
  const place: { client: Client | null } = { client: null };
  const ours = Object.assign(observe(observation, place), { [OURS]: true });
  const copy = plain.call(client, {
    ...changes,
    middleware: [...chain.filter((middleware) => !isOurs(middleware)), ours],
  }) as Client;
  place.client = copy;
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

function checkRuntime(client: unknown): void {
  const tooOld = nodeProblem();
  if (tooOld !== null) throw new ConfigurationError('PLIMSOLL_NODE_TOO_OLD', [tooOld]);
  const { withOptions, middleware } = (client ?? {}) as Partial<InstrumentableClient>;
  if (typeof withOptions !== 'function' || !Array.isArray(middleware)) {
    throw new ConfigurationError('PLIMSOLL_SDK_TOO_OLD', [
      {
        kind: 'too_old',
        field: 'client',
        expected: 'a client of @anthropic-ai/sdk 1.0 or later, which has `middleware`',
        got: client instanceof Object ? `a ${client.constructor.name} without it` : String(client),
        advice: 'pass `new Anthropic()` and install @anthropic-ai/sdk@^1',
      },
    ]);
  }
}
