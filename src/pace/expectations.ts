import { RunningRatios } from '../budget/estimate.ts';
import type { Amounts } from './pace-state.ts';

/** A call, as it is compared with others of its kind. */
export interface Expected {
  /** Calls of the same kind are expected to use alike: model, route and key. */
  readonly kind: string;
  /** Tokens of the prompt, estimated from its characters. */
  readonly promptTokens: number;
  readonly maxTokens: number;
}

/** A new route is expected to use half of its `max_tokens`. */
const OUTPUT_START = 0.5;

const LEARNING = { startWeight: 2, keep: 0.98, most: 1_000 } as const;

/** Most that the estimate of a learned kind is too high, and of one that is not. */
const LEEWAY = 1.15;
const UNLEARNED_LEEWAY = 2;

/**
 * Learns what calls use of what they might: input tokens that count towards the limit, against the estimate of their prompt,
 * so that cache reads are left out where the limit leaves them out; and output, against `max_tokens`.
 */
export class Expectations {
  readonly #input = new RunningRatios({ ...LEARNING, start: 1, least: 0.001 });
  readonly #output = new RunningRatios({ ...LEARNING, start: OUTPUT_START, least: 0.001 });

  /** What a call is expected to use, and how much too high that may be. */
  of({ kind, promptTokens, maxTokens }: Expected): { readonly amounts: Amounts; readonly leeway: number } {
    const input = Math.ceil(promptTokens * this.#input.ratio(kind));
    const output = Math.ceil(Math.max(1, maxTokens * Math.min(1, this.#output.ratio(kind))));
    return { amounts: [1, input, output], leeway: this.#input.knows(kind) ? LEEWAY : UNLEARNED_LEEWAY };
  }

  /** Learns from a call whose usage is known. */
  learn({ kind, promptTokens, maxTokens }: Expected, usedInput: number, usedOutput: number): void {
    this.#input.learn(kind, usedInput, promptTokens);
    this.#output.learn(kind, usedOutput, maxTokens);
  }
}
