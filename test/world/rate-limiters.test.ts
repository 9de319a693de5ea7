/**
 * How rate limiters on the client's side went wrong in public reports, and what a pace does in each case, with every store.
 * The right values are worked out by hand: 60 requests and 60,000 tokens a minute are one request and 1,000 tokens a second.
 */
import assert from 'node:assert/strict';
import test, { after, describe } from 'node:test';
import { pace, type Answer, type Asked, type Charge, type PaceStore, type Settlement } from 'plimsoll/pace';
import { PARAMS, steppedClock, withSteppedTime, workbench } from '../../testing/client-workbench.ts';
import { ASKED, START_MS, answerOf, paceStores, type PaceHome } from '../../testing/pace/pace-stores.ts';

const HOUR_MS = 3_600_000;

/** A store, and its time. */
interface Case {
  readonly store: PaceStore;
  nowMs: number;
  ask(given?: Partial<Asked>): Promise<Answer>;
  /** Asks until it has to wait; returns how many went, and the wait in milliseconds. */
  untilWait(given?: Partial<Asked>): Promise<readonly [went: number, waitMs: number]>;
  settle(charge: Charge, given?: Partial<Settlement>): Promise<void>;
}

function caseOf(home: PaceHome, time: { nowMs: number }): Case {
  const store = home.open();
  let settlements = 0;
  const ask = async (given: Partial<Asked> = {}): Promise<Answer> =>
    answerOf(store, 'a class', { ...ASKED, nowMs: time.nowMs, ...given });
  return {
    store,
    get nowMs() {
      return time.nowMs;
    },
    set nowMs(nowMs) {
      time.nowMs = nowMs;
    },
    ask,
    async untilWait(given = {}) {
      for (let went = 0; ; went += 1) {
        const answer = await ask(given);
        if (answer.kind === 'wait') return [went, Math.round(answer.waitMs)];
        assert.equal(answer.kind, 'go');
      }
    },
    async settle(charge, given = {}) {
      const known = { actual: [1, 100, 100], isOver: true, seen: null, refusal: null, share: 1 } as const;
      const times = { sentAtMs: time.nowMs, nowMs: time.nowMs };
      await store.settle('a class', { ...known, ...times, charge, ...given }, String(settlements++));
    },
  };
}

async function went(one: Case, given: Partial<Asked> = {}): Promise<Charge> {
  const answer = await one.ask(given);
  assert.ok(answer.kind === 'go', answer.kind);
  return answer.charge;
}

/** How many of 120 calls went that came a second after each other, as fast as the limit allows. */
async function sentEachSecond(one: Case): Promise<number> {
  let count = 0;
  for (let call = 0; call < 120; call += 1) {
    one.nowMs += 1_000;
    if ((await one.ask()).kind === 'go') count += 1;
  }
  return count;
}

for (const { kind, skip, home, end } of await paceStores()) {
  after(end);

  const reported = (name: string, check: (one: Case) => Promise<void>): void => {
    test(name, { skip }, async () => {
      const time = { nowMs: START_MS };
      const place = home(() => time.nowMs);
      try {
        await check(caseOf(place, time));
      } finally {
        await place.end();
      }
    });
  };

  describe(`a ${kind} pace`, () => {
    // ProfessionalWiki/MediaWiki-MCP-Server#557, sethvargo/go-limiter#41, jhurliman/node-rate-limiter#48.
    reported('makes nobody wait longer where the clock is set back by an hour', async (one) => {
      assert.deepEqual(await one.untilWait(), [5, 1_000]);
      one.nowMs -= HOUR_MS;
      assert.deepEqual(await one.untilWait(), [0, 1_000]);
      one.nowMs += 1_000;
      assert.deepEqual(await one.untilWait(), [1, 1_000]);
    });

    // The same report: on WSL2 the clock stepped eleven seconds forward and back every few seconds.
    reported('survives a clock that goes back and forth: it waits seconds, not longer each time', async (one) => {
      for (let step = 0; step < 40; step += 1) {
        one.nowMs += step % 2 === 0 ? 14_000 : -11_000;
        const [, waitMs] = await one.untilWait({ lane: 'interactive' });
        assert.ok(waitMs <= 2_000, `${waitMs} ms at step ${step}`);
      }
    });

    // JSONbored/loopover#5855: half a second back in a window of a minute made callers wait for minutes.
    reported('waits no longer than a window where the clock is set back within one', async (one) => {
      const charge = await went(one);
      for (let answers = 0; answers < 6; answers += 1) {
        const seen = { limit: 60, remaining: 0, resetAtMs: START_MS + 50_000 };
        await one.settle(charge, { actual: [1, null, null], isOver: false, seen: [seen, null, null] });
      }
      one.nowMs -= 300_000;
      const answer = await one.ask();
      assert.ok(answer.kind === 'wait' && answer.waitMs <= 60_000, JSON.stringify(answer));
    });

    // spring-cloud/spring-cloud-gateway#2412, zeromicro/go-zero#4072: a host a second behind refilled the bucket each time.
    reported('lets out no more where one process is a second behind another', async (one) => {
      let count = 0;
      for (let call = 0; call < 30; call += 1) {
        one.nowMs = START_MS - (call % 2) * 1_000;
        if ((await one.ask()).kind === 'go') count += 1;
      }
      assert.equal(count, 5);
    });

    // Clocks of hosts that are minutes apart from the API's: its `reset` is nowhere near the call.
    for (const skewMs of [-300_000, 300_000]) {
      reported(`takes a clock that is ${skewMs / 60_000} minutes off for no window, and goes on`, async (one) => {
        for (let answers = 0; answers < 10; answers += 1) {
          const resetAtMs = one.nowMs + 2_000 + skewMs;
          const seen = { limit: 60, remaining: 58, resetAtMs };
          await one.settle(await went(one), { seen: [seen, null, null] });
          one.nowMs += 1_000;
        }
        assert.equal(await sentEachSecond(one), 120);
      });
    }

    reported('is held up by no reset in the year 9999', async (one) => {
      for (let answers = 0; answers < 10; answers += 1) {
        const seen = { limit: 60, remaining: 59, resetAtMs: Date.UTC(9999, 0) };
        await one.settle(await went(one), { seen: [seen, null, null] });
        one.nowMs += 1_000;
      }
      assert.equal(await sentEachSecond(one), 120);
    });

    // anthropics/anthropic-sdk-typescript#357: 5 requests a minute, none left, and a reset one second after the answer.
    reported('waits for one request to refill where none is left, and not for a minute', async (one) => {
      const charge = await went(one, { limits: [5, 60_000, 60_000] });
      const seen = { limit: 5, remaining: 0, resetAtMs: one.nowMs + 1_000 };
      await one.settle(charge, { seen: [seen, null, null] });
      const [count, waitMs] = await one.untilWait({ lane: 'interactive', limits: [5, 60_000, 60_000] });
      assert.equal(count, 0);
      // 12 s for one request, and a second that is kept.
      assert.ok(waitMs <= 13_000, `${waitMs} ms`);
    });

    // shobrook/openlimit#8: 800 tokens at 40,000 a minute, 666 a second, waited forever.
    reported('sends at once what is larger than the share of a second', async (one) => {
      const answer = await one.ask({ amounts: [1, 800, 100], limits: [60, 40_000, 40_000] });
      assert.equal(answer.kind, 'go');
    });

    // agent0ai/agent-zero#711: "Limit 30000, Requested 36055".
    reported('says at once that a prompt is larger than the limit of a minute', async (one) => {
      const answer = await one.ask({ amounts: [1, 36_055, 100], limits: [60, 30_000, 30_000] });
      assert.ok(answer.kind === 'never');
      assert.equal(answer.limit, 30_000);
    });

    // A tier that falls, or a limit lowered by hand: what was used of the old one is hours of the new one.
    reported('waits no longer than a minute where a limit shrinks in the middle of one', async (one) => {
      const large = [10_000, 2_000_000, 400_000] as const;
      const charge = await went(one, { amounts: [1, 1_500_000, 100], limits: large });
      const seen = { limit: 30_000, remaining: 10_000, resetAtMs: one.nowMs + 40_000 };
      await one.settle(charge, { actual: [1, null, 100], seen: [null, seen, null] });
      const answer = await one.ask({ limits: large });
      assert.ok(answer.kind === 'wait' && answer.waitMs <= 60_000, JSON.stringify(answer));
    });
  });
}

describe('calls with a pace', () => {
  const CLASS = 'haiku-4.5';

  async function ended(headers: Readonly<Record<string, string>>, calls = 30): Promise<number> {
    const faults = [{ probability: 1, fault: { fault: 'headers', headers } }] as const;
    const bench = workbench({
      simulator: { limits: {}, scenario: { faults, latency: { firstByteMs: { kind: 'constant', value: 1_000 } } } },
      instrument: { pace: pace({ clock: steppedClock, maxWaitMs: 60_000 }), clock: steppedClock },
    });
    const one = (): Promise<unknown> => bench.claude.messages.create(PARAMS);
    await one();
    const ends = await Promise.allSettled(Array.from({ length: calls }, one));
    return ends.filter(({ status }) => status === 'fulfilled').length;
  }

  const all = (figure: string, text: string): Readonly<Record<string, string>> =>
    Object.fromEntries(
      ['requests', 'input-tokens', 'output-tokens'].map((name) => [`anthropic-ratelimit-${name}-${figure}`, text]),
    );

  for (const limit of ['0', '-5', 'NaN', 'many', '1e300', 'Infinity']) {
    test(`all go out at once where their answers show limits of ${limit}`, async () => {
      await withSteppedTime(async () => {
        const startedMs = Date.now();
        assert.equal(await ended(all('limit', limit)), 30);
        assert.ok(Date.now() - startedMs <= 2_200, `${Date.now() - startedMs} ms`);
      });
    });
  }

  test('all go where more is left than the limit allows', async () => {
    await withSteppedTime(async () => assert.equal(await ended(all('remaining', '999999999')), 30));
  });

  // SGrondin/bottleneck#152: a queue that was once full stayed so, and every later job was dropped.
  test('find a free queue again when those that filled it have given up', async () => {
    await withSteppedTime(async () => {
      const own = pace({ clock: steppedClock, maxWaiting: 3, maxWaitMs: 1_000 });
      const bench = workbench({
        simulator: { limits: { [CLASS]: { requests: 10 } } },
        instrument: { pace: own, clock: steppedClock },
      });
      const one = (): Promise<unknown> => bench.claude.messages.create(PARAMS);
      for (let round = 0; round < 3; round += 1) await Promise.allSettled(Array.from({ length: 40 }, one));
      assert.equal(own.waiting('interactive').calls, 0);
      await new Promise((resolve) => setTimeout(resolve, 60_000));
      await one();
    });
  });

  // A proxy that asks for a wait without end: nothing of it stays for longer than five minutes.
  test('ask again after five minutes, whatever a refusal asked for', async () => {
    await withSteppedTime(async () => {
      const own = pace({ clock: steppedClock, maxWaitMs: 1_000 });
      const bench = workbench({
        simulator: { limits: { [CLASS]: { requests: 60 } } },
        client: { maxRetries: 0 },
        instrument: { pace: own, clock: steppedClock },
      });
      await bench.claude.messages.create(PARAMS);
      bench.sim.script([{ fault: 'input_tokens_limit', headers: { 'retry-after': 'Infinity' } }]);
      await assert.rejects(bench.claude.messages.create(PARAMS));
      await assert.rejects(bench.claude.messages.create(PARAMS), { reason: 'max_wait' });
      await new Promise((resolve) => setTimeout(resolve, 300_000));
      await bench.claude.messages.create(PARAMS);
    });
  });
});
