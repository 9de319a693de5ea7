import type { Admission, CallSpend, GuardedRequest, Patience } from '../decisions.ts';
import type { LimitDimension } from '../limiter.ts';
import { estimatedPromptTokens } from '../prompt.ts';
import { MESSAGE_OPERATIONS, type Attempt, type Call, type Tokens } from '../vocabulary.ts';
import type { Expectations, Expected } from './expectations.ts';
import type { PaceLine } from './pace-line.ts';
import { PaceRefusedError } from './pace-refused.ts';
import { MINUTE_MS, type Amounts, type Charge, type Lane } from './pace-state.ts';
import { PACE_OF_REASON, type PaceRefusal, type SeenLimit, type Settlement } from './settle.ts';
import type { Turn, TurnEnd } from './turn.ts';

/** Is told what a pace does. Nothing waits for it; what it throws is counted. */
export interface PaceListener {
  /** A call's turn has ended. */
  ended(end: TurnEnd, line: { readonly modelClass: string; readonly lane: Lane }): void;
  /** What a call used of the limits is known. */
  used(modelClass: string, amounts: Amounts): void;
  /** A 429 that neither headers nor picture explain. */
  surprised(modelClass: string): void;
  /** plimsoll's own code, or the store of the pace, failed. The call goes on, not paced. */
  failed(error: unknown): void;
}

/** What a paced call needs of its pace. */
interface PacedCallHost {
  readonly listener: PaceListener;
  readonly expectations: Expectations;
  readonly maxWaitMs: Readonly<Record<Lane, number>>;
  /** The longest that a call waits for the store. */
  readonly storeDeadlineMs: number;
  readonly countsCacheReads: boolean;
  /** `null`: the call is not paced. */
  laneOf(call: Call): Lane | null;
  flowOf(call: Call): Pick<Turn, 'flow' | 'weight'>;
  /** The class of a model, and the line of its calls. */
  classOf(model: string): string;
  lineOf(modelClass: string, key: string): PaceLine;
}

/** One attempt that was charged. */
interface Sent {
  readonly line: PaceLine;
  readonly charge: Charge;
  readonly expected: Expected;
  sentAtMs: number;
  seen: Settlement['seen'];
  /** Its input was settled. */
  isBegun: boolean;
}

/** A call with what it was charged. It is asked before each attempt, and holds nothing while it waits. */
export class PacedCall implements CallSpend {
  readonly #call: Call;
  readonly #host: PacedCallHost;
  /** By the index of the attempt. */
  readonly #sent = new Map<number, Sent>();
  /** The line that the call would wait in, were its limits shown: its answer may show them. */
  #unlimited: PaceLine | null = null;
  #waitedMs = 0;
  #place: number | null = null;

  constructor(call: Call, host: PacedCallHost) {
    this.#call = call;
    this.#host = host;
  }

  /** Waits for the call's turn. Throws or rejects with a `PaceRefusedError`; with nothing else. */
  admit(request: GuardedRequest, patience: Patience): Admission | Promise<Admission> {
    const index = this.#call.attempts - 1;
    if (this.#sent.has(index)) return undefined;
    let wanted: Wanted | null;
    try {
      wanted = this.#wanted(request, patience);
    } catch (error) {
      this.#host.listener.failed(error);
      return undefined;
    }
    if (wanted === null) return undefined;
    const { turn, ...about } = wanted;
    const asked = { ...about, lane: turn.lane };
    const ends: TurnEnd[] = [];
    let later: ((end: TurnEnd) => void) | null = null;
    asked.line.turns.enter({ ...turn, over: (end) => (later === null ? void ends.push(end) : later(end)) });
    const [ended] = ends;
    if (ended !== undefined) return this.#conclude(ended, { ...asked, index });
    const waited = new Promise<TurnEnd>((resolve) => (later = resolve));
    return waited.then((end) => {
      this.#conclude(end, { ...asked, index });
      return { waitedMs: end.waitedMs };
    });
  }

  /** An attempt that was never sent costs nothing; one that was left is taken to have used what was estimated. */
  attemptOver(status: Attempt['status'] | 'unsent'): void {
    if (typeof status === 'number') return;
    const index = this.#call.attempts - 1;
    this.#settle(index, status === 'unsent' ? [0, 0, 0] : [null, null, null]);
  }

  attempted({ index, limiters, rejection, startedAtMs, status, retryAfterMs }: Attempt): void {
    const sent = this.#sent.get(index);
    if (sent === undefined) {
      if (rejection === null) this.#unlimited?.see(limitsIn(limiters, this.#unlimited.modelClass));
      return;
    }
    sent.sentAtMs = startedAtMs;
    sent.seen = limitsIn(limiters, sent.line.modelClass);
    if (rejection === null) sent.line.see(sent.seen);
    if (rejection === null || typeof status !== 'number') return;
    const { rateLimitReason } = rejection;
    const by = rateLimitReason === null ? null : PACE_OF_REASON[rateLimitReason];
    const refusal: PaceRefusal | null =
      by === null ? null : { by, retryAfterMs: Math.min(retryAfterMs ?? 1_000, LONGEST_CLOSED_MS) };
    this.#settle(index, [0, 0, 0], refusal);
  }

  /** The input of a stream is known at its start, and with it what its headers mean. */
  usageKnown(): void {
    if (this.#call.operation !== 'messages.stream') return;
    for (const sent of this.#sent.values()) {
      if (sent.isBegun || sent.seen === null) continue;
      sent.isBegun = true;
      const { line, charge, seen, sentAtMs } = sent;
      const input = this.#used(line.modelClass)?.[1] ?? null;
      line.settle({ charge, seen, sentAtMs, refusal: null, actual: [null, input, null], isOver: false });
    }
  }

  finished(): void {
    const { outcome } = this.#call;
    for (const [index, { line, expected }] of this.#sent) {
      const used = this.#used(line.modelClass);
      if (outcome === 'blocked') this.#settle(index, [0, 0, 0]);
      else this.#settle(index, used ?? [null, null, null]);
      if (used === null) continue;
      this.#host.listener.used(line.modelClass, used);
      if (outcome === 'ok') this.#host.expectations.learn(expected, used[1], used[2]);
    }
  }

  #wanted({ body, bodyLength }: GuardedRequest, { signal, timeoutMs }: Patience): Wanted | null {
    const call = this.#call;
    const { requestedModel, maxTokens } = call;
    if (!MESSAGE_OPERATIONS.has(call.operation) || requestedModel === null || call.endpoint !== undefined) return null;
    const host = this.#host;
    const isFast = body?.['speed'] === 'fast';
    const lane = host.laneOf(call);
    if (lane === null) return null;
    const line = host.lineOf(`${host.classOf(requestedModel)}${isFast ? FAST : ''}`, call.key);
    this.#unlimited = line.isUnlimited ? line : null;
    if (line.isUnlimited) return null;
    const kind = `${requestedModel} ${call.attribution['route'] ?? ''} ${call.key}`;
    const promptTokens = estimatedPromptTokens(body, bodyLength);
    const expected = { kind, promptTokens, maxTokens: outputIn(maxTokens) };
    const patienceMs = timeoutMs ?? Infinity;
    const maxWaitMs = Math.max(0, Math.min(host.maxWaitMs[lane] - this.#waitedMs, patienceMs));
    const storeWaitMs = Math.min(host.storeDeadlineMs, patienceMs);
    const { amounts, leeway } = host.expectations.of(expected);
    const turn = { lane, amounts, leeway, maxTokens: expected.maxTokens, maxWaitMs, storeWaitMs, signal };
    return { line, expected, turn: { ...turn, ...host.flowOf(call), place: this.#place } };
  }

  #conclude(end: TurnEnd, { line, expected, lane, index }: Concluded): undefined {
    this.#place = end.place;
    this.#waitedMs += end.waitedMs;
    try {
      this.#host.listener.ended(end, { modelClass: line.modelClass, lane });
    } catch (error) {
      this.#host.listener.failed(error);
    }
    if (end.kind === 'go') {
      const begun = { sentAtMs: this.#call.startedAtMs, seen: null, isBegun: false };
      this.#sent.set(index, { line, charge: end.charge, expected, ...begun });
    } else if (end.kind !== 'unpaced' && end.kind !== 'given_up') {
      const inputTokens = end.kind === 'never_fits' ? expectedInput(this.#host, expected) : null;
      const limit = end.kind === 'never_fits' ? end.limit : null;
      throw new PaceRefusedError({ reason: end.kind, lane, waitedMs: this.#waitedMs, inputTokens, limit });
    }
    return undefined;
  }

  #settle(index: number, actual: Settlement['actual'], refusal: PaceRefusal | null = null): void {
    const sent = this.#sent.get(index);
    if (sent === undefined) return;
    this.#sent.delete(index);
    const { line, charge, seen, sentAtMs, isBegun } = sent;
    const known: Settlement['actual'] = isBegun ? [null, null, actual[2]] : actual;
    const headers = isBegun ? null : seen;
    const surprised = (): void => this.#host.listener.surprised(line.modelClass);
    line.settle({ charge, seen: headers, sentAtMs, refusal, actual: known, isOver: true }, surprised);
  }

  /** What the call used of a class's limits; `null` where that is not known. */
  #used(modelClass: string): Amounts | null {
    const { usage, model, requestedModel } = this.#call;
    if (usage === null) return null;
    const { countsCacheReads } = this.#host;
    let [input, output] = [0, 0];
    for (const part of usage.parts) {
      if (
        part.role === 'left' ||
        this.#host.classOf(part.model ?? model ?? requestedModel ?? '') !== modelClass.replace(FAST, '')
      )
        continue;
      input += inputOf(part.tokens, countsCacheReads);
      output += part.tokens.output + part.tokens.output_estimated;
    }
    return [1, input, output];
  }
}

/** A call's turn, before it is known how it ends. */
interface Wanted {
  readonly line: PaceLine;
  readonly expected: Expected;
  readonly turn: Omit<Turn, 'over'>;
}

/** A turn that has ended, of the attempt with this index. */
interface Concluded extends Omit<Wanted, 'turn'> {
  readonly lane: Lane;
  readonly index: number;
}

const FAST = ' fast';

/** Limits are per minute: whatever a `retry-after` says, a call asks again after so long. */
const LONGEST_CLOSED_MS = 5 * MINUTE_MS;

function expectedInput({ expectations }: PacedCallHost, expected: Expected): number {
  return expectations.of(expected).amounts[1];
}

/** The API counts what it reads for the first time, and what it writes to a cache; not what it reads from one. */
function inputOf(tokens: Tokens, countsCacheReads: boolean): number {
  const counted = tokens.input + tokens.cache_write_5m + tokens.cache_write_1h;
  return countsCacheReads ? counted + tokens.cache_read : counted;
}

/** More than any limit; a number beyond it is no limit, and would not stay a number. */
const MOST_UNITS = 1e15;

/** More than any model writes. No more is reserved, whatever a program asks for, so sums stay finite. */
const MOST_OUTPUT = 1_000_000;

function outputIn(maxTokens: number | null): number {
  return maxTokens !== null && maxTokens > 0 ? Math.min(maxTokens, MOST_OUTPUT) : 0;
}

const SHOWN: readonly LimitDimension[] = ['requests', 'input_tokens', 'output_tokens'];
const SHOWN_FAST: readonly LimitDimension[] = ['requests', 'fast_input_tokens', 'fast_output_tokens'];

/** The limits that a call is paced by, in the headers of an answer; `null` if they show none. */
function limitsIn(limiters: Attempt['limiters'], modelClass: string): Settlement['seen'] {
  const [requests = null, input = null, output = null] = (modelClass.endsWith(FAST) ? SHOWN_FAST : SHOWN).map(
    (name) => {
      const shown = limiters.find(({ dimension }) => dimension === name);
      if (shown === undefined) return null;
      const { limit, remaining, resetAtMs } = shown;
      // A limit of 0 is none that the organization has.
      return !limit || limit > MOST_UNITS || remaining === null || resetAtMs === null
        ? null
        : ({ limit, remaining: Math.min(remaining, limit), resetAtMs } satisfies SeenLimit);
    },
  );
  return requests === null && input === null && output === null ? null : [requests, input, output];
}
