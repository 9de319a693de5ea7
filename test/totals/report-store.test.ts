import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { reportsKinds } from '../../testing/organization/report-stores.ts';
import { memoryReports, sqliteReports } from '../../src/totals/report-store.ts';

const A_MINUTE = 60_000;

for (const { kind, skip, home } of reportsKinds) {
  describe(`reports in ${kind}`, { skip }, () => {
    test('one process holds the lease, until it gives it back', async () => {
      const place = await home();
      try {
        const [one, two] = [place.open(), place.open()];
        const atMs = Date.now();
        assert.equal(await one.claim({ holder: 'one', atMs, forMs: A_MINUTE }), true);
        assert.equal(await two.claim({ holder: 'two', atMs, forMs: A_MINUTE }), false);
        assert.equal(await one.claim({ holder: 'one', atMs, forMs: A_MINUTE }), true, 'renewed');
        await two.release('two');
        assert.equal(await two.claim({ holder: 'two', atMs, forMs: A_MINUTE }), false, 'others cannot give it back');
        await one.release('one');
        assert.equal(await two.claim({ holder: 'two', atMs, forMs: A_MINUTE }), true);
      } finally {
        await place.end();
      }
    });

    test('who lost the lease writes nothing, and others read what its holder wrote', async () => {
      const place = await home();
      try {
        const [one, two] = [place.open(), place.open()];
        const atMs = Date.now();
        await one.claim({ holder: 'one', atMs, forMs: A_MINUTE });
        const texts = [
          { folder: 'days', name: '2026-11-24', text: 'first' },
          { folder: 'days', name: '2026-11-23', text: 'before' },
          { folder: 'view', name: 'latest', text: 'seen' },
        ] as const;
        assert.equal(await one.write('one', atMs, texts), true);
        const late = [{ folder: 'days', name: '2026-11-24', text: 'late' }] as const;
        assert.equal(await two.write('two', atMs, late), false);
        assert.deepEqual(
          [...(await two.read('days'))],
          [
            ['2026-11-23', 'before'],
            ['2026-11-24', 'first'],
          ],
        );
        await one.write('one', atMs, [{ folder: 'days', name: '2026-11-23', text: null }]);
        assert.deepEqual([...(await two.read('days')).keys()], ['2026-11-24']);
        assert.deepEqual([...(await two.read('view'))], [['latest', 'seen']]);
      } finally {
        await place.end();
      }
    });
  });
}

test('a lease of a file ends when it was not renewed', async () => {
  const [{ home } = assert.fail()] = reportsKinds;
  const place = await home();
  try {
    const [one, two] = [place.open(), place.open()];
    const atMs = Date.UTC(2026, 10, 24);
    await one.claim({ holder: 'one', atMs, forMs: A_MINUTE });
    assert.equal(await two.claim({ holder: 'two', atMs: atMs + A_MINUTE - 1, forMs: A_MINUTE }), false);
    assert.equal(await two.claim({ holder: 'two', atMs: atMs + A_MINUTE, forMs: A_MINUTE }), true);
    const text = [{ folder: 'view', name: 'latest', text: 'old' }] as const;
    assert.equal(await one.write('one', atMs + A_MINUTE, text), false);
    assert.equal(await two.write('two', atMs + 3 * A_MINUTE, text), false, 'its own has ended too');
  } finally {
    await place.end();
  }
});

test('a process of its own needs no place, and a file that cannot be used is named', async () => {
  const alone = memoryReports();
  assert.equal(await alone.claim({ holder: 'one', atMs: 0, forMs: 1 }), true);
  await alone.write('one', 0, [{ folder: 'view', name: 'latest', text: 'seen' }]);
  assert.equal((await alone.read('view')).get('latest'), 'seen');
  await alone.write('one', 0, [{ folder: 'view', name: 'latest', text: null }]);
  assert.equal((await alone.read('view')).size, 0);
  assert.throws(() => sqliteReports('/nowhere/at/all.db'), { code: 'PLIMSOLL_REPORTS_INVALID' });
});
