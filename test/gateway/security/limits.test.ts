import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rawClient, exchanged } from '../../../testing/gateway/raw-client.ts';
import { answer, rawUpstream } from '../../../testing/gateway/raw-upstream.ts';
import { BODY, errorIn, post, requestTo, subject } from '../../../testing/gateway/subject.ts';

const MIB = 1 << 20;

test('headers that are too long are refused, and nothing is sent on', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const many = Array.from({ length: 2_000 }, (_, index) => `X-Header-${index}: ${'v'.repeat(20)}`);
  for (const lines of [[`X-Long: ${'v'.repeat(100_000)}`], many]) {
    const answered = await exchanged(gateway.port, post(gateway.token, lines));
    assert.equal(answered?.status, 431);
  }
  const target = `/v1/models?a=${'v'.repeat(100_000)}`;
  const answered = await exchanged(gateway.port, requestTo(`GET ${target}`, []).replace('TOKEN', gateway.token));
  assert.ok([400, 414, 431].includes(answered?.status ?? 0), answered?.startLine);
  assert.equal(upstream.connections, 0);
});

test('a body that says it is too long is refused before it comes', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const client = await rawClient(gateway.port);
  await client.send(post(gateway.token, [], { length: 33 * MIB, body: '{' }));
  const answered = await client.answer();
  client.leave();
  assert.equal(answered?.status, 413);
  assert.equal(errorIn(answered).type, 'request_too_large');
  assert.equal(upstream.connections, 0);
});

test('a body that does not say how long it is is refused when it has become too long', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const client = await rawClient(gateway.port);
  const head = requestTo('POST /v1/messages', ['Transfer-Encoding: chunked']).replace('TOKEN', gateway.token);
  await client.send(head);
  const chunk = `${MIB.toString(16)}\r\n${' '.repeat(MIB)}\r\n`;
  for (let sent = 0; sent < 34; sent++) void client.send(chunk);
  const answered = await client.answer();
  client.leave();
  assert.equal(answered?.status, 413);
  assert.equal(errorIn(answered).type, 'request_too_large');
  assert.equal(upstream.connections, 0);
});

test('a body of the largest size is sent on', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const body = BODY + ' '.repeat(32 * MIB - BODY.length);
  const client = await rawClient(gateway.port);
  void client.send(post(gateway.token, [], { body }));
  const answered = await client.answer();
  client.leave();
  assert.equal(answered?.status, 200);
  assert.equal(upstream.requests[0]?.body.length, 32 * MIB);
});

test('bodies of more bytes than may be held at once are refused as overload', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream, options: { limits: { heldBytes: 2 * MIB } } });
  const clients = await Promise.all(Array.from({ length: 4 }, () => rawClient(gateway.port)));
  for (const client of clients)
    void client.send(post(gateway.token, [], { length: 2 * MIB, body: BODY + ' '.repeat(MIB - BODY.length) }));
  const refused = await Promise.race(clients.map((client) => client.answer()));
  for (const client of clients) client.leave();
  assert.equal(refused?.status, 529);
  assert.equal(errorIn(refused).type, 'overloaded_error');
  assert.equal(upstream.connections, 0);
  // The room is free again when the gateway has seen that their clients have gone.
  const again = async (): Promise<number | undefined> => (await exchanged(gateway.port, post(gateway.token)))?.status;
  let after = await again();
  while (after === 529) after = await again();
  assert.equal(after, 200);
});

test('a head that never ends costs a connection for as long as is allowed, and nothing upstream', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream, server: { headersMs: 500 } });
  const client = await rawClient(gateway.port);
  await client.send('POST /v1/messages HTTP/1.1\r\nHost: x\r\n');
  const drip = setInterval(() => void client.send('X-Drip: a\r\n'), 50);
  const answered = await client.answer();
  await client.closed();
  clearInterval(drip);
  assert.ok(answered === null || answered.status === 408, answered?.startLine);
  assert.equal(upstream.connections, 0);
});

test('a body that never ends costs a connection for as long as is allowed, and nothing upstream', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream, server: { headersMs: 500, requestMs: 500 } });
  const client = await rawClient(gateway.port);
  await client.send(post(gateway.token, [], { length: 10_000, body: '{' }));
  const drip = setInterval(() => void client.send(' '), 50);
  const answered = await client.answer();
  await client.closed();
  clearInterval(drip);
  assert.ok(answered === null || answered.status === 408, answered?.startLine);
  assert.equal(upstream.connections, 0);
});

test('connections beyond the limit are closed, and those within it are served', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream, server: { connections: 3 } });
  const clients = await Promise.all(Array.from({ length: 3 }, () => rawClient(gateway.port)));
  for (const client of clients) {
    await client.send(post(gateway.token));
    assert.equal((await client.answer())?.status, 200);
  }
  const beyond = await rawClient(gateway.port);
  await beyond.send(post(gateway.token));
  assert.equal(await beyond.answer(), null);
  for (const client of clients) client.leave();
});

test('a client that reads nothing holds up the API, and not the memory of the gateway', async (t) => {
  let written = 0;
  const upstream = await rawUpstream(t, (socket) => {
    const piece = Buffer.alloc(64 << 10, 'event: ping\ndata: {"type": "ping"}\n\n');
    answer(socket, ['Content-Type: text/event-stream', `Content-Length: ${256 * MIB}`]);
    const fill = (): void => {
      while (written < 256 * MIB) {
        written += piece.length;
        if (!socket.write(piece)) return;
      }
    };
    socket.on('drain', fill);
    fill();
  });
  const gateway = await subject(t, { upstream });
  const client = await rawClient(gateway.port);
  client.socket.pause();
  await client.send(post(gateway.token));
  // Between two looks far apart nothing more is taken: the kernel's buffers are full, and so is what the gateway holds.
  const settled = async (): Promise<number> => {
    for (let before = -1; ; before = written) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      if (written === before && written > 0) return written;
    }
  };
  assert.ok((await settled()) < 64 * MIB, `${written} bytes were taken for a client that read none`);
  client.socket.resume();
  client.leave();
  await upstream.idle();
});

test('a client that reads nothing of its answer for too long is disconnected, and the API with it', async (t) => {
  const upstream = await rawUpstream(t, (socket) => {
    answer(socket, ['Content-Type: text/event-stream', `Content-Length: ${256 * MIB}`]);
    const fill = (): void => {
      while (socket.write(Buffer.alloc(MIB)));
    };
    socket.on('drain', fill);
    fill();
  });
  const gateway = await subject(t, { upstream, server: { stalledMs: 400 } });
  const client = await rawClient(gateway.port);
  client.socket.pause();
  await client.send(post(gateway.token));
  await upstream.arrived(1);
  await upstream.idle();
});

test('a client that goes away while it reads nothing closes the connection to the API', async (t) => {
  const upstream = await rawUpstream(t, (socket) => {
    answer(socket, ['Content-Type: text/event-stream', 'Transfer-Encoding: chunked'], '1\r\na\r\n');
  });
  const gateway = await subject(t, { upstream });
  const client = await rawClient(gateway.port);
  await client.send(post(gateway.token));
  await upstream.arrived(1);
  client.leave();
  await upstream.idle();
});
