/** A worker of the cluster test: records what its number says, and answers prom-client's questions until it is ended. */
import { AggregatorRegistry, Registry } from 'prom-client';
import { prometheusRecorder } from '../../src/record/prometheus.ts';
import { storeFor } from '../../src/record/metrics/registry.ts';
import { START_MS, aCall, aLimiter, aPart, aUsage, anAttempt, record } from '../../testing/calls.ts';

const number = Number(process.env['WORKER_NUMBER']);
const registry = new Registry();
const clock = { epochMs: () => START_MS, monotonicMs: () => 0 };
const recorder = prometheusRecorder({ registry, clock, models: ['claude-haiku-4-5'], keys: ['prod-api-key'] });
const { families } = storeFor(registry);

for (let call = 0; call < number; call += 1) {
  const finished = aCall({ durationSeconds: number, usage: aUsage([aPart({ input: 100 })]) });
  const limiter = aLimiter({ limit: 1000 * number, remaining: 100 * number, resetAtMs: null });
  record(recorder, finished, [anAttempt({ startedAtMs: START_MS - 1000 * number, limiters: [limiter] })]);
}
recorder.started(aCall());
families.anthropic_cost_usd_total
  .series({ model: 'm', operation: 'messages.create', key: 'k', kind: 'input' })
  .addNanoUsd(number * 500_000_000);
families.anthropic_budget_ledger_up.series({ ledger: 'redis', ledger_id: 'shared' }).set(number - 1);
families.plimsoll_build_info.series({ version: '1.2.3' }).set(1);

AggregatorRegistry.setRegistries(registry);
new AggregatorRegistry();
process.send?.('recorded');
