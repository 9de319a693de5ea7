import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { GatewayClient, MintRules } from '../../../src/gateway/access/client.ts';
import { newToken, secretHash, tokenText } from '../../../src/gateway/access/tokens.ts';
import { rawClient, exchanged, type RawAnswer } from '../../../testing/gateway/raw-client.ts';
import { rawUpstream, type RawUpstream } from '../../../testing/gateway/raw-upstream.ts';
import { BODY, errorIn, post, requestTo, subject, type Subject } from '../../../testing/gateway/subject.ts';

const MIB = 1 << 20;

const MINTS: MintRules = {
  spendNanoUsd: 1_000_000_000_000n,
  requestsPerMinute: null,
  lifetimeSeconds: 600,
  subjectLabel: null,
};

interface Bench extends Subject {
  readonly upstream: RawUpstream;
  readonly minted: string;
}

/** With a token that the client has minted, as a visitor of a page gets it. */
async function bench(t: TestContext, client: Partial<GatewayClient> = {}, heldBytes?: number): Promise<Bench> {
  const upstream = await rawUpstream(t);
  const options = heldBytes === undefined ? {} : { limits: { heldBytes } };
  const gateway = await subject(t, { upstream, client: { mints: MINTS, ...client }, options });
  const parts = newToken();
  const minted = {
    parent: gateway.tokenId,
    subject: 'visitor',
    origin: null,
    models: null,
    spendNanoUsd: 1_000_000_000_000n,
  };
  await gateway.store.put({
    ...{ id: parts.id, hash: secretHash(parts.secret), client: 'web', createdAtMs: Date.now() },
    ...{ expiresAtMs: Date.now() + 600_000, revokedAtMs: null, note: '', minted, member: null },
  });
  return { ...gateway, upstream, minted: tokenText(parts) };
}

/** The answer to a head alone: none of its body is ever sent. */
async function answerToHead(port: number, head: string): Promise<RawAnswer | null> {
  const client = await rawClient(port);
  await client.send(head);
  const answered = await client.answer();
  client.leave();
  return answered;
}

const headOf = (token: string, length: number, target = '/v1/messages'): string =>
  post(token, [], { body: '', length, target });

test('what needs no body is decided before any of it has come', async (t) => {
  const { port, token, minted, upstream } = await bench(t, { endpoints: 'messages', requestsPerMinute: 2 });
  const heads: readonly [string, number][] = [
    [headOf('nobody', 31 * MIB), 401],
    [headOf(token, 33 * MIB), 413],
    [headOf(token, 34 * MIB), 413],
    [headOf(token, 31 * MIB, '/v1/messages/batches'), 403],
    [headOf(minted, 31 * MIB, '/v1/messages/batches'), 403],
    // The rate of 2 a minute has been used up by those that were too long.
    [headOf(token, 31 * MIB), 429],
  ];
  for (const [head, status] of heads) assert.equal((await answerToHead(port, head))?.status, status, head);
  assert.equal(upstream.connections, 0);
});

test('a minted token sends at most 1 MiB at a time, declared or not', async (t) => {
  const { port, token, minted, upstream } = await bench(t);
  const declared = await answerToHead(port, headOf(minted, MIB + 1));
  assert.equal(declared?.status, 413);
  assert.equal(errorIn(declared).type, 'request_too_large');
  const client = await rawClient(port);
  void client.send(requestTo('POST /v1/messages', ['Transfer-Encoding: chunked']).replace('TOKEN', minted));
  for (let sent = 0; sent < 3; sent++) void client.send(`80000\r\n${' '.repeat(MIB / 2)}\r\n`);
  assert.equal((await client.answer())?.status, 413);
  client.leave();
  assert.equal(upstream.connections, 0);
  const longest = BODY + ' '.repeat(MIB - BODY.length);
  for (const sender of [minted, token])
    assert.equal((await exchanged(port, post(sender, [], { body: longest })))?.status, 200);
  assert.equal((await exchanged(port, post(token, [], { body: `${longest} ` })))?.status, 200);
});

test('a client’s own bound on bodies holds for all its tokens', async (t) => {
  const { port, token, minted } = await bench(t, { bodyBytes: 2_000 });
  for (const sender of [minted, token]) assert.equal((await answerToHead(port, headOf(sender, 2_001)))?.status, 413);
});

test('a token has no more requests in progress than it may, and another is not held up by them', async (t) => {
  const { port, token, minted, upstream } = await bench(t, { mints: { ...MINTS, requestsAtOnce: 2 } });
  const slow = await Promise.all([rawClient(port), rawClient(port)]);
  for (const client of slow) await client.send(headOf(minted, 1_000) + '{');
  let answered = await exchanged(port, post(minted));
  // The two may arrive behind the third.
  while (answered?.status === 200) answered = await exchanged(port, post(minted));
  assert.equal(answered?.status, 429);
  assert.equal(errorIn(answered).type, 'rate_limit_error');
  const before = upstream.requests.length;
  assert.equal((await exchanged(port, post(token)))?.status, 200);
  assert.equal(upstream.requests.length, before + 1);
  for (const client of slow) client.leave();
});
