import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { dailyTotals, type DayTotals, type TotalsPosting, type TotalsStore } from 'plimsoll/organization';
import { workbench } from '../../testing/client-workbench.ts';
import { StandingTime } from '../../testing/budget/standing-time.ts';
import { settle } from '../../testing/simulator-bench.ts';

const NOW_MS = Date.UTC(2026, 10, 24, 12);
const ASK = { model: 'claude-opus-5-5', max_tokens: 64, messages: [{ role: 'user' as const, content: 'Ahoy' }] };

/** A store that keeps postings, and can be out of order. */
class KeepingStore implements TotalsStore {
  readonly kind = 'sqlite';
  readonly posted: TotalsPosting[] = [];
  isDown = false;

  add(posting: TotalsPosting): void {
    this.posted.push(posting);
    if (this.isDown) throw new Error('no answer');
  }

  read(): DayTotals {
    return { rows: [], gaps: [], firstDay: null };
  }

  close(): void {}
}

function watched() {
  const time = new StandingTime(NOW_MS);
  const store = new KeepingStore();
  const errors: unknown[] = [];
  const totals = dailyTotals({ store, clock: time, timers: time, onError: (error) => errors.push(error) });
  const { claude } = workbench({ instrument: { recorders: [totals.recorder] } });
  return { time, store, totals, claude, errors };
}

describe('posting daily totals', () => {
  test('what was used is posted every ten seconds, then a sign of life', async () => {
    const { claude, store, time } = watched();
    time.pass(10_000);
    await settle();
    assert.equal(store.posted.length, 0);
    await claude.messages.create(ASK);
    for (let posting = 0; posting < 2; posting++) {
      time.pass(10_000);
      await settle();
    }
    assert.deepEqual(
      store.posted.map(({ sequence, rows, ends }) => [sequence, rows.length, ends]),
      [
        [1, 1, false],
        [2, 0, false],
      ],
    );
  });

  test('a posting that failed is posted again as it was, before the next', async () => {
    const { claude, store, time, errors } = watched();
    await claude.messages.create(ASK);
    store.isDown = true;
    time.pass(10_000);
    await settle();
    store.isDown = false;
    await claude.messages.create(ASK);
    time.pass(10_000);
    await settle();
    assert.equal(errors.length, 1);
    assert.equal(store.posted[1], store.posted[0]);
    assert.deepEqual(
      store.posted.map(({ sequence }) => sequence),
      [1, 1, 2],
    );
  });

  test('the last posting says that it is the last', async () => {
    const { claude, store, totals } = watched();
    await claude.messages.create(ASK);
    await totals.close();
    assert.deepEqual(
      store.posted.map(({ ends }) => ends),
      [true],
    );
  });
});
