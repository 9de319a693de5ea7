import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { SamplingDecision, createContextKey, trace, type Context } from '@opentelemetry/api';
import type { Sampler } from '@opentelemetry/sdk-trace';
import { spanRecorder } from '../../../src/record/otel/spans.ts';
import type { Call, CallRecorder } from '../../../src/vocabulary.ts';
import type { ReceivedSpan } from '../../../testing/otlp-receiver.ts';
import { START_MS, aCall, aPart, aUsage, anAttempt, record } from '../../../testing/calls.ts';
import { tracing } from '../../../testing/tracing.ts';

/** The spans of one call, the call's own last. */
async function recorded(
  t: TestContext,
  given: Partial<Call>,
  tell: (ofCall: CallRecorder | undefined) => void = (ofCall) => ofCall?.attempted?.(anAttempt()),
): Promise<readonly ReceivedSpan[]> {
  const traced = await tracing(t);
  const ofCall = spanRecorder().started(aCall(given));
  tell(ofCall);
  ofCall?.finished?.();
  return traced.spans();
}

describe('a span of a call', () => {
  it('lasts as long as the call, and its attempt as long as the body of its answer', async (t) => {
    const [attempt, call] = await recorded(t, { durationSeconds: 2.5 }, (ofCall) =>
      ofCall?.attempted?.(anAttempt({ startedAtMs: START_MS + 1, durationSeconds: 0.25 })),
    );
    assert.deepEqual([call?.startMs, call?.endMs], [START_MS, START_MS + 2_500]);
    assert.deepEqual([attempt?.startMs, attempt?.endMs], [START_MS + 1, START_MS + 2_500]);
  });

  it('gives samplers of its attempts a context that has the span, and takes further values', async (t) => {
    const seen: unknown[] = [];
    const sampler: Sampler = {
      shouldSample(given, _traceId, name) {
        const key = createContextKey('of a sampler');
        const context = given.setValue(key, 'value');
        const parentOf = (any: Context): string | undefined => trace.getSpanContext(any)?.spanId;
        if (name === 'anthropic.attempt')
          seen.push(
            parentOf(given),
            given.getValue(key),
            [parentOf(context), context.getValue(key)],
            parentOf(given.deleteValue(key)),
            parentOf(trace.deleteSpan(given)),
          );
        return { decision: SamplingDecision.RECORD_AND_SAMPLED };
      },
    };
    const traced = await tracing(t, { sampler });
    const ofCall = spanRecorder().started(aCall({}));
    ofCall?.attempted?.(anAttempt());
    ofCall?.finished?.();
    const [attempt, call] = await traced.spans();
    assert.equal(attempt?.parentSpanId, call?.spanId);
    assert.deepEqual(seen, [call?.spanId, undefined, [call?.spanId, 'value'], call?.spanId, undefined]);
  });

  it('ends the span of a refused attempt with its headers, and of one that got none with the failure', async (t) => {
    const [refused, broken] = await recorded(t, { durationSeconds: 9, outcome: 'connection_error' }, (ofCall) => {
      const overloaded = { outcome: 'overloaded', rateLimitReason: null, spendScope: null } as const;
      ofCall?.attempted?.(anAttempt({ status: 529, rejection: overloaded }));
      const cut = { ...overloaded, outcome: 'connection_error' } as const;
      const again = { startedAtMs: START_MS + 1_000, index: 1, waitSeconds: 0.5, retryReason: 'overloaded' } as const;
      ofCall?.attempted?.(anAttempt({ ...again, status: 'connection_error', rejection: cut }));
    });
    assert.equal(refused?.endMs, START_MS + 500);
    assert.equal(broken?.endMs, START_MS + 1_500);
    assert.equal(broken.attributes['error.type'], 'connection_error');
    assert.equal(broken.attributes['plimsoll.retry.reason'], 'overloaded');
    assert.equal(broken.attributes['plimsoll.retry.wait_seconds'], 0.5);
  });

  it('is no error where the caller cancelled, and neither is its attempt', async (t) => {
    const cancelled = { outcome: 'cancelled', rateLimitReason: null, spendScope: null } as const;
    const spans = await recorded(t, { outcome: 'cancelled' }, (ofCall) =>
      ofCall?.attempted?.(anAttempt({ status: 'cancelled', rejection: cancelled })),
    );
    assert.deepEqual(
      spans.map(({ isError, attributes }) => [isError, attributes['error.type']]),
      [
        [false, undefined],
        [false, undefined],
      ],
    );
  });

  it('has no cost where no price is known, and says so', async (t) => {
    const usage = aUsage([aPart({ input: 5, output: 3 })]);
    const cost = { parts: [{ model: 'claude-unheard-of', cost: null }], totalNanoUsd: 0, priced: false, doubts: [] };
    const call = (await recorded(t, { usage, cost })).at(-1);
    assert.equal(call?.attributes['plimsoll.unpriced'], true);
    assert.equal('plimsoll.cost_usd' in call.attributes, false);
  });

  it('shows an estimated output as an estimate, not as what the server reported', async (t) => {
    const usage = aUsage([aPart({ input: 5, output_estimated: 40 })]);
    const call = (await recorded(t, { usage, outcome: 'truncated' })).at(-1);
    assert.equal(call?.attributes['plimsoll.usage.estimated_output_tokens'], 40);
    assert.equal('gen_ai.usage.output_tokens' in call.attributes, false);
  });

  it('shows the prompt of an attempt that was left as an estimate, and no tokens that the server reported', async (t) => {
    const usage = aUsage([{ ...aPart({ input_estimated: 900 }), role: 'left' }]);
    const call = (await recorded(t, { usage, outcome: 'cancelled' })).at(-1);
    assert.equal(call?.attributes['plimsoll.usage.estimated_input_tokens'], 900);
    assert.deepEqual(
      Object.keys(call.attributes).filter((name) => name.startsWith('gen_ai.usage.')),
      [],
    );
  });

  it('says which model a retry policy went on from, and why it denied a retry', async (t) => {
    const call = (
      await recorded(t, { fallbackFrom: 'claude-opus-5' }, (ofCall) => ofCall?.retryDenied?.('retry_budget'))
    ).at(-1);
    assert.equal(call?.attributes['plimsoll.fallback_from'], 'claude-opus-5');
    assert.equal(call.attributes['plimsoll.retry.denied'], 'retry_budget');
  });
});

describe("the SDK's span", () => {
  it('is ended where the body was dropped unread, because the SDK never would', async (t) => {
    const traced = await tracing(t);
    const sdkSpan = traced.provider.getTracer('sdk').startSpan('anthropic.messages.create');
    record(spanRecorder(), aCall({ sdkSpan, outcome: 'abandoned' }), [anAttempt()]);
    const span = (await traced.spans()).find(({ scope }) => scope === 'sdk');
    assert.equal(span?.attributes['plimsoll.outcome'], 'abandoned');
  });
});
