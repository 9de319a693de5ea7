import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { budgets, sqliteLedger } from 'plimsoll/budget';
import { samples, total } from '../../testing/client-workbench.ts';
import { exchanged, rawClient } from '../../testing/gateway/raw-client.ts';
import { answersWell, rawUpstream, type Behaviour } from '../../testing/gateway/raw-upstream.ts';
import { post, subject, type SubjectOptions } from '../../testing/gateway/subject.ts';

const RESENDS = 'plimsoll_gateway_resends_total';

/** An API that answers the first request of each connection, and does something else with the second. */
async function oneEach(t: TestContext, ending: Behaviour, options: SubjectOptions['options'] = {}) {
  const used = new WeakSet();
  const upstream = await rawUpstream(t, (socket, received) => {
    if (used.has(socket)) return ending(socket, received);
    used.add(socket);
    answersWell(socket, received);
  });
  const gateway = await subject(t, { upstream, options });
  assert.equal((await exchanged(gateway.port, post(gateway.token)))?.status, 200);
  return { upstream, gateway, again: () => exchanged(gateway.port, post(gateway.token)) };
}

const ENDINGS: Readonly<Record<'closed' | 'reset', Behaviour>> = {
  closed: (socket) => socket.end(),
  reset: (socket) => socket.resetAndDestroy(),
};

describe('a kept connection that the API closes before a byte of a response', () => {
  for (const [cause, ending] of Object.entries(ENDINGS))
    test(`costs its client nothing where it was ${cause}: the request is sent once more, and is one attempt`, async (t) => {
      const definitions = [{ name: 'all', period: 'month', usd: '1', mode: 'block' }] as const;
      const held = budgets({ ledger: sqliteLedger(':memory:'), definitions });
      t.after(() => held.close());
      const { upstream, gateway, again } = await oneEach(t, ending, { budgets: held });
      assert.equal((await again())?.status, 200);
      const bodies = upstream.requests.map(({ body }) => body.toString());
      assert.deepEqual(bodies, [bodies[0], bodies[0], bodies[0]]);
      assert.equal(upstream.connections, 2);
      assert.deepEqual(await samples(gateway.registry, RESENDS), { [`cause=${cause}`]: 1 });
      assert.equal(await total(gateway.registry, 'anthropic_attempts_total'), 2);
      const [budget] = (await held.refresh()).budgets;
      // Two messages of 8 tokens at $1 and 3 at $5 a million: the one that was closed on has cost nothing.
      assert.equal(budget?.balance?.spentNanoUsd, 2n * (8n * 1_000n + 3n * 5_000n));
      assert.equal(budget.balance.reservedNanoUsd, 0n);
    });

  test('costs no client anything where many are closed at once', async (t) => {
    const { upstream, gateway, again } = await oneEach(t, ENDINGS.closed);
    const many = await Promise.all(Array.from({ length: 8 }, again));
    for (const answered of many) assert.equal(answered?.status, 200);
    const before = upstream.connections;
    const all = await Promise.all(Array.from({ length: 8 }, again));
    for (const answered of all) assert.equal(answered?.status, 200);
    assert.ok(upstream.connections > before);
    assert.deepEqual(gateway.errors, []);
  });
});

describe('a request is not sent again', () => {
  const notAgain: Readonly<Record<string, Behaviour>> = {
    'after the first byte of a response': (socket) => void socket.write('H', () => socket.end()),
    'after an interim response': (socket) => void socket.write('HTTP/1.1 102 Processing\r\n\r\n', () => socket.end()),
  };
  for (const [when, ending] of Object.entries(notAgain))
    test(when, async (t) => {
      const { upstream, gateway, again } = await oneEach(t, ending);
      assert.equal((await again())?.status, 502);
      assert.equal(upstream.requests.length, 2);
      assert.deepEqual(await samples(gateway.registry, RESENDS), {});
    });

  test('after a silence of the API that was too long', async (t) => {
    const { upstream, again } = await oneEach(t, () => undefined, { limits: { upstreamSilenceMs: 200 } });
    assert.equal((await again())?.status, 504);
    assert.equal(upstream.requests.length, 2);
  });

  test('if the API may have worked on it, because its connection was closed long after', async (t) => {
    let nowMs = 1_000;
    const clock = { epochMs: () => Date.now(), monotonicMs: () => nowMs };
    const late: Behaviour = (socket) => {
      nowMs += 6_000;
      socket.end();
    };
    const { upstream, again } = await oneEach(t, late, { clock });
    assert.equal((await again())?.status, 502);
    assert.equal(upstream.requests.length, 2);
  });

  test('if its client has left', async (t) => {
    const { upstream, gateway } = await oneEach(t, () => undefined);
    const client = await rawClient(gateway.port);
    await client.send(post(gateway.token));
    await upstream.arrived(2);
    client.leave();
    await upstream.idle();
    assert.equal((await exchanged(gateway.port, post(gateway.token)))?.status, 200);
    assert.equal(upstream.requests.length, 3);
    assert.deepEqual(await samples(gateway.registry, RESENDS), {});
  });

  test('twice', async (t) => {
    let isDown = false;
    const used = new WeakSet();
    const upstream = await rawUpstream(t, (socket, received) => {
      isDown ||= used.has(socket);
      used.add(socket);
      if (isDown) socket.end();
      else answersWell(socket, received);
    });
    const gateway = await subject(t, { upstream });
    assert.equal((await exchanged(gateway.port, post(gateway.token)))?.status, 200);
    assert.equal((await exchanged(gateway.port, post(gateway.token)))?.status, 502);
    assert.equal(upstream.requests.length, 3);
  });
});

test('a body that is sent on as it comes gets a connection of its own: it could not be sent again', async (t) => {
  const { upstream, gateway } = await oneEach(t, ENDINGS.closed);
  const upload = post(gateway.token, ['Content-Type: application/octet-stream'], {
    target: '/v1/files',
    body: 'whale',
  });
  assert.equal((await exchanged(gateway.port, upload))?.status, 200);
  assert.equal(upstream.connections, 2);
  assert.equal(upstream.requests[1]?.body.toString(), 'whale');
});
