import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Estimator, RunningRatios } from '../../src/budget/estimate.ts';
import { cost } from '../../src/pricing/cost.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';
import type { Call } from '../../src/vocabulary.ts';
import { aCall, aPart, aUsage } from '../../testing/calls.ts';

const prices = defaultPrices();

const HAIKU = 'claude-haiku-4-5';

function expected(
  body: Readonly<Record<string, unknown>>,
  call: Partial<Call> = {},
  estimator = new Estimator(prices),
): number {
  const asked = aCall({ requestedModel: HAIKU, maxTokens: 0, ...call });
  const found = estimator.estimate(asked, { body, bodyLength: JSON.stringify(body).length });
  assert.equal(found?.parts.length, 1);
  return Number(found?.parts[0]?.nanoUsd);
}

const message = (content: unknown) => ({ model: HAIKU, messages: [{ role: 'user', content }] });

test('text is expected at 2.7 characters a token, and output at half of max_tokens, to begin with', () => {
  const body = message('x'.repeat(2_700 - JSON.stringify(message('')).length));
  // $1 and $5 a million tokens: 1,000 tokens in, 500 out.
  assert.equal(expected(body), 1_000_000);
  assert.equal(expected(body, { maxTokens: 1_000 }), 1_000_000 + 500 * 5_000);
});

test('a PDF in base64 counts as the most tokens that its bytes can hold, before its route has used one', () => {
  const source = { type: 'base64', media_type: 'application/pdf', data: 'A'.repeat(100_000) };
  const tokens = expected(message([{ type: 'document', source }])) / 1_000;
  assert.ok(tokens > 150_000 && tokens < 150_100, String(tokens));
});

test('a batch is the sum of its requests at half the price, by model', () => {
  const estimator = new Estimator(prices);
  const params = (model: string) => ({ model, max_tokens: 1_000, messages: [] });
  const requests = [HAIKU, HAIKU, 'claude-sonnet-5', 'claude-unheard-of'].map((model) => ({ params: params(model) }));
  const call = aCall({ operation: 'messages.batches.create', requestedModel: null });
  const found = estimator.estimate(call, { body: { requests }, bodyLength: 1_080 });
  assert.deepEqual(found?.parts, [
    // 100 tokens in and 500 out, each, at half of $1 and $5, $2 and $10.
    { model: HAIKU, nanoUsd: 2n * (100n * 500n + 500n * 2_500n), promptNanoUsd: 2 * 100 * 500 },
    { model: 'claude-sonnet-5', nanoUsd: 100n * 1_000n + 500n * 5_000n, promptNanoUsd: 100 * 1_000 },
    { model: 'claude-unheard-of', nanoUsd: null, promptNanoUsd: 0 },
  ]);
});

test('fast mode and long prompts are expected at their own prices', () => {
  const body = message('');
  const fast = expected({ ...body, speed: 'fast' }, { requestedModel: 'claude-opus-5-5', maxTokens: 1_000 });
  const plain = expected(body, { requestedModel: 'claude-opus-5-5', maxTokens: 1_000 });
  assert.ok(Math.abs(fast / plain - 2) < 0.01, `${fast} ${plain}`);
  const startedAtMs = Date.UTC(2026, 10, 24);
  const long = expected(message('x'.repeat(300_000)), { requestedModel: 'claude-haiku-5-5', startedAtMs });
  const short = expected(message('x'.repeat(200_000)), { requestedModel: 'claude-haiku-5-5', startedAtMs });
  // Over 100,000 tokens each of them costs five times as much.
  assert.ok(Math.abs(long / short - 7.5) < 0.01, String(long / short));
});

const OPUS = 'claude-opus-5-5';

/** With 1,000 tokens of prompt as usual, and 2,700 at the worst. */
function withFurther(expects: 'usual' | 'worst', fields: object): Readonly<Record<string, number | null>> {
  const body = { ...message(''), max_tokens: 1_000, ...fields };
  const call = aCall({ requestedModel: HAIKU, maxTokens: 1_000 });
  const found = new Estimator(prices, { expects }).estimate(call, { body, bodyLength: 2_700 });
  return Object.fromEntries(
    (found?.parts ?? []).map(({ model, nanoUsd }) => [model, nanoUsd === null ? null : Number(nanoUsd)]),
  );
}

/** Prices of a token in nano-dollars: Haiku $1 and $5 a million, at the worst $2; Opus $4 and $20, at the worst $8. */
const WORST = { haiku: 2_700 * 1_000 + 1_000 * 5_000, opus: 2_700 * 4_000 };

test('of a request with fallbacks the worst case is that each of them answers and is billed', () => {
  const fallbacks = [{ model: OPUS, max_tokens: 300 }, { model: OPUS }, { model: HAIKU, max_tokens: 10 }];
  assert.deepEqual(withFurther('worst', { fallbacks }), {
    [HAIKU]: WORST.haiku + 2_700 * 1_000 + 10 * 5_000,
    [OPUS]: 2 * WORST.opus + 1_300 * 20_000,
  });
  const advisor = { type: 'advisor_20260301', name: 'advisor', model: OPUS, max_tokens: 300 };
  assert.deepEqual(withFurther('worst', { tools: [advisor, { name: 'cars', input_schema: {} }] }), {
    [HAIKU]: WORST.haiku,
    [OPUS]: WORST.opus + 300 * 20_000,
  });
});

test('nothing is known of fallbacks that the API chooses, nor of one without a price', () => {
  assert.deepEqual(withFurther('worst', { fallbacks: 'default' }), { [HAIKU]: WORST.haiku, '': null });
  const fallbacks = [{ model: 'claude-unheard-of' }];
  for (const expects of ['usual', 'worst'] as const)
    assert.equal(withFurther(expects, { fallbacks })['claude-unheard-of'], null);
});

test('usually one of several models answers: together they are expected to cost what the dearest does', () => {
  const [haiku, opus] = [1_000 * 1_000 + 500 * 5_000, 1_000 * 4_000 + 150 * 20_000];
  const fallbacks = [
    { model: OPUS, max_tokens: 300 },
    { model: OPUS, max_tokens: 100 },
  ];
  assert.deepEqual(withFurther('usual', { fallbacks }), { [HAIKU]: haiku, [OPUS]: opus - haiku });
  assert.deepEqual(withFurther('usual', { fallbacks: [{ model: HAIKU, max_tokens: 5 }] }), { [HAIKU]: haiku });
  assert.deepEqual(withFurther('usual', { fallbacks: 'default' }), { [HAIKU]: haiku });
});

test('the attribution label route tells routes apart', () => {
  const estimator = new Estimator(prices);
  const call = (route: string) => aCall({ requestedModel: HAIKU, maxTokens: 1_000, attribution: { route } });
  const request = { body: message(''), bodyLength: 100 };
  const used = cost(aUsage([aPart({ output: 10 })]), { prices, model: HAIKU, atMs: call('').startedAtMs });
  for (let calls = 0; calls < 100; calls += 1) {
    const estimate = estimator.estimate(call('terse'), request);
    assert.ok(estimate !== null);
    estimator.learn(estimate, used);
  }
  const of = (route: string) => Number(estimator.estimate(call(route), request)?.parts[0]?.nanoUsd);
  assert.ok(of('terse') < of('verbose') / 10, `${of('terse')} ${of('verbose')}`);
});

test('whatever was learned, no more is expected than the worst case, and no less than nothing', () => {
  const tokens = fc.nat({ max: 1_000_000 });
  const call = fc.record({ input: tokens, output: tokens, maxTokens: tokens, length: tokens });
  fc.assert(
    fc.property(fc.array(call, { maxLength: 20 }), (calls) => {
      const estimator = new Estimator(prices);
      for (const { input, output, maxTokens, length } of calls) {
        const asked = aCall({ requestedModel: HAIKU, maxTokens });
        const estimate = estimator.estimate(asked, { body: null, bodyLength: length });
        const nanoUsd = estimate?.parts[0]?.nanoUsd ?? -1n;
        assert.ok(nanoUsd >= 0n && nanoUsd <= BigInt(length * 2_000 + maxTokens * 5_000));
        const usage = aUsage([aPart({ input, output })]);
        if (estimate !== null)
          estimator.learn(estimate, cost(usage, { prices, model: HAIKU, atMs: asked.startedAtMs }));
      }
    }),
  );
});

test('expectations of calls of all sizes add up to what they use', () => {
  const ratios = new RunningRatios({ start: 1, startWeight: 1, keep: 0.95, most: 10, least: 0 });
  let [used, foreseen] = [0, 0];
  for (let call = 0; call < 2_000; call += 1) {
    const asked = call % 10 === 0 ? 100_000 : 100;
    const uses = call % 10 === 0 ? 1_000 : 90;
    if (call >= 200) {
      used += uses;
      foreseen += asked * ratios.ratio('route');
    }
    ratios.learn('route', uses, asked);
  }
  assert.ok(Math.abs(foreseen / used - 1) < 0.2, `${foreseen} ${used}`);
});

test('however many routes there are, only the latest are remembered, as many as the option says', () => {
  const ratios = new RunningRatios({ start: 0.5, startWeight: 0, keep: 1, most: 2, least: 0 });
  ratios.learn('a', 1, 10);
  ratios.learn('b', 2, 10);
  ratios.learn('a', 1, 10);
  ratios.learn('c', 3, 10);
  assert.deepEqual(
    ['a', 'b', 'c'].map((name) => ratios.ratio(name)),
    [0.1, 0.5, 0.3],
  );
});
