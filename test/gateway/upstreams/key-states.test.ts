import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KeyStates } from '../../../src/gateway/upstreams/key-states.ts';
import { FAILOVER_REASONS, type FailoverReason, type KeyState } from '../../../src/record/metrics/catalogue-gateway.ts';

const HAIKU = 'haiku-5.5';
const OPUS = 'opus-5.5';

function healthOf() {
  let nowMs = 0;
  const states = new KeyStates({ epochMs: () => nowMs, monotonicMs: () => nowMs });
  return { states, health: states.of('a', 'text'), pass: (ms: number) => void (nowMs += ms) };
}

/** Seconds of the first rests in a row, without a wait that the API asks for. */
const RESTS: Readonly<Record<FailoverReason, readonly [number, ...number[]]>> = {
  rate_limited: [5, 5, 5],
  spend_limited: [60, 120, 240, 480, 600, 600],
  unauthorized: [60, 120, 240, 480, 600, 600],
  overloaded: [1, 2, 4, 8, 16, 30, 30],
  unreachable: [1, 2, 4, 8, 16, 30, 30],
};

describe('a key rests', () => {
  for (const reason of FAILOVER_REASONS)
    test(`after ${reason}: ${RESTS[reason].join(', ')} seconds`, () => {
      const { health, pass } = healthOf();
      for (const seconds of RESTS[reason]) {
        health.refuse(HAIKU, { reason, retryAfterMs: null });
        pass(seconds * 1_000 - 1);
        assert.equal(health.rest(HAIKU)?.reason, reason);
        pass(1);
        assert.equal(health.rest(HAIKU), null);
      }
    });

  test('for as long as the API asks, from a second to ten minutes', () => {
    for (const [askedMs, restMs] of [
      [1, 1_000],
      [42_000, 42_000],
      [86_400_000, 600_000],
    ] as const) {
      const { health, pass } = healthOf();
      health.refuse(HAIKU, { reason: 'rate_limited', retryAfterMs: askedMs });
      pass(restMs - 1);
      assert.notEqual(health.rest(HAIKU), null);
      pass(1);
      assert.equal(health.rest(HAIKU), null);
    }
  });

  test('in one model class for a limit or an overload, and in all for what is of the key', () => {
    for (const reason of FAILOVER_REASONS) {
      const { health } = healthOf();
      health.refuse(HAIKU, { reason, retryAfterMs: null });
      const isOfClass = reason === 'rate_limited' || reason === 'overloaded';
      assert.equal(health.rest(OPUS)?.reason, isOfClass ? undefined : reason);
    }
  });
});

test('one request at a time tries a key that rested; a success ends it, and a trial that says nothing lasts ten seconds', () => {
  const { health, pass } = healthOf();
  health.refuse(HAIKU, { reason: 'spend_limited', retryAfterMs: null });
  assert.equal(health.state, 'spend_limited');
  pass(60_000);
  assert.equal(health.state, 'half_open');
  health.begin(HAIKU);
  assert.notEqual(health.rest(HAIKU), null);
  pass(10_000);
  assert.equal(health.rest(HAIKU), null);
  health.begin(HAIKU);
  assert.equal(health.state, 'half_open');
  health.succeed(HAIKU);
  assert.equal(health.rest(HAIKU), null);
  assert.equal(health.state, 'closed');
});

describe('the request that tries a key, and what comes of it', () => {
  /** What is known of the key at once, and after ten seconds: its state, and whether another request may be sent. */
  type Known = readonly [state: KeyState, mayBeAsked: boolean];
  type Health = ReturnType<typeof healthOf>['health'];
  const answered = (status: number) => (health: Health) => health.answer(HAIKU, status);
  const refused = (reason: FailoverReason) => (health: Health) => health.refuse(HAIKU, { reason, retryAfterMs: null });

  const closed = [
    ['closed', true],
    ['closed', true],
  ] as const;
  const goesOn = [
    ['half_open', false],
    ['half_open', true],
  ] as const;
  const next = [
    ['half_open', true],
    ['half_open', true],
  ] as const;
  const rests = (reason: FailoverReason) =>
    [
      [reason, false],
      [reason, false],
    ] as const;

  for (const [reason, event, come, [atOnce, later]] of [
    ['unauthorized', 'a success', (health: Health) => health.succeed(HAIKU), closed],
    ['spend_limited', 'a success', (health: Health) => health.succeed(HAIKU), closed],
    ['unauthorized', 'the same refusal', refused('unauthorized'), rests('unauthorized')],
    ['spend_limited', 'another refusal of the key', refused('unauthorized'), rests('unauthorized')],
    ['unauthorized', 'nothing: it hangs', () => undefined, goesOn],
    [
      'unauthorized',
      'nothing: a guard refused it, or its client left',
      (health: Health) => health.giveBack(HAIKU),
      next,
    ],
    ['overloaded', 'nothing: a guard refused it, or its client left', (health: Health) => health.giveBack(HAIKU), next],
    ['unauthorized', 'a wrong request', answered(400), closed],
    ['unauthorized', 'a rate limit', answered(429), closed],
    ['unauthorized', 'an error of the server', answered(500), goesOn],
    ['unreachable', 'an error of the server', answered(500), closed],
    ['unreachable', 'a wrong key', answered(401), closed],
    ['spend_limited', 'a wrong request', answered(400), next],
    ['spend_limited', 'an overload', answered(529), goesOn],
    ['overloaded', 'a wrong request', answered(404), next],
    ['overloaded', 'an error of the server', answered(503), goesOn],
  ] as const)
    test(`after ${reason}: ${event}`, () => {
      const { health, pass } = healthOf();
      refused(reason)(health);
      pass(RESTS[reason][0] * 1_000);
      assert.equal(health.begin(HAIKU), true);
      assert.deepEqual(known(health), ['half_open', false]);
      come(health);
      assert.deepEqual(known(health), atOnce);
      pass(10_000);
      const isRestOfSeconds = reason !== 'unauthorized' && reason !== 'spend_limited' && atOnce[0] === reason;
      if (!isRestOfSeconds) assert.deepEqual(known(health), later);
    });

  test('a refusal for one model class says that the key itself is valid again', () => {
    const { health, pass } = healthOf();
    refused('unauthorized')(health);
    pass(60_000);
    health.begin(HAIKU);
    health.answer(HAIKU, 429);
    refused('rate_limited')(health);
    assert.equal(health.rest(OPUS), null);
    pass(5_000);
    assert.deepEqual(known(health), ['closed', true]);
  });

  test('nobody who tries it for ten minutes: the rest says nothing any more, and the state says so', () => {
    for (const reason of FAILOVER_REASONS) {
      const { health, pass } = healthOf();
      refused(reason)(health);
      pass(RESTS[reason][0] * 1_000 + 599_999);
      assert.equal(health.state, reason === 'rate_limited' ? 'closed' : 'half_open');
      pass(1);
      assert.deepEqual(known(health), ['closed', true]);
      assert.equal(health.begin(HAIKU), false);
    }
  });

  const known = (health: Health): Known => [health.state, health.rest(HAIKU) === null];
});

test('a limit refills by itself: all requests come back at once', () => {
  const { health, pass } = healthOf();
  health.refuse(HAIKU, { reason: 'rate_limited', retryAfterMs: 2_000 });
  pass(2_000);
  assert.equal(health.state, 'closed');
  health.begin(HAIKU);
  assert.equal(health.rest(HAIKU), null);
});

test('a key of another text begins anew, and the old one says nothing about it', () => {
  const { states, health } = healthOf();
  const rotated = states.of('a', 'another text');
  health.refuse(HAIKU, { reason: 'unauthorized', retryAfterMs: null });
  assert.equal(rotated.rest(HAIKU), null);
  assert.equal(states.state('a'), 'closed');
  assert.equal(states.state('b'), null);
});

test('clients that name a thousand models make no thousand classes', () => {
  const { health } = healthOf();
  for (let at = 0; at < 1_000; at++) health.refuse(`model ${at}`, { reason: 'rate_limited', retryAfterMs: null });
  // Those beyond the most share one.
  assert.equal(health.rest('a model that nobody has named')?.reason, 'rate_limited');
  health.succeed('another');
  assert.equal(health.rest('a model that nobody has named'), null);
});

describe('what is left of the limits', () => {
  test('is that of the tightest, and refills until the reset', () => {
    const { health, pass } = healthOf();
    health.see(HAIKU, [
      { dimension: 'requests', limit: 100, remaining: 90, resetAtMs: 60_000 },
      { dimension: 'input_tokens', limit: 1_000, remaining: 200, resetAtMs: 60_000 },
    ]);
    assert.equal(health.headroom(HAIKU), 0.2);
    assert.equal(health.headroom(OPUS), 1);
    pass(30_000);
    assert.ok(Math.abs(health.headroom(HAIKU) - 0.6) < 1e-9);
    pass(30_000);
    assert.equal(health.headroom(HAIKU), 1);
  });

  test('is never nothing, and is not known from what cannot be read', () => {
    const { health } = healthOf();
    health.see(HAIKU, [{ dimension: 'requests', limit: 100, remaining: 0, resetAtMs: 60_000 }]);
    assert.equal(health.headroom(HAIKU), 0.01);
    health.see(OPUS, [
      { dimension: 'requests', limit: null, remaining: 0, resetAtMs: null },
      { dimension: 'tokens', limit: 0, remaining: 0, resetAtMs: null },
    ]);
    assert.equal(health.headroom(OPUS), 1);
  });
});
