import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { holdBody } from '../../src/gateway/request-body.ts';
import { SharedRoom } from '../../src/gateway/shared-room.ts';

const MIB = 1 << 20;

test('a body that comes byte by byte takes no more than twice its length', async () => {
  const room = new SharedRoom(8 * MIB);
  const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index & 0xff));
  const one = Readable.from(
    Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)),
    { objectMode: false },
  );
  const held = await holdBody(one, { largestBytes: MIB, declaredBytes: null, room, client: 'a' });
  assert.deepEqual(Buffer.from(held.bytes), bytes);
  assert.ok(held.bytes.buffer.byteLength <= 2 * bytes.length, `${held.bytes.buffer.byteLength} bytes`);
  held.release();
  assert.equal(room.take('a', 4 * MIB), true, 'not all of the room was given back');
});

test('a declared length takes no room before its bytes have come', async () => {
  const room = new SharedRoom(4 * MIB);
  const body = new Readable({ read: () => undefined });
  const holding = holdBody(body, { largestBytes: 4 * MIB, declaredBytes: 4 * MIB, room, client: 'a' });
  assert.equal(room.take('b', 2 * MIB), true);
  room.give('b', 2 * MIB);
  body.push(Buffer.alloc(10));
  body.push(null);
  await holding;
});

test('while a body of 32 MiB comes, no more of it is copied at a time than others can wait for', async (t) => {
  const room = new SharedRoom(256 * MIB);
  const piece = Buffer.alloc(64 << 10, 'tide ');
  const [count, longest] = [512, { bytes: 0 }];
  type Copy = (this: Buffer, target: Uint8Array, ...range: number[]) => number;
  const copy = Reflect.get(Buffer.prototype as object, 'copy') as Copy;
  t.mock.method(Buffer.prototype, 'copy', function counted(this: Buffer, target: Uint8Array, ...range: number[]) {
    const copied = copy.call(this, target, ...range);
    longest.bytes = Math.max(longest.bytes, copied);
    return copied;
  });
  let sent = 0;
  const body = new Readable({
    read(): void {
      this.push(sent++ < count ? piece : null);
    },
  });
  const held = await holdBody(body, { largestBytes: 32 * MIB, declaredBytes: null, room, client: 'a' });
  assert.ok(longest.bytes > 0 && longest.bytes <= 4 * MIB, `${longest.bytes} bytes at a time`);
  assert.equal(held.bytes.length, 32 * MIB);
  for (let at = 0; at < count; at += 1)
    assert.ok(held.bytes.subarray(at * piece.length, (at + 1) * piece.length).equals(piece), `piece ${at}`);
});
