import { NO_TOKENS } from '../src/pricing/cost.ts';
import type { PartRefusal, PartRole } from '../src/answers.ts';
import type { Tokens, Usage, UsagePart } from '../src/vocabulary.ts';

/** What a test says of a part; the rest is none or not said. */
export interface SomePart {
  readonly model?: string | null;
  readonly speed?: string | null;
  readonly tokens?: Partial<Tokens>;
  readonly role?: PartRole;
  readonly refusal?: PartRefusal | null;
}

export function part({
  model = null,
  speed = null,
  role = 'answer',
  refusal = null,
  tokens = {},
}: SomePart): UsagePart {
  return { model, speed, role, refusal, tokens: { ...NO_TOKENS, ...tokens } };
}

/** A usage of these parts, at the standard tier, without anything else. */
export function usageOf(parts: readonly SomePart[], rest: Partial<Omit<Usage, 'parts'>> = {}): Usage {
  return {
    parts: parts.map(part),
    thinkingTokens: 0,
    serverToolUses: {},
    serviceTier: 'standard',
    inferenceGeo: null,
    cacheSplitAssumed: false,
    stepsListed: parts.length > 1,
    malformed: false,
    ...rest,
  };
}

export function dayMs(day: string): number {
  return Date.parse(`${day}T00:00:00Z`);
}
