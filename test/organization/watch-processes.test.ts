import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { serve } from 'plimsoll/http';
import { reportsKinds, type ReportsHome } from '../../testing/organization/report-stores.ts';
import { WatchBench } from '../../testing/organization/watch-bench.ts';
import type { WatchLeg, WatchNews } from '../../testing/organization/watch-worker.ts';
import { KeptDays } from '../../src/organization/kept-days.ts';

/** Far longer than anything here takes: a wait ends when what it waits for has happened. */
const DEADLINE_MS = 120_000;

/** One request: the worker that made it, and the poll that it was part of. */
interface Asked {
  readonly worker: string;
  readonly poll: string;
}

/** An organization on loopback, and processes that watch it. */
class Fleet {
  readonly asked: Asked[] = [];
  readonly news: WatchNews[] = [];
  readonly workers = new Map<string, ChildProcess>();
  /** Called before a request is answered. */
  onAsked: (asked: Asked) => Promise<void> | void = () => undefined;
  #waiting: (() => void)[] = [];
  readonly #bench: WatchBench;
  readonly #home: ReportsHome;
  #url = '';

  constructor(bench: WatchBench, home: ReportsHome) {
    this.#bench = bench;
    this.#home = home;
  }

  /** Serves the organization on loopback until the end of the test. */
  async listen(t: TestContext): Promise<void> {
    await this.#bench.live();
    const serving = await serve((request) => this.#answer(request), { port: 0 });
    this.#url = serving.url;
    t.after(async () => {
      for (const worker of this.workers.values()) worker.kill('SIGKILL');
      await serving.close(0);
      await this.#home.end();
    });
  }

  async #answer(request: Request): Promise<Response> {
    const secret = request.headers.get('x-api-key') ?? request.headers.get('authorization') ?? '';
    const [, worker = '', poll = ''] = /admin01-(\w+)-(\d+)-/.exec(secret) ?? [];
    const asked = { worker, poll };
    this.asked.push(asked);
    await this.onAsked(asked);
    this.#wake();
    return this.#bench.books.sim.handle(request);
  }

  #wake(): void {
    for (const look of this.#waiting) look();
  }

  async until(what: string, happened: () => boolean): Promise<void> {
    if (happened()) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`never ${what}: ${this.asked.length} requests`)), DEADLINE_MS);
      const look = (): void => {
        if (!happened()) return;
        clearTimeout(timer);
        this.#waiting = this.#waiting.filter((other) => other !== look);
        resolve();
      };
      this.#waiting.push(look);
    });
  }

  start(name: string, leaseMs: number): ChildProcess {
    const aheadMs = this.#bench.books.clock.now() - Date.now();
    const leg: WatchLeg = { name, place: this.#home.place, baseUrl: this.#url, aheadMs, leaseMs };
    const worker = fork(
      join(import.meta.dirname, '../../testing/organization/watch-worker.ts'),
      [JSON.stringify(leg)],
      {
        execArgv: ['--conditions=plimsoll-source', '--disable-warning=PlimsollWarning'],
      },
    );
    worker.on('message', (news) => {
      this.news.push(news as WatchNews);
      this.#wake();
    });
    this.workers.set(name, worker);
    return worker;
  }

  /** Views that a worker has shown. */
  shownBy(name: string): readonly WatchNews[] {
    return this.news.filter((news) => news.name === name);
  }

  pollsOf(name: string): ReadonlySet<string> {
    return new Set(this.asked.filter(({ worker }) => worker === name).map(({ poll }) => poll));
  }

  /** Polls whose requests are not all in one stretch: another one was under way at the same time. */
  torn(): readonly string[] {
    const stretches = this.asked
      .map(({ worker, poll }) => `${worker} ${poll}`)
      .filter((one, at, all) => one !== all[at - 1]);
    return stretches.filter((one, at) => stretches.indexOf(one) !== at);
  }

  async days(): Promise<ReadonlyMap<string, string>> {
    return this.#home.open().read('days');
  }
}

async function fleetOn(t: TestContext, kind: 'sqlite' | 'redis'): Promise<Fleet> {
  const home = await reportsKinds.find((one) => one.kind === kind)?.home();
  assert.ok(home);
  const fleet = new Fleet(new WatchBench(), home);
  await fleet.listen(t);
  return fleet;
}

/** Nine complete days of $9 at list price, a tenth less. */
const BILLED_USD = 72.9;

test('a reader that is killed within a poll is replaced, and no day is lost or doubled', async (t) => {
  const fleet = await fleetOn(t, 'sqlite');
  fleet.start('one', 1_500);
  await fleet.until('one has read', () => fleet.shownBy('one').length > 0);
  fleet.start('two', 1_500);
  await fleet.until('two shows what one read', () => fleet.shownBy('two').length > 0);
  const before = await fleet.days();
  // In the second request of a poll: usage is read, and costs are not.
  const [polls, killed] = [new Set(fleet.pollsOf('one')), { poll: '', requests: 0 }];
  const gone = new Promise<void>((resolve) => {
    fleet.onAsked = async ({ worker, poll }) => {
      if (worker !== 'one' || polls.has(poll) || ++killed.requests !== 2) return;
      killed.poll = poll;
      const child = fleet.workers.get('one');
      child?.kill('SIGKILL');
      if (child !== undefined) await once(child, 'exit');
      resolve();
    };
  });
  await gone;
  await fleet.until('two reads', () => fleet.pollsOf('two').size > 2);
  assert.deepEqual(fleet.torn(), []);
  const last = fleet.asked.findLastIndex(({ worker }) => worker === 'one');
  assert.ok(fleet.asked.slice(last + 1).every(({ worker }) => worker === 'two'));
  const days = await fleet.days();
  assert.deepEqual([...days.keys()], [...before.keys()], 'the same days');
  for (const news of fleet.news) assert.equal(news.billedUsd, BILLED_USD);
  const { reading } = new KeptDays(days).of({ fromDay: '2026-10-20', toDay: '2026-10-30' });
  assert.deepEqual(
    reading.days.map(({ cells }) => cells.length),
    [3, 3, 3, 3, 3, 3, 3, 3, 3, 0],
  );
});

const { skip = false } = reportsKinds.find(({ kind }) => kind === 'redis') ?? {};

test('a reader that was paused asks nothing more when it wakes in its poll', { skip }, async (t) => {
  const fleet = await fleetOn(t, 'redis');
  const one = fleet.start('one', 1_500);
  await fleet.until('one has read', () => fleet.shownBy('one').length > 0);
  const polls = new Set(fleet.pollsOf('one'));
  const paused = new Promise<void>((resolve) => {
    fleet.onAsked = ({ worker, poll }) => {
      if (worker !== 'one' || polls.has(poll)) return;
      one.kill('SIGSTOP');
      fleet.onAsked = () => undefined;
      resolve();
    };
  });
  await paused;
  fleet.start('two', 1_500);
  await fleet.until('two reads', () => fleet.pollsOf('two').size > 1);
  one.kill('SIGCONT');
  const asked = fleet.pollsOf('two').size;
  await fleet.until('two reads on', () => fleet.pollsOf('two').size > asked + 2);
  assert.deepEqual(fleet.torn(), []);
  for (const news of fleet.news) assert.equal(news.billedUsd, BILLED_USD);
});
