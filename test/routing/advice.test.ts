import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NO_TOKENS } from '../../src/pricing/cost.ts';
import { routeAdvice, tokenFactor, type RouteAdviceBasis, type RouteUsage } from '../../src/routing/advice.ts';
import { DEFAULT_MODELS } from '../../src/routing/models.ts';
import type { Tokens } from '../../src/vocabulary.ts';

/** Nano-dollars a token, in and out, as published: Opus 5.5 at 4/20 USD per million, Sonnet 5.5 at 2/10, Haiku at 1/5 and 0.1/0.5. */
const RATES: Readonly<Record<string, readonly [number, number]>> = {
  'claude-opus-5-5': [4_000, 20_000],
  'claude-sonnet-5-5': [2_000, 10_000],
  'claude-haiku-4-5': [1_000, 5_000],
  'claude-haiku-5-5': [100, 500],
};

const priceOn = (tokens: Tokens, model: string): number | null => {
  const rates = RATES[model];
  return rates === undefined ? null : tokens.input * rates[0] + tokens.output * rates[1];
};

/** 1,000 questions of 200 tokens and answers of 100. */
const SHORT: RouteUsage = {
  route: 'faq',
  model: 'claude-opus-5-5',
  calls: 1_000,
  tokens: { ...NO_TOKENS, input: 200_000, output: 100_000 },
  promptTokens: 200_000,
  stopReasons: { end_turn: 1_000 },
};

const advised = (usage: Partial<RouteUsage>, basis: Partial<RouteAdviceBasis> = {}) =>
  routeAdvice({ usages: [{ ...SHORT, ...usage }], decisions: [], models: DEFAULT_MODELS, priceOn, ...basis });

describe('advice on a route', () => {
  it('names what short and simple calls on an expensive model cost, and would have cost', () => {
    const [advice, ...others] = advised({});
    assert.deepEqual(others, []);
    assert.equal(
      advice?.text,
      'Route faq: 1,000 calls of 200 tokens in and 100 out, without tools, on claude-opus-5-5 cost $2.80; ' +
        'claude-haiku-4-5 would have cost about $0.70. Try it on these calls.',
    );
    // 0.2 M × 4 + 0.1 M × 20, and 0.2 M × 1 + 0.1 M × 5.
    assert.deepEqual([advice.evidence['costUsd'], advice.evidence['cheaperUsd']], [2.8, 0.7]);
  });

  it('adds the tokens that a newer tokenizer makes of the same text', () => {
    const models = { ...DEFAULT_MODELS, default: 'claude-haiku-5-5' };
    const [advice] = advised({ model: 'claude-haiku-4-5' }, { models });
    // 1.3 × (0.2 M × 0.1 + 0.1 M × 0.5).
    assert.ok(Math.abs(Number(advice?.evidence['cheaperUsd']) - 0.091) < 1e-9);
    assert.match(advice?.text ?? '', /although it produces more tokens from the same text/);
  });

  const NOT_TOO_DEAR: readonly (readonly [why: string, usage: Partial<RouteUsage>])[] = [
    ['the model is the cheapest of the three', { model: 'claude-haiku-4-5' }],
    ['the calls are few', { calls: 49, stopReasons: { end_turn: 49 } }],
    ['the prompts are long', { tokens: { ...NO_TOKENS, input: 2_500_000, output: 100_000 }, promptTokens: 2_500_000 }],
    [
      'the prompts are long, out of the cache',
      { tokens: { ...NO_TOKENS, input: 20_000, cache_read: 2_500_000, output: 100_000 }, promptTokens: 2_520_000 },
    ],
    ['the answers are long', { tokens: { ...NO_TOKENS, input: 200_000, output: 400_000 } }],
    ['tools are used', { stopReasons: { end_turn: 900, tool_use: 100 } }],
    ['no price is known', { model: 'claude-unheard-of' }],
  ];
  for (const [why, usage] of NOT_TOO_DEAR)
    it(`does not name a cheaper model where ${why}`, () => {
      assert.deepEqual(
        advised(usage).filter(({ kind }) => kind === 'model_too_dear'),
        [],
      );
    });

  it('names a route whose answers are cut off', () => {
    const [advice] = advised({ stopReasons: { end_turn: 900, max_tokens: 100 } });
    assert.match(
      advice?.text ?? '',
      /^Route faq: 10% of 1,000 responses of claude-opus-5-5 are cut off at max_tokens\. /,
    );
    assert.deepEqual(
      advised({ stopReasons: { end_turn: 980, max_tokens: 20 } }).map(({ kind }) => kind),
      ['model_too_dear'],
    );
  });

  it('names a route whose calls ask for more than it allows, and what is done about it', () => {
    const decided = (decisions: Readonly<Record<string, number>>) =>
      advised({ model: 'claude-haiku-4-5' }, { decisions: [{ route: 'faq', decisions }] }).map(({ text }) => text);
    assert.match(
      decided({ warned: 100 })[0] ?? '',
      /^Route faq: 10% of 1,000 calls ask for more .* only counted\. .*clamp/,
    );
    assert.match(decided({ rejected: 1_000 })[0] ?? '', /50% of 2,000 calls .* are rejected/);
    assert.deepEqual(decided({ warned: 20, filled: 900 }), []);
  });

  it('comes with most money first', () => {
    const usages = [
      SHORT,
      {
        ...SHORT,
        route: 'chat',
        calls: 2_000,
        tokens: { ...NO_TOKENS, input: 400_000, output: 200_000 },
        promptTokens: 400_000,
      },
    ];
    const routes = routeAdvice({ usages, decisions: [], models: DEFAULT_MODELS, priceOn }).map(
      ({ evidence }) => evidence['route'],
    );
    assert.deepEqual(routes, ['chat', 'faq']);
  });

  it('says which calls it means that have no route', () => {
    assert.match(advised({ route: '' })[0]?.text ?? '', /^Calls without a route: /);
  });
});

describe('the tokens that a text comes to', () => {
  for (const [from, to, factor] of [
    ['claude-haiku-4-5', 'claude-haiku-5-5', 1.3],
    ['claude-sonnet-4-6', 'claude-opus-4-7', 1.3],
    ['claude-3-haiku', 'claude-sonnet-5', 1.3],
    ['claude-opus-4-20250514', 'claude-opus-5', 1.3],
    ['claude-opus-4-8', 'claude-haiku-5-5', 1],
    ['claude-opus-5-5', 'claude-haiku-4-5', 1],
    ['claude-opus-4-1', 'claude-haiku-4-5', 1],
  ] as const)
    it(`are ${factor} times as many from ${from} to ${to}, at most`, () => assert.equal(tokenFactor(from, to), factor));
});
