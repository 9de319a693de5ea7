import assert from 'node:assert/strict';
import cluster from 'node:cluster';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { AggregatorRegistry } from 'prom-client';
import { sampleKey, scraped } from '../../testing/scraped.ts';

/** A worker that has recorded. Rejects when it ends before it has. */
async function recorded(t: TestContext, number: number): Promise<void> {
  const worker = cluster.fork({ WORKER_NUMBER: number });
  const ended = once(worker.process, 'exit');
  t.after(async () => {
    worker.process.kill('SIGKILL');
    await ended;
  });
  const early = ended.then(() => Promise.reject(new Error(`worker ${number} ended before it had recorded`)));
  const [message] = (await Promise.race([once(worker, 'message'), early])) as unknown[];
  assert.equal(message, 'recorded');
}

test('two cluster workers give the right totals, and each gauge is joined as it is declared', async (t) => {
  cluster.setupPrimary({ exec: join(import.meta.dirname, 'prometheus-cluster-worker.ts') });
  const registry = new AggregatorRegistry();
  await Promise.all([recorded(t, 1), recorded(t, 2)]);
  const { samples, types } = scraped(await registry.clusterMetrics());

  const of = { model: 'claude-haiku-4-5', key: 'prod-api-key' };
  const created = { ...of, operation: 'messages.create' };
  const limited = { key: 'prod-api-key', model_class: 'haiku-4.5', dimension: 'requests' };
  const start = Date.UTC(2026, 10, 24, 12) / 1000;
  const expected: readonly (readonly [name: string, labels: Record<string, string>, value: number])[] = [
    ['anthropic_requests_total', { ...created, outcome: 'ok' }, 3],
    ['anthropic_attempts_total', { ...created, status: '429' }, 0],
    ['anthropic_tokens_total', { ...created, kind: 'input' }, 300],
    ['anthropic_cost_usd_total', { model: 'm', operation: 'messages.create', key: 'k', kind: 'input' }, 1.5],
    ['anthropic_request_duration_seconds_count', { ...created, outcome: 'ok' }, 3],
    ['anthropic_request_duration_seconds_sum', { ...created, outcome: 'ok' }, 5],
    ['anthropic_request_duration_seconds_bucket', { ...created, outcome: 'ok', le: '1' }, 1],
    ['anthropic_request_duration_seconds_bucket', { ...created, outcome: 'ok', le: '2' }, 3],
    ['anthropic_request_duration_seconds_bucket', { ...created, outcome: 'ok', le: '+Inf' }, 3],
    ['anthropic_requests_in_flight', { operation: 'messages.create', key: 'prod-api-key' }, 2],
    ['anthropic_ratelimit_limit', limited, 2000],
    ['anthropic_ratelimit_remaining', limited, 100],
    ['anthropic_ratelimit_observed_timestamp_seconds', limited, start - 0.5],
    ['anthropic_budget_ledger_up', { ledger: 'redis', ledger_id: 'shared' }, 0],
    ['plimsoll_build_info', { version: '1.2.3' }, 1],
  ];
  for (const [name, labels, value] of expected) assert.equal(samples.get(sampleKey(name, labels)), value, name);
  assert.equal(types.get('anthropic_requests_total'), 'counter');
});
