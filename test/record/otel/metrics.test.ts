import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { metrics } from '@opentelemetry/api';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { otelMetrics } from '../../../src/record/otel/metrics.ts';
import { PARAMS, workbench } from '../../../testing/client-workbench.ts';
import type { Call } from '../../../src/vocabulary.ts';
import { otlpReceiver } from '../../../testing/otlp-receiver.ts';
import type { OtlpReceiver, ReceivedPoint } from '../../../testing/otlp-receiver.ts';
import { aCall, aPart, aUsage, anAttempt, record } from '../../../testing/calls.ts';

interface Metering {
  readonly meterProvider: MeterProvider;
  readonly receiver: OtlpReceiver;
  points(): Promise<readonly ReceivedPoint[]>;
}

/** A meter provider whose metrics go over HTTP to a receiver, for the time of one test. */
async function metering(t: TestContext): Promise<Metering> {
  const receiver = await otlpReceiver();
  const exporter = new OTLPMetricExporter({ url: `${receiver.endpoint}/v1/metrics` });
  const meterProvider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] });
  t.after(async () => {
    await meterProvider.shutdown();
    await receiver.close();
  });
  const points = async (): Promise<readonly ReceivedPoint[]> => {
    await meterProvider.forceFlush();
    return receiver.points;
  };
  return { meterProvider, receiver, points };
}

const added = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0);

const STREAM: Partial<Call> = {
  operation: 'messages.stream',
  baseUrl: 'https://api.anthropic.com',
  model: 'claude-haiku-4-5-20251001',
  firstTokenSeconds: 0.5,
  usage: aUsage([aPart({ input: 10, cache_read: 5, cache_write_5m: 7, output: 21 })]),
};

const CONVENTION = {
  'gen_ai.operation.name': 'chat',
  'gen_ai.provider.name': 'anthropic',
  'gen_ai.request.model': 'claude-haiku-4-5',
  'gen_ai.response.model': 'claude-haiku-4-5-20251001',
  'server.address': 'api.anthropic.com',
  'server.port': 443,
};

describe('the client metrics of the conventions for generative AI', () => {
  it('have their names, units, boundaries and attributes, and are cumulative', async (t) => {
    const { meterProvider, points } = await metering(t);
    record(otelMetrics({ meterProvider }), aCall(STREAM));
    const sent = (await points())
      .filter(({ name }) => name.startsWith('gen_ai.'))
      .map(({ name, unit, isCumulative, count, bounds, attributes, value }) => {
        return { name, unit, isCumulative, count, bounds, attributes, value };
      });
    // As in gen-ai-metrics.md of semantic-conventions-genai.
    const seconds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
    const tokens = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864];
    const common = { isCumulative: true, count: 1 };
    const input = { ...CONVENTION, 'gen_ai.token.type': 'input' };
    const output = { ...CONVENTION, 'gen_ai.token.type': 'output' };
    const usage = { ...common, name: 'gen_ai.client.token.usage', unit: '{token}', bounds: tokens };
    const timed = { ...common, unit: 's', bounds: seconds, attributes: CONVENTION };
    assert.deepEqual(sent, [
      { ...usage, value: 22, attributes: input },
      { ...usage, value: 21, attributes: output },
      { ...timed, name: 'gen_ai.client.operation.duration', value: 1.5 },
      { ...timed, name: 'gen_ai.client.operation.time_to_first_chunk', value: 0.5 },
    ]);
  });

  it('have the outcome as `error.type` where a call failed, and no tokens that nobody reported', async (t) => {
    const { meterProvider, points } = await metering(t);
    const recorder = otelMetrics({ meterProvider });
    record(recorder, aCall({ outcome: 'rate_limited' }));
    record(recorder, aCall({ outcome: 'cancelled', usage: aUsage([aPart({ input: 3, output_estimated: 9 })]) }));
    const left = aUsage([{ ...aPart({ input_estimated: 9 }), role: 'left' }]);
    record(recorder, aCall({ outcome: 'cancelled', usage: left }));
    const sent = await points();
    const types = (name: string, attribute: string): readonly unknown[] =>
      sent.filter((point) => point.name === name).map(({ attributes }) => attributes[attribute]);
    assert.deepEqual(types('gen_ai.client.operation.duration', 'error.type'), ['rate_limited', undefined]);
    assert.deepEqual(types('gen_ai.client.token.usage', 'gen_ai.token.type'), ['input']);
  });

  it('name an operation that the conventions do not know as plimsoll does', async (t) => {
    const { meterProvider, points } = await metering(t);
    record(otelMetrics({ meterProvider }), aCall({ operation: 'messages.count_tokens' }));
    const [duration] = (await points()).filter(({ name }) => name === 'gen_ai.client.operation.duration');
    assert.equal(duration?.attributes['gen_ai.operation.name'], 'messages.count_tokens');
  });
});

describe("the metrics of plimsoll's own", () => {
  it('carry key, operation and declared attribution', async (t) => {
    const { meterProvider, points } = await metering(t);
    const recorder = otelMetrics({ meterProvider, attribution: { feature: [] } });
    record(recorder, aCall({ attribution: { feature: 'search', tenant: 'acme' } }));
    const [calls] = (await points()).filter(({ name }) => name === 'plimsoll.client.calls');
    assert.deepEqual(calls?.attributes, {
      'plimsoll.operation': 'messages.create',
      'plimsoll.key': 'prod-api-key',
      'plimsoll.attribution.feature': 'search',
      'plimsoll.outcome': 'ok',
      'gen_ai.request.model': 'claude-haiku-4-5',
    });
  });

  it('count models and attribution values without a place of their own as `other`', async (t) => {
    const { meterProvider, points } = await metering(t);
    const recorder = otelMetrics({ meterProvider, attribution: { tenant: [] } });
    for (let n = 0; n < 300; n++) {
      record(recorder, aCall({ requestedModel: `claude-model-${n}`, attribution: { tenant: `tenant-${n}` } }));
    }
    const calls = (await points()).filter(({ name }) => name === 'plimsoll.client.calls');
    const distinct = (attribute: string): number => new Set(calls.map(({ attributes }) => attributes[attribute])).size;
    assert.equal(distinct('gen_ai.request.model'), 51);
    assert.equal(distinct('plimsoll.attribution.tenant'), 101);
    assert.equal(added(calls.map(({ value }) => value)), 300);
  });

  it('are refused with attribution labels that cannot be used', () => {
    assert.throws(() => otelMetrics({ attribution: { model: [] } }), /expected a label name of your own, got "model"/);
  });
});

describe('otelMetrics()', () => {
  it('counts the tokens and the cost that the server counts, and shows nothing of what was said', async (t) => {
    const { meterProvider, receiver, points } = await metering(t);
    const canary = 'canary-5e1f';
    const key = `sk-ant-api03-${canary}`;
    const { claude, sim } = workbench({
      client: { apiKey: key },
      simulator: { respond: () => ({ text: `${canary} `.repeat(9) }) },
      instrument: {
        recorders: [otelMetrics({ meterProvider, attribution: { tenant: [] } })],
        attribution: { tenant: [] },
        labels: { tenant: key },
      },
    });
    sim.script([{ fault: 'requests_limit', headers: { 'retry-after-ms': '1' } }]);
    const asked = { ...PARAMS, messages: [{ role: 'user' as const, content: canary }] };
    await claude.messages.create(asked);
    await claude.messages.stream(asked).finalMessage();
    await claude.messages.create({ ...asked, model: key }).catch(() => null);
    const sent = await points();
    const sum = (name: string): number => added(sent.filter((point) => point.name === name).map(({ value }) => value));
    const billed = sim.truth.requests.flatMap((request) => request.billed);
    const tokens = added(billed.flatMap((part) => Object.values<number>({ ...part.tokens })));
    const nanoUsd = added(billed.flatMap((part) => Object.values<number>({ ...part.nanoUsd })));
    assert.equal(sum('gen_ai.client.token.usage'), tokens);
    assert.equal(Math.round(sum('plimsoll.client.cost') * 1e9), nanoUsd);
    assert.equal(sum('plimsoll.client.attempts'), sim.truth.requests.length);
    assert.ok(tokens > 0 && nanoUsd > 0);
    assert.doesNotMatch(receiver.bytes().toString('latin1'), /canary/);
  });

  it('feeds the provider that is registered when a call is recorded', async (t) => {
    const { meterProvider, points } = await metering(t);
    const recorder = otelMetrics();
    const ofCall = recorder.started(aCall());
    ofCall?.attempted?.(anAttempt());
    metrics.setGlobalMeterProvider(meterProvider);
    t.after(() => metrics.disable());
    ofCall?.attempted?.(anAttempt());
    const [attempts] = (await points()).filter(({ name }) => name === 'plimsoll.client.attempts');
    assert.equal(attempts?.value, 1);
  });
});
