import type { TotalsRow } from 'plimsoll/organization';
import type { OrganizationOptions } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import type { Timers } from '../../src/clock.ts';
import { pacedWatch, type OrganizationWatch, type WatchOptions } from '../../src/organization/watch.ts';
import { ADMIN_KEY, BooksBench, KEYS } from './books-bench.ts';

/** Timers of the bench's clock: a task runs when the time is set past it. */
export class SetTimers implements Timers {
  #tasks: { readonly atMs: number; readonly task: () => void }[] = [];
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  inBackground(waitMs: number, task: () => void): () => void {
    const entry = { atMs: this.#now() + waitMs, task };
    this.#tasks.push(entry);
    return () => (this.#tasks = this.#tasks.filter((other) => other !== entry));
  }

  whileWaiting(waitMs: number, task: () => void): () => void {
    return this.inBackground(waitMs, task);
  }

  soon(task: () => void): void {
    task();
  }

  run(): void {
    const due = this.#tasks.filter(({ atMs }) => atMs <= this.#now());
    this.#tasks = this.#tasks.filter((entry) => !due.includes(entry));
    for (const { task } of due) task();
  }
}

const MINUTE_MS = 60_000;

/** An organization on a virtual clock, and processes that watch it. */
export class WatchBench {
  readonly books: BooksBench;
  readonly timers: SetTimers;
  readonly problems: string[] = [];
  /** Paths and first days of what was asked. */
  readonly asked: string[] = [];
  rows: TotalsRow[] = [];

  constructor(organization: OrganizationOptions = {}) {
    this.books = new BooksBench({
      days: 12,
      organization: { discountPercent: '10', spendLimits: true, ...organization },
    });
    this.timers = new SetTimers(() => this.books.clock.now());
  }

  /** A process of its own, with a metrics registry. */
  watch(options: Partial<WatchOptions> = {}): { readonly watch: OrganizationWatch; readonly registry: Registry } {
    const registry = new Registry();
    const { clock, sim } = this.books;
    const watch = pacedWatch(
      {
        adminKey: () => ADMIN_KEY,
        ids: Object.fromEntries(KEYS.slice(0, 3).map(({ name, id }) => [name, [id]])),
        totals: { read: (from, to) => this.#totals(from, to) },
        fetch: (input, init) => {
          const { pathname, searchParams } = new URL(input instanceof Request ? input.url : String(input));
          this.asked.push(
            `${pathname.replace('/v1/organizations/', '')} ${searchParams.get('starting_at') ?? ''}`.trim(),
          );
          return sim.fetch(input, init);
        },
        clock: { epochMs: () => clock.now(), monotonicMs: () => clock.now() },
        timers: this.timers,
        registry,
        onProblem: (sentence) => this.problems.push(sentence),
        ...options,
      },
      { everyMs: 10 * MINUTE_MS, lookMs: MINUTE_MS, leaseMs: 4 * MINUTE_MS, perMinute: 1_000 },
    );
    return { watch, registry };
  }

  #totals(fromDay: string, toDay: string) {
    this.rows.push(...this.books.rows());
    const firstDay = this.rows.map(({ day }) => day).sort()[0] ?? null;
    return { rows: this.rows.filter(({ day }) => day >= fromDay && day < toDay), gaps: [], firstDay };
  }

  /** Lets what was begun come to its end: nothing more is asked. */
  async settle(): Promise<void> {
    for (let before = -1; before !== this.asked.length;) {
      before = this.asked.length;
      for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Lets minutes go by, one at a time, as a process lives through them. */
  async pass(minutes: number): Promise<void> {
    for (let minute = 0; minute < minutes; minute++) await this.step(MINUTE_MS);
  }

  async step(ms: number): Promise<void> {
    this.books.clock.nowMs += ms;
    this.timers.run();
    await this.settle();
  }

  /** Nine days of which each has $6 of the shop's, $1 of a key that nobody watches, and $2 that plimsoll did not see. */
  async live(): Promise<void> {
    const usage = { input_tokens: 1_000_000, output_tokens: 0 };
    for (let day = 0; day < 9; day++) {
      this.books.at(day, 12);
      const more = { input_tokens: 1_000_000, output_tokens: 100_000 };
      await this.books.ask({ key: 'prod-shop-api', model: 'claude-opus-5-5', usage: more });
      await this.books.ask({ key: 'foreign', model: 'claude-haiku-4-5', usage });
      await this.books.ask({ key: 'prod-search-api', model: 'claude-sonnet-5-5', usage, foreign: true });
    }
    this.books.at(9, 6);
  }
}

/** The samples of a page that begin with a text, without it. */
export async function shown(registry: Registry, begin: string): Promise<readonly string[]> {
  const lines = (await registry.metrics()).split('\n').filter((line) => line.startsWith(begin));
  return lines.map((line) => line.slice(begin.length));
}
