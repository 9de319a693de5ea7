import type { BatchItemRecord } from './truth.ts';
import type { Verdict } from './refusals.ts';
import type { WireUsage } from './usage.ts';

/** The outcome of a processed item. */
export type ItemOutcome =
  | {
      readonly type: 'succeeded';
      readonly message: object;
      readonly model: string;
      readonly usage: WireUsage;
      readonly verdict: Verdict;
    }
  | { readonly type: 'errored'; readonly error: object; readonly errorType: string };

/** One request of a batch. */
export interface BatchItem {
  readonly customId: string;
  /** The time at which it will be processed, unless the batch ends before. */
  readonly doneAtMs: number;
  readonly outcome: ItemOutcome;
}

/** A batch. Its status follows from these fields and the time. */
export interface Batch {
  readonly id: string;
  readonly organization: string | null;
  /** The name of the key that made it. */
  readonly key: string | null;
  readonly createdAtMs: number;
  readonly items: readonly BatchItem[];
  canceledAtMs: number | null;
  /** The records of its items in order, once it has ended and they are billed. */
  settled: readonly BatchItemRecord[] | null;
}

/** The result of an item. */
type ItemResult = ItemOutcome | { readonly type: 'canceled' } | { readonly type: 'expired' };

const EXPIRES_AFTER_MS = 24 * 60 * 60 * 1000;

/** The end of the batch: with its last item, at its cancellation, or a day after its creation. */
export function endsAtMs(batch: Batch): number {
  const lastMs = batch.items.at(-1)?.doneAtMs ?? batch.createdAtMs;
  return Math.min(lastMs, batch.createdAtMs + EXPIRES_AFTER_MS, batch.canceledAtMs ?? Infinity);
}

/** The result of an item of an ended batch. */
export function resultOf(batch: Batch, item: BatchItem): ItemResult {
  if (item.doneAtMs <= endsAtMs(batch)) return item.outcome;
  return { type: batch.canceledAtMs === null ? 'expired' : 'canceled' };
}

/** The status of a batch in responses. */
type Phase = 'in_progress' | 'canceling' | 'ended';

/** A batch in the API's form. Its counts stay at `processing` until it has ended. */
export function batchJson(batch: Batch, phase: Phase, origin: string): Record<string, unknown> {
  const ended = phase === 'ended';
  const counts = { processing: ended ? 0 : batch.items.length, succeeded: 0, errored: 0, canceled: 0, expired: 0 };
  if (ended) for (const item of batch.items) counts[resultOf(batch, item).type] += 1;
  return {
    id: batch.id,
    type: 'message_batch',
    processing_status: phase,
    request_counts: counts,
    created_at: rfc3339(batch.createdAtMs),
    expires_at: rfc3339(batch.createdAtMs + EXPIRES_AFTER_MS),
    ended_at: ended ? rfc3339(endsAtMs(batch)) : null,
    cancel_initiated_at: batch.canceledAtMs === null ? null : rfc3339(batch.canceledAtMs),
    archived_at: null,
    results_url: ended ? `${origin}/v1/messages/batches/${batch.id}/results` : null,
  };
}

/** One line of the results of a batch. */
export function resultLine(batch: Batch, item: BatchItem): string {
  const result = resultOf(batch, item);
  const shown =
    result.type === 'succeeded'
      ? { type: result.type, message: result.message }
      : result.type === 'errored'
        ? { type: result.type, error: result.error }
        : result;
  return `${JSON.stringify({ custom_id: item.customId, result: shown })}\n`;
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}
