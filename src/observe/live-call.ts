import type { Trace } from '../trace.ts';
import type { Events, Observation, OpenAttempt } from './observation.ts';
import { outcomeOfAbort, type CallRequest } from './operation.ts';
import { LEFT, leftPrompt, withLeftPrompts } from './estimate.ts';
import type { BegunAttempt, RefusedResponse } from './rejection.ts';
import { unpriced } from './usage.ts';
import type { SeenBatch } from '../answers.ts';
import type { CallSpend, GuardedRequest, Patience } from '../decisions.ts';
import type {
  Attempt,
  Attribution,
  BatchResult,
  Call,
  CallCost,
  CallRecorder,
  Outcome,
  Rejection,
  Usage,
  UsagePart,
} from '../vocabulary.ts';

/**
 * A call while it happens: the state behind `Call`, and the one place that passes its events on to the recorders. An
 * error of one recorder is counted; neither the call nor the other recorders notice it.
 */
export class LiveCall implements Call, Patience {
  readonly operation: string;
  readonly key: string;
  readonly client: string | undefined;
  requestedModel: string | null;
  fallbackFrom: string | null = null;
  maxTokens: number | null;
  readonly attribution: Attribution;
  readonly baseUrl: string;
  readonly sdkSpan: unknown;
  readonly details: Call['details'];
  readonly startedAtMs: number;
  model: string | null = null;
  serverFallbackFrom: string | null = null;
  attempts = 1;
  waitSeconds = 0;
  firstTokenSeconds: number | null = null;
  answerStartSeconds: number | null = null;
  durationSeconds: number | null = null;
  outcome: Outcome | null = null;
  rejection: Rejection | null = null;
  requestId: string | null = null;
  stopReason: string | null = null;
  cacheMiss: Call['cacheMiss'] = null;
  usage: Usage | null = null;
  cost: CallCost | null = null;
  isBilledToAnother = false;
  /** Set by a guard in place of the request's own `max_tokens`, for all attempts. */
  admittedMaxTokens: number | null = null;
  /** The model that a retry policy goes on with, from the next attempt on. */
  fallbackModel: string | null = null;
  /** The attempt that failed never reached the API. */
  isUnsent = false;
  readonly timeoutMs: number | null;
  /** Holds of the spend guards, in their order. */
  readonly spends: CallSpend[] = [];
  /** Its end has come: what comes now belongs to nothing. */
  isOver = false;
  /** Of the attempt that was recorded last; `null` where there is none, or it succeeded. */
  lastOutcome: Outcome | null = null;
  /** The usage of each response, where middleware of the program's asked for several: they add up. */
  usages: Map<object, Usage> | null = null;
  readonly #endpointOf: CallRequest['endpointOf'];
  readonly #signal: CallRequest['signal'];
  readonly #observation: Observation;
  readonly #recorders: CallRecorder[] = [];
  readonly #startedMs: number;
  #begun: BegunAttempt;
  #attemptEndedMs: number | null = null;
  #isAnswered = false;
  /** What was sent last, until the call is over. */
  #request: GuardedRequest | null = null;
  /** Prompts of attempts that were left before the API said what it had read. */
  #left: readonly UsagePart[] = [];
  /** Settles when the reason of a refusal has been recorded; events that come meanwhile wait for it. `null`: none waits. */
  #recording: Promise<void> | null = null;

  constructor(observation: Observation, request: CallRequest) {
    this.#observation = observation;
    this.operation = request.operation;
    this.requestedModel = request.model;
    this.maxTokens = request.maxTokens;
    this.baseUrl = request.baseUrl;
    this.#endpointOf = request.endpointOf;
    this.#signal = request.signal;
    this.timeoutMs = request.timeoutMs ?? null;
    this.sdkSpan = request.sdkSpan;
    this.details = request.details;
    this.key = request.key ?? observation.key;
    this.client = observation.client;
    this.attribution = observation.attribution(request.body ?? null);
    this.startedAtMs = observation.clock.epochMs();
    this.#startedMs = observation.clock.monotonicMs();
    const { requestedModel: model, startedAtMs } = this;
    this.#begun = { index: 0, model, startedAtMs, startedMs: this.#startedMs, waitSeconds: 0 };
    this.#start(observation);
  }

  #start({ spendGuards, recorders }: Observation): void {
    for (const guard of spendGuards) {
      try {
        const spend = guard.started(this);
        this.spends.push(spend);
        this.#recorders.push(spend);
      } catch (error) {
        this.spends.push({ admit: () => Promise.reject(new Error('a spend guard failed', { cause: error })) });
      }
    }
    for (const recorder of recorders) {
      try {
        const ofCall: unknown = recorder.started(this);
        if (ofCall instanceof Promise) ofCall.catch((error: unknown) => this.#countError(error));
        else if (typeof ofCall === 'object' && ofCall !== null) this.#recorders.push(ofCall);
      } catch (error) {
        this.#countError(error);
      }
    }
  }

  #record<Event extends keyof Events>(event: Event, detail?: Events[Event]): void {
    for (const recorder of this.#recorders) {
      try {
        const record = recorder[event] as ((detail?: Events[Event]) => unknown) | undefined;
        const result = record?.call(recorder, detail);
        if (result instanceof Promise) result.catch((error: unknown) => this.#countError(error));
      } catch (error) {
        this.#countError(error);
      }
    }
  }

  #countError(error: unknown): void {
    this.#observation.onError('recorder', error);
  }

  get endpoint(): Call['endpoint'] {
    return this.#endpointOf?.(this.requestedModel);
  }

  trace(): Trace | null {
    return this.#ask((recorder) => recorder.trace?.());
  }

  /** The `traceparent` that the attempt's request is to have in place of its own; `null` where that stays. */
  traceparent(sent: string, index: number): string | null {
    return this.#ask((recorder) => recorder.attempting?.(sent, index));
  }

  #ask<Answer>(question: (recorder: CallRecorder) => Answer | null | undefined): Answer | null {
    for (const recorder of this.#recorders) {
      try {
        const answer = question(recorder);
        if (answer !== undefined) return answer;
      } catch (error) {
        this.#countError(error);
      }
    }
    return null;
  }

  /** Begins another attempt of this call, or the first behind middleware, which has made `body` of the request. */
  retry(body: GuardedRequest['body'] = null): BegunAttempt {
    const { clock } = this.#observation;
    const startedMs = clock.monotonicMs();
    const waitSeconds = (startedMs - (this.#attemptEndedMs ?? startedMs)) / 1_000;
    this.waitSeconds += waitSeconds;
    const { model: sent, max_tokens: maxTokens } = body ?? {};
    if (typeof maxTokens === 'number' && this.admittedMaxTokens === null) this.maxTokens = maxTokens;
    const model = this.fallbackModel ?? (typeof sent === 'string' ? sent : this.requestedModel);
    if (this.fallbackModel !== null && model !== this.requestedModel) this.fallbackFrom ??= this.requestedModel;
    this.requestedModel = model;
    this.#begun = { index: this.attempts++, model, startedAtMs: clock.epochMs(), startedMs, waitSeconds };
    return this.#begun;
  }

  /** Gives the call up; `null` if nothing does. */
  get signal(): AbortSignal | null {
    return this.#signal?.deref() ?? null;
  }

  /** The attempt has waited for its turn: it begins now. */
  waited(waitedMs: number): void {
    const { clock } = this.#observation;
    this.waitSeconds += waitedMs / 1_000;
    const waitSeconds = this.#begun.waitSeconds + waitedMs / 1_000;
    this.#begun = { ...this.#begun, startedAtMs: clock.epochMs(), startedMs: clock.monotonicMs(), waitSeconds };
  }

  /** The request is about to be sent. */
  sending(request: GuardedRequest): void {
    this.#request = request;
  }

  /** The attempt succeeded, as far as its headers say. */
  succeed(status: number, limiters: Attempt['limiters'], begun = this.#begun): void {
    this.#endAttempt(this.#attempt(status, limiters, begun), null);
  }

  /** The attempt got no response. */
  fail(failure: 'timeout' | 'connection_error' | 'cancelled', begun = this.#begun): void {
    const status = failure === 'cancelled' ? outcomeOfAbort(this.#signal) : failure;
    this.#endAttempt(this.#attempt(status, [], begun), { outcome: status, rateLimitReason: null, spendScope: null });
  }

  /** The server refused the attempt. It is recorded, and the call ended where it is the last, when the verdict is there. */
  refuse({ status, limiters, verdict, begun = this.#begun, requestId, retryAfterMs }: RefusedResponse): void {
    const said = { requestId, retryAfterMs };
    const attempt = begun === null ? null : Object.assign(this.#attempt(status, limiters, begun), said);
    const recording = (this.#recording ?? Promise.resolve())
      .then(() => verdict)
      .then(({ rejection, denied, ends }) => {
        if (denied !== null) this.#record('retryDenied', denied);
        if (attempt !== null) this.#recordAttempt(attempt, rejection);
        if (ends !== null) this.end(ends);
      })
      .catch((error: unknown) => this.#observation.onError('middleware', error))
      .then(() => {
        if (this.#recording === recording) this.#recording = null;
      });
    this.#recording = recording;
  }

  /** The first content of a stream has come. */
  startContent(): void {
    this.firstTokenSeconds = this.elapsedMs / 1_000;
    if (this.#recording === null) this.#record('firstToken');
    else this.#recordLater(() => this.#record('firstToken'));
  }

  /** Prices the usage so far; before the end, only if a recorder asks: the SDK may end its span before a refusal is read. */
  priceUsage(): void {
    if (this.usage === null || !(this.isOver || this.#recorders.some((recorder) => 'usageKnown' in recorder))) return;
    this.cost = this.#price(this.usage);
    this.#record('usageKnown');
  }

  addBatchResult(result: BatchResult): void {
    this.#record('batchResult', result);
  }

  /** Tells the spend guards what a response says of a batch. */
  seeBatch(batch: SeenBatch): void {
    for (const spend of this.spends) spend.batchSeen?.(batch);
  }

  /** Ends the call; only the first end counts. `null`: as its last attempt. `bodyError`: the body of its success was one. */
  end(outcome: Outcome | null, bodyError: Rejection | null = null): void {
    this.#endAt(outcome, this.#observation.clock.monotonicMs(), bodyError);
  }

  /** Ends a call whose next attempt never came: when its last attempt did, and with the outcome of that. */
  endWithLastAttempt(): void {
    this.#endAt(null, this.#attemptEndedMs ?? this.#startedMs);
  }

  #endAt(end: Outcome | null, endedMs: number, bodyError: Rejection | null = null): void {
    if (this.isOver) return;
    const outcome = end === 'cancelled' ? outcomeOfAbort(this.#signal) : end;
    this.isOver = true;
    this.durationSeconds = (endedMs - this.#startedMs) / 1_000;
    this.outcome = outcome;
    if (this.#isAnswered && this.usage === null && outcome !== null && LEFT.has(outcome)) this.#leave();
    if (this.#left.length > 0) this.usage = withLeftPrompts(this.usage, this.#left);
    this.#request = null;
    this.priceUsage();
    if (this.#recording === null) this.#finish(bodyError);
    else this.#recordLater(() => this.#finish(bodyError));
  }

  #finish(bodyError: Rejection | null): void {
    if (bodyError !== null) this.#record('bodyError', (this.rejection = bodyError));
    this.outcome ??= this.lastOutcome ?? 'ok';
    this.#record('finished');
  }

  /** Resolves when all that has happened so far has been recorded. */
  get recorded(): Promise<void> {
    return this.#recording ?? Promise.resolve();
  }

  /** Milliseconds from the start of the call to now. */
  get elapsedMs(): number {
    return this.#observation.clock.monotonicMs() - this.#startedMs;
  }

  #price(usage: Usage): CallCost {
    try {
      const { endpoint, model, requestedModel, startedAtMs: atMs } = this;
      return this.#observation.price(usage, { model: model ?? requestedModel, atMs, endpoint });
    } catch (error) {
      this.#observation.onError('pricing', error);
      return unpriced(usage);
    }
  }

  #leave(): void {
    try {
      const part = this.#request && leftPrompt(this, this.#request);
      if (part !== null) this.#left = [...this.#left, part];
    } catch (error) {
      this.#observation.onError('usage', error);
    }
  }

  #endAttempt(attempt: OpenAttempt, rejection: Rejection | null): void {
    if (this.#recording === null) this.#recordAttempt(attempt, rejection);
    else this.#recordLater(() => this.#recordAttempt(attempt, rejection));
  }

  #attempt(status: Attempt['status'], limiters: Attempt['limiters'], begun: BegunAttempt): OpenAttempt {
    const endedMs = this.#observation.clock.monotonicMs();
    this.#attemptEndedMs = endedMs;
    this.#isAnswered = typeof status === 'number' && status < 400;
    const isUnsent = this.isUnsent && typeof status === 'string';
    if (!isUnsent && (status === 'cancelled' || status === 'timeout')) this.#leave();
    this.#record('attemptOver', isUnsent ? 'unsent' : status);
    return {
      index: begun.index,
      model: begun.model,
      startedAtMs: begun.startedAtMs,
      durationSeconds: (endedMs - begun.startedMs) / 1_000,
      waitSeconds: begun.waitSeconds,
      status,
      limiters,
      requestId: null,
      rejection: null,
      retryReason: null,
    };
  }

  #recordAttempt(attempt: OpenAttempt, rejection: Rejection | null): void {
    this.rejection = attempt.rejection = rejection;
    this.requestId = attempt.requestId;
    attempt.retryReason = this.lastOutcome;
    this.lastOutcome = rejection?.outcome ?? null;
    this.#record('attempted', attempt);
  }

  /** After the reason of a refusal, so that events stay in order. */
  #recordLater(record: () => void): void {
    this.#recording = (this.#recording ?? Promise.resolve())
      .then(record)
      .catch((error: unknown) => this.#observation.onError('middleware', error));
  }
}
