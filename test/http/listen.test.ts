import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { after, describe, it } from 'node:test';
import { rawClient } from '../../testing/gateway/raw-client.ts';
import { PortError, listen, type ListenOptions, type Listener, type Serving } from '../../src/http/listen.ts';
import { keptBytes } from '../../testing/kept-bytes.ts';

const opened: Serving[] = [];

after(() => Promise.all(opened.map((serving) => serving.close(0))));

async function listens(listener: Listener, options: Partial<ListenOptions> = {}): Promise<Serving> {
  const serving = await listen(listener, { port: 0, ...options });
  opened.push(serving);
  return serving;
}

const answers: Listener = (_, outgoing) => void outgoing.end('Ahoy');

/** All that comes back for so many bytes on a connection of their own, until it is closed. */
async function sent(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let said = '';
  socket.on('data', (bytes) => (said += bytes.toString('latin1')));
  socket.on('error', () => undefined); // a reset is an end like any other here
  socket.write(text);
  await once(socket, 'close');
  return said;
}

/** Status and type of an error in the API's own shape. */
function refusal(said: string): readonly string[] {
  const [head = '', body = ''] = said.split('\r\n\r\n');
  const { type, error } = JSON.parse(body) as { readonly type: string; readonly error: { readonly type: string } };
  assert.equal(type, 'error');
  assert.match(head, /connection: close/);
  return [head.split(' ')[1] ?? '', error.type];
}

describe('a listener on node:http', () => {
  it('answers, and closes when the open request has ended', async () => {
    let waiting: ServerResponse | undefined;
    const serving = await listens((_, outgoing) => (waiting = outgoing));
    const answer = fetch(serving.url);
    while (waiting === undefined) await new Promise((resolve) => setImmediate(resolve));
    const closed = serving.close();
    waiting.end('Ahoy');
    assert.equal(await (await answer).text(), 'Ahoy');
    await closed;
    await assert.rejects(fetch(serving.url));
  });

  it('keeps no response in memory that is over, until a full collection', async () => {
    const { port } = await listens((incoming, outgoing) => {
      Object.assign(outgoing, { cargo: Array.from({ length: 1_000 }, () => incoming.url) });
      setImmediate(() => outgoing.end('Ahoy'));
    });
    const [asking, last] = [
      'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    ];
    const askMany = async (times: number): Promise<void> => {
      for (let asked = 0; asked < times; asked++) await sent(port, asking.repeat(15) + last);
    };
    await askMany(10);
    const kept = await keptBytes(() => askMany(100));
    // All of them together have more than 12 MB.
    assert.ok(kept < 6 << 20, `${kept} bytes`);
  });

  it("refuses what is not HTTP with an error like the API's", async () => {
    const { port } = await listens(answers, { headerBytes: 2_048 });
    for (const [text, ...expected] of [
      [
        'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
        '400',
        'invalid_request_error',
      ],
      ['GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', '400', 'invalid_request_error'],
      ['GET / HTTP/1.1\r\nHost : x\r\n\r\n', '400', 'invalid_request_error'],
      [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(3_000)}\r\n\r\n`, '431', 'invalid_request_error'],
    ] as const) {
      assert.deepEqual(refusal(await sent(port, text)), expected, text.slice(0, 80));
    }
  });

  it('disconnects a client that takes its time with its headers, or with its body', async () => {
    const { port } = await listens(() => undefined, { headersMs: 200, requestMs: 400 });
    assert.deepEqual(refusal(await sent(port, 'GET / HTTP/1.1\r\nHost: x\r\nX: ')), ['408', 'timeout_error']);
    const slow = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx';
    assert.deepEqual(refusal(await sent(port, slow)), ['408', 'timeout_error']);
  });

  it('disconnects a client that reads nothing of its answer, and no other', async () => {
    const stalled: ServerResponse[] = [];
    const { port, url } = await listens(
      (incoming, outgoing) => {
        if (incoming.url === '/slow') return void setTimeout(() => outgoing.end('late'), 500);
        stalled.push(outgoing);
        for (let piece = 0; piece < 400; piece += 1) outgoing.write(Buffer.alloc(100_000));
      },
      { stalledMs: 200 },
    );
    const slow = fetch(`${url}/slow`);
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined); // it is let go
    socket.pause();
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    while (stalled[0] === undefined) await new Promise((resolve) => setImmediate(resolve));
    await once(stalled[0], 'close');
    assert.equal(stalled[0].writableFinished, false);
    assert.equal(await (await slow).text(), 'late');
    socket.destroy();
  });

  it('refuses a request that it cannot read after the responses to those before it, and never within one', async () => {
    const begun: ServerResponse[] = [];
    const { port } = await listens((incoming, outgoing) => {
      begun.push(outgoing);
      // The first is half sent; the second waits for its turn.
      if (incoming.url === '/first') outgoing.writeHead(200, { 'content-length': 400 }).write('a'.repeat(10));
    });
    const client = await rawClient(port);
    await client.send(`GET /first HTTP/1.1\r\nHost: x\r\n\r\nGET /second HTTP/1.1\r\nHost: x\r\n\r\nGARBAGE\r\n\r\n`);
    while (begun.length < 2) await new Promise((resolve) => setImmediate(resolve));
    await client.send('MORE GARBAGE\r\n\r\n');
    const [first, second] = begun;
    assert.ok(first && second);
    first.end('b'.repeat(390));
    assert.equal((await client.answer())?.body.toString(), 'a'.repeat(10) + 'b'.repeat(390));
    second.end('second');
    assert.equal((await client.answer())?.body.toString(), 'second');
    assert.equal((await client.answer())?.status, 400);
    assert.equal((await client.closed()).toString(), '');
  });

  it('notices that a client has gone within a request, whatever the ones before it wait for', async () => {
    for (const rest of ['POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf', 'GET / HT', 'GARBAGE\r\n\r\n']) {
      const begun: ServerResponse[] = [];
      const { port } = await listens((_, outgoing) => void begun.push(outgoing));
      const client = await rawClient(port);
      await client.send(`GET / HTTP/1.1\r\nHost: x\r\n\r\n${rest}`);
      while (begun[0] === undefined) await new Promise((resolve) => setImmediate(resolve));
      const gone = once(begun[0], 'close');
      client.leave();
      await gone;
    }
  });

  it('does not take a response for unread that waits for the one before it', async () => {
    const begun: ServerResponse[] = [];
    const { port } = await listens((_, outgoing) => void begun.push(outgoing), { stalledMs: 40 });
    const client = await rawClient(port);
    await client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2));
    while (begun.length < 2) await new Promise((resolve) => setImmediate(resolve));
    const [first, second] = begun;
    second?.write('second, ');
    for (let checks = 0; checks < 8; checks++) await new Promise((resolve) => setTimeout(resolve, 10));
    second?.end('whole');
    first?.end('first');
    assert.equal((await client.answer())?.body.toString(), 'first');
    assert.equal((await client.answer())?.body.toString(), 'second, whole');
    client.leave();
  });

  it('asks a client for the body that it holds back only when the body is read', async () => {
    const reads: Listener = (incoming, outgoing) => {
      let body = '';
      incoming.on('data', (bytes: Buffer) => (body += bytes.toString())).once('end', () => outgoing.end(body));
    };
    const head = 'POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n';
    const refused = await sent((await listens((_, outgoing) => void outgoing.writeHead(401).end())).port, head);
    assert.match(refused, /^HTTP\/1\.1 401 /);
    const socket = connect((await listens(reads)).port, '127.0.0.1').setEncoding('utf8');
    socket.write(head);
    assert.deepEqual(await once(socket, 'data'), ['HTTP/1.1 100 Continue\r\n\r\n']);
    socket.write('Ahoy');
    const [answer] = (await once(socket, 'data')) as [string];
    assert.match(answer, /^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  it('takes no more connections than it is allowed', async () => {
    const { port, url } = await listens(answers, { connections: 1 });
    const held = connect(port, '127.0.0.1');
    await once(held, 'connect');
    held.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(held, 'data');
    await assert.rejects(fetch(url));
    held.destroy();
    await once(held, 'close');
  });

  it('says what to do about a port in use', async () => {
    const { port } = await listens(answers);
    await assert.rejects(listen(answers, { port }), (error: unknown) => {
      assert.ok(error instanceof PortError);
      return error.code === 'PLIMSOLL_PORT_IN_USE';
    });
  });
});
