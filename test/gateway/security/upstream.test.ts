import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { valuesOf } from '../../../testing/gateway/http-bytes.ts';
import { KeepingRecorder } from '../../../testing/keeping-recorder.ts';
import { exchanged, rawClient } from '../../../testing/gateway/raw-client.ts';
import { answer, answersWell, MESSAGE, rawUpstream, type Behaviour } from '../../../testing/gateway/raw-upstream.ts';
import { BODY, errorIn, post, requestTo, subject } from '../../../testing/gateway/subject.ts';

const EVENT = 'event: ping\ndata: {"type": "ping"}\n\n';
const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

for (const status of [301, 302, 303, 307, 308] as const)
  test(`a redirect with ${status} is passed on, and never followed with the key`, async (t) => {
    const elsewhere = await rawUpstream(t);
    const location = `${elsewhere.url}/v1/messages`;
    const upstream = await rawUpstream(t, (socket) => {
      socket.write(`HTTP/1.1 ${status} Elsewhere\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`);
    });
    const gateway = await subject(t, { upstream });
    const answered = await exchanged(gateway.port, post(gateway.token));
    assert.equal(answered?.status, status);
    assert.deepEqual(valuesOf(answered, 'location'), [location]);
    assert.equal(elsewhere.connections, 0);
    assert.equal(upstream.requests.length, 1);
  });

/** An answer that is not all there, or not what it said: the client must be able to tell that it is not whole. */
const CUT: Readonly<Record<string, Behaviour>> = {
  'shorter than it says': (socket) => {
    answer(socket, [`Content-Length: ${MESSAGE.length + 10}`], MESSAGE);
    socket.end();
  },
  'cut within a chunk': (socket) => {
    answer(socket, ['Transfer-Encoding: chunked'], `${(EVENT.length + 10).toString(16)}\r\n${EVENT}`);
    socket.end();
  },
  'cut between two chunks': (socket) => {
    answer(socket, ['Content-Type: text/event-stream', 'Transfer-Encoding: chunked'], chunk(EVENT));
    socket.end();
  },
  'reset within a stream': (socket) => {
    answer(socket, ['Content-Type: text/event-stream', 'Transfer-Encoding: chunked'], chunk(EVENT));
    setImmediate(() => socket.resetAndDestroy());
  },
  'in chunks that are none': (socket) => {
    answer(socket, ['Transfer-Encoding: chunked'], `${chunk(EVENT)}what is this\r\n`);
  },
};

for (const [what, behave] of Object.entries(CUT))
  test(`an answer that is ${what} reaches the client broken, and never as if it were whole`, async (t) => {
    const upstream = await rawUpstream(t, behave);
    const gateway = await subject(t, { upstream });
    const client = await rawClient(gateway.port);
    await client.send(post(gateway.token));
    await client.closed();
    const answered = await client.answer();
    assert.ok(answered);
    assert.equal(answered.whole, false);
    assert.ok(MESSAGE.startsWith(answered.body.toString()) || EVENT.startsWith(answered.body.toString()));
  });

test('an answer that is cut does not look whole to a client of HTTP/1.0, which knows its end by that of the connection', async (t) => {
  const upstream = await rawUpstream(t, (socket) => {
    answer(socket, ['Content-Type: text/event-stream', 'Transfer-Encoding: chunked'], chunk(EVENT));
    socket.end();
  });
  const gateway = await subject(t, { upstream });
  const client = await rawClient(gateway.port);
  const [error] = await Promise.all([
    once(client.socket, 'error') as Promise<[NodeJS.ErrnoException]>,
    client.send(post(gateway.token).replace('HTTP/1.1', 'HTTP/1.0')),
  ]);
  assert.equal(error[0].code, 'ECONNRESET');
});

test('what comes after the end of an answer is nobody’s answer', async (t) => {
  const forged = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Forged: yes\r\n\r\nforged';
  const upstream = await rawUpstream(t, (socket) => {
    answer(socket, [`Content-Length: ${MESSAGE.length}`], MESSAGE + forged);
  });
  const gateway = await subject(t, { upstream });
  for (let request = 0; request < 5; request++) {
    const answered = await exchanged(gateway.port, post(gateway.token));
    assert.equal(answered?.status, 200);
    assert.equal(answered.body.toString(), MESSAGE);
  }
});

test('an answer before the request is nobody’s answer', async (t) => {
  const upstream = await rawUpstream(t, (socket, request) => {
    answersWell(socket, request);
    setImmediate(() => answer(socket, ['Content-Length: 6', 'X-Forged: yes'], 'forged'));
  });
  const gateway = await subject(t, { upstream });
  for (let request = 0; request < 5; request++) {
    const answered = await exchanged(gateway.port, post(gateway.token));
    assert.ok(answered !== null && (answered.body.toString() === MESSAGE || answered.status === 502));
  }
});

/** What is no HTTP, or not an answer to what was asked. */
const NONSENSE: Readonly<Record<string, Behaviour>> = {
  'no HTTP': (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'),
  'an answer without a status': (socket) => socket.end('HTTP/1.1 OK\r\n\r\n'),
  'a length and chunks': (socket) =>
    answer(socket, ['Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'),
  'two lengths': (socket) => answer(socket, ['Content-Length: 2', 'Content-Length: 3'], 'hi'),
  'headers without end': (socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    for (let line = 0; line < 1_000; line++) socket.write(`X-${line}: ${'v'.repeat(100)}\r\n`);
  },
  'a folded header': (socket) => answer(socket, ['X-A: a', ' b', 'Content-Length: 2'], 'hi'),
  'a change of protocol': (socket) =>
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n'),
  'nothing, and a closed connection': (socket) => socket.end(),
  'nothing, and a reset': (socket) => socket.resetAndDestroy(),
};

for (const [what, behave] of Object.entries(NONSENSE))
  test(`an upstream that answers with ${what} is an api_error to the client`, async (t) => {
    const upstream = await rawUpstream(t, behave);
    const gateway = await subject(t, { upstream });
    const answered = await exchanged(gateway.port, post(gateway.token));
    assert.equal(answered?.status, 502);
    assert.equal(errorIn(answered).type, 'api_error');
    await upstream.idle();
    assert.equal(upstream.requests.length, 1, 'it was sent twice');
  });

test('an upstream that cannot be reached is an api_error to the client', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  server.close();
  await once(server, 'close');
  const gateway = await subject(t, { upstream: { url: `http://127.0.0.1:${port}` } });
  const answered = await exchanged(gateway.port, post(gateway.token));
  assert.equal(answered?.status, 502);
  const { type, message } = errorIn(answered);
  assert.equal(type, 'api_error');
  assert.ok(!message.includes(String(port)), 'where the API is, is nobody’s business');
});

test('an upstream that never answers is a timeout_error to the client, and its connection is closed', async (t) => {
  const upstream = await rawUpstream(t, () => undefined);
  const gateway = await subject(t, { upstream, options: { limits: { upstreamSilenceMs: 200 } } });
  const answered = await exchanged(gateway.port, post(gateway.token));
  assert.equal(answered?.status, 504);
  assert.equal(errorIn(answered).type, 'timeout_error');
  await upstream.idle();
});

test('an upstream that falls silent within a stream is broken off', async (t) => {
  const upstream = await rawUpstream(t, (socket) =>
    answer(socket, ['Content-Type: text/event-stream', 'Transfer-Encoding: chunked'], chunk(EVENT)),
  );
  const gateway = await subject(t, { upstream, options: { limits: { upstreamSilenceMs: 200 } } });
  const client = await rawClient(gateway.port);
  await client.send(post(gateway.token));
  await client.closed();
  const answered = await client.answer();
  assert.equal(answered?.whole, false);
  assert.equal(answered.body.toString(), EVENT);
  await upstream.idle();
});

test('a head that comes a byte at a time is waited for, and goes back whole', async (t) => {
  const upstream = await rawUpstream(t, (socket) => {
    const bytes = `HTTP/1.1 200 OK\r\nrequest-id: req_slow\r\nContent-Length: 2\r\n\r\nhi`;
    let at = 0;
    const drip = setInterval(() => {
      socket.write(bytes[at++] ?? '');
      if (at >= bytes.length) clearInterval(drip);
    }, 5);
    socket.on('close', () => clearInterval(drip));
  });
  const gateway = await subject(t, { upstream });
  const answered = await exchanged(gateway.port, post(gateway.token));
  assert.equal(answered?.status, 200);
  assert.equal(answered.body.toString(), 'hi');
});

test('a client that leaves while a head comes a byte at a time ends it', async (t) => {
  const upstream = await rawUpstream(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    const drip = setInterval(() => socket.write('x'), 5);
    socket.on('close', () => clearInterval(drip));
  });
  const gateway = await subject(t, { upstream });
  const client = await rawClient(gateway.port);
  await client.send(post(gateway.token));
  await upstream.arrived(1);
  client.leave();
  await upstream.idle();
});

for (const status of ['000', '099', '600', '999'])
  test(`an answer of status ${status}, which HTTP does not have, is an api_error to the client`, async (t) => {
    const upstream = await rawUpstream(t, (socket) => {
      socket.write(`HTTP/1.1 ${status} Odd\r\nContent-Length: ${MESSAGE.length}\r\n\r\n${MESSAGE}`);
    });
    const gateway = await subject(t, { upstream, client: { requestsAtOnce: 1 } });
    const answered = await exchanged(gateway.port, post(gateway.token));
    assert.ok(answered);
    assert.deepEqual([answered.status, valuesOf(answered, 'plimsoll-cause')], [502, ['protocol']]);
    assert.equal(errorIn(answered).type, 'api_error');
    const headers = { 'x-api-key': gateway.token };
    const asked = new Request('http://gateway/v1/messages', { method: 'POST', headers, body: BODY });
    assert.equal((await gateway.gateway.handle(asked)).status, 502);
    assert.deepEqual(gateway.errors, []);
  });

test('interim answers of the upstream are not the answer', async (t) => {
  const upstream = await rawUpstream(t, (socket, request) => {
    socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    socket.write('HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n');
    answersWell(socket, request);
  });
  const gateway = await subject(t, { upstream });
  const answered = await exchanged(gateway.port, post(gateway.token));
  assert.equal(answered?.status, 200);
  assert.equal(answered.body.toString(), MESSAGE);
});

test('an answer that says it is compressed and is not goes to the client byte for byte', async (t) => {
  for (const encoding of ['gzip', 'br', 'deflate', 'zstd', 'rot13', 'gzip, gzip']) {
    const upstream = await rawUpstream(t, (socket) =>
      answer(socket, [`Content-Encoding: ${encoding}`, `Content-Length: ${MESSAGE.length}`], MESSAGE),
    );
    const gateway = await subject(t, { upstream });
    const answered = await exchanged(gateway.port, post(gateway.token));
    assert.equal(answered?.status, 200);
    assert.deepEqual(valuesOf(answered, 'content-encoding'), [encoding]);
    assert.equal(answered.body.toString(), MESSAGE);
    assert.deepEqual(gateway.errors, []);
  }
});

test('a compressed answer that grows a thousandfold costs the gateway no memory of that size', async (t) => {
  const bomb = gzipSync(Buffer.alloc(256 << 20, ' '));
  const upstream = await rawUpstream(t, (socket) => {
    answer(socket, ['Content-Type: application/json', 'Content-Encoding: gzip', `Content-Length: ${bomb.length}`]);
    socket.write(bomb);
  });
  const gateway = await subject(t, { upstream });
  const before = process.memoryUsage().rss;
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 5);
  const answered = await exchanged(gateway.port, post(gateway.token));
  clearInterval(watch);
  assert.ok(answered?.body.equals(bomb));
  assert.ok(most - before < 128 << 20, `${(most - before) >> 20} MiB more were in use`);
});

test('a connection that was kept and has been closed meanwhile is not used again', async (t) => {
  const upstream = await rawUpstream(t, (socket, request) => {
    answersWell(socket, request);
    setImmediate(() => socket.end());
  });
  const gateway = await subject(t, { upstream });
  for (let request = 1; request <= 5; request++) {
    const answered = await exchanged(gateway.port, post(gateway.token));
    assert.equal(answered?.status, 200);
    await upstream.idle();
  }
});

/** No secret by its form, as keys of other APIs than Anthropic's are. */
const PLAIN_KEY = 'key-of-another-api-0123456789';

const NAMED = {
  ...{ id: PLAIN_KEY, type: 'message', role: 'assistant', model: PLAIN_KEY, content: [], stop_reason: PLAIN_KEY },
  usage: { input_tokens: 8, output_tokens: 3, service_tier: PLAIN_KEY, iterations: null },
};

const NAMED_EVENTS = [{ type: 'message_start', message: NAMED }, { type: 'message_stop' }]
  .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
  .join('');

for (const isStream of [false, true])
  for (const encoding of ['identity', 'gzip'])
    for (const isCut of [false, true])
      test(`an API that calls its model by the key shows it in no metric: ${isStream}, ${encoding}, ${isCut}`, async (t) => {
        const text = isStream ? NAMED_EVENTS : JSON.stringify(NAMED);
        const bytes = encoding === 'gzip' ? gzipSync(text) : Buffer.from(text);
        const place = isCut ? text.indexOf(PLAIN_KEY) + 5 : bytes.length;
        const type = isStream ? 'text/event-stream' : 'application/json';
        const upstream = await rawUpstream(t, (socket) => {
          const framing = [`Content-Type: ${type}`, `Content-Encoding: ${encoding}`, `Content-Length: ${bytes.length}`];
          answer(socket, [...framing, `Request-Id: ${PLAIN_KEY}`]);
          socket.write(bytes.subarray(0, place), () => setImmediate(() => socket.write(bytes.subarray(place))));
        });
        const keys = new Map([['prod-api-key', () => PLAIN_KEY]]);
        const log = new KeepingRecorder();
        const gateway = await subject(t, { upstream, options: { keys, recorders: [log] } });
        const body = isStream ? BODY.replace('{', '{"stream":true,') : BODY;
        await exchanged(gateway.port, post(gateway.token, [], { body }));
        await log.finishedCalls(1);
        const [call] = log.calls;
        assert.equal(call?.usage?.parts[0]?.tokens.input, 8);
        assert.equal(call.model?.length, PLAIN_KEY.length);
        const { model, stopReason, requestId, details, usage } = call;
        assert.ok(!JSON.stringify({ model, stopReason, requestId, details, usage }).includes(PLAIN_KEY));
        assert.ok(!(await gateway.metrics()).includes(PLAIN_KEY));
      });

test('an API that sends the key back in a header or an error does not give it to the client', async (t) => {
  let key = '';
  const upstream = await rawUpstream(t, (socket) => {
    const body = JSON.stringify({ type: 'error', error: { type: 'authentication_error', message: `bad key ${key}` } });
    const head = ['HTTP/1.1 401 Unauthorized', `X-Debug: ${key}`, 'X-Other: kept', `Content-Length: ${body.length}`];
    socket.write([...head, 'Content-Type: application/json', '', body].join('\r\n'));
  });
  const gateway = await subject(t, { upstream });
  key = gateway.realKey;
  const answered = await exchanged(gateway.port, post(gateway.token));
  assert.equal(answered?.status, 401);
  assert.ok(!`${answered.head}${answered.body.toString()}`.includes(key));
  assert.match(answered.head, /X-Other: kept/);
  assert.equal(errorText(answered.body), `bad key ${'.'.repeat(key.length)}`);
});

/** Answers that an API could put the key in, with what asks for them. */
const ECHOES: Readonly<
  Record<string, { readonly request: string; readonly type: string; readonly around: readonly [string, string] }>
> = {
  'a message': { request: 'POST /v1/messages', type: 'application/json', around: ['{"content":"', '"}'] },
  'a stream': { request: 'POST /v1/messages', type: 'text/event-stream', around: ['data: {"text":"', '"}\n\n'] },
  'the results of a batch': {
    request: 'GET /v1/messages/batches/msgbatch_1/results',
    type: 'application/x-jsonl',
    around: ['{"custom_id":"', '"}\n'],
  },
  'a list of batches': {
    request: 'GET /v1/messages/batches',
    type: 'application/json',
    around: ['{"results_url":"', '"}'],
  },
  'a file': { request: 'GET /v1/files/file_1/content', type: 'application/octet-stream', around: ['\0', '\0'] },
};

for (const [what, { request, type, around }] of Object.entries(ECHOES))
  test(`an API that sends the key back in ${what}, cut anywhere, does not give it to the client`, async (t) => {
    let key = '';
    const upstream = await rawUpstream(t, (socket) => {
      const [before, after] = around;
      answer(socket, [`Content-Type: ${type}`, `X-${key}: a`, 'Transfer-Encoding: chunked']);
      const pieces = [before];
      for (let cut = 0; cut < key.length; cut += 9) pieces.push(key.slice(0, cut), key.slice(cut), ' ');
      const all = [...pieces, key, after, key.slice(0, 20)].filter((piece) => piece !== '').map(chunk);
      void writeInTurns(socket, [...all, '0\r\n\r\n']);
    });
    const gateway = await subject(t, { upstream });
    key = gateway.realKey;
    const head = request.startsWith('GET')
      ? requestTo(request, []).replace('TOKEN', gateway.token)
      : post(gateway.token);
    const answered = await exchanged(gateway.port, head);
    assert.equal(answered?.status, 200);
    assert.ok(!`${answered.head}${answered.body.toString()}`.includes(key));
    const dots = '.'.repeat(key.length);
    const keys = Array.from({ length: Math.ceil(key.length / 9) }, () => `${dots} `).join('');
    assert.equal(answered.body.toString(), `${around[0]}${keys}${dots}${around[1]}${key.slice(0, 20)}`);
  });

/** Each comes by itself: what comes in one turn goes on together. */
async function writeInTurns(socket: Socket, pieces: readonly string[]): Promise<void> {
  for (const piece of pieces) {
    socket.write(piece);
    await turn();
    await turn();
  }
}

function errorText(body: Buffer): string {
  return (JSON.parse(body.toString()) as { readonly error: { readonly message: string } }).error.message;
}
