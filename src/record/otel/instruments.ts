import type { Attributes, Counter, Histogram, Meter } from '@opentelemetry/api';
import type { Platform } from '../../platform.ts';
import { MESSAGE_OPERATIONS, type Call, type Outcome, type Tokens } from '../../vocabulary.ts';
import { OUTPUT_TOKEN_SECONDS } from '../metrics/metric.ts';
import { OTHER, fitForLabel } from '../metrics/store.ts';

interface CounterDeclaration {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
}

interface HistogramDeclaration extends CounterDeclaration {
  readonly boundaries: readonly number[];
}

/** Boundaries according to the conventions for generative AI, as of November 2026. */
const TOKENS = Array.from({ length: 14 }, (_, power) => 4 ** power);

const SECONDS = Array.from({ length: 14 }, (_, power) => 2 ** power / 100);

/**
 * The client metrics of the conventions for generative AI, and those that the conventions do not name, under
 * `plimsoll.`. There is no `gen_ai.client.operation.time_per_output_chunk`: it needs the time of every chunk, which
 * plimsoll does not measure; `plimsoll.client.time_per_output_token` has the mean of each stream instead.
 */
const HISTOGRAMS = {
  tokenUsage: {
    name: 'gen_ai.client.token.usage',
    unit: '{token}',
    description: 'Number of input and output tokens used, as the server reported them.',
    boundaries: TOKENS,
  },
  duration: {
    name: 'gen_ai.client.operation.duration',
    unit: 's',
    description: 'Start of a call to its last byte, retries and the waits between them included.',
    boundaries: SECONDS,
  },
  timeToFirstChunk: {
    name: 'gen_ai.client.operation.time_to_first_chunk',
    unit: 's',
    description: 'Streams: start of a call to its first content, retries and waits included.',
    boundaries: SECONDS,
  },
  timePerOutputToken: {
    name: 'plimsoll.client.time_per_output_token',
    unit: 's',
    description: 'Streams: mean time of an output token after the first.',
    boundaries: OUTPUT_TOKEN_SECONDS,
  },
  attemptDuration: {
    name: 'plimsoll.client.attempt.duration',
    unit: 's',
    description: 'HTTP request sent to response headers, or to the failure.',
    boundaries: SECONDS,
  },
} as const satisfies Readonly<Record<string, HistogramDeclaration>>;

const COUNTERS = {
  calls: { name: 'plimsoll.client.calls', unit: '{call}', description: 'Finished calls, by how they ended.' },
  tokens: {
    name: 'plimsoll.client.tokens',
    unit: '{token}',
    description: 'Tokens by kind. The kinds add up; estimated output is one of them.',
  },
  cost: { name: 'plimsoll.client.cost', unit: '{USD}', description: 'Estimated cost, by what it was for.' },
  costToOthers: {
    name: 'plimsoll.client.cost_billed_to_others',
    unit: '{USD}',
    description: 'Estimated cost that another organization pays, because of the billing policy of the request.',
  },
  unpriced: {
    name: 'plimsoll.client.unpriced',
    unit: '{call}',
    description: 'Calls that used tokens of a model without a known price.',
  },
  batchResults: {
    name: 'plimsoll.client.batch_results',
    unit: '{result}',
    description: 'Results of batches, each counted when it is first read.',
  },
  attempts: { name: 'plimsoll.client.attempts', unit: '{request}', description: 'HTTP requests, by what came.' },
  retries: {
    name: 'plimsoll.client.retries',
    unit: '{request}',
    description: 'HTTP requests after the first of a call, by what the one before came to.',
  },
  retryWait: {
    name: 'plimsoll.client.retry.wait',
    unit: 's',
    description: 'Time between the HTTP requests of a call.',
  },
  retriesDenied: {
    name: 'plimsoll.client.retries_denied',
    unit: '{request}',
    description: "Refused requests that the retry policy did not let the SDK's loop send again, by why.",
  },
  fallbacks: {
    name: 'plimsoll.client.model_fallbacks',
    unit: '{call}',
    description: 'Calls that continued on another model, by who chose it: the retry policy or the server.',
  },
  refusals: {
    name: 'plimsoll.client.refusals',
    unit: '{refusal}',
    description: 'Refusals of a model, by category and whether they are billed.',
  },
  cacheMisses: {
    name: 'plimsoll.client.cache_misses',
    unit: '{call}',
    description: 'Calls that missed the prompt cache, by the reason in diagnostics.',
  },
  uncertainCosts: {
    name: 'plimsoll.client.uncertain_costs',
    unit: '{call}',
    description: 'Calls whose recorded cost may not be what is billed, by what is not known of them.',
  },
  rateLimited: {
    name: 'plimsoll.client.rate_limited',
    unit: '{request}',
    description: 'Requests refused by a rate limit, by reason: 429s, and errors in the body of a 200.',
  },
  spendLimited: {
    name: 'plimsoll.client.spend_limited',
    unit: '{request}',
    description: 'Requests refused for spend, by whose limit it was. A 429 of the tier is in rate_limited too.',
  },
} as const satisfies Readonly<Record<string, CounterDeclaration>>;

/** The instruments that `otelMetrics()` feeds. */
export type Instruments = Readonly<Record<keyof typeof HISTOGRAMS, Histogram> & Record<keyof typeof COUNTERS, Counter>>;

export function instruments(meter: Meter): Instruments {
  const made = [
    ...Object.entries<HistogramDeclaration>(HISTOGRAMS).map(([key, { name, boundaries, ...rest }]) => [
      key,
      meter.createHistogram(name, { ...rest, advice: { explicitBucketBoundaries: [...boundaries] } }),
    ]),
    ...Object.entries<CounterDeclaration>(COUNTERS).map(([key, { name, ...rest }]) => [
      key,
      meter.createCounter(name, rest),
    ]),
  ];
  return Object.fromEntries(made) as Instruments;
}

/**
 * Names and sums of the OpenTelemetry conventions for generative AI, as of November 2026
 * (https://github.com/open-telemetry/semantic-conventions-genai), in the spelling that the SDK's own spans use (1.14.0).
 * `plimsoll.*` is what the conventions have no name for.
 */

export const ERROR_TYPE = 'error.type';

export const OPERATION_NAME = 'gen_ai.operation.name';

export const PROVIDER_NAME = 'gen_ai.provider.name';

export const REQUEST_MODEL = 'gen_ai.request.model';

export const RESPONSE_MODEL = 'gen_ai.response.model';

export const TOKEN_TYPE = 'gen_ai.token.type';

const PROVIDERS: Partial<Readonly<Record<Platform, string>>> = { bedrock: 'aws.bedrock', vertex: 'gcp.vertex_ai' };

/** The provider of a call as the conventions and the SDK's own spans name it: `anthropic` wherever Anthropic operates it. */
export function providerName({ endpoint }: Call): string {
  return (endpoint && PROVIDERS[endpoint.platform]) ?? 'anthropic';
}

/** The prefix of a declared attribution label. */
export const ATTRIBUTION = 'plimsoll.attribution.';

/** Tells whether the conventions name the call a `chat`. They do not name the other operations of the API. */
export function isChat({ operation }: Call): boolean {
  return MESSAGE_OPERATIONS.has(operation);
}

/** Returns a text from a request or a response if it can be shown; else `other`, for a key too. */
export function shown(text: string): string {
  return fitForLabel(text) ? text : OTHER;
}

/** Names that were found fit. */
const fitNames = new Set<string>();

const MOST_FIT_NAMES = 200;

/** The same of a name that comes with many calls: a model, a stop reason, a service tier. */
export function shownName(name: string): string {
  if (fitNames.has(name)) return name;
  if (fitNames.size < MOST_FIT_NAMES && fitForLabel(name)) fitNames.add(name);
  return shown(name);
}

/** Tells whether an outcome is an error. It is not if the caller got what it asked for, or stopped asking. */
const IS_ERROR: Readonly<Record<Outcome, boolean>> = {
  ok: false,
  rate_limited: true,
  spend_limited: true,
  overloaded: true,
  server_error: true,
  timeout: true,
  connection_error: true,
  invalid_request: true,
  unauthorized: true,
  not_found: true,
  too_large: true,
  out_of_credit: true,
  payment_required: true,
  cancelled: false,
  stream_error: true,
  truncated: true,
  abandoned: false,
  blocked: true,
  failed_over: true,
};

/** `error.type`: the outcome of a failed call; absent for others. */
export function errorType({ outcome }: Call): Outcome | null {
  return outcome !== null && IS_ERROR[outcome] ? outcome : null;
}

/** The base URL that was asked for last, which is that of nearly every call. */
let lastServer: { readonly baseUrl: string; readonly attributes: Readonly<Attributes> } | null = null;

/** `server.address` and `server.port` of a base URL, and nothing else of it. */
export function serverAttributes(baseUrl: string | undefined): Readonly<Attributes> {
  if (baseUrl === undefined) return {};
  if (lastServer?.baseUrl !== baseUrl) lastServer = { baseUrl, attributes: addressOf(URL.parse(baseUrl)) };
  return lastServer.attributes;
}

function addressOf(url: URL | null): Attributes {
  if (url === null) return {};
  const standardPort = url.protocol === 'http:' ? 80 : 443;
  return {
    'server.address': url.hostname.replace(/^\[(.*)\]$/, '$1'),
    'server.port': url.port === '' ? standardPort : Number(url.port),
  };
}

/** The declared labels of a call. */
export function attributionAttributes({ attribution }: Call, declared: readonly string[]): Attributes {
  const attributes: Attributes = {};
  for (const name of declared) {
    const value = attribution[name];
    if (value !== undefined && value !== '') attributes[`${ATTRIBUTION}${name}`] = shown(value);
  }
  return attributes;
}

/** Tokens in the sums of the conventions: input includes what came from and went to caches. */
interface TokenSums {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  /** Output as the server reported it. */
  readonly output: number;
  readonly estimatedOutput: number;
}

export function tokenSums(tokens: Tokens): TokenSums {
  const cacheWrite = tokens.cache_write_5m + tokens.cache_write_1h;
  return {
    input: tokens.input + tokens.cache_read + cacheWrite,
    cacheRead: tokens.cache_read,
    cacheWrite,
    output: tokens.output,
    estimatedOutput: tokens.output_estimated,
  };
}
