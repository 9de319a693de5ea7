import type { Call, CallCost, GuardedRequest } from '../vocabulary.ts';

/** A price of one token, as a fraction of nano-dollars. */
interface TokenRate {
  readonly fastNum: number;
  readonly fastDen: number;
}

interface TokenRates {
  readonly input: TokenRate;
  readonly cache_write_1h: TokenRate;
  readonly output: TokenRate;
}

interface TokenCard {
  readonly standard: TokenRates;
  readonly batch: TokenRates | null;
}

/** What budgets need of a price table: the one of `instrument()` is one. */
export interface BudgetPrices {
  canonicalModel(id: string): string;
  priceAt(
    model: string,
    whenMs: number,
  ): {
    readonly cards: {
      readonly standard: TokenCard;
      readonly fast: TokenCard | null;
      readonly long_context: TokenCard | null;
    };
    readonly longContextAboveTokens: number;
  } | null;
}

/** What a token costs where a request would run, in nano-dollars, for estimates. */
export interface ExpectedRates {
  readonly input: number;
  /** The dearest way to put a token into the prompt. */
  readonly dearestInput: number;
  readonly output: number;
}

/** How a request would be charged, as far as it is known beforehand. */
export interface Manner {
  readonly model: string;
  readonly atMs: number;
  readonly promptTokens: number;
  readonly speed: unknown;
  readonly batch: boolean;
}

/** `null` where the table has no price for it. */
export function expectedRates(prices: BudgetPrices, manner: Manner): ExpectedRates | null {
  const price = prices.priceAt(manner.model, manner.atMs);
  if (price === null) return null;
  const isLong = manner.promptTokens > price.longContextAboveTokens;
  const card = price.cards[manner.speed === 'fast' ? 'fast' : isLong ? 'long_context' : 'standard'];
  const rates = manner.batch ? card?.batch : card?.standard;
  if (!rates) return null;
  return {
    input: perToken(rates.input),
    dearestInput: perToken(rates.cache_write_1h),
    output: perToken(rates.output),
  };
}

function perToken({ fastNum, fastDen }: TokenRate): number {
  return fastNum / fastDen;
}

/**
 * Characters of a request for each token of its prompt, to begin with: Anthropic's glossary has about 3.5 of English
 * text, and models since Opus 4.7 make about 30 % more tokens of it (pricing page, 2026-08).
 */
export const CHARACTERS_PER_TOKEN = 2.7;

/** The largest image: 92 x 52 patches of 28 pixels, a token each, as models since Opus 4.7 read them (vision page, 2026). */
const TOKENS_PER_IMAGE = 4_784;

/** A page of a PDF: its text alone has 1,500 to 3,000 (page on PDF support, 2025). */
const TOKENS_PER_PAGE = 3_000;

/** Base64 of a page of a PDF: a guess, with which a scan is taken for few pages and a bare text for more than it has. */
const CHARACTERS_PER_PAGE = 75_000;

/** A smaller body has no room for an image or a document that matters, and is not searched for one. */
const SEARCHED_FROM = 20_000;

type Json = Readonly<Record<string, unknown>>;

/**
 * The length of a request in characters, as far as it becomes prompt: base64 data does not count by its characters but
 * by the image or the pages that it is.
 */
export function promptLength({ body, bodyLength }: GuardedRequest): number {
  if (body === null || bodyLength < SEARCHED_FROM) return bodyLength;
  const batch = list(body['requests']).map((request) => object(object(request)['params']));
  const messages = [body, ...batch].flatMap((request) => list(request['messages']));
  return messages.reduce<number>((length, message) => length + correction(object(message)['content']), bodyLength);
}

/** How much longer (or shorter: below 0) the content is as prompt than in characters. */
function correction(content: unknown): number {
  return list(content).reduce<number>((sum, item) => {
    const block = object(item);
    const { type, data } = object(block['source']);
    if (type !== 'base64' || typeof data !== 'string') return sum + correction(block['content']);
    const pages = Math.ceil(data.length / CHARACTERS_PER_PAGE);
    const tokens = block['type'] === 'image' ? TOKENS_PER_IMAGE : pages * TOKENS_PER_PAGE;
    return sum + tokens * CHARACTERS_PER_TOKEN - data.length;
  }, 0);
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

/** The ratio of two sums in which the past fades. */
interface Sums {
  used: number;
  asked: number;
}

export interface RunningRatiosOptions {
  /** The ratio of what was never seen. */
  readonly start: number;
  /** How many observations the start is worth. */
  readonly startWeight: number;
  /** What one observation leaves of those before: 0.95 means that about the last 20 count. */
  readonly keep: number;
  /** How many ratios are kept; the one that was learnt from least recently goes first. */
  readonly most: number;
}

/**
 * What part of what was asked for has been used so far, by name. A ratio of sums and not a mean of ratios, so that
 * expectations made with it add up to what is used.
 */
export class RunningRatios {
  readonly #options: RunningRatiosOptions;
  readonly #sums = new Map<string, Sums>();

  constructor(options: RunningRatiosOptions) {
    this.#options = options;
  }

  of(name: string): number {
    const sums = this.#sums.get(name);
    return sums === undefined ? this.#options.start : sums.used / sums.asked;
  }

  /** `asked` above 0; otherwise nothing is learnt. */
  learn(name: string, used: number, asked: number): void {
    if (!(asked > 0) || !(used >= 0)) return;
    const { start, startWeight, keep, most } = this.#options;
    const sums = this.#sums.get(name) ?? { used: start * startWeight * asked, asked: startWeight * asked };
    this.#sums.delete(name);
    const oldest = this.#sums.size >= most ? this.#sums.keys().next().value : undefined;
    if (oldest !== undefined) this.#sums.delete(oldest);
    sums.used = sums.used * keep + used;
    sums.asked = sums.asked * keep + asked;
    this.#sums.set(name, sums);
  }
}

/** What a call will probably cost on one model. */
export interface EstimatedPart {
  /** Canonical id. */
  readonly model: string;
  /** `null` where the model has no price. */
  readonly nanoUsd: bigint | null;
}

/** What a call will probably cost, and what its truth is compared with when it has ended. */
export interface Estimate {
  readonly parts: readonly EstimatedPart[];
  /** `null` where nothing can be learnt from the call. */
  readonly basis: Basis | null;
}

interface Basis {
  /** Model and route: what is like this call. */
  readonly kind: string;
  /** The prompt in nano-dollars at one token a character. */
  readonly input: number;
  /** `max_tokens` in nano-dollars. */
  readonly output: number;
}

/** Operations that are billed by the token when they are done. Counting tokens, and looking after batches and files, is free. */
const BILLED: ReadonlySet<string> = new Set(['messages.create', 'messages.stream', 'messages.batches.create']);

/**
 * A new route is taken to use half of its `max_tokens`, and its own calls soon outweigh that. All of it would be the
 * worst case, with which a budget that has spent nothing can refuse its first call.
 */
const OUTPUT_START = 0.5;

const LEARNING = { startWeight: 2, keep: 0.95, most: 1_000 } as const;

/** Expects what a call will cost by what calls like it have cost: those of the same model and attribution label `route`. */
export class Estimator {
  readonly #prices: BudgetPrices;
  readonly #input = new RunningRatios({ ...LEARNING, start: 1 / CHARACTERS_PER_TOKEN });
  readonly #output = new RunningRatios({ ...LEARNING, start: OUTPUT_START });

  constructor(prices: BudgetPrices) {
    this.#prices = prices;
  }

  /** The id under which estimates, and costs by the same prices, have a model. */
  canonicalModel(id: string): string {
    return this.#prices.canonicalModel(id);
  }

  /**
   * Never more than the worst case: a token for each character at the dearest way to put it in, and all of `max_tokens`.
   * What server tools will cost is not in it. A batch is the sum of its requests. `null` for what costs nothing.
   */
  estimate(call: Call, request: GuardedRequest): Estimate | null {
    const { operation, requestedModel, maxTokens } = call;
    if (!BILLED.has(operation) && (operation !== 'other' || requestedModel === null)) return null;
    const length = promptLength(request);
    if (operation === 'messages.batches.create') return this.#batch(call, request, length);
    const asked = { call, model: requestedModel ?? '', maxTokens: maxTokens ?? 0, length, body: request.body ?? {} };
    const part = this.#part({ ...asked, batch: false });
    return { parts: [part], basis: part.basis };
  }

  /** Learns from a call that has ended. One that was never answered says nothing about those that are. */
  learn({ basis }: Estimate, cost: CallCost): void {
    if (basis === null || !cost.priced) return;
    let [input, output] = [0, 0];
    for (const { cost: kinds } of cost.parts) {
      if (kinds === null) continue;
      input += kinds.input + kinds.cache_read + kinds.cache_write_5m + kinds.cache_write_1h;
      output += kinds.output + kinds.output_estimated;
    }
    this.#input.learn(basis.kind, input, basis.input);
    this.#output.learn(basis.kind, output, basis.output);
  }

  #batch(call: Call, { body }: GuardedRequest, length: number): Estimate {
    const requests: readonly unknown[] = Array.isArray(body?.['requests']) ? body['requests'] : [];
    const byModel = new Map<string, EstimatedPart>();
    for (const request of requests) {
      const params = ((request ?? {}) as { params?: unknown }).params;
      const one = (typeof params === 'object' && params !== null ? params : {}) as Readonly<Record<string, unknown>>;
      const [model, maxTokens] = [String(one['model']), Number(one['max_tokens'])];
      const share = length / requests.length;
      const part = this.#part({ call, model, maxTokens, length: share, body: one, batch: true });
      byModel.set(part.model, plus(byModel.get(part.model), part));
    }
    return { parts: [...byModel.values()], basis: null };
  }

  #part(asked: Asked): EstimatedPart & { readonly basis: Basis | null } {
    const model = this.canonicalModel(asked.model);
    const kind = `${model} ${asked.call.attribution['route'] ?? ''}`;
    const promptTokens = asked.length * this.#input.of(kind);
    const rates = expectedRates(this.#prices, {
      model,
      atMs: asked.call.startedAtMs,
      promptTokens,
      speed: asked.body['speed'],
      batch: asked.batch,
    });
    if (rates === null) return { model, nanoUsd: null, basis: null };
    return { model, nanoUsd: this.#nanoUsd(asked, rates, kind), basis: basis(asked, rates, kind) };
  }

  #nanoUsd({ length, maxTokens }: Asked, { input, dearestInput, output }: ExpectedRates, kind: string): bigint {
    const prompt = length * Math.min(dearestInput, input * this.#input.of(kind));
    const answer = maxTokens * output * Math.min(1, this.#output.of(kind));
    const nanoUsd = Math.ceil(prompt + answer);
    return Number.isSafeInteger(nanoUsd) && nanoUsd >= 0 ? BigInt(nanoUsd) : 0n;
  }
}

interface Asked {
  readonly call: Call;
  readonly model: string;
  readonly maxTokens: number;
  readonly length: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly batch: boolean;
}

function basis({ length, maxTokens }: Asked, { input, output }: ExpectedRates, kind: string): Basis {
  return { kind, input: length * input, output: maxTokens * output };
}

function plus(sum: EstimatedPart | undefined, { model, nanoUsd }: EstimatedPart): EstimatedPart {
  if (sum === undefined) return { model, nanoUsd };
  return { model, nanoUsd: sum.nanoUsd === null || nanoUsd === null ? null : sum.nanoUsd + nanoUsd };
}
