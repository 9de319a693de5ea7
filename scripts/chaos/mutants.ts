import type { PartRefusal } from '../../src/answers.ts';
import type { Observation } from '../../src/observe/observation.ts';
import { KnownBatches } from '../../src/observe/known-batches.ts';
import type { Call, CallCost, CallRecorder, Cost, Recorder, Usage } from '../../src/vocabulary.ts';

/** A mistake that plimsoll could make, put in at a seam: what it is told, what it asks, or what it reads. */
export interface Mutant {
  readonly observation?: (right: Observation) => Observation;
  /** What it makes of an event of a stream; `null` where it drops it. */
  readonly event?: (event: string) => string | null;
}

function priced(usageSeen: (usage: Usage) => Usage): Mutant {
  return {
    observation: (right) => ({
      ...right,
      price: (usage, call) => right.price(usageSeen(usage), call),
      batchPrice: (usage, model, atMs) => right.batchPrice(usageSeen(usage), model, atMs),
    }),
  };
}

/** Makes a mistake in the recorder of each call. */
function recorded(change: (right: CallRecorder, call: Call, recorder: Recorder) => CallRecorder): Mutant {
  return {
    observation: (right) => ({
      ...right,
      recorders: right.recorders.map((recorder) => ({
        started(call) {
          const ofCall = bound(recorder.started(call) ?? {});
          return { ...ofCall, ...change(ofCall, call, recorder) };
        },
      })),
    }),
  };
}

/** The methods of a call's recorder, as functions that can be spread. */
function bound(right: CallRecorder): CallRecorder {
  return {
    attempted: (attempt) => right.attempted?.(attempt),
    firstToken: () => right.firstToken?.(),
    usageKnown: () => right.usageKnown?.(),
    batchResult: (result) => right.batchResult?.(result),
    finished: () => right.finished?.(),
  };
}

function withCosts(cost: CallCost, change: (kinds: Cost) => Cost): CallCost {
  return { ...cost, parts: cost.parts.map((part) => ({ ...part, cost: part.cost && change(part.cost) })) };
}

/** The price of a 5-minute write for a 1-hour one. */
function shortWrites(usage: Usage): Usage {
  const parts = usage.parts.map((part) => {
    const { cache_write_5m: short, cache_write_1h: long } = part.tokens;
    return { ...part, tokens: { ...part.tokens, cache_write_5m: short + long, cache_write_1h: 0 } };
  });
  return { ...usage, parts };
}

function withRefusals(change: (refusal: PartRefusal) => PartRefusal): (usage: Usage) => Usage {
  return (usage) => ({
    ...usage,
    parts: usage.parts.map((part) => ({ ...part, refusal: part.refusal && change(part.refusal) })),
  });
}

/** The data of a usage event, changed. */
function withUsage(event: string, change: (usage: Record<string, unknown>) => void): string {
  const [head = '', json = ''] = event.split('data: ');
  const data = JSON.parse(json) as { usage?: Record<string, unknown>; message?: { usage: Record<string, unknown> } };
  change(data.usage ?? data.message?.usage ?? {});
  return `${head}data: ${JSON.stringify(data)}\n\n`;
}

const isDelta = (event: string): boolean => event.startsWith('event: message_delta');
const isStart = (event: string): boolean => event.startsWith('event: message_start');

const always = (usage: Usage): Usage => usage;

export const MUTANTS = {
  /** No mistake: shows that the seams themselves change nothing. */
  none: priced(always),
  'a retry counted twice': recorded((right) => ({
    attempted: (attempt) => {
      right.attempted?.(attempt);
      if (attempt.index > 0) right.attempted?.(attempt);
    },
  })),
  'a retry counted as a call': recorded((right, call, recorder) => ({
    attempted: (attempt) => {
      right.attempted?.(attempt);
      if (attempt.index === 0) return;
      const another = recorder.started({ ...plain(call), outcome: 'ok', durationSeconds: 1, usage: null });
      another?.finished?.();
    },
  })),
  'the reason of a 429 lost': recorded((right) => ({
    attempted: (attempt) => {
      const rejection = attempt.rejection && { ...attempt.rejection, rateLimitReason: null };
      right.attempted?.({ ...attempt, rejection });
    },
  })),
  'a dropped message_delta': { event: (event) => (isDelta(event) ? null : event) },
  'output of message_start added': {
    event: (event) => (isDelta(event) ? withUsage(event, (usage) => addTo(usage, 'output_tokens', 1)) : event),
  },
  'the 1 h split lost': {
    event: (event) => (isStart(event) ? withUsage(event, (usage) => delete usage['cache_creation']) : event),
  },
  'iterations overlooked': {
    event: (event) => (isDelta(event) ? withUsage(event, (usage) => delete usage['iterations']) : event),
  },
  'the 5 m price for a 1 h write': {
    observation: (right) => ({
      ...right,
      price: (usage, call) => {
        const wrong = right.price(shortWrites(usage), call);
        const { parts } = right.price(usage, call);
        let part = 0;
        return withCosts(wrong, (kinds) => {
          const short = parts[part++]?.cost?.cache_write_5m ?? 0;
          return { ...kinds, cache_write_5m: short, cache_write_1h: kinds.cache_write_5m - short };
        });
      },
    }),
  },
  'batch discount missing': {
    observation: (right) => ({
      ...right,
      batchPrice: (usage, model, atMs) => right.price({ ...usage, serviceTier: null }, { model, atMs }),
    }),
  },
  'batch results counted at every reading': {
    observation: (right) => ({ ...right, batches: forgetful() }),
  },
  'web searches dropped': priced((usage) => ({ ...usage, serverToolUses: {} })),
  'refusals all billed': priced(withRefusals(() => ({ category: 'bio', beforeOutput: true }))),
  'refusals all free': priced(withRefusals(() => ({ category: 'cyber', beforeOutput: true }))),
  'a refusal in the middle taken for one before any output': priced(
    withRefusals((refusal) => ({ ...refusal, beforeOutput: true })),
  ),
  'the stop details dropped': {
    event: (event) => (isDelta(event) ? event.replace(/"stop_details":\{[^}]*\}/, '"stop_details":null') : event),
  },
  'a fallback block dropped': {
    event: (event) => (event.includes('"content_block":{"type":"fallback"') ? null : event),
  },
  'diagnostics dropped': {
    event: (event) => (isStart(event) ? event.replace(/"diagnostics":\{.*?\}\}/, '"diagnostics":null') : event),
  },
  'inference geo overlooked': priced((usage) => ({ ...usage, inferenceGeo: null })),
  'speed overlooked': priced((usage) => ({ ...usage, parts: usage.parts.map((part) => ({ ...part, speed: null })) })),
  'a nano-dollar lost': {
    observation: (right) => ({
      ...right,
      price: (usage, call) =>
        withCosts(right.price(usage, call), (kinds) => ({ ...kinds, output: Math.max(0, kinds.output - 1) })),
    }),
  },
  'an unknown model at no cost': {
    observation: (right) => ({
      ...right,
      price: (usage, call) => ({ ...right.price(usage, call), priced: true }),
      batchPrice: (usage, model, atMs) => ({ ...right.batchPrice(usage, model, atMs), priced: true }),
    }),
  },
} satisfies Readonly<Record<string, Mutant>>;

export type MutantName = keyof typeof MUTANTS;
export const MUTANT_NAMES = Object.keys(MUTANTS) as readonly MutantName[];

/** Keeps when a batch was made, and not what was read of it. */
function forgetful(): Observation['batches'] {
  const known = new KnownBatches();
  return {
    note: (batch) => known.note(batch),
    createdAtMs: (batchId) => known.createdAtMs(batchId),
    isNew: () => true,
  };
}

function plain(call: Call): Call {
  const { operation, key, requestedModel, fallbackFrom, attribution, maxTokens, startedAtMs, model } = call;
  const { attempts, waitSeconds, firstTokenSeconds, durationSeconds, outcome, rejection, requestId } = call;
  const { stopReason, usage, cost } = call;
  const { serverFallbackFrom, answerStartSeconds, cacheMiss, isBilledToAnother } = call;
  return {
    operation,
    key,
    requestedModel,
    fallbackFrom,
    serverFallbackFrom,
    answerStartSeconds,
    cacheMiss,
    attribution,
    maxTokens,
    startedAtMs,
    model,
    attempts,
    waitSeconds,
    firstTokenSeconds,
    durationSeconds,
    outcome,
    rejection,
    requestId,
    stopReason,
    usage,
    cost,
    isBilledToAnother,
  };
}

function addTo(usage: Record<string, unknown>, field: string, amount: number): void {
  usage[field] = Number(usage[field]) + amount;
}
