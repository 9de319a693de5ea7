import { Bucket, type LimiterOptions } from './bucket.ts';
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

/** A usage tier, as the API's documentation names it. */
export type TierName = (typeof TIER_NAMES)[number];

/** Limits of one model class per minute. Default for each: the tier's. */
export interface ClassLimits {
  readonly requests?: number;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
}

/** The limits that apply: whose, and of which class. */
export interface LimitScope {
  readonly organization: string | null;
  /** A model class, `batch` or `count_tokens`. */
  readonly class: string;
  readonly fast: boolean;
}

/** What a request takes when it is let in. */
interface Wanted {
  readonly inputTokens: number;
  /** Taken where output is charged at the start. */
  readonly maxTokens?: number;
}

/** A refusal by a limit. */
interface LimitRefusal {
  readonly refusal: RefusalName;
  readonly perMinute: number;
  readonly retryAfterSeconds: number;
}

type Dimension = 'requests' | 'input' | 'output';

/** A limit whose headers show nothing of it left, or all of it. */
export interface ScriptedLimit {
  readonly limit: ExhaustedLimit;
  readonly left: 'none' | 'all';
}

type Buckets = Readonly<Record<Dimension, Bucket>>;

/**
 * The token buckets of all organizations: one set for each model class, one for fast mode, and one each for batches and
 * count_tokens. A set is created when it is first needed.
 */
export class Limits {
  readonly #tier: TierName;
  #overrides: Readonly<Record<string, ClassLimits>>;
  readonly #limiter: LimiterOptions;
  readonly #sets = new Map<string, { readonly scope: LimitScope; readonly buckets: Buckets }>();

  constructor(tier: TierName, overrides: Readonly<Record<string, ClassLimits>>, limiter: LimiterOptions = {}) {
    this.#tier = tier;
    this.#overrides = overrides;
    this.#limiter = limiter;
  }

  /** Puts other limits in force, as a change of the tier does. What a bucket holds above its new limit is lost. */
  change(overrides: Readonly<Record<string, ClassLimits>>, nowMs: number): void {
    this.#overrides = overrides;
    for (const { scope, buckets } of this.#sets.values()) {
      const { requests, inputTokens, outputTokens } = this.#perMinute(scope);
      buckets.requests.change(requests, nowMs);
      buckets.input.change(inputTokens, nowMs);
      buckets.output.change(outputTokens, nowMs);
    }
  }

  /** The tier's cap in US dollars per calendar month; `null` for none. */
  get monthlyCapUsd(): number | null {
    return table.tiers[this.#tier].monthlyCapUsd;
  }

  /** Most requests in one batch, and in all batches of an organization in the queue. */
  get batch(): { readonly perBatch: number; readonly queued: number } {
    return table.tiers[this.#tier].batch;
  }

  /**
   * Takes one request and its input tokens, or returns the refusal and takes nothing. `inputTokens` are those that count
   * towards the limit. `maxTokens` are taken too where output is charged at the start; `endOutput` gives back the rest.
   */
  admit(scope: LimitScope, { inputTokens, maxTokens = 1 }: Wanted, nowMs: number): LimitRefusal | null {
    const buckets = this.#buckets(scope, nowMs);
    const isAtStart = this.#limiter.output === 'at_start';
    const refused = (
      [
        ['requests', 1, 'requests_limit'],
        ['input', inputTokens, scope.fast ? 'fast_mode_limit' : 'input_tokens_limit'],
        ['output', isAtStart ? maxTokens : 1, scope.fast ? 'fast_mode_limit' : 'output_tokens_limit'],
      ] as const
    ).find(([dimension, amount]) => !buckets[dimension].fits(amount, nowMs));
    if (refused !== undefined) {
      const [dimension, amount, refusal] = refused;
      const bucket = buckets[dimension];
      const retryAfterSeconds = Math.max(1, Math.ceil(bucket.waitMs(amount, nowMs) / 1000));
      return { refusal, perMinute: bucket.perMinute, retryAfterSeconds };
    }
    buckets.requests.take(1, nowMs);
    buckets.input.take(inputTokens, nowMs);
    if (isAtStart) buckets.output.take(maxTokens, nowMs);
    return null;
  }

  /** Takes output tokens as they are produced. */
  addOutput(scope: LimitScope, outputTokens: number, nowMs: number): void {
    if (this.#limiter.output !== 'at_start') this.#buckets(scope, nowMs).output.take(outputTokens, nowMs);
  }

  /** Gives back what was charged at the start and not produced. */
  endOutput(scope: LimitScope, unusedTokens: number, nowMs: number): void {
    if (this.#limiter.output === 'at_start') this.#buckets(scope, nowMs).output.take(-unusedTokens, nowMs);
  }

  /** Units per minute of a limit. */
  perMinute(scope: LimitScope, exhausted: ExhaustedLimit, nowMs: number): number {
    return this.#buckets(scope, nowMs)[DIMENSION_OF[exhausted]].perMinute;
  }

  /** The rate-limit headers of a response. The limit of `scripted` is shown as that says, whatever its bucket holds. */
  headers(scope: LimitScope, nowMs: number, scripted?: ScriptedLimit): Record<string, string> {
    // A scripted refusal of fast mode shows the fast-mode pool on any request.
    if (scripted?.limit === 'fast_input_tokens' && !scope.fast)
      return this.headers({ ...scope, fast: true }, nowMs, scripted);
    const buckets = this.#buckets(scope, nowMs);
    const changed = scripted === undefined ? null : DIMENSION_OF[scripted.limit];
    const shown = (dimension: Dimension): HeaderFigures =>
      headerFigures(buckets[dimension], nowMs, changed === dimension ? scripted?.left : undefined);
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
    if (known !== undefined) return known.buckets;
    const { requests, inputTokens, outputTokens } = this.#perMinute(scope);
    const buckets = {
      requests: new Bucket(requests, nowMs, this.#limiter),
      input: new Bucket(inputTokens, nowMs, this.#limiter),
      output: new Bucket(outputTokens, nowMs, this.#limiter),
    };
    this.#sets.set(name, { scope, buckets });
    return buckets;
  }

  /** The limits per minute of a model class. */
  perMinuteOf(modelClass: string): Required<ClassLimits> {
    return this.#perMinute({ organization: null, class: modelClass, fast: false });
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

/** Classes of endpoints that only limit requests. */
const REQUESTS_ONLY: ReadonlySet<string> = new Set(['batch', 'count_tokens']);

interface HeaderFigures {
  readonly limit: number;
  readonly remaining: number;
  readonly fullAtMs: number;
}

function headerFigures(bucket: Bucket, nowMs: number, left?: 'none' | 'all'): HeaderFigures {
  const { perMinute } = bucket;
  const available = left === 'none' ? 0 : left === 'all' ? perMinute : bucket.available(nowMs);
  const remaining = Math.max(0, Math.floor(available));
  return { limit: perMinute, remaining, fullAtMs: bucket.fullAtMs(available, nowMs) };
}

/** Rounds remaining tokens to the nearest thousand, as the API does. */
function inThousands(shown: HeaderFigures): HeaderFigures {
  return { ...shown, remaining: Math.round(shown.remaining / 1000) * 1000 };
}

/** The combined limit: in the recordings it is the sum, and its reset is the earlier of the two. */
function both(input: HeaderFigures, output: HeaderFigures): HeaderFigures {
  return {
    limit: input.limit + output.limit,
    remaining: input.remaining + output.remaining,
    fullAtMs: Math.min(input.fullAtMs, output.fullAtMs),
  };
}

/** The three headers of a limit. The reset is a whole second, in RFC 3339 without fractions. */
function headersOf(name: string, shown: HeaderFigures): Record<string, string> {
  const fullAt = new Date(Math.ceil(shown.fullAtMs / 1000) * 1000).toISOString().replace('.000Z', 'Z');
  return {
    [`${name}-limit`]: String(shown.limit),
    [`${name}-remaining`]: String(shown.remaining),
    [`${name}-reset`]: fullAt,
  };
}

/** A model that the simulator serves. Figures and their sources are in models.json. */
export interface SimulatedModel {
  /** The id in responses. If it is dated, `alias` is the short name that requests may use. */
  readonly id: string;
  readonly alias?: string;
  readonly name: string;
  readonly line: string | null;
  /** Models of one class share their rate limits. */
  readonly class: string;
  /** Day of release, UTC. */
  readonly created: string;
  /** Announced end of life, UTC. The models list shows it; requests are served all the same. */
  readonly retires?: string;
  /** The effect of `speed: "fast"`: `served` is fast, `refused` is a 400, anything else is silently standard. */
  readonly fast: string;
  /** True if a request may choose `inference_geo`. */
  readonly geo: boolean;
}

const MODELS: readonly SimulatedModel[] = catalogue.models;

const BY_NAME = new Map(
  MODELS.flatMap((model) => [model.id, model.alias ?? model.id].map((name) => [name, model] as const)),
);

/** Groups of models that share limits. */
export const MODEL_CLASSES: readonly string[] = [...new Set(MODELS.map((model) => model.class))];

/** Ids of models by the class whose limits they share. */
export function modelsByClass(): ReadonlyMap<string, readonly string[]> {
  return new Map(
    MODEL_CLASSES.map((name) => [
      name,
      MODELS.filter((model) => model.class === name).flatMap(({ id, alias }) =>
        alias === undefined ? [id] : [id, alias],
      ),
    ]),
  );
}

/** Finds a model by its id or alias. */
export function modelNamed(name: string): SimulatedModel | undefined {
  return BY_NAME.get(name);
}

/** A model for an unknown name (`unknownModels: 'serve'`): a class of its own, without fast mode. */
export function unlistedModel(name: string): SimulatedModel {
  return { id: name, name, line: null, class: name, created: '1970-01-01', fast: 'refused', geo: true };
}

/** All models, newest first, in the form of `GET /v1/models`. `nowMs` decides which are retired. */
export function modelList(nowMs: number): readonly Record<string, unknown>[] {
  return MODELS.map((model) => modelInfo(model, nowMs));
}

/** One model in the form of `GET /v1/models/{id}`. */
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
