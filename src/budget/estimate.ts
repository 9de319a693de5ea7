import type { GuardedRequest } from '../decisions.ts';
import { MESSAGE_OPERATIONS, type Call, type CallCost } from '../vocabulary.ts';

/** The cost to expect of a call, and what its real cost is compared with when it has ended. */
export interface Estimate {
  readonly parts: readonly EstimatedPart[];
  /** `null` where nothing can be learned from the call. */
  readonly basis: Basis | null;
}

/** The cost to expect on one model. */
interface EstimatedPart {
  /** Canonical id. */
  readonly model: string;
  /** `null` where the model has no price. */
  readonly nanoUsd: bigint | null;
}

/** The figures that an estimate was made from. The real cost, divided by them, is what the estimator learns. */
interface Basis {
  /** Model and route: calls of the same kind are estimated alike. */
  readonly kind: string;
  /** The prompt in nano-dollars at one token a character. */
  readonly input: number;
  /** `max_tokens` in nano-dollars. */
  readonly output: number;
}

/** The part of a price table that budgets need; the table of `instrument()` has it. */
export interface BudgetPrices {
  canonicalModel(id: string): string;
  /** Takes any id that `canonicalModel` does. */
  priceAt(
    model: string,
    whenMs: number,
  ): {
    /** The canonical id. */
    readonly model: string;
    readonly cards: {
      readonly standard: TokenCard;
      readonly fast: TokenCard | null;
      readonly long_context: TokenCard | null;
    };
    /** A longer prompt is charged by the card `long_context`. */
    readonly longContextAboveTokens: number;
  } | null;
}

type BudgetPrice = NonNullable<ReturnType<BudgetPrices['priceAt']>>;

interface TokenCard {
  readonly standard: TokenRates;
  readonly batch: TokenRates | null;
}

interface TokenRates {
  readonly input: TokenRate;
  readonly cache_write_1h: TokenRate;
  readonly output: TokenRate;
}

/** The price of one token, as a fraction of nano-dollars. */
interface TokenRate {
  readonly fastNum: number;
  readonly fastDen: number;
}

/** The operations that are billed by the token when they are done. Counting tokens, and managing batches and files, is free. */
const BILLED: ReadonlySet<string> = new Set([...MESSAGE_OPERATIONS, 'messages.batches.create']);

/**
 * A new route is expected to use half of its `max_tokens`, and its own calls soon outweigh that. All of it would be the
 * worst case, with which a budget that has spent nothing can refuse its first call.
 */
const OUTPUT_START = 0.5;

const LEARNING = { startWeight: 2, keep: 0.95, most: 1_000 } as const;

/** Estimates what a call will cost from what calls like it have cost: those of the same model and attribution label `route`. */
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
   * Estimates a call. Never more than the worst case: a token for each character at the dearest way to put it in, and
   * all of `max_tokens`. Server tools are not included. A batch is the sum of its requests. `null` for what costs nothing.
   */
  estimate(call: Call, request: GuardedRequest): Estimate | null {
    const { operation, requestedModel, maxTokens } = call;
    if (!BILLED.has(operation) && (operation !== 'other' || requestedModel === null)) return null;
    const length = promptLength(request);
    if (operation === 'messages.batches.create') return this.#batch(call, request, length);
    const speed = request.body?.['speed'];
    const part = this.#part(call, {
      model: requestedModel ?? '',
      maxTokens: maxTokens ?? 0,
      length,
      speed,
      batch: false,
    });
    return { parts: [part], basis: part.basis };
  }

  /** Learns from a call that has ended. One without a cost says nothing about those that have one. */
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
    const requests = list(body?.['requests']);
    const byModel = new Map<string, EstimatedPart>();
    for (const request of requests) {
      const params = object(object(request)['params']);
      const part = this.#part(call, {
        model: String(params['model']),
        maxTokens: Number(params['max_tokens']),
        length: length / requests.length,
        speed: params['speed'],
        batch: true,
      });
      byModel.set(part.model, plus(byModel.get(part.model), part));
    }
    return { parts: [...byModel.values()], basis: null };
  }

  #part({ attribution, startedAtMs }: Call, asked: MessageRequest): EstimatedPart & Pick<Estimate, 'basis'> {
    const price = this.#prices.priceAt(asked.model, startedAtMs);
    const model = price?.model ?? this.#prices.canonicalModel(asked.model);
    const kind = `${model} ${attribution['route'] ?? ''}`;
    const tokensPerCharacter = this.#input.ratio(kind);
    const rates = price && expectedRates(price, asked, asked.length * tokensPerCharacter);
    if (!rates) return { model, nanoUsd: null, basis: null };
    const { length, maxTokens } = asked;
    const prompt = length * Math.min(rates.dearestInput, rates.input * tokensPerCharacter);
    const output = maxTokens * rates.output * Math.min(1, this.#output.ratio(kind));
    const nanoUsd = Math.ceil(prompt + output);
    return {
      model,
      nanoUsd: Number.isSafeInteger(nanoUsd) && nanoUsd >= 0 ? BigInt(nanoUsd) : 0n,
      basis: { kind, input: length * rates.input, output: maxTokens * rates.output },
    };
  }
}

/** One request for a message, as far as its cost depends on it. */
interface MessageRequest {
  readonly model: string;
  readonly maxTokens: number;
  /** The prompt in characters. */
  readonly length: number;
  readonly speed: unknown;
  readonly batch: boolean;
}

/** The price of a token where a request would run, in nano-dollars. */
interface ExpectedRates {
  readonly input: number;
  /** The dearest way to put a token into the prompt. */
  readonly dearestInput: number;
  readonly output: number;
}

function expectedRates(price: BudgetPrice, { speed, batch }: MessageRequest, tokens: number): ExpectedRates | null {
  const isLong = tokens > price.longContextAboveTokens;
  const card = price.cards[speed === 'fast' ? 'fast' : isLong ? 'long_context' : 'standard'];
  const rates = batch ? card?.batch : card?.standard;
  if (!rates) return null;
  const { input, cache_write_1h: dearestInput, output } = rates;
  return {
    input: input.fastNum / input.fastDen,
    dearestInput: dearestInput.fastNum / dearestInput.fastDen,
    output: output.fastNum / output.fastDen,
  };
}

function plus(sum: EstimatedPart | undefined, { model, nanoUsd }: EstimatedPart): EstimatedPart {
  if (sum === undefined) return { model, nanoUsd };
  return { model, nanoUsd: sum.nanoUsd === null || nanoUsd === null ? null : sum.nanoUsd + nanoUsd };
}

interface RunningRatiosOptions {
  /** The ratio of a name that was never seen. */
  readonly start: number;
  /** The weight of `start`, in observations. */
  readonly startWeight: number;
  /** The part of the sums that each new observation leaves: with 0.95 about the last 20 count. */
  readonly keep: number;
  /** The most ratios to keep; the one that learned least recently goes first. */
  readonly most: number;
}

/**
 * Learns which part of an allowance calls use, by name. A ratio of sums in which the past fades, not a mean of ratios, so
 * that estimates made with it add up to what is used.
 */
export class RunningRatios {
  readonly #options: RunningRatiosOptions;
  readonly #sums = new Map<string, { used: number; asked: number }>();

  constructor(options: RunningRatiosOptions) {
    this.#options = options;
  }

  ratio(name: string): number {
    const sums = this.#sums.get(name);
    return sums === undefined ? this.#options.start : sums.used / sums.asked;
  }

  /** Learns nothing unless `asked` is above 0. */
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

/**
 * Characters of a request for each token of its prompt, before anything was learned: Anthropic's glossary has about 3.5
 * of English text, and models since Opus 4.7 make about 30% more tokens of it (pricing page, 2026-08).
 */
const CHARACTERS_PER_TOKEN = 2.7;

/** The largest image: 92 x 52 patches of 28 pixels, a token each, as models since Opus 4.7 read them (vision page, 2026). */
const TOKENS_PER_IMAGE = 4_784;

/** A page of a PDF: its text alone has 1,500 to 3,000 (page on PDF support, 2025). */
const TOKENS_PER_PAGE = 3_000;

/** Base64 of a page of a PDF: a guess. It takes a scan for fewer pages than it has, and a bare text for more. */
const CHARACTERS_PER_PAGE = 75_000;

/** A smaller body has no room for an image or a document that matters, and is not searched for one. */
const SEARCHED_FROM = 20_000;

type Json = Readonly<Record<string, unknown>>;

/** The length of a prompt in characters. Base64 data counts as the image or the pages that it is, not by its characters. */
function promptLength({ body, bodyLength }: GuardedRequest): number {
  if (body === null || bodyLength < SEARCHED_FROM) return bodyLength;
  const batch = list(body['requests']).map((request) => object(object(request)['params']));
  const messages = [body, ...batch].flatMap((request) => list(request['messages']));
  return messages.reduce<number>((length, message) => length + correction(object(message)['content']), bodyLength);
}

/** The characters by which content is longer as a prompt than as it is written; below 0 where it is shorter. */
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
