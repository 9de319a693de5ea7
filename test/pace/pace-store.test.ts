/** One table of tests for all stores of a pace, and a comparison of all of them step by step. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, describe } from 'node:test';
import {
  memoryPace,
  pace,
  paceRefused,
  type Answer,
  type Asked,
  type Charge,
  type Lane,
  type PaceStore,
  type Settlement,
} from 'plimsoll/pace';
import { redisPace } from 'plimsoll/redis';
import { PARAMS, samples, workbench } from '../../testing/client-workbench.ts';
import { ASKED, START_MS, answerOf, paceStores, type PaceHome } from '../../testing/pace/pace-stores.ts';
import { redis, redisServer } from '../../testing/redis-server.ts';
import { seededRandom } from '../../testing/seeded-random.ts';

const settlement = (charge: Charge, given: Partial<Settlement> = {}): Settlement => ({
  charge,
  actual: [1, 100, 100],
  isOver: true,
  seen: null,
  refusal: null,
  share: 1,
  sentAtMs: START_MS,
  nowMs: START_MS,
  ...given,
});

async function charged(store: PaceStore, given: Partial<Asked> = {}, modelClass = 'a class'): Promise<Charge> {
  const answer = await answerOf(store, modelClass, { ...ASKED, ...given });
  assert.ok(answer.kind === 'go', answer.kind);
  return answer.charge;
}

const stores = await paceStores();

for (const { kind, skip, home, end } of stores) {
  after(end);

  const kept = (name: string, check: (home: PaceHome, store: PaceStore) => Promise<void>): void => {
    test(name, { skip }, async () => {
      const place = home(() => START_MS);
      try {
        await check(place, place.open());
      } finally {
        await place.end();
      }
    });
  };

  describe(`a ${kind} pace`, () => {
    kept('lets all processes together out no faster than the limit allows', async (place, one) => {
      const other = place.open();
      const went: boolean[] = [];
      for (let call = 0; call < 5; call += 1) {
        went.push(
          (await answerOf(one, 'a class', ASKED)).kind === 'go',
          (await answerOf(other, 'a class', ASKED)).kind === 'go',
        );
      }
      assert.equal(went.filter(Boolean).length, 5);
    });

    kept('tells every process what one of them was refused', async (place, one) => {
      const other = place.open();
      const refusal = { by: 1, retryAfterMs: 9_000 } as const;
      await one.settle('a class', settlement(await charged(one), { actual: [0, 0, 0], refusal }), 'a');
      const answer = await answerOf(other, 'a class', ASKED);
      assert.ok(answer.kind === 'wait');
      assert.deepEqual([answer.cause, Math.round(answer.waitMs)], ['input_tokens', 9_000]);
    });

    kept('settles for one process what another was charged', async (place, one) => {
      const charge = await charged(one, { amounts: [1, 100, 30_000] });
      const other = place.open();
      assert.equal((await answerOf(other, 'a class', ASKED)).kind, 'wait');
      await other.settle('a class', settlement(charge, { actual: [1, 100, 0] }), 'a');
      assert.equal((await answerOf(one, 'a class', ASKED)).kind, 'go');
    });

    kept('holds batch calls of all processes back while an interactive one waits', async (place, one) => {
      for (let call = 0; call < 41; call += 1) await charged(one, { lane: 'interactive' });
      assert.equal((await answerOf(one, 'a class', { ...ASKED, lane: 'interactive' })).kind, 'wait');
      const other = place.open();
      const answer = await answerOf(other, 'a class', { ...ASKED, amounts: [0, 0, 0] });
      assert.ok(answer.kind === 'wait');
    });

    kept('keeps classes apart', async (_, store) => {
      for (let call = 0; call < 5; call += 1) await charged(store);
      assert.equal((await answerOf(store, 'a class', ASKED)).kind, 'wait');
      assert.equal((await answerOf(store, 'another', ASKED)).kind, 'go');
    });

    kept('has back within a minute what a process that died had in hand', async () => {
      let nowMs = START_MS;
      const timed = home(() => nowMs);
      const [dead, other] = [timed.open(), timed.open()];
      const large = { lane: 'interactive', amounts: [1, 8_000, 4_000], maxTokens: 50_000 } as const;
      try {
        for (let call = 0; call < 5; call += 1) await charged(dead, large);
        assert.equal((await answerOf(other, 'a class', ASKED)).kind, 'wait');
        nowMs += 60_000;
        for (let call = 0; call < 5; call += 1) await charged(other, { ...large, nowMs });
      } finally {
        await timed.end();
      }
    });

    kept('remembers the classes that are in use, however many others are made up', async (_, store) => {
      for (let call = 0; call < 5; call += 1) await charged(store);
      for (let made = 0; made < 250; made += 1) {
        await charged(store, { limits: [1_000, 1_000_000, 1_000_000] }, `made up ${made}`);
        if (made % 50 === 0) assert.equal((await answerOf(store, 'a class', ASKED)).kind, 'wait');
      }
      assert.equal((await answerOf(store, 'a class', ASKED)).kind, 'wait');
    });

    kept('answers those that ask together in order, as far as the first that has to wait', async (_, store) => {
      const together = [
        ASKED,
        { ...ASKED, amounts: [1, 100_000, 100] },
        ...Array.from({ length: 10 }, () => ASKED),
      ] as const;
      const answers = await store.ask('a class', together);
      assert.deepEqual(
        answers.map(({ kind }) => kind),
        ['go', 'never', 'go', 'go', 'go', 'go', 'wait'],
      );
    });

    kept('refuses what never fits, and says what fits', async (_, store) => {
      const answer = await answerOf(store, 'a class', { ...ASKED, amounts: [1, 100_000, 100] });
      assert.deepEqual(answer, { kind: 'never', limit: 60_000, isAvoided: true });
    });

    kept('learns the limits from the first answer', async (_, store) => {
      const unknown = { limits: [0, 0, 0] } as const;
      const first = await charged(store, unknown);
      await charged(store, unknown);
      const third = await answerOf(store, 'a class', { ...ASKED, ...unknown });
      assert.ok(third.kind === 'wait');
      assert.equal(third.cause, 'start');
      const requests = { limit: 60, remaining: 58, resetAtMs: START_MS + 2_500 };
      await store.settle('a class', settlement(first, { seen: [requests, null, null] }), 'a');
      assert.equal((await answerOf(store, 'a class', { ...ASKED, ...unknown })).kind, 'go');
    });

    kept('says the same as the one in memory, step by step', async () => {
      let nowMs = START_MS;
      const timed = home(() => nowMs);
      const [one, memory] = [timed.open(), memoryPace()];
      const steps = new Steps(seededRandom(24), () => nowMs);
      for (let step = 0; step < 1_500; step += 1) {
        nowMs += steps.pauseMs();
        const { asked, settled } = steps.next();
        if (asked !== null) {
          const [answers, expected] = [await one.ask('a class', asked), await memory.ask('a class', asked)];
          assertSame(answers, expected, `${step}`);
          for (const each of expected) if (each.kind === 'go') steps.sent(each.charge);
        }
        if (settled !== null) {
          const id = String(step);
          assertSame(await one.settle('a class', settled, id), await memory.settle('a class', settled, id), `${step}`);
        }
      }
      assert.ok(steps.seenKinds >= 6, `${steps.seenKinds} kinds of steps`);
      await timed.end();
    });
  });
}

/** Numbers may differ by what two libraries make of an exponential. */
function assertSame(answer: unknown, expected: unknown, step: string): void {
  const rounded = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value), (_name, each: unknown) =>
      typeof each === 'number' ? Number(each.toPrecision(12)) : each,
    );
  assert.deepEqual(rounded(answer), rounded(expected), `step ${step}`);
}

/** Questions and settlements at random, of all kinds that there are. */
class Steps {
  readonly #random: () => number;
  readonly #nowMs: () => number;
  readonly #inFlight: { readonly charge: Charge; readonly sentAtMs: number }[] = [];
  readonly #kinds = new Set<string>();
  #limit = 60_000;

  constructor(random: () => number, nowMs: () => number) {
    this.#random = random;
    this.#nowMs = nowMs;
  }

  get seenKinds(): number {
    return this.#kinds.size;
  }

  /** Mostly moments; now and then long enough for windows, epochs and probes; and sometimes the clock is set back. */
  pauseMs(): number {
    if (this.#random() < 0.005) return -Math.floor(this.#random() * 900_000);
    return this.#random() < 0.01 ? Math.floor(this.#random() * 1_500_000) : Math.floor(this.#random() * 700);
  }

  sent(charge: Charge): void {
    this.#inFlight.push({ charge, sentAtMs: this.#nowMs() });
  }

  next(): { readonly asked: readonly Asked[] | null; readonly settled: Settlement | null } {
    if (this.#random() < 0.6) {
      const lane = this.#random() < 0.5 ? 'batch' : 'interactive';
      const together = 1 + Math.floor(this.#random() * 3);
      return { asked: Array.from({ length: together }, () => this.#question(lane)), settled: null };
    }
    const [sent] = this.#inFlight.splice(Math.floor(this.#random() * this.#inFlight.length), 1);
    return { asked: null, settled: sent === undefined ? null : this.#settlement(sent) };
  }

  #question(lane: Lane): Asked {
    const random = this.#random;
    this.#kinds.add('question');
    return {
      lane,
      amounts: [1, Math.ceil(random() ** 4 * 90_000), Math.ceil(random() * 2_000)],
      maxTokens: 4_000,
      ageMs: random() < 0.5 ? 0 : Math.floor(random() * 90_000),
      isFirst: random() < 0.7,
      leeway: 1.15,
      limits: [0, 0, 0],
      share: 1,
      nowMs: this.#nowMs(),
    };
  }

  #settlement({ charge, sentAtMs }: { readonly charge: Charge; readonly sentAtMs: number }): Settlement {
    const random = this.#random;
    const nowMs = this.#nowMs();
    if (random() < 0.01) this.#limit = random() < 0.5 ? 60_000 : 90_000;
    const isRefused = random() < 0.15;
    const by = ([0, 1, 2, 'acceleration'] as const)[Math.floor(random() * 4)] ?? 0;
    const refusal = isRefused ? { by, retryAfterMs: 1_000 + Math.floor(random() * 5_000) } : null;
    const isWindow = nowMs % 3_000_000 < 1_000_000;
    const seen = (limit: number) => {
      const remaining = Math.floor(random() * limit);
      const fullMs = isWindow ? 60_000 - (nowMs % 60_000) : ((limit - remaining) * 60_000) / limit;
      const skewMs = random() < 0.05 ? 300_000 * (random() - 0.5) : 0;
      return random() < 0.1
        ? null
        : { limit, remaining, resetAtMs: Math.ceil((nowMs + fullMs + skewMs) / 1_000) * 1_000 };
    };
    this.#kinds.add(`${isRefused ? by : 'answer'}`).add(isWindow ? 'window' : 'bucket');
    return {
      charge,
      actual: isRefused
        ? [0, 0, 0]
        : [1, random() < 0.1 ? null : Math.ceil(random() * 20_000), Math.ceil(random() * 3_000)],
      isOver: random() < 0.9,
      seen: random() < 0.2 ? null : [seen(120), seen(this.#limit), seen(40_000)],
      refusal,
      share: 1,
      sentAtMs,
      nowMs,
    };
  }
}

test(
  "a pace in Redis goes by Redis's clock, whatever those of its processes say",
  { skip: stores[2]?.skip ?? true },
  async () => {
    let nowMs = START_MS;
    const place = stores[2]?.home(() => nowMs);
    assert.ok(place !== undefined);
    const processes = [place.open(), place.open(), place.open()].map((store, at) => ({
      store,
      skewMs: (at - 1) * 300_000,
    }));
    const [memory, random] = [memoryPace(), seededRandom(25)];
    const steps = new Steps(random, () => nowMs);
    for (let step = 0; step < 600; step += 1) {
      nowMs += Math.abs(steps.pauseMs());
      const { asked, settled } = steps.next();
      const { store, skewMs } = processes[Math.floor(random() * 3)] ?? assert.fail();
      if (asked !== null) {
        const skewed = asked.map((each) => ({ ...each, nowMs: each.nowMs + skewMs }));
        const [answers, expected] = [await store.ask('a class', skewed), await memory.ask('a class', asked)];
        assertSame(answers, expected, `${step}`);
        for (const each of expected) if (each.kind === 'go') steps.sent(each.charge);
      }
      if (settled !== null) {
        const skewed = { ...settled, nowMs: settled.nowMs + skewMs, sentAtMs: settled.sentAtMs + skewMs };
        const id = String(step);
        assertSame(await store.settle('a class', skewed, id), await memory.settle('a class', settled, id), id);
      }
    }
    await place.end();
  },
);

test('a settlement that reaches Redis twice counts once', { skip: stores[2]?.skip ?? true }, async () => {
  const place = stores[2]?.home(() => START_MS);
  assert.ok(place !== undefined);
  const store = place.open();
  const charge = await charged(store, { amounts: [1, 100, 10_000] });
  const settled = settlement(charge, { actual: [1, 100, 0] });
  for (let times = 0; times < 2; times += 1) await store.settle('a class', settled, 'the same');
  // 10 s of debt were paid back once: what was spent before, but for the burst, is spent still.
  let went = 0;
  for (let answer: Answer = await answerOf(store, 'a class', ASKED); answer.kind === 'go'; went += 1)
    answer = await answerOf(store, 'a class', ASKED);
  assert.equal(went, 4);
  await place.end();
});

test('processes that share a file of SQLite are charged once each, however they collide', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-pace-'));
  const worker = join(import.meta.dirname, '..', '..', 'testing', 'pace', 'asking-process.ts');
  try {
    const went = await Promise.all(
      Array.from({ length: 3 }, async () => {
        const child = fork(worker, [join(folder, 'pace.db')], {
          execArgv: process.execArgv.filter((each) => !each.startsWith('--test')),
        });
        return new Promise<number>((resolve, reject) => {
          child.once('message', (count) => resolve(Number(count)));
          child.once('error', reject);
        });
      }),
    );
    assert.equal(
      went.reduce((sum, count) => sum + count, 0),
      41,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test(
  'a Redis that hangs paces nothing, is counted, and paces again when it goes on',
  { skip: redis.skip },
  async () => {
    const server = await redisServer();
    const store = redisPace(server.url);
    const limits = { 'haiku-4.5': { requests: 60 } };
    const own = pace({ store, maxWaitMs: 1, limits });
    const bench = workbench({ simulator: { limits }, instrument: { pace: own } });
    const call = async (): Promise<unknown> => bench.claude.messages.create(PARAMS).catch((error: unknown) => error);
    try {
      await call();
      server.pause();
      // More than the limit allows at once: a pace would refuse them after a millisecond.
      await Promise.all(Array.from({ length: 50 }, call));
      assert.equal(bench.sim.truth.requests.length, 51);
      assert.ok(((await samples(bench.registry, 'plimsoll_errors_total'))['stage=pace'] ?? 0) >= 1);
      server.resume();
      let refused: unknown = null;
      for (const untilMs = performance.now() + 60_000; refused === null && performance.now() < untilMs;) {
        refused = paceRefused(await call());
      }
      assert.ok(refused !== null);
    } finally {
      await store.close();
      await server.end();
    }
  },
);
