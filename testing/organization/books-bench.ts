import Anthropic from '@anthropic-ai/sdk';
import { instrument } from 'plimsoll';
import {
  simulator,
  type OrganizationOptions,
  type PartialUsage,
  type Simulator,
  type SimulatorClock,
} from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { adminClient, type AdminClient } from '../../src/organization/admin-client.ts';
import { difference, type Comparison, type Difference } from '../../src/organization/difference.ts';
import { keyGroups, type KeyGroups } from '../../src/organization/key-groups.ts';
import { readAnalytics } from '../../src/organization/read-analytics.ts';
import type { Reading } from '../../src/organization/report.ts';
import { defaultPrices, type PriceTable } from '../../src/pricing/prices.ts';
import { dayAfter, dayStartMs, type TotalsRow } from '../../src/totals/day-totals.ts';
import { TotalsRecorder } from '../../src/totals/totals-recorder.ts';
import { seededRandom } from '../seeded-random.ts';

/** A clock that is set. Sleeping takes the time that it takes. */
export class SetClock implements SimulatorClock {
  nowMs: number;

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  now(): number {
    return this.nowMs;
  }

  async sleep(ms: number): Promise<void> {
    this.nowMs += ms;
  }
}

/** The keys of the organization; the last is used by nobody that plimsoll watches. */
export const KEYS = ['prod-shop-api', 'prod-search-api', 'prod-log-batch', 'foreign'].map((name, index) => ({
  name,
  id: `apikey_0${index}`,
  key: `sk-ant-api03-${name}-0123456789abcdef`,
  ...(name === 'foreign' && { expiresAt: '2027-01-05T09:00:00Z' }),
}));

export const WATCHED = KEYS.slice(0, 3).map(({ name }) => name);

export const FIRST_DAY = '2026-10-20';

export const DAYS = 31;

export const ADMIN_KEY = ['sk-ant-admin01', 'books-of-the-house-0123456789'].join('-');

export interface BooksOptions {
  readonly organization?: OrganizationOptions;
  readonly days?: number;
  readonly prices?: PriceTable;
  readonly seed?: number;
  /** Default 1. Each takes the SDK's own time. */
  readonly maxRetries?: number;
}

/** One call of the traffic. */
export interface Ask {
  readonly key: string;
  readonly model: string;
  readonly usage: PartialUsage;
  readonly streamed?: boolean;
  readonly refusal?: string;
  /** Not watched: another program with the same key. */
  readonly foreign?: boolean;
}

/** An organization that lives for days on a virtual clock, and both views of what it used. */
export class BooksBench {
  readonly clock: SetClock;
  readonly sim: Simulator;
  readonly recorder: TotalsRecorder;
  readonly prices: PriceTable;
  readonly groups: KeyGroups;
  readonly days: number;
  readonly random: () => number;
  readonly #watched = new Map<string, Anthropic>();
  readonly #plain = new Map<string, Anthropic>();
  #reply: { usage: PartialUsage; refusal?: string | undefined } = { usage: {} };

  constructor({
    organization = {},
    days = DAYS,
    prices = defaultPrices(),
    seed = 7,
    maxRetries = 1,
  }: BooksOptions = {}) {
    this.days = days;
    this.prices = prices;
    this.random = seededRandom(seed);
    this.clock = new SetClock(dayStartMs(FIRST_DAY));
    this.sim = simulator({
      clock: this.clock,
      keys: KEYS,
      organization: { readsPerMinute: 10_000, ...organization },
      respond: () => replyOf(this.#reply),
    });
    this.recorder = new TotalsRecorder({ prices, now: () => this.clock.now() });
    this.groups = keyGroups(WATCHED, [], {
      ids: Object.fromEntries(KEYS.slice(0, 3).map(({ name, id }) => [name, [id]])),
    });
    for (const { name, key } of KEYS) {
      const client = (): Anthropic =>
        new Anthropic({ apiKey: key, fetch: this.sim.fetch, maxRetries, logLevel: 'off' });
      this.#plain.set(name, client());
      const clock = { epochMs: () => this.clock.now(), monotonicMs: () => this.clock.now() };
      const options = { key: name, prices, clock, registry: new Registry(), recorders: [this.recorder] };
      if (name !== 'foreign') this.#watched.set(name, instrument(client(), options));
    }
  }

  /** The time at so many days and hours after the first midnight. */
  at(day: number, hour: number): void {
    this.clock.nowMs = dayStartMs(FIRST_DAY) + (day * 24 + hour) * 3_600_000;
  }

  day(index: number): string {
    return dayAfter(FIRST_DAY, index);
  }

  /** Makes a call, to its end. What the caller would be thrown is kept from the test. */
  async ask({ key, model, usage, streamed = false, foreign = false, refusal }: Ask): Promise<void> {
    this.#reply = { usage, refusal };
    const client = (foreign ? this.#plain : this.#watched).get(key) ?? this.#plain.get(key);
    if (client === undefined) throw new Error(`no key ${key}`);
    const { speed, inference_geo } = usage;
    const body = {
      ...{ model, max_tokens: 4_096, messages: [{ role: 'user' as const, content: 'Ahoy' }] },
      ...(speed === 'fast' && { speed }),
      ...(inference_geo === 'us' && { inference_geo }),
    };
    const made = streamed ? client.messages.stream(body).finalMessage() : client.messages.create(body);
    await made.then(
      () => undefined,
      () => undefined,
    );
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Makes a batch of one call, and reads its result, which ends at once. */
  async askBatch({ key, model, usage }: Ask): Promise<void> {
    this.#reply = { usage };
    const client = this.#watched.get(key);
    const params = { model, max_tokens: 4_096, messages: [{ role: 'user' as const, content: 'Ahoy' }] };
    const batch = await client?.messages.batches.create({ requests: [{ custom_id: 'one', params }] });
    if (client === undefined || batch === undefined) return;
    for await (const line of await client.messages.batches.results(batch.id)) void line;
  }

  /** What plimsoll saw so far. */
  rows(): readonly TotalsRow[] {
    return this.recorder.take();
  }

  /** The report, two days after the last. */
  async reading(client: AdminClient = this.admin()): Promise<Reading> {
    this.at(this.days + 2, 0);
    const source = { client, prices: this.prices, now: () => this.clock.now() };
    return readAnalytics(source, this.day(0), this.day(this.days));
  }

  admin(): AdminClient {
    return adminClient({ adminKey: () => ADMIN_KEY, fetch: this.sim.fetch, maxRetries: 0 });
  }

  /** Reads the report and compares. */
  async compare(change: Partial<Comparison> & { readonly rows?: readonly TotalsRow[] } = {}): Promise<Difference> {
    const { rows = this.rows(), ...rest } = change;
    const [fromDay, toDay] = [this.day(0), this.day(this.days)];
    const totals = { rows, gaps: [], firstDay: fromDay };
    const { groups, prices } = this;
    const reading = rest.reading ?? (await this.reading());
    return difference({ fromDay, toDay, firsts: [], totals, groups, prices, ...rest, reading });
  }
}

function replyOf({ usage, refusal }: { usage: PartialUsage; refusal?: string | undefined }): object {
  return refusal === undefined
    ? { usage }
    : { usage, content: [], stopReason: 'refusal', stopDetails: { category: refusal } };
}
