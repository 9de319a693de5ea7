import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Grant } from 'plimsoll/gateway';
import { OpenRequests } from '../../src/gateway/context.ts';
import { GatewayRequest } from '../../src/gateway/request.ts';
import { GRANT } from '../../testing/gateway/workbench.ts';

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
