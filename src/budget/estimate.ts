import type { GuardedRequest } from '../decisions.ts';
import { geoOf } from '../platform.ts';
import type { BudgetPrice, BudgetPrices } from './budget-prices.ts';
import { MESSAGE_OPERATIONS, type Call, type CallCost } from '../vocabulary.ts';
import {
  CHARACTERS_PER_TOKEN,
  LARGEST_WINDOW,
  NOTHING_UNSEEN,
  furtherModels,
  list,
  object,
  promptContent,
  tokensOfPrompt,
  type PromptContent,
} from '../prompt.ts';

/** The expected cost of a call, and the figures to compare its actual cost with. */
export interface Estimate {
  readonly parts: readonly EstimatedPart[];
  /** The tokens of the prompt; `null` for a batch, and where the worst case is expected. */
  readonly promptTokens: number | null;
  /** `null` if nothing can be learned from the call. */
  readonly basis: Basis | null;
}

/** The expected cost on one model. */
interface EstimatedPart {
  /** Canonical id. */
  readonly model: string;
  /** `null` if the model has no price. */
  readonly nanoUsd: bigint | null;
  /** The part of it that the prompt costs: a whole number, which only a call that is left makes an amount. */
  readonly promptNanoUsd: number;
}

/** The figures that an estimate was made from. The estimator learns the ratio of the actual cost to them. */
interface Basis {
  readonly kind: string;
  /** The text of the prompt in nano-dollars at one token a character. */
  readonly input: number;
  /** The nano-dollars that were expected for the text. */
  readonly expectedInput: number;
  /** What is not in the text, in nano-dollars at its worst case; 0 where all is. */
  readonly unseen: number;
  /** `max_tokens` in nano-dollars. */
  readonly output: number;
}

/** The operations that are billed by the token. Counting tokens, and managing batches and files, is free. */
const BILLED: ReadonlySet<string> = new Set([...MESSAGE_OPERATIONS, 'messages.batches.create']);

/** A new route is expected to use half of its `max_tokens`: with all of it, a budget without spend could refuse its first call. */
const OUTPUT_START = 0.5;

/** However short its answers have been, a route is expected to use this part of `max_tokens`: short answers may be bait. */
const LEAST_OUTPUT = 0.04;

/** A prompt whose prefix is read from a cache costs down to a fortieth; the next one may miss the cache. */
const LEAST_INPUT = 0.1;

const LEARNING = { startWeight: 2, keep: 0.95, most: 1_000 } as const;

/** Documents and threads come in all sizes, so few of them say what to expect: the worst case is soon outweighed. */
const UNSEEN_LEARNING = { ...LEARNING, start: 1, startWeight: 0.25, least: 0.001 } as const;

/** The choices of an estimator. */
interface EstimatorOptions {
  /**
   * `usual` learns what calls use. `worst` never does: it expects a token for each character and all of `max_tokens`, so
   * that nobody can teach it to let more calls through.
   */
  readonly expects?: 'usual' | 'worst';
  /** The tokens to expect of a document or thread that is not in the request, before its route has used one. */
  readonly unseenTokens?: number;
}

/**
 * Estimates what a call will cost from what calls like it have cost: those of the same model, attribution label `route`,
 * key and client. So what one client of a gateway does teaches nothing about another.
 */
export class Estimator {
  readonly #prices: BudgetPrices;
  readonly #isWorst: boolean;
  readonly #unseenTokens: number;
  readonly #input = new RunningRatios({
    ...LEARNING,
    start: 1 / CHARACTERS_PER_TOKEN,
    least: LEAST_INPUT / CHARACTERS_PER_TOKEN,
  });
  readonly #unseen = new RunningRatios(UNSEEN_LEARNING);
  readonly #output = new RunningRatios({ ...LEARNING, start: OUTPUT_START, least: LEAST_OUTPUT });
  /** The last call's kind, which is nearly always the next one's: its name is the same text, whose hash is known. */
  #last = { model: '', route: '', key: '', client: '', kind: '' };

  constructor(prices: BudgetPrices, { expects = 'usual', unseenTokens = LARGEST_WINDOW }: EstimatorOptions = {}) {
    this.#prices = prices;
    this.#isWorst = expects === 'worst';
    this.#unseenTokens = unseenTokens;
  }

  /** The id under which estimates, and costs by the same prices, have a model. */
  canonicalModel(id: string): string {
    return this.#prices.canonicalModel(id);
  }

  /** An amount at list price as it is billed to a key, in whole nano-dollars. */
  negotiated(nanoUsd: bigint, key: string): bigint {
    return this.#prices.negotiated?.(nanoUsd, key) ?? nanoUsd;
  }

  /**
   * Estimates a call. Never more than the worst case: a token for each character at the dearest way to put it in, all of
   * `max_tokens`, and for what is not in the request a whole context window each. Server tools are not included. A batch is
   * the sum of its requests. `null` for what costs nothing.
   */
  estimate(call: Call, request: GuardedRequest): Estimate | null {
    const { operation, requestedModel, maxTokens } = call;
    if (!BILLED.has(operation) && (operation !== 'other' || requestedModel === null)) return null;
    if (operation === 'messages.batches.create') return this.#batch(call, request);
    const body = request.body ?? {};
    const content = promptContent(body, this.#unseenTokens);
    const asked = {
      model: requestedModel ?? '',
      maxTokens: maxTokens === null ? 0 : outputTokens(maxTokens),
      length: Math.max(0, request.bodyLength + content.correction),
      content,
      speed: body['speed'],
      geo: (call.endpoint && geoOf(call.endpoint)) ?? body['inference_geo'],
      batch: false,
    };
    const part = this.#part(call, asked);
    const parts = this.#withFurther(call, { body, asked, part });
    return { parts, promptTokens: this.#isWorst ? null : part.promptTokens, basis: part.basis };
  }

  /**
   * Learns from a call that has ended with the usage that the server reported. A call that was left says nothing about
   * those that are not, and one without a cost nothing about those that have one.
   */
  learn({ basis }: Estimate, cost: CallCost): void {
    if (basis === null || !cost.priced || this.#isWorst) return;
    let input = 0;
    let output = 0;
    for (const { cost: kinds } of cost.parts) {
      if (kinds === null || kinds.output_estimated > 0) return;
      input += kinds.input + kinds.cache_read + kinds.cache_write_5m + kinds.cache_write_1h;
      output += kinds.output;
    }
    if (basis.unseen > 0) this.#unseen.learn(basis.kind, Math.max(0, input - basis.expectedInput), basis.unseen);
    else this.#input.learn(basis.kind, input, basis.input);
    this.#output.learn(basis.kind, output, basis.output);
  }

  #batch(call: Call, { body, bodyLength }: GuardedRequest): Estimate {
    const requests = list(body?.['requests']).map((request) => object(object(request)['params']));
    const contents = requests.map((params) => promptContent(params, this.#unseenTokens));
    const length = contents.reduce((sum, { correction }) => sum + correction, bodyLength) / requests.length;
    const byModel = new Map<string, EstimatedPart>();
    for (const [position, params] of requests.entries()) {
      if (object(params['billing_policy'])['bill_to'] === 'user_profile') continue; // the API answers none of these in a batch, and bills nobody
      const { model } = params;
      const asked = {
        model: typeof model === 'string' ? model : '',
        maxTokens: outputTokens(params['max_tokens']),
        length: Math.max(0, length),
        content: contents[position] ?? NOTHING_UNSEEN,
        speed: params['speed'],
        geo: params['inference_geo'],
        batch: true,
      };
      const part = this.#part(call, asked);
      for (const each of this.#withFurther(call, { body: params, asked, part }))
        byModel.set(each.model, plus(byModel.get(each.model), each));
    }
    return { parts: [...byModel.values()], promptTokens: null, basis: null };
  }

  /**
   * Adds the further models of a request, which read the same prompt. Usually one of them answers, so together they are
   * expected to cost what the dearest of them does. At the worst each of them answers and is billed, and nothing is known
   * of those that the API chooses.
   */
  #withFurther(call: Call, { body, asked, part }: Further): readonly EstimatedPart[] {
    const { models, isChosenThere } = furtherModels(body);
    if (models.length === 0 && !isChosenThere) return [part];
    const byModel = new Map<string, EstimatedPart>([[part.model, part]]);
    let mostNanoUsd = part.nanoUsd ?? 0n;
    for (const { max_tokens: maxTokens = asked.maxTokens, ...further } of models) {
      const own = this.#part(call, { ...asked, ...further, maxTokens: outputTokens(maxTokens) });
      const beyondNanoUsd = (own.nanoUsd ?? 0n) - mostNanoUsd;
      if (beyondNanoUsd > 0n) mostNanoUsd += beyondNanoUsd;
      const nanoUsd = this.#isWorst || own.nanoUsd === null ? own.nanoUsd : beyondNanoUsd > 0n ? beyondNanoUsd : 0n;
      byModel.set(own.model, plus(byModel.get(own.model), { model: own.model, nanoUsd, promptNanoUsd: 0 }));
    }
    if (isChosenThere && this.#isWorst) byModel.set('', { model: '', nanoUsd: null, promptNanoUsd: 0 });
    return [...byModel.values()];
  }

  /** Model, route, key and client: calls of the same kind are estimated alike. */
  #kind(model: string, { attribution, key, client = '' }: Call): string {
    const last = this.#last;
    const route = attribution['route'] ?? '';
    if (last.model !== model || last.route !== route || last.key !== key || last.client !== client)
      this.#last = { model, route, key, client, kind: `${model} ${route} ${key} ${client}` };
    return this.#last.kind;
  }

  #part(
    call: Call,
    asked: MessageRequest,
  ): EstimatedPart & { readonly promptTokens: number; readonly basis: Basis | null } {
    const isSold = call.endpoint === undefined || this.#prices.isSoldOn?.(call.endpoint.platform) !== false;
    const price = isSold ? this.#prices.priceAt(asked.model, call.startedAtMs) : null;
    const model = price?.model ?? this.#prices.canonicalModel(asked.model);
    const kind = this.#kind(model, call);
    const tokensPerCharacter = this.#isWorst ? 1 : this.#input.ratio(kind);
    const unseen = asked.content.unseen * (this.#isWorst ? 1 : Math.min(1, this.#unseen.ratio(kind)));
    const rates = price && expectedRates(price, asked, asked.length * tokensPerCharacter + unseen);
    const promptTokens = tokensOfPrompt(asked.length, unseen);
    if (!rates) return { model, nanoUsd: null, promptNanoUsd: 0, promptTokens, basis: null };
    const { length, maxTokens, content } = asked;
    const text = length * Math.min(rates.dearestInput, rates.input * tokensPerCharacter);
    const prompt = Math.min(text + unseen * rates.input, Math.max(text, LARGEST_WINDOW * rates.input));
    const output = maxTokens * rates.output * (this.#isWorst ? 1 : Math.min(1, this.#output.ratio(kind)));
    return {
      model,
      nanoUsd: BigInt(Math.ceil(prompt + output)),
      promptNanoUsd: Math.ceil(prompt),
      promptTokens,
      basis: {
        kind,
        input: length * rates.input,
        expectedInput: text,
        unseen: content.unseen * rates.input,
        output: maxTokens * rates.output,
      },
    };
  }
}

/** One message request, with the fields that affect its cost. */
interface MessageRequest {
  readonly model: string;
  readonly maxTokens: number;
  /** The text of the prompt in characters. */
  readonly length: number;
  readonly content: PromptContent;
  readonly speed: unknown;
  /** The place of inference. */
  readonly geo: unknown;
  readonly batch: boolean;
}

/** A request that may name further models, with the estimate of its own. */
interface Further {
  readonly body: Readonly<Record<string, unknown>>;
  readonly asked: MessageRequest;
  readonly part: EstimatedPart;
}

/** A `max_tokens` that is none is answered with a 400; until then it counts as the longest answer that there can be. */
function outputTokens(value: unknown): number {
  return typeof value === 'number' && value >= 0 ? Math.min(value, LARGEST_WINDOW) : LARGEST_WINDOW;
}

/** The price of a token where a request would run, in nano-dollars. */
interface ExpectedRates {
  /** A token that goes into the prompt for the first time: a cache write where the request has a cache breakpoint. */
  readonly input: number;
  /** The most expensive rate for a prompt token. */
  readonly dearestInput: number;
  readonly output: number;
}

function expectedRates(
  price: BudgetPrice,
  { speed, geo, batch, content }: MessageRequest,
  tokens: number,
): ExpectedRates | null {
  const isLong = tokens > price.longContextAboveTokens;
  const card = price.cards[speed === 'fast' ? 'fast' : isLong ? 'long_context' : 'standard'];
  const pair = (typeof geo === 'string' ? card?.byGeo?.get(geo) : null) ?? card;
  const rates = batch ? pair?.batch : pair?.standard;
  if (!rates) return null;
  const { input, cache_write_1h: dearestInput, output } = rates;
  const dearest = dearestInput.fastNum / dearestInput.fastDen;
  return {
    input: content.isCached ? dearest : input.fastNum / input.fastDen,
    dearestInput: dearest,
    output: output.fastNum / output.fastDen,
  };
}

function plus(sum: EstimatedPart | undefined, { model, nanoUsd, promptNanoUsd }: EstimatedPart): EstimatedPart {
  if (sum === undefined) return { model, nanoUsd, promptNanoUsd };
  return {
    model,
    nanoUsd: sum.nanoUsd === null || nanoUsd === null ? null : sum.nanoUsd + nanoUsd,
    promptNanoUsd: sum.promptNanoUsd + promptNanoUsd,
  };
}

interface RunningRatiosOptions {
  /** The ratio of an unknown name. */
  readonly start: number;
  /** The weight of `start`, in observations. */
  readonly startWeight: number;
  /** The factor that each new observation applies to the sums: with 0.95, about the last 20 count. */
  readonly keep: number;
  /** The most ratios to keep; the one that was updated least recently is dropped first. */
  readonly most: number;
  /** The least ratio, whatever was learned. */
  readonly least: number;
}

/** Learns the share of an allowance that calls use, by name: a ratio of fading sums, so that estimates add up to actual use. */
export class RunningRatios {
  readonly #options: RunningRatiosOptions;
  readonly #sums = new Map<string, { used: number; asked: number }>();
  /** The name that was updated last: nearly always the next one, too. */
  #newest: string | null = null;

  constructor(options: RunningRatiosOptions) {
    this.#options = options;
  }

  ratio(name: string): number {
    const sums = this.#sums.get(name);
    return sums === undefined ? this.#options.start : Math.max(this.#options.least, sums.used / sums.asked);
  }

  /** Tells whether anything was learned of the name. */
  knows(name: string): boolean {
    return this.#sums.has(name);
  }

  /** Learns nothing unless `asked` is above 0. */
  learn(name: string, used: number, asked: number): void {
    if (!(asked > 0) || !(used >= 0)) return;
    const { start, startWeight, keep, most } = this.#options;
    const sums = this.#sums.get(name) ?? { used: start * startWeight * asked, asked: startWeight * asked };
    sums.used = sums.used * keep + used;
    sums.asked = sums.asked * keep + asked;
    if (name === this.#newest) return;
    this.#newest = name;
    this.#sums.delete(name);
    if (this.#sums.size >= most) this.#sums.delete(this.#sums.keys().next().value ?? name);
    this.#sums.set(name, sums);
  }
}
