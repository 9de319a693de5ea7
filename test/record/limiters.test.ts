import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { prometheusRecorder } from '../../src/record/prometheus.ts';
import type { Limiter } from '../../src/limiter.ts';
import type { Call } from '../../src/vocabulary.ts';
import { START_MS, aCall, aLimiter, anAttempt } from '../../testing/calls.ts';
import { sampleKey, scraped } from '../../testing/scraped.ts';

const MINUTE_MS = 60_000;
const of = { key: 'prod-api-key', model_class: 'haiku-4.5', dimension: 'requests' };

/** Attempts that take no time, on a clock that starts at `START_MS`. */
function watched() {
  const registry = new Registry();
  const clock = { nowMs: START_MS, epochMs: () => clock.nowMs, monotonicMs: () => clock.nowMs };
  const recorder = prometheusRecorder({ registry, clock });
  return {
    clock,
    registry,
    see(
      limiter: Partial<Limiter>,
      { atMs = clock.nowMs, call = {} }: { atMs?: number; call?: Partial<Call> } = {},
    ): void {
      const asked = aCall(call);
      const attempt = anAttempt({
        ...{ model: asked.requestedModel, startedAtMs: atMs - 2_000, durationSeconds: 2 },
        limiters: [aLimiter(limiter)],
      });
      recorder.started(asked)?.attempted?.(attempt);
    },
    async value(name: string, labels = of): Promise<number | undefined> {
      return scraped(await registry.metrics()).samples.get(sampleKey(`anthropic_ratelimit_${name}`, labels));
    },
  };
}

test('a limit is shown as the headers gave it, by key, model class and dimension', async () => {
  const { see, value } = watched();
  see({ limit: 4000, remaining: 1000, resetAtMs: START_MS + 30_000 });
  assert.equal(await value('limit'), 4000);
  assert.equal(await value('remaining'), 1000);
  assert.equal(await value('reset_timestamp_seconds'), START_MS / 1000 + 30);
  assert.equal(await value('observed_timestamp_seconds'), START_MS / 1000);
  assert.equal(await value('used_ratio_sum'), 0.75);
});

test('what remains is refilled linearly up to the limit by the reset, and no further', async () => {
  const { see, value, clock } = watched();
  see({ limit: 1000, remaining: 400, resetAtMs: START_MS + MINUTE_MS });
  const expected = [400, 550, 700, 850, 1000, 1000];
  for (const [quarter, remaining] of expected.entries()) {
    clock.nowMs = START_MS + (quarter * MINUTE_MS) / 4;
    assert.equal(await value('remaining'), remaining);
  }
  assert.equal(await value('observed_timestamp_seconds'), START_MS / 1000);
});

const UNREFILLED: readonly (readonly [what: string, limiter: Partial<Limiter>, remaining: number | undefined])[] = [
  ['without a reset stays as it was', { remaining: 400, resetAtMs: null }, 400],
  ['without a limit stays as it was', { limit: null, remaining: 400 }, 400],
  ['above the limit stays as it was', { limit: 300, remaining: 400 }, 400],
  ['whose reset is past is full', { limit: 1000, remaining: 400, resetAtMs: START_MS - 1 }, 1000],
  ['that the headers left out is absent', { remaining: null }, undefined],
];
for (const [what, limiter, remaining] of UNREFILLED) {
  test(`what remains ${what}`, async () => {
    const { see, value, clock } = watched();
    see(limiter);
    clock.nowMs += MINUTE_MS / 2;
    assert.equal(await value('remaining'), remaining);
  });
}

test('a clock that goes back does not empty the bucket', async () => {
  const { see, value, clock } = watched();
  see({ limit: 1000, remaining: 400 });
  clock.nowMs -= MINUTE_MS;
  assert.equal(await value('remaining'), 400);
});

test('a limit stands for an hour after it was last seen, then nothing is known', async () => {
  const { see, value, clock } = watched();
  see({});
  clock.nowMs = START_MS + 60 * MINUTE_MS;
  assert.equal(await value('limit'), 1000);
  assert.equal(await value('remaining'), 1000);
  clock.nowMs += 1;
  for (const name of ['limit', 'remaining', 'reset_timestamp_seconds', 'observed_timestamp_seconds']) {
    assert.equal(await value(name), undefined, name);
  }
  see({ limit: 2000 });
  assert.equal(await value('limit'), 2000);
});

test('headers that leave the limit out leave the one before standing', async () => {
  const { see, value, clock } = watched();
  see({ limit: 1000, remaining: 900, resetAtMs: null });
  clock.nowMs += MINUTE_MS;
  see({ limit: null, remaining: 500, resetAtMs: null });
  assert.equal(await value('limit'), 1000);
  assert.equal(await value('remaining'), 500);
});

test('headers that come late do not overwrite newer ones, but are in the histogram', async () => {
  const { see, value } = watched();
  see({ remaining: 100, resetAtMs: null });
  see({ remaining: 900, resetAtMs: null }, { atMs: START_MS - 1000 });
  assert.equal(await value('remaining'), 100);
  assert.equal(await value('used_ratio_count'), 2);
});

test('the used ratio lies between 0 and 1, and needs a limit to be one of', async () => {
  const { see, value } = watched();
  for (const [limit, remaining] of [
    [100, 120],
    [100, -5],
    [0, 0],
    [null, 5],
    [100, null],
  ] as const)
    see({ limit, remaining });
  assert.equal(await value('used_ratio_count'), 2);
  assert.equal(await value('used_ratio_sum'), 1);
  assert.equal(await value('used_ratio_bucket', { ...of, le: '0.99' } as never), 1);
});

test('models that share a limit share the gauges', async () => {
  const { see, value, clock } = watched();
  const opus = { key: 'prod-api-key', model_class: 'opus-4.x', dimension: 'requests' };
  see({ remaining: 800, resetAtMs: null }, { call: { requestedModel: 'claude-opus-4-8' } });
  clock.nowMs += 1000;
  see({ remaining: 700, resetAtMs: null }, { call: { requestedModel: 'claude-opus-4-5' } });
  assert.equal(await value('remaining', opus), 700);
  assert.equal(await value('used_ratio_count', opus), 2);
});

test('counting tokens and batches have limits of their own, which do not overwrite those of messages', async () => {
  const { see, value } = watched();
  see({ limit: 1000 });
  for (const operation of ['messages.count_tokens', 'messages.batches.create'])
    see({ limit: 7 }, { call: { operation } });
  assert.equal(await value('limit'), 1000);
});

test('clients of one registry and key show the last that either saw', async () => {
  const { see, value, registry, clock } = watched();
  const other = prometheusRecorder({ registry, clock });
  see({ remaining: 900, resetAtMs: null });
  clock.nowMs += 1000;
  const limiters = [aLimiter({ remaining: 300, resetAtMs: null })];
  other.started(aCall())?.attempted?.(anAttempt({ startedAtMs: clock.nowMs, limiters }));
  assert.equal(await value('remaining'), 300);
  clock.nowMs += 1000;
  see({ remaining: 200, resetAtMs: null });
  assert.equal(await value('remaining'), 200);
});
