import assert from 'node:assert/strict';
import test, { after, describe } from 'node:test';
import type { Ledger, Posting } from 'plimsoll/budget';
import { aPosting, ledgerKinds, NOW_MS, type LedgerHome } from '../../testing/budget/ledgers.ts';

const HOUR_MS = 3_600_000;

for (const { kind, skip, home, end } of await ledgerKinds()) {
  after(end);

  const kept = (name: string, check: (home: LedgerHome, ledger: Ledger) => Promise<void>): void => {
    test(name, { skip }, async () => {
      const place = home();
      try {
        await check(place, place.open());
      } finally {
        await place.end();
      }
    });
  };

  describe(`a ${kind} ledger`, () => {
    kept('is empty where nothing was posted', async (_, ledger) => {
      assert.deepEqual(await ledger.balance(aPosting(), NOW_MS), { spentNanoUsd: 0n, reservedNanoUsd: 0n });
      assert.deepEqual(await ledger.history('all/month', 0), []);
    });

    kept('has the same id for all who open it, and the id of no other', async (place, ledger) => {
      const other = home();
      const stranger = other.open();
      const again = place.open();
      for (const one of [ledger, again, stranger]) await one.balance(aPosting(), NOW_MS);
      assert.match(String(ledger.id()), /^[0-9a-f-]{36}$/);
      assert.equal(again.id(), ledger.id());
      assert.notEqual(stranger.id(), ledger.id());
      await other.end();
    });

    kept('shows every writer what all of them spent and hold', async (place, ledger) => {
      await ledger.post(
        aPosting({ writer: 'a', sequence: 1, spends: [{ startMs: NOW_MS, nanoUsd: 5n }], heldNanoUsd: 2n }),
      );
      const other = place.open();
      const posted = await other.post(
        aPosting({ writer: 'b', sequence: 1, spends: [{ startMs: NOW_MS, nanoUsd: 7n }], heldNanoUsd: 1n }),
      );
      assert.equal(posted.spentNanoUsd, 12n);
      assert.equal(posted.reservedNanoUsd, 3n);
      assert.deepEqual(await ledger.balance(aPosting(), NOW_MS), { spentNanoUsd: 12n, reservedNanoUsd: 3n });
    });

    kept('counts a posting that comes again once, and one with a higher number again', async (_, ledger) => {
      const posting = aPosting({ sequence: 4, spends: [{ startMs: NOW_MS, nanoUsd: 5n }], heldNanoUsd: 2n });
      await ledger.post(posting);
      const again = await ledger.post(posting);
      assert.equal(again.spentNanoUsd, 5n);
      assert.equal(again.reservedNanoUsd, 2n);
      await ledger.post(aPosting());
      assert.equal((await ledger.post(posting)).spentNanoUsd, 5n);
      assert.equal((await ledger.post({ ...posting, sequence: 9 })).spentNanoUsd, 10n);
    });

    kept('grants each ask that still fits, in their order', async (_, ledger) => {
      const spends = [{ startMs: NOW_MS, nanoUsd: 50n }];
      const posted = await ledger.post(
        aPosting({ sequence: 1, spends, heldNanoUsd: 10n, limitNanoUsd: 100n, requests: [30n, 20n, 10n, 1n] }),
      );
      assert.deepEqual(posted.granted, [true, false, true, false]);
      assert.equal(posted.reservedNanoUsd, 50n);
      const [onlyFit] = (await ledger.post(aPosting({ writer: 'b', limitNanoUsd: 100n, requests: [1n] }))).granted;
      assert.equal(onlyFit, false);
    });

    kept('grants every ask where there is no limit', async (_, ledger) => {
      const posted = await ledger.post(aPosting({ requests: [30n, 20n] }));
      assert.deepEqual(posted.granted, [true, true]);
      assert.equal(posted.reservedNanoUsd, 50n);
    });

    kept('takes what a writer says it holds in place of what it said before', async (_, ledger) => {
      await ledger.post(aPosting({ heldNanoUsd: 10n, requests: [5n] }));
      assert.equal((await ledger.post(aPosting({ heldNanoUsd: 3n }))).reservedNanoUsd, 3n);
      assert.equal((await ledger.post(aPosting())).reservedNanoUsd, 0n);
    });

    kept('forgets what a silent writer holds, and nothing that it spent', async (_, ledger) => {
      const spends = [{ startMs: NOW_MS, nanoUsd: 4n }];
      await ledger.post(aPosting({ writer: 'dead', sequence: 1, spends, heldNanoUsd: 10n }));
      const nowMs = NOW_MS + 60_000;
      assert.equal((await ledger.post(aPosting({ writer: 'alive', nowMs }))).reservedNanoUsd, 10n);
      assert.equal((await ledger.balance(aPosting(), nowMs)).reservedNanoUsd, 10n);
      const later = await ledger.post(aPosting({ writer: 'alive', nowMs: nowMs + 1 }));
      assert.equal(later.reservedNanoUsd, 0n);
      assert.equal(later.spentNanoUsd, 4n);
      assert.equal((await ledger.balance(aPosting(), nowMs + 1)).reservedNanoUsd, 0n);
    });

    kept('believes a writer that was silent when it speaks again', async (_, ledger) => {
      await ledger.post(aPosting({ writer: 'slow', heldNanoUsd: 10n }));
      const nowMs = NOW_MS + 600_000;
      await ledger.post(aPosting({ writer: 'other', nowMs }));
      const back = await ledger.post(aPosting({ writer: 'slow', heldNanoUsd: 10n, nowMs }));
      assert.equal(back.reservedNanoUsd, 10n);
    });

    kept('keeps accounts and periods apart', async (_, ledger) => {
      const spends = [{ startMs: NOW_MS, nanoUsd: 4n }];
      await ledger.post(aPosting({ sequence: 1, spends, heldNanoUsd: 1n }));
      const empty = { spentNanoUsd: 0n, reservedNanoUsd: 0n };
      assert.deepEqual(await ledger.balance(aPosting({ account: 'other/month' }), NOW_MS), empty);
      assert.deepEqual(await ledger.balance(aPosting({ periodMs: Date.UTC(2026, 11, 1) }), NOW_MS), empty);
      assert.deepEqual(await ledger.history('other/month', 0), []);
    });

    kept('has spend by hour, of all periods, until it may be dropped', async (_, ledger) => {
      const hour = (count: number) => NOW_MS + count * HOUR_MS;
      const spend = (startMs: number, sequence: number, given: Partial<Posting> = {}) =>
        ledger.post(aPosting({ sequence, spends: [{ startMs, nanoUsd: BigInt(sequence) }], ...given }));
      await spend(hour(1), 1);
      await spend(hour(0), 2);
      await spend(hour(1), 3);
      await spend(hour(2), 4, { periodMs: Date.UTC(2026, 11, 1) });
      assert.deepEqual(await ledger.history('all/month', hour(0)), [
        { startMs: hour(0), nanoUsd: 2n },
        { startMs: hour(1), nanoUsd: 4n },
        { startMs: hour(2), nanoUsd: 4n },
      ]);
      assert.equal((await ledger.history('all/month', hour(1))).length, 2);
      const last = await spend(hour(3), 5, { keepFromMs: hour(3) });
      assert.deepEqual(await ledger.history('all/month', 0), [{ startMs: hour(3), nanoUsd: 5n }]);
      assert.equal(last.spentNanoUsd, 11n);
    });

    kept('counts for a rolling window the buckets that lie in it', async (_, ledger) => {
      const rolling = (fromMs: number): Partial<Posting> => ({
        account: 'all/rolling_1h',
        periodMs: 0,
        window: { kind: 'rolling', fromMs, untilMs: fromMs + 7_200_000, bucketMs: 60_000 },
      });
      const at = (minute: number) => NOW_MS + minute * 60_000;
      const spends = [0, 30, 59].map((minute) => ({ startMs: at(minute), nanoUsd: BigInt(minute + 1) }));
      const posted = await ledger.post(aPosting({ ...rolling(at(0)), sequence: 1, spends }));
      assert.equal(posted.spentNanoUsd, 92n);
      assert.equal((await ledger.balance(aPosting(rolling(at(1))), NOW_MS)).spentNanoUsd, 91n);
      assert.equal((await ledger.balance(aPosting(rolling(at(31))), NOW_MS)).spentNanoUsd, 60n);
      assert.equal((await ledger.balance(aPosting(rolling(at(60))), NOW_MS)).spentNanoUsd, 0n);
      const refused = await ledger.post(aPosting({ ...rolling(at(1)), limitNanoUsd: 93n, requests: [3n, 2n] }));
      assert.deepEqual(refused.granted, [false, true]);
    });

    kept('says once that a threshold is reached, whoever asks', async (place, ledger) => {
      const thresholdsNanoUsd = [50n, 80n, 100n];
      const spend = async (from: Ledger, writer: string, nanoUsd: bigint) => {
        const spends = nanoUsd === 0n ? [] : [{ startMs: NOW_MS, nanoUsd }];
        sequence += 1;
        const { levelBefore, level } = await from.post(aPosting({ writer, sequence, spends, thresholdsNanoUsd }));
        return [levelBefore, level];
      };
      let sequence = 0;
      const other = place.open();
      assert.deepEqual(await spend(ledger, 'a', 49n), [0, 0]);
      assert.deepEqual(await spend(other, 'b', 31n), [0, 2]);
      assert.deepEqual(await spend(ledger, 'a', 0n), [2, 2]);
      assert.deepEqual(await spend(other, 'b', 20n), [2, 3]);
    });

    kept('takes back from its writers what it has lost of the spend, and says how much', async (place, ledger) => {
      const thresholdsNanoUsd = [50n, 80n];
      const spends = [{ startMs: NOW_MS, nanoUsd: 4n }];
      const known = { leastSpentNanoUsd: 60n, limitNanoUsd: 100n, thresholdsNanoUsd };
      const posted = await ledger.post(aPosting({ ...known, sequence: 1, spends, requests: [37n, 36n] }));
      assert.deepEqual([posted.spentNanoUsd, posted.lostNanoUsd], [64n, 60n]);
      assert.deepEqual(posted.granted, [false, true]);
      // The first threshold was reached before the loss.
      assert.deepEqual([posted.levelBefore, posted.level], [1, 1]);
      const other = await place.open().post(aPosting({ ...known, writer: 'b', leastSpentNanoUsd: 63n }));
      assert.deepEqual([other.spentNanoUsd, other.lostNanoUsd ?? 0n], [64n, 0n]);
      assert.equal((await ledger.balance(aPosting(), NOW_MS)).spentNanoUsd, 64n);
    });

    kept('books postings together as it does one after the other, where it does', async (place, ledger) => {
      const { postAll } = ledger;
      assert.equal(postAll !== undefined, kind === 'sqlite');
      if (postAll === undefined) return;
      const spends = [{ startMs: NOW_MS, nanoUsd: 4n }];
      const [one, two] = [
        aPosting({ sequence: 1, spends, requests: [5n] }),
        aPosting({ account: 'two/month', sequence: 2, spends, limitNanoUsd: 8n, requests: [5n, 4n] }),
      ];
      const together = await postAll([one, two]);
      const other = home();
      const apart = other.open();
      assert.deepEqual(together, [await apart.post(one), await apart.post(two)]);
      await other.end();
      const broken = { ...one, sequence: 3, heldNanoUsd: 2n ** 70n };
      await assert.rejects(async () => postAll([{ ...two, sequence: 4 }, broken]), {
        code: 'PLIMSOLL_LEDGER_UNAVAILABLE',
      });
      assert.equal((await place.open().post(aPosting({ account: 'two/month' }))).spentNanoUsd, 4n);
    });

    kept('adds up amounts beyond 2^53 nano-dollars exactly', async (_, ledger) => {
      const spends = [{ startMs: NOW_MS, nanoUsd: 2n ** 60n + 1n }];
      await ledger.post(aPosting({ sequence: 1, spends, heldNanoUsd: 2n ** 58n + 1n }));
      const one = [{ startMs: NOW_MS, nanoUsd: 1n }];
      const posted = await ledger.post(aPosting({ writer: 'b', sequence: 1, spends: one, heldNanoUsd: 1n }));
      assert.equal(posted.spentNanoUsd, 2n ** 60n + 2n);
      assert.equal(posted.reservedNanoUsd, 2n ** 58n + 2n);
      assert.deepEqual(await ledger.history('all/month', 0), [{ startMs: NOW_MS, nanoUsd: 2n ** 60n + 2n }]);
    });
  });
}
