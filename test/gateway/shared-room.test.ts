import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SharedRoom } from '../../src/gateway/shared-room.ts';

const MIB = 1 << 20;

/** Takes all that it can get, in steps that become smaller. */
function fill(room: SharedRoom, client: string): number {
  let taken = 0;
  for (let step = 128 * MIB; step >= 1; step = step === 1 ? 0 : Math.ceil(step / 2))
    while (room.take(client, step)) taken += step;
  return taken;
}

test('a client that is alone gets more than half of the room', () => {
  assert.equal(Math.round((100 * fill(new SharedRoom(256 * MIB), 'a')) / (256 * MIB)), 56);
});

test('64 clients that take all they can get leave half a mebibyte for each of another 64', () => {
  const room = new SharedRoom(256 * MIB);
  for (let client = 0; client < 64; client++) fill(room, `hostile ${client}`);
  for (let client = 0; client < 64; client++)
    assert.equal(room.take(`honest ${client}`, MIB / 2), true, String(client));
});

test('there is room for one, however small it is', () => {
  const room = new SharedRoom(1);
  assert.equal(room.take('a', 1), true);
  assert.equal(room.take('b', 1), false);
  room.give('a', 1);
  assert.equal(room.take('b', 1), true);
});

test('what is taken never exceeds the room, and all of it comes back', () => {
  const step = fc.record({ client: fc.constantFrom('a', 'b', 'c', 'd'), amount: fc.integer({ min: -300, max: 300 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const room = new SharedRoom(1_000);
      const own = new Map<string, number>();
      for (const { client, amount } of steps) {
        const before = own.get(client) ?? 0;
        if (amount < 0) {
          const back = Math.min(before, -amount);
          room.give(client, back);
          own.set(client, before - back);
        } else if (room.take(client, amount)) own.set(client, before + amount);
        assert.ok([...own.values()].reduce((sum, each) => sum + each, 0) <= 1_000);
      }
      for (const [client, amount] of own) room.give(client, amount);
      const again = new SharedRoom(1_000);
      assert.equal(fill(room, 'a'), fill(again, 'a'));
    }),
  );
});
