import type { Call, CallCost, GuardedRequest } from '../vocabulary.ts';
import { expectedRates, type BudgetPrices, type ExpectedRates } from './budget-prices.ts';
import { CHARACTERS_PER_TOKEN, promptLength } from './prompt-length.ts';
import { RunningRatios } from './running-ratio.ts';

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
