import type { Clock } from '../clock.ts';
import type { KnownBatches } from './known-batches.ts';
import { unpriced } from './usage.ts';
import type {
  Attempt,
  Attribution,
  Call,
  CallCost,
  Guard,
  Limiter,
  Outcome,
  Recorder,
  Rejection,
  RetryDenial,
  RetryPolicy,
  Usage,
} from '../vocabulary.ts';

/** Where in this room an error was swallowed. */
export type ObserveStage = 'middleware' | 'guard' | 'retry' | 'body' | 'usage' | 'pricing';

/** What calls are made with: who is told of them, by what clock, at what price. */
export interface Observation {
  readonly recorder: Recorder;
  readonly clock: Clock;
  /** Alias of the API key. */
  readonly key: string;
  /** The labels that hold at this moment, for a request with this body. */
  readonly attribution: (body: Readonly<Record<string, unknown>> | null) => Attribution;
  /** Asked in this order; the first refusal counts. */
  readonly guards: readonly Guard[];
  /** Without one the SDK retries as it always does. */
  readonly retry?: RetryPolicy | undefined;
  /** The cost of a usage at what was in force then; it may throw. */
  readonly price: (usage: Usage, model: string | null, atMs: number) => CallCost;
  /** As `price`, of a batch result. */
  readonly batchPrice: (usage: Usage, model: string | null, atMs: number) => CallCost;
  /** Which results of batches have been told. */
  readonly batches: Pick<KnownBatches, 'note' | 'createdAtMs' | 'isNew'>;
  readonly onError: (stage: ObserveStage, error: unknown) => void;
}

/** What the request says of the call. */
export interface CallRequest {
  readonly operation: string;
  readonly model: string | null;
  readonly maxTokens: number | null;
  readonly body?: Readonly<Record<string, unknown>> | null;
  readonly baseUrl: string;
  readonly sdkSpan: unknown;
}

/** An attempt that the server refused. */
export interface Refused {
  readonly status: number;
  readonly limiters: readonly Limiter[];
  /** Known when the body has been read. */
  readonly verdict: Promise<Verdict>;
}

/** What is known of a refused attempt when its body has been read. */
export interface Verdict {
  readonly rejection: Rejection;
  /** The retry policy ended the call with it. */
  readonly denied: RetryDenial | null;
  /** The call ends with it. */
  readonly isLast: boolean;
}

/** An attempt whose reason may not be known yet. */
type UntoldAttempt = Attempt & { rejection: Rejection | null; retryReason: Outcome | null };

/** A call while it happens: the state behind `Call`, and the one place that tells the recorder of it. */
export class LiveCall implements Call {
  readonly operation: string;
  readonly key: string;
  requestedModel: string | null;
  fallbackFrom: string | null = null;
  maxTokens: number | null;
  readonly attribution: Attribution;
  readonly baseUrl: string;
  readonly sdkSpan: unknown;
  readonly startedAtMs: number;
  model: string | null = null;
  attempts = 0;
  waitSeconds = 0;
  firstTokenSeconds: number | null = null;
  durationSeconds: number | null = null;
  outcome: Outcome | null = null;
  stopReason: string | null = null;
  usage: Usage | null = null;
  cost: CallCost | null = null;
  /** What a guard set in place of the request's own `max_tokens`, for all attempts. */
  admittedMaxTokens: number | null = null;
  /** The model that a retry policy goes on with, from the next attempt on. */
  fallbackModel: string | null = null;

  readonly #observation: Observation;
  readonly #startedMs: number;
  #attemptStartedMs: number;
  #attemptStartedAtMs: number;
  #attemptEndedMs = 0;
  #attemptWaitSeconds = 0;
  #lastOutcome: Outcome | null = null;
  #over = false;
  /** What has to be told after the reason of a refusal is known; `null` where nothing waits. */
  #telling: Promise<void> | null = null;

  constructor(observation: Observation, request: CallRequest) {
    this.#observation = observation;
    this.operation = request.operation;
    this.requestedModel = request.model;
    this.maxTokens = request.maxTokens;
    this.baseUrl = request.baseUrl;
    this.sdkSpan = request.sdkSpan;
    this.key = observation.key;
    this.attribution = observation.attribution(request.body ?? null);
    this.startedAtMs = observation.clock.epochMs();
    this.#startedMs = observation.clock.monotonicMs();
    this.#attemptStartedMs = this.#startedMs;
    this.#attemptStartedAtMs = this.startedAtMs;
    this.attempts = 1;
    observation.recorder.started?.(this);
  }

  /** A guard lets it through with this `max_tokens` in place of the request's own. */
  admit(maxTokens: number): void {
    this.admittedMaxTokens = maxTokens;
    this.maxTokens = maxTokens;
  }

  /** Another attempt of this call begins. */
  retry(): void {
    const { clock } = this.#observation;
    this.#attemptStartedMs = clock.monotonicMs();
    this.#attemptStartedAtMs = clock.epochMs();
    this.#attemptWaitSeconds = (this.#attemptStartedMs - this.#attemptEndedMs) / 1_000;
    this.waitSeconds += this.#attemptWaitSeconds;
    this.attempts++;
    if (this.fallbackModel === null || this.fallbackModel === this.requestedModel) return;
    this.fallbackFrom ??= this.requestedModel;
    this.requestedModel = this.fallbackModel;
  }

  answered(status: number, limiters: readonly Limiter[]): void {
    const attempt = this.#attempt(status, limiters);
    this.#inOrder(() => this.#tellAttempt(attempt, null));
  }

  refused({ status, limiters, verdict }: Refused): void {
    const attempt = this.#attempt(status, limiters);
    const telling = (this.#telling ?? Promise.resolve())
      .then(() => verdict)
      .then(({ rejection, denied, isLast }) => {
        if (denied !== null) this.#observation.recorder.retryDenied?.(this, denied);
        this.#tellAttempt(attempt, rejection);
        if (isLast) this.end(rejection.outcome);
      })
      .catch((error: unknown) => this.#observation.onError('middleware', error))
      .then(() => {
        if (this.#telling === telling) this.#telling = null;
      });
    this.#telling = telling;
  }

  /** The attempt came to no answer. */
  failed(status: 'timeout' | 'connection_error' | 'cancelled'): void {
    const attempt = this.#attempt(status, []);
    this.#inOrder(() => this.#tellAttempt(attempt, { outcome: status, rateLimitReason: null, spendScope: null }));
  }

  firstContent(): void {
    this.firstTokenSeconds = this.elapsedMs / 1_000;
    this.#inOrder(() => this.#observation.recorder.firstToken?.(this));
  }

  /** Told at once: the SDK may end its span before the reason of an earlier refusal has been read. */
  usageKnown(): void {
    if (this.usage === null) return;
    this.cost = this.#priced(this.usage);
    this.#observation.recorder.usageKnown?.(this);
  }

  /** The call is over. Only the first end counts. `null`: it came to what its last attempt came to. */
  end(outcome: Outcome | null): void {
    this.#endAt(outcome, this.#observation.clock.monotonicMs());
  }

  #endAt(outcome: Outcome | null, endedMs: number): void {
    if (this.#over) return;
    this.#over = true;
    this.durationSeconds = (endedMs - this.#startedMs) / 1_000;
    this.outcome = outcome;
    this.usageKnown();
    this.#inOrder(() => {
      this.outcome ??= this.#lastOutcome ?? 'ok';
      this.#observation.recorder.finished?.(this);
    });
  }

  /** The next attempt never came: the call ended when its last attempt did, and came to what that came to. */
  endWithLastAttempt(): void {
    this.#endAt(null, this.#attemptEndedMs);
  }

  /** Resolves when all that has happened so far has been told. */
  get told(): Promise<void> {
    return this.#telling ?? Promise.resolve();
  }

  /** From the start of the call to now. */
  get elapsedMs(): number {
    return this.#observation.clock.monotonicMs() - this.#startedMs;
  }

  #priced(usage: Usage): CallCost {
    try {
      return this.#observation.price(usage, this.model ?? this.requestedModel, this.startedAtMs);
    } catch (error) {
      this.#observation.onError('pricing', error);
      return unpriced(usage);
    }
  }

  #attempt(status: Attempt['status'], limiters: readonly Limiter[]): UntoldAttempt {
    const endedMs = this.#observation.clock.monotonicMs();
    this.#attemptEndedMs = endedMs;
    return {
      index: this.attempts - 1,
      startedAtMs: this.#attemptStartedAtMs,
      durationSeconds: (endedMs - this.#attemptStartedMs) / 1_000,
      waitSeconds: this.#attemptWaitSeconds,
      status,
      limiters,
      rejection: null,
      retryReason: null,
    };
  }

  #tellAttempt(attempt: UntoldAttempt, rejection: Rejection | null): void {
    attempt.rejection = rejection;
    attempt.retryReason = this.#lastOutcome;
    this.#lastOutcome = rejection?.outcome ?? null;
    this.#observation.recorder.attempted?.(this, attempt);
  }

  #inOrder(step: () => void): void {
    if (this.#telling === null) return step();
    this.#telling = this.#telling.then(step).catch((error: unknown) => this.#observation.onError('middleware', error));
  }
}
