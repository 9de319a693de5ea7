import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryLedger, sqliteLedger, type Ledger, type Posting } from 'plimsoll/budget';
import { redisLedger } from 'plimsoll/redis';
import { redis, redisServer, type RedisServer } from '../redis-server.ts';

/** Where one ledger is kept. */
export interface LedgerHome {
  /** A connection of its own to the same ledger, as another process has it; in memory there is but one. */
  open(): Ledger;
  end(): Promise<void>;
}

export interface LedgerKindCase {
  readonly kind: Ledger['kind'];
  readonly skip: string | false;
  /** An empty ledger. */
  home(): LedgerHome;
  /** After the last test. */
  end(): Promise<void>;
}

/** The ledgers that there are; all of them keep to the same table of tests. Starts a Redis where there is one. */
export async function ledgerKinds(): Promise<readonly LedgerKindCase[]> {
  const server = redis.skip === false ? await redisServer() : null;
  return [memoryCase, sqliteCase, redisCase(server)];
}

const memoryCase: LedgerKindCase = {
  kind: 'memory',
  skip: false,
  home() {
    const ledger = memoryLedger();
    return { open: () => ledger, end: async () => {} };
  },
  end: async () => {},
};

const sqliteCase: LedgerKindCase = {
  kind: 'sqlite',
  skip: false,
  home() {
    const folder = mkdtempSync(join(tmpdir(), 'plimsoll-ledger-'));
    const opened: Ledger[] = [];
    return {
      open() {
        const ledger = sqliteLedger(join(folder, 'ledger.db'));
        opened.push(ledger);
        return ledger;
      },
      end: async () => {
        for (const ledger of opened) await ledger.close();
        rmSync(folder, { recursive: true });
      },
    };
  },
  end: async () => {},
};

function redisCase(server: RedisServer | null): LedgerKindCase {
  let homes = 0;
  return {
    kind: 'redis',
    skip: redis.skip,
    home() {
      homes += 1;
      const prefix = `home-${homes}:`;
      const opened: Ledger[] = [];
      return {
        open() {
          const ledger = onCallersTime(server?.url ?? '', prefix);
          opened.push(ledger);
          return ledger;
        },
        end: async () => {
          for (const ledger of opened) await ledger.close();
        },
      };
    },
    end: async () => server?.end(),
  };
}

/** A ledger on Redis that goes by the time of whoever asks, which tests can set. */
function onCallersTime(url: string, prefix: string): Ledger {
  let nowMs = 0;
  const ledger = redisLedger(url, { prefix, timeMs: () => nowMs });
  return {
    ...ledger,
    timeMs: null,
    post(posting) {
      nowMs = posting.nowMs;
      return ledger.post(posting);
    },
    balance(period, atMs) {
      nowMs = atMs;
      const answer = Promise.resolve(ledger.balance(period, atMs));
      return answer.then(({ spentNanoUsd, reservedNanoUsd }) => ({ spentNanoUsd, reservedNanoUsd }));
    },
  };
}

export const NOW_MS = Date.UTC(2026, 10, 24, 12);

/** A posting with nothing in it but what is given. */
export function aPosting(given: Partial<Posting> = {}): Posting {
  return {
    account: 'all/month',
    periodMs: Date.UTC(2026, 10, 1),
    window: { kind: 'calendar' },
    writer: 'writer-1',
    sequence: 0,
    spends: [],
    leastSpentNanoUsd: 0n,
    heldNanoUsd: 0n,
    requests: [],
    limitNanoUsd: null,
    thresholdsNanoUsd: [],
    nowMs: NOW_MS,
    holdMs: 60_000,
    keepFromMs: 0,
    ...given,
  };
}
