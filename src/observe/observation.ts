import type { Clock } from '../clock.ts';
import type { Guard, RetryPolicy, SpendGuard } from '../decisions.ts';
import type {
  Attempt,
  Attribution,
  BatchResult,
  Call,
  CallCost,
  Outcome,
  Recorder,
  Rejection,
  RetryDenial,
  Usage,
} from '../vocabulary.ts';
import type { KnownBatches } from './known-batches.ts';

/** The step at which an error was swallowed. */
type ObserveStage = 'middleware' | 'guard' | 'retry' | 'body' | 'usage' | 'pricing' | 'recorder';

/** What the price of a usage depends on besides. */
interface PricedCall extends Pick<Call, 'endpoint'> {
  readonly model: string | null;
  readonly atMs: number;
}

/** The surroundings of calls: their recorders and guards, the clock, the prices. */
export interface Observation {
  readonly recorders: readonly Recorder[];
  /** Asked after the guards, in this order. */
  readonly spendGuards: readonly SpendGuard[];
  readonly clock: Clock;
  /** Alias of the API key. */
  readonly key: string;
  /** Name of the gateway's client; absent outside of a gateway. */
  readonly client?: string;
  /** The labels that hold at this moment, for a request with this body. */
  readonly attribution: (body: Readonly<Record<string, unknown>> | null) => Attribution;
  /** Asked in this order; the first refusal counts. If `isStrict`, about every attempt, and one that fails refuses. */
  readonly guards: readonly Guard[];
  readonly isStrict?: boolean;
  /** Without one the SDK retries as it always does. */
  readonly retry?: RetryPolicy | undefined;
  /** Prices the usage of a call at the prices of its time; may throw. */
  readonly price: (usage: Usage, call: PricedCall) => CallCost;
  /** Prices the usage of a batch result; may throw. */
  readonly batchPrice: (usage: Usage, model: string | null, atMs: number) => CallCost;
  /** The batch results that were recorded before. */
  readonly batches: Pick<KnownBatches, 'note' | 'createdAtMs' | 'isNew'>;
  readonly onError: (stage: ObserveStage, error: unknown) => void;
}

/** An attempt whose reason may not be known yet. */
export type OpenAttempt = Attempt & { rejection: Rejection | null; retryReason: Outcome | null };

/** The events that recorders get, each with the one thing that goes with it. */
export interface Events {
  readonly attemptOver: Attempt['status'] | 'unsent';
  readonly attempted: Attempt;
  readonly firstToken: undefined;
  readonly usageKnown: undefined;
  readonly batchResult: BatchResult;
  readonly retryDenied: RetryDenial;
  readonly bodyError: Rejection;
  readonly finished: undefined;
}
