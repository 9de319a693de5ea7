import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Registry } from 'prom-client';
import { storeFor } from '../../src/record/metrics/registry.ts';
import { ModelSeries } from '../../src/record/model-series.ts';
import { aCall, aPart, aUsage, anAttempt } from '../../testing/calls.ts';
import { scraped } from '../../testing/scraped.ts';

const LABELS = { model: 'claude-haiku-4-5', key: 'prod-api-key' };

/** The samples of a registry after `add`, by name and the labels that are not the model and the key. */
async function samplesAfter(add: (series: ModelSeries) => void): Promise<(sample: string) => number | undefined> {
  const registry = new Registry();
  add(new ModelSeries(storeFor(registry), LABELS));
  const { samples } = scraped(await registry.metrics());
  return (sample) => {
    const [, name = '', own = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(sample) ?? [];
    const labels = [...(own === '' ? [] : [own]), `key="${LABELS.key}"`, `model="${LABELS.model}"`].sort();
    return samples.get(`${name}{${labels.join(',')}}`);
  };
}

describe('the series of one model and key', () => {
  it('are at zero before the first refusal, so that increase() sees it', async () => {
    const value = await samplesAfter(() => undefined);
    for (const reason of ['requests', 'input_tokens', 'output_tokens', 'acceleration', 'spend_limit', 'unknown'])
      assert.equal(value(`anthropic_rate_limited_total{reason="${reason}"}`), 0, reason);
    assert.equal(value('anthropic_spend_limited_total{scope="workspace"}'), 0);
    assert.equal(value('anthropic_retries_total{reason="overloaded"}'), 0);
    assert.equal(value('anthropic_retries_total{reason="not_found"}'), undefined, 'the SDK never retries a 404');
    assert.equal(value('anthropic_overloaded_total'), 0);
    assert.equal(value('anthropic_retry_wait_seconds_total'), 0);
  });

  it('count a 429 whose reason nobody gave as unknown', async () => {
    const value = await samplesAfter((series) => series.addAttempt(anAttempt({ status: 429, rejection: null }), null));
    assert.equal(value('anthropic_rate_limited_total{reason="unknown"}'), 1);
    assert.equal(value('anthropic_rate_limited_total{reason="requests"}'), 0);
  });

  it('count a refusal for spend by its scope, whatever its status', async () => {
    const rejection = { outcome: 'spend_limited', rateLimitReason: null, spendScope: 'workspace' } as const;
    const value = await samplesAfter((series) => series.addAttempt(anAttempt({ status: 400, rejection }), null));
    assert.equal(value('anthropic_spend_limited_total{scope="workspace"}'), 1);
    assert.equal(value('anthropic_rate_limited_total{reason="spend_limit"}'), 0);
  });

  it('count a retry with the reason of the attempt before and the time between the two', async () => {
    const value = await samplesAfter((series) => {
      series.addAttempt(anAttempt({ index: 0, status: 529 }), null);
      series.addAttempt(anAttempt({ index: 1, retryReason: 'overloaded', waitSeconds: 1.5 }), null);
    });
    assert.equal(value('anthropic_overloaded_total'), 1);
    assert.equal(value('anthropic_retries_total{reason="overloaded"}'), 1);
    assert.equal(value('anthropic_retry_wait_seconds_total'), 1.5);
  });

  it('divide the time after the first text by its tokens after the first', async () => {
    const usage = aUsage([aPart({ output: 111 })], { thinkingTokens: 100 });
    const call = aCall({ durationSeconds: 3, answerStartSeconds: 1, usage });
    const value = await samplesAfter((series) => series.addPace(call, 1, null));
    assert.equal(value('anthropic_time_to_first_token_seconds_sum'), 1);
    assert.equal(value('anthropic_time_per_output_token_seconds_sum'), 0.2);
  });

  it('give no pace for a single token, an estimated count, thinking in between or a call without usage', async () => {
    const value = await samplesAfter((series) => {
      for (const usage of [aUsage([aPart({ output: 1 })]), aUsage([aPart({ output: 5, output_estimated: 1 })]), null])
        series.addPace(aCall({ durationSeconds: 3, answerStartSeconds: 1, usage }), 1, null);
      series.addPace(aCall({ durationSeconds: 3, usage: aUsage([aPart({ output: 5 })]) }), 1, null);
    });
    assert.equal(value('anthropic_time_to_first_token_seconds_count'), 4);
    assert.equal(value('anthropic_time_per_output_token_seconds_count') ?? 0, 0);
  });

  it('compare the reported output with max_tokens, and never an estimated one', async () => {
    const value = await samplesAfter((series) => {
      series.addUsage(aUsage([aPart({ output: 25 })]), 100);
      series.addUsage(aUsage([aPart({ output_estimated: 50 })]), 100);
      series.addUsage(aUsage([{ ...aPart({ input_estimated: 50 }), role: 'left' }]), 100);
      series.addUsage(aUsage([aPart({ output: 25 })]), null);
      series.addUsage(aUsage([aPart({ output: 25 })], { thinkingTokens: 7 }), 0);
    });
    assert.equal(value('anthropic_max_tokens_ratio_sum'), 0.25);
    assert.equal(value('anthropic_max_tokens_ratio_count'), 1);
    assert.equal(value('anthropic_thinking_tokens_total'), 7);
  });
});
