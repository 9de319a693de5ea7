import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyHealth } from '../../../src/gateway/upstreams/key-states.ts';
import { KeyChooser, poolProblems, type KeyPool } from '../../../src/gateway/upstreams/pool.ts';
import { seededRandom } from '../../../testing/seeded-random.ts';

const MODEL_CLASS = 'haiku-5.5';

function chooserOf(weights: Readonly<Record<string, number>>, given: Partial<KeyPool> = {}) {
  let nowMs = 0;
  const clock = { epochMs: () => nowMs, monotonicMs: () => nowMs };
  const pool: KeyPool = { keys: new Map(Object.entries(weights)), choose: 'weight', sticky: true, ...given };
  const candidates = Object.keys(weights).map((alias) => ({ alias, health: new KeyHealth(clock) }));
  const chooser = new KeyChooser(clock, seededRandom(7));
  return {
    health: (alias: string) => candidates.find((each) => each.alias === alias)?.health,
    pass: (ms: number) => void (nowMs += ms),
    choose: (conversation: string | null, except = '') =>
      chooser.choose(pool, {
        conversation,
        modelClass: MODEL_CLASS,
        among: candidates.filter(({ alias }) => alias !== except),
      }),
  };
}

/** The share of each choice, in whole percent. */
function shares(choices: readonly (string | null)[]): Readonly<Record<string, number>> {
  const names = [...new Set(choices)].toSorted();
  const share = (name: string | null): number => choices.filter((each) => each === name).length / choices.length;
  return Object.fromEntries(names.map((name) => [name ?? 'none', Math.round(100 * share(name))]));
}

const MANY = Array.from({ length: 20_000 }, (_, at) => `conversation ${at}`);

test('keys get requests by their weights, with a conversation or without', () => {
  const { choose } = chooserOf({ a: 3, b: 1 });
  assert.deepEqual(shares(MANY.map(() => choose(null))), { a: 75, b: 25 });
  assert.deepEqual(shares(MANY.map((each) => choose(each))), { a: 75, b: 25 });
});

test('keys get requests by what is left of their limits too', () => {
  const { choose, health } = chooserOf({ a: 1, b: 1 }, { choose: 'headroom' });
  // A tenth is left, and fills up within six seconds of none: the clock stands.
  const limiter = { dimension: 'input_tokens', limit: 1_000, remaining: 100, resetAtMs: 60_000 } as const;
  health('a')?.see(MODEL_CLASS, [limiter]);
  assert.deepEqual(shares(MANY.map(() => choose(null))), { a: 9, b: 91 });
  health('a')?.see('opus-5.5', [{ ...limiter, remaining: 0 }]);
  assert.deepEqual(shares(MANY.map(() => choose(null))), { a: 9, b: 91 });
});

test('replicas choose the same key for a conversation', () => {
  const [one, other] = [chooserOf({ a: 1, b: 1, c: 2 }), chooserOf({ a: 1, b: 1, c: 2 })];
  for (const each of MANY.slice(0, 200)) assert.equal(one.choose(each), other.choose(each));
});

test('a conversation stays with the key that it was moved to, for as long as a prompt can be cached', () => {
  const { choose, pass } = chooserOf({ a: 1, b: 1 });
  const first = choose('one') ?? '';
  const moved = choose('one', first);
  assert.notEqual(moved, first);
  assert.equal(choose('one'), moved);
  pass(59 * 60_000);
  assert.equal(choose('one'), moved);
  pass(61 * 60_000);
  assert.equal(choose('one'), first);
});

test('a key that is missing moves no conversation but its own', () => {
  const { choose } = chooserOf({ a: 1, b: 1, c: 1 });
  for (const each of MANY.slice(0, 300)) {
    const own = choose(each);
    if (own === 'c') continue;
    const { choose: without } = chooserOf({ a: 1, b: 1, c: 1 });
    assert.equal(without(each, 'c'), own);
  }
});

test('no more conversations are remembered than fit, and of those the ones in use', () => {
  const { choose } = chooserOf({ a: 1, b: 1 });
  const first = choose('one') ?? '';
  const moved = choose('one', first);
  for (const each of MANY.slice(0, 9_999)) choose(each);
  assert.equal(choose('one'), moved);
  for (const each of MANY.slice(0, 10_000)) choose(each);
  assert.equal(choose('one'), first);
});

test('without a key there is no choice', () => {
  const { choose } = chooserOf({ a: 1 });
  assert.equal(choose(null, 'a'), null);
  assert.equal(choose('one', 'a'), null);
});

test('a pool needs keys that there are, weights above 0, and a name that no key has', () => {
  const known = new Set(['prod-a-api']);
  const fields = (name: string, keys: Readonly<Record<string, number>>): readonly string[] =>
    poolProblems(name, { keys: new Map(Object.entries(keys)), choose: 'weight', sticky: true }, known).map(
      ({ field, kind }) => `${field} ${kind}`,
    );
  assert.deepEqual(fields('team', { 'prod-a-api': 1 }), []);
  for (const keys of [{}, { 'prod-a-api': 0 }, { 'prod-a-api': Number.NaN }, { 'prod-b-api': 1 }])
    assert.equal(fields('team', keys).length, 1);
  assert.equal(fields('prod-a-api', { 'prod-a-api': 1 }).length, 1);
});
