import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Registry } from 'prom-client';
import { prometheusRecorder } from '../../src/record/prometheus.ts';
import { storeFor } from '../../src/record/metrics/registry.ts';
import { aCall, aLimiter, aPart, aUsage, anAttempt, record } from '../../testing/calls.ts';
import { sampleKey, scraped } from '../../testing/scraped.ts';

const MODELS = ['claude-haiku-4-5', 'claude-opus-5'];
const TENANTS = ['acme', 'globex'];
const CALLS = 10_000;

/** Names as users and servers might send them: invented, odd, hostile, and the declared ones among them. */
function names(declared: readonly string[], seed: number): readonly string[] {
  const name = fc.oneof(
    { weight: 1, arbitrary: fc.constantFrom(...declared) },
    { weight: 4, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }) },
    { weight: 1, arbitrary: fc.string({ minLength: 100, maxLength: 300 }) },
    { weight: 1, arbitrary: fc.string().map((tail) => `sk-ant-api03-${tail}`) },
  );
  return fc.sample(name, { numRuns: CALLS, seed });
}

function sum(samples: ReadonlyMap<string, number>, name: string): number {
  return [...samples].filter(([key]) => key.startsWith(`${name}{`)).reduce((total, [, value]) => total + value, 0);
}

test('ten thousand names of models and tenants make few series, and every call and token is counted', async () => {
  const registry = new Registry();
  const recorder = prometheusRecorder({ registry, models: MODELS, keys: ['k'], attribution: { tenant: TENANTS } });
  const truth = new Map<string, number>();
  const models = names(MODELS, 1);
  const tenants = names(TENANTS, 2);
  for (const [at, model] of models.entries()) {
    const tenant = tenants[at] ?? '';
    const call = aCall({
      requestedModel: model,
      model,
      key: 'k',
      attribution: { tenant },
      usage: aUsage([aPart({ input: at })]),
    });
    record(recorder, call, [anAttempt({ model, limiters: [aLimiter()] })]);
    const place = JSON.stringify([model, tenant]);
    truth.set(place, (truth.get(place) ?? 0) + 1);
  }
  const { samples } = scraped(await registry.metrics());
  assert.equal(sum(samples, 'anthropic_requests_total'), CALLS);
  assert.equal(sum(samples, 'anthropic_attempts_total'), CALLS);
  assert.equal(sum(samples, 'anthropic_tokens_total'), (CALLS * (CALLS - 1)) / 2);
  for (const model of MODELS) {
    for (const tenant of TENANTS) {
      const labels = { model, operation: 'messages.create', key: 'k', outcome: 'ok', tenant };
      const counted = truth.get(JSON.stringify([model, tenant]));
      assert.ok(counted !== undefined && counted > 10);
      assert.equal(samples.get(sampleKey('anthropic_requests_total', labels)), counted, `${model} ${tenant}`);
    }
  }
  const { families } = storeFor(registry);
  // 2 declared, 50 others and `other`, by 2 declared, 100 others and `other`.
  assert.ok(families.anthropic_requests_total.all().length <= 53 * 103);
  assert.equal(new Set(families.anthropic_requests_total.all().map(({ labels }) => labels[0]?.[1])).size, 53);
  assert.equal(families.anthropic_overloaded_total.all().length, 53);
  assert.equal(families.anthropic_ratelimit_limit.all().length, 53);
});

test('each call that lost a name to other is counted once for each label', async () => {
  const registry = new Registry();
  const recorder = prometheusRecorder({ registry, attribution: { tenant: [] }, modelCap: 3, attributionCap: 5 });
  for (let at = 0; at < 100; at += 1) {
    const model = `model-${at}`;
    const call = aCall({ requestedModel: model, attribution: { tenant: `tenant-${at}` } });
    const again = anAttempt({ model, index: 1, retryReason: 'overloaded' });
    record(recorder, call, [anAttempt({ model, status: 529 }), again]);
  }
  const { samples } = scraped(await registry.metrics());
  const dropped = (label: string) => samples.get(sampleKey('plimsoll_label_values_dropped_total', { label }));
  assert.equal(dropped('model'), 97);
  assert.equal(dropped('tenant'), 95);
});

test('spellings of one model that never end are one label value', async () => {
  const registry = new Registry();
  const recorder = prometheusRecorder({ registry, canonicalModel: (id) => id.replace(/@.*/, '') });
  for (let at = 0; at < 3_000; at += 1) record(recorder, aCall({ requestedModel: `claude-opus-5@${at}` }));
  const { samples } = scraped(await registry.metrics());
  const labels = { model: 'claude-opus-5', operation: 'messages.create', key: 'prod-api-key', outcome: 'ok' };
  assert.equal(samples.get(sampleKey('anthropic_requests_total', labels)), 3_000);
});
