import type { ExhaustedLimit, RefusalName } from './errors.ts';
import catalogue from './models.json' with { type: 'json' };
import table from './tiers.json' with { type: 'json' };

/**
 * The names of the tiers that the simulator knows; `tier1` to `tier4` were in force until June 2026. Written out, because
 * a declaration file that took them from the JSON would not compile for strict users.
 */
export const TIER_NAMES = [
  'start',
  'build',
  'scale',
  'custom',
  'tier1',
  'tier2',
  'tier3',
  'tier4',
] as const satisfies readonly (keyof typeof table.tiers)[];

export type TierName = (typeof TIER_NAMES)[number];

/** Limits of one model class, per minute. What is not given is as in the tier. */
export interface ClassLimits {
  readonly requests?: number;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
}

/** One limit: a bucket that holds a minute's worth and is refilled all the time. */
class Bucket {
  readonly perMinute: number;
  #available: number;
  #seenAtMs: number;

  constructor(perMinute: number, nowMs: number) {
    this.perMinute = perMinute;
    this.#available = perMinute;
    this.#seenAtMs = nowMs;
  }

  /** Below zero where more was produced than there was: output cannot be refused half way. */
  available(nowMs: number): number {
    const refilled = (Math.max(0, nowMs - this.#seenAtMs) * this.perMinute) / 60_000;
    this.#available = Math.min(this.perMinute, this.#available + refilled);
    this.#seenAtMs = Math.max(this.#seenAtMs, nowMs);
    return this.#available;
  }

  take(amount: number, nowMs: number): void {
    this.#available = this.available(nowMs) - amount;
  }

  /** Milliseconds until so much is there. */
  waitMs(amount: number, nowMs: number): number {
    return (Math.max(0, Math.min(amount, this.perMinute) - this.available(nowMs)) * 60_000) / this.perMinute;
  }
}

/** Whose limits, and which. */
export interface LimitScope {
  readonly organization: string | null;
  /** A model class, `batch` or `count_tokens`. */
  readonly class: string;
  readonly fast: boolean;
}

/** A limit that said no. */
export interface LimitRefusal {
  readonly refusal: RefusalName;
  readonly perMinute: number;
  readonly retryAfterSeconds: number;
}

type Dimension = 'requests' | 'input' | 'output';

type Buckets = Readonly<Record<Dimension, Bucket>>;

/**
 * The token buckets of every organization: one set for each model class, one for fast mode, one each for batches and
 * count_tokens. The state is created when it is first asked for.
 */
export class Limits {
  readonly #tier: TierName;
  readonly #overrides: Readonly<Record<string, ClassLimits>>;
  readonly #sets = new Map<string, Buckets>();

  constructor(tier: TierName, overrides: Readonly<Record<string, ClassLimits>>) {
    this.#tier = tier;
    this.#overrides = overrides;
  }

  /** The tier's cap in USD a calendar month; `null` for none. */
  get monthlyCapUsd(): number | null {
    return table.tiers[this.#tier].monthlyCapUsd;
  }

  /** Requests that one batch may have, and that all batches of an organization may have in the queue. */
  get batch(): { readonly perBatch: number; readonly queued: number } {
    return table.tiers[this.#tier].batch;
  }

  /**
   * Takes one request and its input tokens, or says which limit refused it and takes nothing.
   * `inputTokens` are those that count: not read from the cache.
   */
  admit(scope: LimitScope, inputTokens: number, nowMs: number): LimitRefusal | null {
    const buckets = this.#buckets(scope, nowMs);
    const refused = (
      [
        ['requests', 1, 'requests_limit'],
        ['input', inputTokens, scope.fast ? 'fast_mode_limit' : 'input_tokens_limit'],
        ['output', 1, scope.fast ? 'fast_mode_limit' : 'output_tokens_limit'],
      ] as const
    ).find(([dimension, amount]) => buckets[dimension].available(nowMs) < amount);
    if (refused !== undefined) {
      const [dimension, amount, refusal] = refused;
      const bucket = buckets[dimension];
      const retryAfterSeconds = Math.max(1, Math.ceil(bucket.waitMs(amount, nowMs) / 1000));
      return { refusal, perMinute: bucket.perMinute, retryAfterSeconds };
    }
    buckets.requests.take(1, nowMs);
    buckets.input.take(inputTokens, nowMs);
    return null;
  }

  /** Output counts as it is produced. */
  produced(scope: LimitScope, outputTokens: number, nowMs: number): void {
    this.#buckets(scope, nowMs).output.take(outputTokens, nowMs);
  }

  /** What a limit allows a minute. */
  perMinute(scope: LimitScope, exhausted: ExhaustedLimit, nowMs: number): number {
    return this.#buckets(scope, nowMs)[DIMENSION_OF[exhausted]].perMinute;
  }

  /** The rate-limit headers of a response; `exhausted` is shown as used up, whatever the bucket says. */
  headers(scope: LimitScope, nowMs: number, exhausted?: ExhaustedLimit): Record<string, string> {
    // A refusal of fast mode that was asked for shows the pool of fast mode, on whatever request.
    if (exhausted === 'fast_input_tokens' && !scope.fast)
      return this.headers({ ...scope, fast: true }, nowMs, exhausted);
    const buckets = this.#buckets(scope, nowMs);
    const used = exhausted === undefined ? null : DIMENSION_OF[exhausted];
    const shown = (dimension: Dimension): Shown => show(buckets[dimension], nowMs, used === dimension);
    const [requests, input, output] = [shown('requests'), shown('input'), shown('output')];
    if (REQUESTS_ONLY.has(scope.class)) return headersOf('anthropic-ratelimit-requests', requests);
    const family = scope.fast ? 'anthropic-fast' : 'anthropic-ratelimit';
    return {
      ...headersOf('anthropic-ratelimit-requests', requests),
      ...headersOf(`${family}-input-tokens`, inThousands(input)),
      ...headersOf(`${family}-output-tokens`, inThousands(output)),
      ...(!scope.fast && headersOf('anthropic-ratelimit-tokens', both(inThousands(input), inThousands(output)))),
    };
  }

  #buckets(scope: LimitScope, nowMs: number): Buckets {
    const name = `${scope.organization} ${scope.class} ${scope.fast ? 'fast' : 'standard'}`;
    const known = this.#sets.get(name);
    if (known !== undefined) return known;
    const { requests, inputTokens, outputTokens } = this.#perMinute(scope);
    const buckets = {
      requests: new Bucket(requests, nowMs),
      input: new Bucket(inputTokens, nowMs),
      output: new Bucket(outputTokens, nowMs),
    };
    this.#sets.set(name, buckets);
    return buckets;
  }

  #perMinute(scope: LimitScope): Required<ClassLimits> {
    const own = this.#overrides[scope.fast ? 'fast' : scope.class] ?? this.#overrides['other'];
    return { ...tierLimits(table.tiers[this.#tier], scope), ...own };
  }
}

function tierLimits(tier: Tier, scope: LimitScope): Required<ClassLimits> {
  const [requests = 0, input = 0, output = 0] = tier.limits[scope.class] ?? tier.limits['other'] ?? [];
  const [fastInput = 0, fastOutput = 0] = tier.fast;
  return {
    requests: scope.class === 'batch' ? tier.batch.requests : requests,
    inputTokens: scope.fast ? fastInput : input,
    outputTokens: scope.fast ? fastOutput : output,
  };
}

interface Tier {
  readonly limits: Readonly<Record<string, readonly number[]>>;
  readonly fast: readonly number[];
  readonly batch: { readonly requests: number };
}

const DIMENSION_OF: Readonly<Record<ExhaustedLimit, Dimension>> = {
  requests: 'requests',
  input_tokens: 'input',
  output_tokens: 'output',
  fast_input_tokens: 'input',
};

/** These endpoints have a limit of requests and nothing else. */
const REQUESTS_ONLY: ReadonlySet<string> = new Set(['batch', 'count_tokens']);

interface Shown {
  readonly limit: number;
  readonly remaining: number;
  readonly fullAtMs: number;
}

function show(bucket: Bucket, nowMs: number, exhausted: boolean): Shown {
  const remaining = exhausted ? 0 : Math.max(0, Math.floor(bucket.available(nowMs)));
  const missing = exhausted ? bucket.perMinute : bucket.perMinute - bucket.available(nowMs);
  return { limit: bucket.perMinute, remaining, fullAtMs: nowMs + (missing * 60_000) / bucket.perMinute };
}

/** Remaining tokens are told to the nearest thousand. */
function inThousands(shown: Shown): Shown {
  return { ...shown, remaining: Math.round(shown.remaining / 1000) * 1000 };
}

/** In the recordings the common limit is the sum, and its reset the earlier of the two. */
function both(input: Shown, output: Shown): Shown {
  return {
    limit: input.limit + output.limit,
    remaining: input.remaining + output.remaining,
    fullAtMs: Math.min(input.fullAtMs, output.fullAtMs),
  };
}

/** The reset is a whole second, in the API's RFC 3339 form without fractions. */
function headersOf(name: string, shown: Shown): Record<string, string> {
  const fullAt = new Date(Math.ceil(shown.fullAtMs / 1000) * 1000).toISOString().replace('.000Z', 'Z');
  return {
    [`${name}-limit`]: String(shown.limit),
    [`${name}-remaining`]: String(shown.remaining),
    [`${name}-reset`]: fullAt,
  };
}

/** A model that the simulator serves. Figures and their sources are in models.json. */
export interface SimulatedModel {
  /** The id that answers carry; where it is dated, `alias` is the short name that requests may use. */
  readonly id: string;
  readonly alias?: string;
  readonly name: string;
  readonly line: string | null;
  /** Models of one class share their rate limits. */
  readonly class: string;
  /** Day of release, UTC. */
  readonly created: string;
  /** Announced end of life, UTC; it is shown in the models list, and requests are served all the same. */
  readonly retires?: string;
  /** What `speed: "fast"` does: it is fast, it is standard without a word, or it is a 400. */
  readonly fast: string;
  /** Whether a request may choose `inference_geo`. */
  readonly geo: boolean;
}

const MODELS: readonly SimulatedModel[] = catalogue.models;

const BY_NAME = new Map(
  MODELS.flatMap((model) => [model.id, model.alias ?? model.id].map((name) => [name, model] as const)),
);

/** The groups that share limits. */
export const MODEL_CLASSES: readonly string[] = [...new Set(MODELS.map((model) => model.class))];

/** The model of that id or alias; `undefined` where there is none. */
export function modelNamed(name: string): SimulatedModel | undefined {
  return BY_NAME.get(name);
}

/** A model nobody knows, served under any name when the simulator was told to: its own class, no fast mode. */
export function unlistedModel(name: string): SimulatedModel {
  return { id: name, name, line: null, class: name, created: '1970-01-01', fast: 'refused', geo: true };
}

/** All models, newest first, as `GET /v1/models` writes them. `nowMs` decides which are retired. */
export function modelList(nowMs: number): readonly Record<string, unknown>[] {
  return MODELS.map((model) => modelInfo(model, nowMs));
}

/** One model as `GET /v1/models/{id}` writes it. */
export function modelInfo(model: SimulatedModel, nowMs: number): Record<string, unknown> {
  const retiresAt = model.retires === undefined ? null : `${model.retires}T00:00:00Z`;
  const retired = retiresAt !== null && Date.parse(retiresAt) <= nowMs;
  return {
    type: 'model',
    id: model.id,
    display_name: model.name,
    created_at: `${model.created}T00:00:00Z`,
    line: model.line,
    lifecycle: retired ? 'retired' : retiresAt === null ? 'active' : 'deprecated',
    deprecated_at: null,
    retires_at: retiresAt,
    max_input_tokens: null,
    max_tokens: null,
    capabilities: null,
  };
}
