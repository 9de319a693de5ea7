import {
  grants,
  levelOf,
  type Balance,
  type Ledger,
  type Place,
  type Posted,
  type Posting,
  type Spend,
  type Window,
} from './ledger.ts';

/**
 * A ledger in this process: nothing to install, and gone when the process is. Each replica has its own, so a budget
 * that blocks is enforced by each separately. Never unavailable.
 */
export function memoryLedger(): Ledger {
  const accounts = new Accounts();
  const id = crypto.randomUUID();
  return {
    kind: 'memory',
    id: () => id,
    post: (posting) => accounts.post(posting),
    balance: (place, { nowMs, holdMs }) => accounts.balance(place, nowMs - holdMs),
    history: (account, fromMs) => accounts.history(account, fromMs),
    close: () => undefined,
  };
}

/** What one writer last said of a place. */
interface Holding {
  sequence: number;
  heldNanoUsd: bigint;
  seenMs: number;
}

interface PeriodBook {
  spentNanoUsd: bigint;
  level: number;
  readonly holdings: Map<string, Holding>;
}

interface AccountBook {
  readonly periods: Map<number, PeriodBook>;
  readonly buckets: Map<number, bigint>;
}

/** A call that began in the period before may still be settled; a clock that was set back may make it two. */
const PERIODS_KEPT = 4;

class Accounts {
  readonly #books = new Map<string, AccountBook>();

  post(posting: Posting): Posted {
    const account = this.#account(posting.account);
    const period = periodBook(account, posting.periodMs);
    const own = holding(period, posting);
    if (posting.spends.length > 0 && posting.sequence > own.sequence) {
      own.sequence = posting.sequence;
      for (const spend of posting.spends) add(account, period, spend);
      dropBefore(account, posting.keepFromMs);
    }
    own.heldNanoUsd = posting.heldNanoUsd;
    own.seenMs = posting.nowMs;
    forgetSilent(period, posting.nowMs - posting.holdMs);
    const before = balanceOf(account, period, posting.window);
    const { granted, grantedNanoUsd } = grants(posting, before);
    own.heldNanoUsd += grantedNanoUsd;
    const levelBefore = period.level;
    period.level = levelOf(posting.thresholdsNanoUsd, before.spentNanoUsd);
    return {
      granted,
      spentNanoUsd: before.spentNanoUsd,
      reservedNanoUsd: before.reservedNanoUsd + grantedNanoUsd,
      levelBefore,
      level: period.level,
    };
  }

  balance(place: Place, silentSinceMs: number): Balance {
    const account = this.#books.get(place.account);
    const period = account?.periods.get(place.periodMs);
    if (account === undefined || period === undefined) return { spentNanoUsd: 0n, reservedNanoUsd: 0n };
    forgetSilent(period, silentSinceMs);
    return balanceOf(account, period, place.window);
  }

  history(account: string, fromMs: number): readonly Spend[] {
    const buckets = [...(this.#books.get(account)?.buckets ?? [])];
    return buckets
      .filter(([startMs]) => startMs >= fromMs)
      .map(([startMs, nanoUsd]) => ({ startMs, nanoUsd }))
      .sort((a, b) => a.startMs - b.startMs);
  }

  #account(name: string): AccountBook {
    let account = this.#books.get(name);
    if (account === undefined) {
      account = { periods: new Map(), buckets: new Map() };
      this.#books.set(name, account);
    }
    return account;
  }
}

function periodBook({ periods }: AccountBook, periodMs: number): PeriodBook {
  let period = periods.get(periodMs);
  if (period === undefined) {
    period = { spentNanoUsd: 0n, level: 0, holdings: new Map() };
    periods.set(periodMs, period);
    if (periods.size > PERIODS_KEPT) periods.delete(Math.min(...periods.keys()));
  }
  return period;
}

function holding({ holdings }: PeriodBook, { writer, nowMs }: Posting): Holding {
  let own = holdings.get(writer);
  if (own === undefined) {
    own = { sequence: 0, heldNanoUsd: 0n, seenMs: nowMs };
    holdings.set(writer, own);
  }
  return own;
}

function add({ buckets }: AccountBook, period: PeriodBook, { startMs, nanoUsd }: Spend): void {
  buckets.set(startMs, (buckets.get(startMs) ?? 0n) + nanoUsd);
  period.spentNanoUsd += nanoUsd;
}

function dropBefore({ buckets }: AccountBook, keepFromMs: number): void {
  // Buckets come in the order of time, but for a clock that was set back: then the late one waits for those before it.
  for (const startMs of buckets.keys()) {
    if (startMs >= keepFromMs) return;
    buckets.delete(startMs);
  }
}

/** The sequence stays: a posting that comes again after the silence still counts once. */
function forgetSilent({ holdings }: PeriodBook, sinceMs: number): void {
  for (const holding of holdings.values()) if (holding.seenMs < sinceMs) holding.heldNanoUsd = 0n;
}

function balanceOf(account: AccountBook, period: PeriodBook, window: Window): Balance {
  let reservedNanoUsd = 0n;
  for (const { heldNanoUsd } of period.holdings.values()) reservedNanoUsd += heldNanoUsd;
  return { spentNanoUsd: spentIn(account, period, window), reservedNanoUsd };
}

function spentIn({ buckets }: AccountBook, period: PeriodBook, window: Window): bigint {
  if (window.kind === 'calendar') return period.spentNanoUsd;
  let spent = 0n;
  for (const [startMs, nanoUsd] of buckets) {
    if (startMs >= window.fromMs && startMs < window.untilMs) spent += nanoUsd;
  }
  return spent;
}
