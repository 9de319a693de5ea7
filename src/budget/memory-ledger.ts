import {
  grantRequests,
  levelOf,
  lostSpend,
  type AccountPeriod,
  type Balance,
  type Ledger,
  type Posted,
  type Posting,
  type Spend,
  type Window,
} from './ledger.ts';

/**
 * A ledger in this process: it needs no installation, and its content is lost when the process ends. Each replica has
 * its own, so each enforces a blocking budget separately. Never unavailable.
 */
export function memoryLedger(): Ledger {
  const accounts: Accounts = new Map();
  const id = crypto.randomUUID();
  return {
    kind: 'memory',
    id: () => id,
    timeMs: null,
    post: (posting) => post(accounts, posting),
    balance: (period, nowMs) => balance(accounts, period, nowMs),
    history: (account, fromMs) => history(accounts, account, fromMs),
    close: () => undefined,
  };
}

type Accounts = Map<string, Account>;

interface Account {
  readonly periods: Map<number, Period>;
  readonly buckets: Map<number, bigint>;
}

interface Period {
  spentNanoUsd: bigint;
  level: number;
  readonly holdings: Map<string, Holding>;
}

/** The amount that one writer holds, and the time until when, unless it posts again. */
interface Holding {
  sequence: number;
  heldNanoUsd: bigint;
  untilMs: number;
}

/** A call that began in the previous period may still be settled, and a clock that was set back may add another. */
const PERIODS_KEPT = 4;

function post(accounts: Accounts, posting: Posting): Posted {
  const account = accountOf(accounts, posting.account);
  const period = periodOf(account, posting.periodMs);
  const own = holdingOf(period, posting);
  const lostNanoUsd = lostSpend(posting, period.spentNanoUsd);
  if (lostNanoUsd > 0n) {
    period.spentNanoUsd += lostNanoUsd;
    period.level = levelOf(posting.thresholdsNanoUsd, posting.leastSpentNanoUsd);
  }
  if (posting.spends.length > 0 && posting.sequence > own.sequence) {
    own.sequence = posting.sequence;
    addSpends(account, period, posting);
  }
  own.heldNanoUsd = posting.heldNanoUsd;
  own.untilMs = posting.nowMs + posting.holdMs;
  const { spentNanoUsd, reservedNanoUsd } = balanceOf(account, period, posting);
  const { granted, grantedNanoUsd } = grantRequests(posting, spentNanoUsd + reservedNanoUsd);
  own.heldNanoUsd += grantedNanoUsd;
  const levelBefore = period.level;
  period.level = levelOf(posting.thresholdsNanoUsd, spentNanoUsd);
  return {
    granted,
    spentNanoUsd,
    reservedNanoUsd: reservedNanoUsd + grantedNanoUsd,
    levelBefore,
    level: period.level,
    lostNanoUsd,
  };
}

function balance(accounts: Accounts, { account: name, periodMs, window }: AccountPeriod, nowMs: number): Balance {
  const account = accounts.get(name);
  const period = account?.periods.get(periodMs);
  if (account === undefined || period === undefined) return { spentNanoUsd: 0n, reservedNanoUsd: 0n };
  return balanceOf(account, period, { window, nowMs });
}

function history(accounts: Accounts, account: string, fromMs: number): readonly Spend[] {
  const buckets = [...(accounts.get(account)?.buckets ?? [])];
  return buckets
    .filter(([startMs]) => startMs >= fromMs)
    .map(([startMs, nanoUsd]) => ({ startMs, nanoUsd }))
    .sort((a, b) => a.startMs - b.startMs);
}

function accountOf(accounts: Accounts, name: string): Account {
  let account = accounts.get(name);
  if (account === undefined) {
    account = { periods: new Map(), buckets: new Map() };
    accounts.set(name, account);
  }
  return account;
}

function periodOf({ periods }: Account, periodMs: number): Period {
  let period = periods.get(periodMs);
  if (period === undefined) {
    period = { spentNanoUsd: 0n, level: 0, holdings: new Map() };
    periods.set(periodMs, period);
    if (periods.size > PERIODS_KEPT) periods.delete(Math.min(...periods.keys()));
  }
  return period;
}

function holdingOf({ holdings }: Period, { writer }: Posting): Holding {
  let own = holdings.get(writer);
  if (own === undefined) {
    own = { sequence: 0, heldNanoUsd: 0n, untilMs: 0 };
    holdings.set(writer, own);
  }
  return own;
}

function addSpends({ buckets }: Account, period: Period, { spends, keepFromMs }: Posting): void {
  let isNew = false;
  for (const { startMs, nanoUsd } of spends) {
    const before = buckets.get(startMs);
    isNew ||= before === undefined;
    buckets.set(startMs, before === undefined ? nanoUsd : before + nanoUsd);
    period.spentNanoUsd += nanoUsd;
  }
  if (!isNew) return;
  // Buckets arrive in order of time, unless a clock was set back: then the late one waits for earlier ones.
  for (const startMs of buckets.keys()) {
    if (startMs >= keepFromMs) return;
    buckets.delete(startMs);
  }
}

interface At {
  readonly window: Window;
  readonly nowMs: number;
}

/** Forgets what silent writers hold. Their sequence stays: a posting that comes again after the silence still counts once. */
function balanceOf({ buckets }: Account, { spentNanoUsd, holdings }: Period, { window, nowMs }: At): Balance {
  let reservedNanoUsd = 0n;
  for (const holding of holdings.values()) {
    if (holding.untilMs < nowMs) holding.heldNanoUsd = 0n;
    if (holding.heldNanoUsd !== 0n) reservedNanoUsd += holding.heldNanoUsd;
  }
  if (window.kind === 'calendar') return { spentNanoUsd, reservedNanoUsd };
  let spentInWindow = 0n;
  for (const [startMs, nanoUsd] of buckets) {
    if (startMs >= window.fromMs && startMs < window.untilMs) spentInWindow += nanoUsd;
  }
  return { spentNanoUsd: spentInWindow, reservedNanoUsd };
}
