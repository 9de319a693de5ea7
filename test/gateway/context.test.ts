import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Grant } from 'plimsoll/gateway';
import { systemTimers } from '../../src/clock.ts';
import { OpenRequests } from '../../src/gateway/context.ts';
import { GatewayRequest } from '../../src/gateway/request.ts';
import { GRANT } from '../../testing/gateway/workbench.ts';
import { keptBytes } from '../../testing/kept-bytes.ts';

const request = (): GatewayRequest =>
  new GatewayRequest({ method: 'GET', target: '/v1/models', rawHeaders: [], baseUrl: () => '' }, null);

function begin(open: OpenRequests, grant: Partial<Grant>): { readonly refused: string | null; end(): void } {
  const begun = request();
  open.add(begun);
  return { refused: open.assign(begun, { ...GRANT, ...grant }), end: () => open.delete(begun) };
}

test('a token has as many requests in progress as it may, and each that ends makes room for another', () => {
  const open = new OpenRequests(1_000);
  const mine = { tokenId: 'mine', requestsAtOnce: 2 };
  const [first] = [begin(open, mine), begin(open, mine)];
  const third = begin(open, mine);
  assert.equal(third.refused, 'busy');
  third.end();
  assert.equal(begin(open, { tokenId: 'another', requestsAtOnce: 2 }).refused, null);
  first?.end();
  assert.equal(begin(open, mine).refused, null);
  assert.equal(begin(open, mine).refused, 'busy');
});

test('a client that opens all the requests that it can get leaves some to the others', () => {
  const open = new OpenRequests(1_000);
  let granted = 0;
  while (begin(open, { tokenId: String(granted), client: 'greedy' }).refused === null) granted++;
  assert.ok(granted > 500 && granted < 600, String(granted));
  assert.equal(begin(open, { client: 'modest' }).refused, null);
});

test('requests that have ended keep no later ones in memory until a full collection', async () => {
  const open = new OpenRequests(1_000);
  const rawHeaders = (): string[] => Array.from({ length: 1_000 }, () => 'x-harbor');
  const begun: GatewayRequest[] = [];
  const turnOver = (): void => {
    const one = new GatewayRequest({ method: 'GET', target: '/', rawHeaders: rawHeaders(), baseUrl: () => '' }, null);
    open.add(one);
    begun.push(one);
    if (begun.length > 16) open.delete(begun.shift() ?? one);
  };
  for (let times = 0; times < 100; times++) turnOver();
  const kept = await keptBytes(async () => {
    for (let times = 0; times < 2_000; times++) turnOver();
  });
  // All of them together have 16 MB.
  assert.ok(kept < 4 << 20, `${kept} bytes`);
});

test('a request that ends among others takes none of them out, and ends once', async () => {
  const open = new OpenRequests(3);
  const [first, second, third, fourth] = [request(), request(), request(), request()];
  for (const each of [first, second, third, fourth]) open.add(each);
  assert.equal(open.isFull, true);
  open.delete(second);
  open.delete(second);
  assert.equal(open.isFull, false);
  for (const each of [first, third, fourth]) each.onAbort(() => open.delete(each));
  await open.drain(0, systemTimers);
  assert.deepEqual(
    [first, second, third, fourth].map(({ isAborted }) => isAborted),
    [true, false, true, true],
  );
});
