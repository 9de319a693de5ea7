/** The same calls, told to each recorder of metrics: each comes to the totals that the table says. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { Registry } from 'prom-client';
import { NO_TOKENS } from '../../src/pricing/cost.ts';
import { otelMetrics } from '../../src/record/otel/metrics.ts';
import { prometheusRecorder } from '../../src/record/prometheus.ts';
import type { Attempt, BatchResult, Call, Cost, Recorder } from '../../src/vocabulary.ts';
import { otlpReceiver } from '../../testing/otlp-receiver.ts';
import type { ReceivedPoint } from '../../testing/otlp-receiver.ts';
import { aCall, aPart, aUsage, anAttempt } from '../../testing/calls.ts';
import { scraped } from '../../testing/scraped.ts';

const HAIKU = 'claude-haiku-4-5';
const OPUS = 'claude-opus-5';

function costs(given: Partial<Cost>): Cost {
  return { ...NO_TOKENS, server_tools: 0, ...given };
}

interface Told {
  readonly call: Partial<Call>;
  readonly attempts?: readonly Partial<Attempt>[];
  readonly results?: readonly BatchResult[];
}

/** What was counted, each under a name that no recorder has: a total, and what it is broken down by. */
type Totals = Readonly<Record<string, number>>;

interface Case {
  readonly told: readonly Told[];
  readonly totals: Totals;
}

const REFUSED = { outcome: 'rate_limited', rateLimitReason: 'input_tokens', spendScope: null } as const;
const CAPPED = { outcome: 'spend_limited', rateLimitReason: 'spend_limit', spendScope: 'tier' } as const;
const OVER = { outcome: 'overloaded', rateLimitReason: null, spendScope: null } as const;

const CASES: Readonly<Record<string, Case>> = {
  'an answer, priced': {
    told: [
      {
        call: {
          model: HAIKU,
          durationSeconds: 1.5,
          usage: aUsage([
            aPart({ input: 10, cache_read: 5, cache_write_5m: 6, cache_write_1h: 1, output: 20 }, { model: null }),
          ]),
          cost: {
            parts: [
              { model: HAIKU, cost: costs({ input: 10_000, cache_read: 500, cache_write_5m: 7_500, output: 100_000 }) },
            ],
            totalNanoUsd: 118_000,
            priced: true,
            doubts: [],
          },
        },
        attempts: [{ durationSeconds: 1.25 }],
      },
    ],
    totals: {
      'calls ok': 1,
      'duration count': 1,
      'duration sum': 1.5,
      'attempts 200': 1,
      'attempt duration sum': 1.25,
      'tokens input': 10,
      'tokens cache_read': 5,
      'tokens cache_write_5m': 6,
      'tokens cache_write_1h': 1,
      'tokens output': 20,
      'nano-dollars input': 10_000,
      'nano-dollars cache_read': 500,
      'nano-dollars cache_write_5m': 7_500,
      'nano-dollars output': 100_000,
    },
  },
  'an answer after refusals': {
    told: [
      {
        call: { model: HAIKU, attempts: 3, waitSeconds: 2.5, durationSeconds: 4 },
        attempts: [
          { status: 429, rejection: REFUSED },
          { index: 1, status: 529, rejection: OVER, waitSeconds: 0.5, retryReason: 'rate_limited' },
          { index: 2, waitSeconds: 2, retryReason: 'overloaded' },
        ],
      },
    ],
    totals: {
      'calls ok': 1,
      'duration count': 1,
      'duration sum': 4,
      'attempts 200': 1,
      'attempts 429': 1,
      'attempts 529': 1,
      'attempt duration sum': 1.5,
      'rate limited input_tokens': 1,
      'retries rate_limited': 1,
      'retries overloaded': 1,
      'retry wait': 2.5,
    },
  },
  'a spend cap, and no answer at all': {
    told: [
      { call: { outcome: 'spend_limited' }, attempts: [{ status: 429, rejection: CAPPED }] },
      {
        call: { outcome: 'timeout', durationSeconds: 600 },
        attempts: [{ status: 'timeout', rejection: { ...OVER, outcome: 'timeout' } }],
      },
    ],
    totals: {
      'calls spend_limited': 1,
      'calls timeout': 1,
      'duration count': 2,
      'duration sum': 601.5,
      'attempts 429': 1,
      'attempts timeout': 1,
      'attempt duration sum': 1,
      'rate limited spend_limit': 1,
      'spend limited tier': 1,
    },
  },
  'a stream that was left, with an estimate': {
    told: [
      {
        call: {
          operation: 'messages.stream',
          outcome: 'cancelled',
          model: HAIKU,
          firstTokenSeconds: 0.5,
          usage: aUsage([aPart({ input: 7, output_estimated: 30 })]),
          cost: {
            parts: [{ model: HAIKU, cost: costs({ input: 7_000, output_estimated: 150_000 }) }],
            totalNanoUsd: 157_000,
            priced: true,
            doubts: [],
          },
        },
      },
    ],
    totals: {
      'calls cancelled': 1,
      'duration count': 1,
      'duration sum': 1.5,
      'attempts 200': 1,
      'attempt duration sum': 0.5,
      'first token sum': 0.5,
      'tokens input': 7,
      'tokens output_estimated': 30,
      'nano-dollars input': 7_000,
      'nano-dollars output_estimated': 150_000,
    },
  },
  'a stream, with its pace': {
    told: [
      {
        call: {
          operation: 'messages.stream',
          model: HAIKU,
          firstTokenSeconds: 0.5,
          answerStartSeconds: 0.5,
          durationSeconds: 2.5,
          usage: aUsage([aPart({ input: 1, output: 21 })]),
          cost: null,
        },
      },
    ],
    totals: {
      'calls ok': 1,
      'duration count': 1,
      'duration sum': 2.5,
      'attempts 200': 1,
      'attempt duration sum': 0.5,
      'first token sum': 0.5,
      'per output token sum': 0.1,
      'tokens input': 1,
      'tokens output': 21,
      unpriced: 1,
    },
  },
  'an answer by two models, one of them without a price': {
    told: [
      {
        call: {
          requestedModel: OPUS,
          model: OPUS,
          usage: aUsage([
            aPart({ input: 100, output: 2 }),
            aPart({ input: 3, output: 4 }, { model: 'claude-unheard-of' }),
          ]),
          cost: {
            parts: [
              { model: OPUS, cost: costs({ input: 500_000, output: 50_000, server_tools: 10_000_000 }) },
              { model: 'claude-unheard-of', cost: null },
            ],
            totalNanoUsd: 10_550_000,
            priced: false,
            doubts: [],
          },
        },
      },
    ],
    totals: {
      'calls ok': 1,
      'duration count': 1,
      'duration sum': 1.5,
      'attempts 200': 1,
      'attempt duration sum': 0.5,
      'tokens input': 103,
      'tokens output': 6,
      'nano-dollars input': 500_000,
      'nano-dollars output': 50_000,
      'nano-dollars server_tools': 10_000_000,
      unpriced: 1,
    },
  },
  'calls that are no messages, and one that a guard refused': {
    told: [
      { call: { operation: 'messages.count_tokens' } },
      { call: { operation: 'models.list', requestedModel: null } },
      { call: { outcome: 'blocked', durationSeconds: 0 }, attempts: [] },
    ],
    totals: {
      'calls ok': 2,
      'calls blocked': 1,
      'duration count': 3,
      'duration sum': 3,
      'attempts 200': 2,
      'attempt duration sum': 1,
    },
  },
  'the results of a batch, and a call whose server tool has no price': {
    told: [
      {
        call: { operation: 'messages.batches.results', requestedModel: null },
        results: [
          {
            outcome: 'succeeded',
            error: null,
            serverFallbackFrom: null,
            stopReason: null,
            cacheMiss: null,
            model: HAIKU,
            usage: aUsage([aPart({ input: 10, output: 2 })]),
            cost: {
              parts: [{ model: HAIKU, cost: costs({ input: 5_000, output: 5_000 }) }],
              totalNanoUsd: 10_000,
              priced: true,
              doubts: [],
            },
          },
          {
            outcome: 'succeeded',
            error: null,
            serverFallbackFrom: null,
            stopReason: null,
            cacheMiss: null,
            model: 'claude-unheard-of',
            usage: aUsage([aPart({ input: 3 })]),
            cost: { parts: [{ model: 'claude-unheard-of', cost: null }], totalNanoUsd: 0, priced: false, doubts: [] },
          },
          {
            outcome: 'errored',
            error: 'invalid_request',
            model: null,
            serverFallbackFrom: null,
            stopReason: null,
            cacheMiss: null,
            usage: null,
            cost: null,
          },
          {
            outcome: 'expired',
            error: null,
            model: null,
            serverFallbackFrom: null,
            stopReason: null,
            cacheMiss: null,
            usage: null,
            cost: null,
          },
        ],
      },
      {
        call: {
          model: HAIKU,
          usage: aUsage([aPart({ input: 1 })]),
          cost: {
            parts: [{ model: HAIKU, cost: costs({ input: 1_000 }) }],
            totalNanoUsd: 1_000,
            priced: false,
            doubts: [],
          },
        },
      },
    ],
    totals: {
      'calls ok': 2,
      'duration count': 2,
      'duration sum': 3,
      'attempts 200': 2,
      'attempt duration sum': 1,
      'batch results succeeded': 2,
      'batch results errored': 1,
      'batch results expired': 1,
      'tokens input': 14,
      'tokens output': 2,
      'nano-dollars input': 6_000,
      'nano-dollars output': 5_000,
      unpriced: 2,
    },
  },
  'a call that went on with another model, and one whose retry was denied': {
    told: [
      { call: { fallbackFrom: OPUS } },
      { call: { outcome: 'overloaded' }, attempts: [{ status: 529, rejection: OVER }] },
    ],
    totals: {
      'calls ok': 1,
      'calls overloaded': 1,
      'duration count': 2,
      'duration sum': 3,
      'attempts 200': 1,
      'attempts 529': 1,
      'attempt duration sum': 1,
      fallbacks: 1,
      'retries denied retry_budget': 1,
    },
  },
};

function tell(recorder: Recorder, told: readonly Told[]): void {
  for (const { call: given, attempts = [{}], results = [] } of told) {
    const call = aCall(given);
    const ofCall = recorder.started(call);
    for (const attempt of attempts) {
      if (call.outcome === 'overloaded') ofCall?.retryDenied?.('retry_budget');
      ofCall?.attempted?.(anAttempt(attempt));
    }
    for (const result of results) ofCall?.batchResult?.(result);
    ofCall?.finished?.();
  }
}

/** How a metric becomes totals: `by` is the label, or the one of several, that it is broken down by. */
interface Reading {
  readonly total: string;
  readonly by?: readonly string[];
  readonly scale?: number;
}

const IN_PROMETHEUS: Readonly<Record<string, Reading>> = {
  anthropic_requests_total: { total: 'calls', by: ['outcome'] },
  anthropic_request_duration_seconds_count: { total: 'duration count' },
  anthropic_request_duration_seconds_sum: { total: 'duration sum' },
  anthropic_time_to_first_token_seconds_sum: { total: 'first token sum' },
  anthropic_time_per_output_token_seconds_sum: { total: 'per output token sum' },
  anthropic_attempts_total: { total: 'attempts', by: ['status'] },
  anthropic_attempt_duration_seconds_sum: { total: 'attempt duration sum' },
  anthropic_rate_limited_total: { total: 'rate limited', by: ['reason'] },
  anthropic_spend_limited_total: { total: 'spend limited', by: ['scope'] },
  anthropic_retries_total: { total: 'retries', by: ['reason'] },
  anthropic_retry_wait_seconds_total: { total: 'retry wait' },
  anthropic_retries_denied_total: { total: 'retries denied', by: ['reason'] },
  anthropic_model_fallbacks_total: { total: 'fallbacks' },
  anthropic_tokens_total: { total: 'tokens', by: ['kind'] },
  anthropic_cost_usd_total: { total: 'nano-dollars', by: ['kind'], scale: 1e9 },
  anthropic_unpriced_requests_total: { total: 'unpriced' },
  anthropic_batch_results_total: { total: 'batch results', by: ['result'] },
};

const IN_OPENTELEMETRY: Readonly<Record<string, Reading>> = {
  'plimsoll.client.calls': { total: 'calls', by: ['plimsoll.outcome'] },
  'gen_ai.client.operation.duration count': { total: 'duration count' },
  'gen_ai.client.operation.duration': { total: 'duration sum' },
  'gen_ai.client.operation.time_to_first_chunk': { total: 'first token sum' },
  'plimsoll.client.time_per_output_token': { total: 'per output token sum' },
  'plimsoll.client.attempts': { total: 'attempts', by: ['http.response.status_code', 'error.type'] },
  'plimsoll.client.attempt.duration': { total: 'attempt duration sum' },
  'plimsoll.client.rate_limited': { total: 'rate limited', by: ['plimsoll.rate_limited.reason'] },
  'plimsoll.client.spend_limited': { total: 'spend limited', by: ['plimsoll.spend_limited.scope'] },
  'plimsoll.client.retries': { total: 'retries', by: ['plimsoll.retry.reason'] },
  'plimsoll.client.retry.wait': { total: 'retry wait' },
  'plimsoll.client.retries_denied': { total: 'retries denied', by: ['plimsoll.retry.denied'] },
  'plimsoll.client.model_fallbacks': { total: 'fallbacks' },
  'plimsoll.client.tokens': { total: 'tokens', by: ['plimsoll.token.kind'] },
  'plimsoll.client.cost': { total: 'nano-dollars', by: ['plimsoll.cost.kind'], scale: 1e9 },
  'plimsoll.client.unpriced': { total: 'unpriced' },
  'plimsoll.client.batch_results': { total: 'batch results', by: ['plimsoll.batch.result'] },
};

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string | number | undefined>>;
  readonly value: number;
}

/** What is 0 is left out: series that are born at zero say that nothing has happened. */
function totals(samples: readonly Sample[], readings: Readonly<Record<string, Reading>>): Totals {
  const sums: Record<string, number> = {};
  for (const { name, labels, value } of samples) {
    const reading = readings[name];
    if (reading === undefined || value === 0) continue;
    const by = reading.by?.map((label) => labels[label]).find((part) => part !== undefined);
    const total = by === undefined ? reading.total : `${reading.total} ${by}`;
    sums[total] = (sums[total] ?? 0) + value * (reading.scale ?? 1);
  }
  return Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, Math.round(sum * 1e6) / 1e6]));
}

async function prometheusTotals(told: readonly Told[]): Promise<Totals> {
  const registry = new Registry();
  tell(prometheusRecorder({ registry }), told);
  const { samples } = scraped(await registry.metrics());
  return totals(
    [...samples].map(([key, value]) => {
      const [name = '', labels = ''] = key.split('{');
      return { name, value, labels: labelsOf(labels) };
    }),
    IN_PROMETHEUS,
  );
}

function labelsOf(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries([...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]));
}

/** What went over the wire. */
async function exported(
  told: readonly Told[],
  recorder: (provider: MeterProvider) => Recorder,
): Promise<readonly ReceivedPoint[]> {
  const receiver = await otlpReceiver();
  const exporter = new OTLPMetricExporter({ url: `${receiver.endpoint}/v1/metrics` });
  const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] });
  try {
    tell(recorder(provider), told);
    await provider.forceFlush();
    return receiver.points;
  } finally {
    await provider.shutdown();
    await receiver.close();
  }
}

const plain = (meterProvider: MeterProvider): Recorder => otelMetrics({ meterProvider });

async function openTelemetryTotals(told: readonly Told[]): Promise<Totals> {
  const points = await exported(told, plain);
  return totals(
    points.flatMap(({ name, attributes, value, count }) => [
      { name, labels: attributes as Sample['labels'], value },
      { name: `${name} count`, labels: attributes as Sample['labels'], value: count },
    ]),
    IN_OPENTELEMETRY,
  );
}

const RECORDERS = { Prometheus: prometheusTotals, OpenTelemetry: openTelemetryTotals };

for (const [name, recorded] of Object.entries(RECORDERS)) {
  describe(`the metrics of ${name} come to the totals of`, () => {
    for (const [title, { told, totals: expected }] of Object.entries(CASES)) {
      it(title, async () => {
        assert.deepEqual(await recorded(told), expected);
      });
    }

    it('all cases together', async () => {
      const all = Object.values(CASES);
      const expected: Record<string, number> = {};
      for (const { totals: one } of all)
        for (const [total, value] of Object.entries(one))
          expected[total] = Math.round(((expected[total] ?? 0) + value) * 1e6) / 1e6;
      assert.deepEqual(await recorded(all.flatMap(({ told }) => told)), expected);
    });
  });
}
