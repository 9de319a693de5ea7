import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { prometheusRecorder } from '../../src/record/prometheus.ts';
import type { PrometheusRecorderOptions } from '../../src/record/prometheus.ts';
import { OUTCOMES } from '../../src/vocabulary.ts';
import type { Attempt, Call, Cost, Outcome } from '../../src/vocabulary.ts';
import { aCall, aPart, aUsage, anAttempt, record } from '../../testing/calls.ts';
import { sampleKey, scraped } from '../../testing/scraped.ts';

const of = { model: 'claude-haiku-4-5', key: 'prod-api-key' };
const created = { ...of, operation: 'messages.create' };
const NO_COST: Cost = {
  input: 0,
  cache_read: 0,
  cache_write_5m: 0,
  cache_write_1h: 0,
  output: 0,
  output_estimated: 0,
  input_estimated: 0,
  server_tools: 0,
};

/** A recorder, and what its registry shows; `value` is `undefined` for what is absent. */
function recording(options: Partial<PrometheusRecorderOptions> = {}) {
  const registry = new Registry();
  const recorder = prometheusRecorder({ registry, ...options });
  return {
    recorder,
    record(given: Partial<Call>, attempts: readonly Partial<Attempt>[] = [{}]): void {
      record(recorder, aCall(given), attempts.map(anAttempt));
    },
    async value(name: string, labels: Record<string, string> = {}): Promise<number | undefined> {
      return scraped(await registry.metrics()).samples.get(sampleKey(name, labels));
    },
    /** All samples of a metric that are not 0. */
    async shown(name: string): Promise<Record<string, number>> {
      const { samples } = scraped(await registry.metrics());
      return Object.fromEntries([...samples].filter(([key, value]) => key.startsWith(`${name}{`) && value !== 0));
    },
  };
}

test('a finished call is counted once, by model, operation, key and outcome', async () => {
  const { record, shown, value } = recording();
  record({});
  record({});
  record({ operation: 'messages.stream', outcome: 'cancelled', durationSeconds: 3 });
  assert.deepEqual(await shown('anthropic_requests_total'), {
    [sampleKey('anthropic_requests_total', { ...created, outcome: 'ok' })]: 2,
    [sampleKey('anthropic_requests_total', { ...of, operation: 'messages.stream', outcome: 'cancelled' })]: 1,
  });
  const duration = { ...created, outcome: 'ok' };
  assert.equal(await value('anthropic_request_duration_seconds_count', duration), 2);
  assert.equal(await value('anthropic_request_duration_seconds_sum', duration), 3);
});

for (const outcome of OUTCOMES) {
  test(`a call is in flight from its start to its end as ${outcome}`, async () => {
    const { recorder, value } = recording();
    const labels = { operation: 'messages.create', key: 'prod-api-key' };
    const ofCall = recorder.started(aCall({ outcome }));
    assert.equal(await value('anthropic_requests_in_flight', labels), 1);
    ofCall?.finished?.();
    assert.equal(await value('anthropic_requests_in_flight', labels), 0);
    assert.equal(await value('anthropic_requests_total', { ...created, outcome }), 1);
  });
}

test('a call that ends without an outcome is refused, and still is in flight no more', async () => {
  const { recorder, value } = recording();
  const ofCall = recorder.started(aCall({ outcome: null }));
  assert.throws(() => ofCall?.finished?.(), TypeError);
  assert.equal(await value('anthropic_requests_in_flight', { operation: 'messages.create', key: 'prod-api-key' }), 0);
});

test('the model is the one that responded, in its canonical spelling, or the requested one', async () => {
  const canonicalModel = (id: string): string => id.replace(/-\d{8}$/, '');
  const { record, value } = recording({ canonicalModel });
  record({ requestedModel: 'claude-haiku-latest', model: 'claude-haiku-4-5-20251001' });
  record({ requestedModel: 'claude-haiku-4-5-20251001', outcome: 'timeout' });
  record({ operation: 'models.list', requestedModel: null });
  assert.equal(await value('anthropic_requests_total', { ...created, outcome: 'ok' }), 1);
  assert.equal(await value('anthropic_requests_total', { ...created, outcome: 'timeout' }), 1);
  const listed = { operation: 'models.list', key: 'prod-api-key', outcome: 'ok' };
  assert.equal(await value('anthropic_requests_total', listed), 1);
});

test('every attempt is counted by its status', async () => {
  const { record, shown, value } = recording();
  record({}, [{ status: 529 }, { status: 'timeout', durationSeconds: 600 }, { status: 200 }, { status: 1000 }]);
  assert.deepEqual(await shown('anthropic_attempts_total'), {
    [sampleKey('anthropic_attempts_total', { ...created, status: '200' })]: 1,
    [sampleKey('anthropic_attempts_total', { ...created, status: '529' })]: 1,
    [sampleKey('anthropic_attempts_total', { ...created, status: 'timeout' })]: 1,
    [sampleKey('anthropic_attempts_total', { ...created, status: 'other' })]: 1,
  });
  assert.equal(await value('anthropic_attempt_duration_seconds_sum', { ...of, status: 'timeout' }), 600);
  assert.equal(await value('anthropic_overloaded_total', of), 1);
});

test('every 429 has a reason, and one without a known reason is unknown', async () => {
  const { record, shown } = recording();
  const rejection = { outcome: 'rate_limited', rateLimitReason: 'input_tokens', spendScope: null } as const;
  record({}, [{ status: 429, rejection }, { status: 429, rejection }, { status: 429 }]);
  assert.deepEqual(await shown('anthropic_rate_limited_total'), {
    [sampleKey('anthropic_rate_limited_total', { ...of, reason: 'input_tokens' })]: 2,
    [sampleKey('anthropic_rate_limited_total', { ...of, reason: 'unknown' })]: 1,
  });
});

test("a tier's spend cap is counted as a 429 and as a refusal for spend, an own limit only as the latter", async () => {
  const { record, shown } = recording();
  record({}, [
    { status: 429, rejection: { outcome: 'spend_limited', rateLimitReason: 'spend_limit', spendScope: 'tier' } },
    { status: 400, rejection: { outcome: 'spend_limited', rateLimitReason: null, spendScope: 'workspace' } },
  ]);
  assert.deepEqual(await shown('anthropic_rate_limited_total'), {
    [sampleKey('anthropic_rate_limited_total', { ...of, reason: 'spend_limit' })]: 1,
  });
  assert.deepEqual(await shown('anthropic_spend_limited_total'), {
    [sampleKey('anthropic_spend_limited_total', { ...of, scope: 'tier' })]: 1,
    [sampleKey('anthropic_spend_limited_total', { ...of, scope: 'workspace' })]: 1,
  });
});

test('a retry is counted by the outcome of the previous attempt, and its wait is added up', async () => {
  const { record, shown, value } = recording();
  record({}, [
    { status: 529 },
    { index: 1, status: 429, retryReason: 'overloaded', waitSeconds: 0.5 },
    { index: 2, retryReason: 'rate_limited', waitSeconds: 2.25 },
  ]);
  assert.deepEqual(await shown('anthropic_retries_total'), {
    [sampleKey('anthropic_retries_total', { ...of, reason: 'overloaded' })]: 1,
    [sampleKey('anthropic_retries_total', { ...of, reason: 'rate_limited' })]: 1,
  });
  assert.equal(await value('anthropic_retry_wait_seconds_total', of), 2.75);
});

test('a stream shows the time to its first token and the pace after it', async () => {
  const { record, value } = recording();
  record({
    firstTokenSeconds: 0.75,
    answerStartSeconds: 0.75,
    durationSeconds: 2.75,
    usage: aUsage([aPart({ output: 101 })]),
  });
  assert.equal(await value('anthropic_time_to_first_token_seconds_sum', of), 0.75);
  assert.equal(await value('anthropic_time_per_output_token_seconds_sum', of), 0.02);
});

const NO_PACE: readonly (readonly [what: string, given: Partial<Call>])[] = [
  ['of one token', { usage: aUsage([aPart({ output: 1 })]) }],
  ['whose output is estimated', { usage: aUsage([aPart({ output_estimated: 50 })]) }],
  ['without a usage', {}],
];
for (const [what, given] of NO_PACE) {
  test(`a stream ${what} shows its first token and no pace`, async () => {
    const { record, value } = recording();
    record({ firstTokenSeconds: 0.5, answerStartSeconds: 0.5, ...given });
    assert.equal(await value('anthropic_time_to_first_token_seconds_count', of), 1);
    assert.equal(await value('anthropic_time_per_output_token_seconds_count', of), undefined);
  });
}

test('a call that does not stream shows neither', async () => {
  const { record, value } = recording();
  record({ usage: aUsage([aPart({ output: 100 })]) });
  assert.equal(await value('anthropic_time_to_first_token_seconds_count', of), undefined);
  assert.equal(await value('anthropic_time_per_output_token_seconds_count', of), undefined);
});

test('stop reasons are counted, an unknown one as other', async () => {
  const { record, shown } = recording();
  for (const stopReason of ['end_turn', 'refusal', 'end_turn', 'bored']) record({ stopReason });
  assert.deepEqual(await shown('anthropic_stop_reasons_total'), {
    [sampleKey('anthropic_stop_reasons_total', { ...created, stop_reason: 'end_turn' })]: 2,
    [sampleKey('anthropic_stop_reasons_total', { ...created, stop_reason: 'refusal' })]: 1,
    [sampleKey('anthropic_stop_reasons_total', { ...created, stop_reason: 'other' })]: 1,
  });
  assert.deepEqual(await shown('plimsoll_label_values_dropped_total'), {
    [sampleKey('plimsoll_label_values_dropped_total', { label: 'stop_reason' })]: 1,
  });
});

test('tokens and cost of each part go to the model of the part', async () => {
  const { record, shown } = recording();
  const model = 'claude-haiku-4-5';
  record({
    model,
    usage: aUsage([
      aPart({ input: 10, output: 20, cache_read: 5 }, { model }),
      aPart({ input: 7, cache_write_1h: 3 }, { model: 'claude-opus-5' }),
      aPart({ output: 1 }, { model: null }),
    ]),
    cost: {
      parts: [
        { model, cost: { ...NO_COST, input: 10_000, output: 100_000, server_tools: 20_000_000 } },
        { model: 'claude-opus-5', cost: { ...NO_COST, input: 35_000 } },
        { model: null, cost: { ...NO_COST, output: 5_000 } },
      ],
      totalNanoUsd: 20_150_000,
      priced: true,
      doubts: [],
    },
  });
  const opus = { ...created, model: 'claude-opus-5' };
  assert.deepEqual(await shown('anthropic_tokens_total'), {
    [sampleKey('anthropic_tokens_total', { ...created, kind: 'input' })]: 10,
    [sampleKey('anthropic_tokens_total', { ...created, kind: 'cache_read' })]: 5,
    [sampleKey('anthropic_tokens_total', { ...created, kind: 'output' })]: 21,
    [sampleKey('anthropic_tokens_total', { ...opus, kind: 'input' })]: 7,
    [sampleKey('anthropic_tokens_total', { ...opus, kind: 'cache_write_1h' })]: 3,
  });
  assert.deepEqual(await shown('anthropic_cost_usd_total'), {
    [sampleKey('anthropic_cost_usd_total', { ...created, kind: 'input' })]: 0.00001,
    [sampleKey('anthropic_cost_usd_total', { ...created, kind: 'output' })]: 0.000105,
    [sampleKey('anthropic_cost_usd_total', { ...created, kind: 'server_tools' })]: 0.02,
    [sampleKey('anthropic_cost_usd_total', { ...opus, kind: 'input' })]: 0.000035,
  });
  assert.deepEqual(await shown('anthropic_unpriced_requests_total'), {});
});

test('a part without a price makes the call unpriced for its model, once, and costs nothing', async () => {
  const { record, shown } = recording();
  const parts = ['claude-next', 'claude-next', 'claude-haiku-4-5'].map((model) => aPart({ input: 1 }, { model }));
  const unknown = { model: 'claude-next', cost: null };
  const known = { model: 'claude-haiku-4-5', cost: { ...NO_COST, input: 1000 } };
  record({
    usage: aUsage(parts),
    cost: { parts: [unknown, unknown, known], totalNanoUsd: 1000, priced: false, doubts: [] },
  });
  assert.deepEqual(await shown('anthropic_unpriced_requests_total'), {
    [sampleKey('anthropic_unpriced_requests_total', { ...of, model: 'claude-next' })]: 1,
  });
  assert.deepEqual(await shown('anthropic_cost_usd_total'), {
    [sampleKey('anthropic_cost_usd_total', { ...created, kind: 'input' })]: 0.000001,
  });
});

test('a usage that nobody priced makes the call unpriced, and a call without usage does not', async () => {
  const { record, shown } = recording();
  record({ usage: aUsage([aPart({ input: 1 })]) });
  record({ outcome: 'rate_limited' });
  assert.deepEqual(await shown('anthropic_unpriced_requests_total'), {
    [sampleKey('anthropic_unpriced_requests_total', of)]: 1,
  });
});

test('thinking tokens and uses of server tools are counted by model', async () => {
  const { record, value } = recording();
  const serverToolUses = { web_search: 3, web_fetch: 1, hypnosis: 2 };
  record({ usage: aUsage([aPart({ output: 90 })], { thinkingTokens: 60, serverToolUses }) });
  assert.equal(await value('anthropic_thinking_tokens_total', of), 60);
  assert.equal(await value('anthropic_server_tool_uses_total', { ...of, tool: 'web_search' }), 3);
  assert.equal(await value('anthropic_server_tool_uses_total', { ...of, tool: 'web_fetch' }), 1);
  assert.equal(await value('anthropic_server_tool_uses_total', { ...of, tool: 'other' }), 2);
});

test('the output is compared with the requested max_tokens, unless it is estimated', async () => {
  const { record, value } = recording();
  record({ maxTokens: 400, usage: aUsage([aPart({ output: 300 })]) });
  record({ maxTokens: 400, usage: aUsage([aPart({ output_estimated: 300 })]) });
  record({ usage: aUsage([aPart({ output: 300 })]) });
  assert.equal(await value('anthropic_max_tokens_ratio_sum', of), 0.75);
  assert.equal(await value('anthropic_max_tokens_ratio_count', of), 1);
});

test('attribution is on requests, stop reasons, tokens and cost, and on nothing else', async () => {
  const registry = new Registry();
  const recorder = prometheusRecorder({ registry, attribution: { feature: [], tenant: ['acme'] } });
  const call = aCall({
    attribution: { feature: 'chat', tenant: 'acme' },
    stopReason: 'end_turn',
    firstTokenSeconds: 0.1,
    maxTokens: 10,
    usage: aUsage([aPart({ input: 1, output: 5 })], { thinkingTokens: 1, serverToolUses: { web_search: 1 } }),
    cost: { parts: [{ model: null, cost: { ...NO_COST, input: 1 } }], totalNanoUsd: 1, priced: true, doubts: [] },
  });
  record(recorder, call, [anAttempt()]);
  const { samples } = scraped(await registry.metrics());
  const attributed = [...samples.keys()].filter(
    (key) => key.includes('feature="chat"') && key.includes('tenant="acme"'),
  );
  const names = new Set(attributed.map((key) => key.slice(0, key.indexOf('{'))));
  assert.deepEqual(
    [...names],
    ['anthropic_requests_total', 'anthropic_stop_reasons_total', 'anthropic_tokens_total', 'anthropic_cost_usd_total'],
  );
  assert.equal(
    [...samples.keys()].some((key) => key.includes('chat') && !attributed.includes(key)),
    false,
  );
});

test('a call without a declared attribution label is counted with the label empty, and as missing it', async () => {
  const { record, value } = recording({ attribution: { tenant: [] } });
  record({ attribution: {} });
  record({ attribution: { tenant: 'acme' } });
  assert.equal(await value('anthropic_requests_total', { ...created, outcome: 'ok' }), 1);
  assert.equal(await value('anthropic_requests_total', { ...created, outcome: 'ok', tenant: 'acme' }), 1);
  assert.equal(await value('plimsoll_attribution_missing_total', { label: 'tenant' }), 1);
});

test('a key in the place of a model, an alias or an attribution value is in no metric', async () => {
  const secret = 'sk-ant-api03-canary';
  const registry = new Registry();
  const recorder = prometheusRecorder({ registry, attribution: { tenant: [] }, keys: [secret], models: [secret] });
  const call = aCall({
    requestedModel: secret,
    model: secret,
    key: secret,
    operation: secret,
    stopReason: secret,
    attribution: { tenant: secret },
    usage: aUsage([aPart({ input: 1 }, { model: secret })], { serverToolUses: { [secret]: 1 } }),
  });
  record(recorder, call, [anAttempt({ status: secret as never })]);
  const text = await registry.metrics();
  assert.doesNotMatch(text, /sk-ant|canary/);
  const { samples } = scraped(text);
  for (const label of ['model', 'key', 'operation', 'stop_reason', 'tool', 'tenant']) {
    assert.equal(samples.get(sampleKey('plimsoll_label_values_dropped_total', { label })), 1, label);
  }
});

test('the trace of a call becomes the exemplar of its observations', async () => {
  const registry = new Registry();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
  const trace = () => ({ traceId: 'trace-of-the-call', spanId: 's', timestampSeconds: 1 });
  record(prometheusRecorder({ registry }), aCall({ firstTokenSeconds: 0.1, trace }), [anAttempt({ status: 429 })]);
  const { exemplars } = scraped(await registry.metrics());
  const names = new Set([...exemplars.keys()].map((key) => key.slice(0, key.indexOf('{'))));
  assert.deepEqual(
    [...names],
    [
      'anthropic_requests_total',
      'anthropic_request_duration_seconds_bucket',
      'anthropic_time_to_first_token_seconds_bucket',
      'anthropic_attempt_duration_seconds_bucket',
      'anthropic_rate_limited_total',
    ],
  );
  for (const exemplar of exemplars.values())
    assert.match(exemplar, /^\{trace_id="trace-of-the-call",span_id="s"\} \S+ 1$/);
});

test('two clients on one registry add up', async () => {
  const registry = new Registry();
  for (const recorder of [prometheusRecorder({ registry }), prometheusRecorder({ registry })]) {
    record(recorder, aCall(), [anAttempt()]);
  }
  const { samples } = scraped(await registry.metrics());
  assert.equal(samples.get(sampleKey('anthropic_requests_total', { ...created, outcome: 'ok' })), 2);
  assert.equal(samples.get(sampleKey('anthropic_attempts_total', { ...created, status: '200' })), 2);
});

const BORN_REASONS: readonly Outcome[] = ['rate_limited', 'overloaded', 'server_error', 'timeout', 'connection_error'];

test('the series that alerts use start at zero for each configured model and key', async () => {
  const { value, shown } = recording({
    models: ['claude-haiku-4-5', 'claude-opus-5'],
    keys: ['prod-api-key', 'ci-key'],
  });
  for (const model of ['claude-haiku-4-5', 'claude-opus-5']) {
    for (const key of ['prod-api-key', 'ci-key']) {
      for (const operation of ['messages.create', 'messages.stream']) {
        for (const status of ['200', '429', '500', '529', 'timeout', 'connection_error', 'cancelled']) {
          assert.equal(await value('anthropic_attempts_total', { model, key, operation, status }), 0, status);
        }
      }
      assert.equal(await value('anthropic_rate_limited_total', { model, key, reason: 'acceleration' }), 0);
      assert.equal(await value('anthropic_spend_limited_total', { model, key, scope: 'workspace' }), 0);
      assert.equal(await value('anthropic_overloaded_total', { model, key }), 0);
      assert.equal(await value('anthropic_retry_wait_seconds_total', { model, key }), 0);
      for (const reason of BORN_REASONS)
        assert.equal(await value('anthropic_retries_total', { model, key, reason }), 0);
    }
  }
  assert.deepEqual(await shown('anthropic_requests_total'), {});
});

test('the series of a model that was not configured start at zero when it is first seen', async () => {
  const { record, value } = recording({ models: ['claude-opus-5'], keys: ['prod-api-key'] });
  assert.equal(await value('anthropic_overloaded_total', of), undefined);
  record({});
  assert.equal(await value('anthropic_overloaded_total', of), 0);
  assert.equal(await value('anthropic_attempts_total', { ...created, status: '429' }), 0);
});

test('the series of a call that are not known stay absent', async () => {
  const { record, value } = recording();
  record({ outcome: 'connection_error' });
  assert.equal(await value('anthropic_tokens_total', { ...created, kind: 'cache_read' }), undefined);
  assert.equal(await value('anthropic_cost_usd_total', { ...created, kind: 'input' }), undefined);
  assert.equal(await value('anthropic_thinking_tokens_total', of), undefined);
});

test('calls, input, output and their cost are shown at zero while the first call is in progress', async () => {
  const { recorder, value } = recording({ knownModels: ['claude-haiku-4-5'] });
  recorder.started(aCall({ requestedModel: 'claude-haiku-4-5', model: null }));
  assert.equal(await value('anthropic_requests_total', { ...created, outcome: 'ok' }), 0);
  for (const kind of ['input', 'output']) {
    assert.equal(await value('anthropic_tokens_total', { ...created, kind }), 0);
    assert.equal(await value('anthropic_cost_usd_total', { ...created, kind }), 0);
  }
  assert.equal(await value('anthropic_requests_total', { ...created, outcome: 'rate_limited' }), undefined);
  assert.equal(await value('anthropic_tokens_total', { ...created, kind: 'cache_read' }), undefined);
});

test('a call that uses no tokens shows none at zero, and one of a model without a price no cost', async () => {
  const { recorder, value } = recording();
  recorder.started(aCall({ operation: 'messages.count_tokens' }));
  recorder.started(aCall({}));
  const counted = { ...of, operation: 'messages.count_tokens' };
  assert.equal(await value('anthropic_requests_total', { ...counted, outcome: 'ok' }), 0);
  assert.equal(await value('anthropic_tokens_total', { ...counted, kind: 'input' }), undefined);
  assert.equal(await value('anthropic_tokens_total', { ...created, kind: 'input' }), 0);
  assert.equal(await value('anthropic_cost_usd_total', { ...created, kind: 'input' }), undefined);
});
