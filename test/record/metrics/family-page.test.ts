import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { metricsHandler } from '../../../src/record/metrics/page.ts';
import { storeFor } from '../../../src/record/metrics/registry.ts';
import { scraped } from '../../../testing/scraped.ts';
import { seededRandom } from '../../../testing/seeded-random.ts';

const OPEN_METRICS = Registry.OPENMETRICS_CONTENT_TYPE;

const TRACE = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', timestampSeconds: 1.5 };

/** Amounts as texts of every length. */
const AMOUNTS = [0, 1, 7, 90, 999, 0.1, 1 / 3, 1e-9, 123_456_789, 1e21];

type Change = (pick: <T>(items: readonly T[]) => T) => void;

/** One change of a store: of a value, of what is shown, of the labels that there are. */
function changesOf(registry: Registry): readonly Change[] {
  const store = storeFor(registry);
  const { families } = store;
  const keys = ['k', 'küche', '鍵', 'quote " and \\'];
  const tenants = ['', 'a', 'b', 'c', 'd'];
  const tokens = (pick: Parameters<Change>[0]) =>
    families.anthropic_tokens_total.series(
      { model: 'm', operation: 'o', key: pick(keys), kind: 'input' },
      { tenant: pick(tenants) },
    );
  const reset = (pick: Parameters<Change>[0]) =>
    families.anthropic_ratelimit_reset_timestamp_seconds.series({
      key: pick(keys),
      model_class: pick(tenants),
      dimension: 'requests',
    });
  const cost = (pick: Parameters<Change>[0]) =>
    families.anthropic_cost_usd_total.series({
      model: 'm',
      operation: 'o',
      key: pick(keys),
      kind: pick(['input', 'output']),
    });
  const duration = (pick: Parameters<Change>[0]) =>
    families.anthropic_request_duration_seconds.series({
      model: 'm',
      operation: 'o',
      key: pick(keys),
      outcome: pick(['ok', 'timeout']),
    });
  return [
    (pick) => tokens(pick).add(pick(AMOUNTS)),
    (pick) => tokens(pick).add(pick(AMOUNTS), TRACE),
    (pick) => tokens(pick).showAtZero(),
    (pick) => cost(pick).addNanoUsd(pick([0, 1, 999_999_999, 1_000_000_000, 123])),
    (pick) => reset(pick).set(pick([...AMOUNTS, -1, NaN, Infinity, -Infinity, -0])),
    (pick) => reset(pick).clear(),
    (pick) => duration(pick).observe(pick(AMOUNTS.slice(0, -1))),
    (pick) => duration(pick).observe(pick(AMOUNTS.slice(0, -1)), TRACE),
    (pick) => registry.setDefaultLabels(pick([{}, { app: 'one' }, { app: 'two', key: 'x' }])),
    () => store.reset(),
  ];
}

/** Mostly of values: what else changes writes most lines anew. */
function weighed(changes: readonly Change[], random: () => number): Change | undefined {
  const among = random() < 0.9 ? changes.length - 2 : changes.length;
  return changes[Math.floor(random() * among)];
}

test('whatever changes between scrapes, a page equals what prom-client writes of the same registry', async () => {
  for (const seed of [1, 2]) {
    const random = seededRandom(seed);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
    const registry = new Registry();
    const changes = changesOf(registry);
    const answer = metricsHandler({ registry });
    let exemplars = 0;
    for (let scrape = 0; scrape < 70; scrape += 1) {
      for (let change = Math.floor(random() * 8); change > 0; change -= 1) weighed(changes, random)?.(pick);
      const isOpen = random() < 0.5;
      const accept = isOpen ? OPEN_METRICS : Registry.PROMETHEUS_CONTENT_TYPE;
      const page = scraped(await (await answer(new Request('http://localhost/', { headers: { accept } }))).text());
      registry.setContentType(accept as never);
      const truth = scraped(await registry.metrics());
      assert.deepEqual(page.samples, truth.samples, `seed ${seed}, scrape ${scrape}`);
      assert.deepEqual(page.exemplars, truth.exemplars, `seed ${seed}, scrape ${scrape}`);
      exemplars += page.exemplars.size;
    }
    assert.ok(exemplars > 50, `${exemplars}`);
  }
});

test('a page that is still to be read stays as it was scraped', async () => {
  const registry = new Registry();
  const errors = storeFor(registry).families.plimsoll_errors_total.series({ stage: 'scrape' });
  const answer = metricsHandler({ registry });
  const value = async (page: Response): Promise<string | undefined> =>
    /plimsoll_errors_total\{.*\} (.*)/.exec(await page.text())?.[1];
  errors.add(1);
  const first = await answer(new Request('http://localhost/'));
  errors.add(1);
  const second = await answer(new Request('http://localhost/'));
  errors.add(100);
  const third = await answer(new Request('http://localhost/'));
  assert.deepEqual(await Promise.all([first, second, third].map(value)), ['1', '2', '102']);
});
