import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchanged, rawClient } from '../../../testing/gateway/raw-client.ts';
import { rawUpstream, type Behaviour } from '../../../testing/gateway/raw-upstream.ts';
import { BODY, post, requestTo, subject, type Subject } from '../../../testing/gateway/subject.ts';

const TARGETS = [
  'POST /v1/messages',
  'POST /v1/messages/count_tokens',
  'POST /v1/messages/batches',
  'POST /v1/files',
  'GET /v1/models',
  'DELETE /v1/files/file_1',
  'POST /plimsoll/tokens',
  'TRACE /plimsoll/tokens',
  'POST /healthz',
  'POST /nowhere',
];

/** Around every bound of a body: none, a little, the mint endpoint's 16 KiB, a chunk of the socket, several chunks. */
const SIZES = [0, 1, 2_000, 16_383, 16_384, 16_385, 17_000, 65_536, 300_000];

/** The part of the request that is sent before the client waits, stops sending, or leaves. */
const CUTS = [0, 0.5, 1];

const ENDINGS = ['waits', 'stops sending', 'leaves'] as const;

interface Shape {
  readonly target: string;
  readonly size: number;
  readonly isChunked: boolean;
  readonly cut: number;
  readonly ending: (typeof ENDINGS)[number];
}

const SHAPES: readonly Shape[] = TARGETS.flatMap((target) =>
  SIZES.flatMap((size) =>
    [false, true].flatMap((isChunked) =>
      CUTS.flatMap((cut) => ENDINGS.map((ending) => ({ target, size, isChunked, cut, ending }))),
    ),
  ),
);

/** The head, and as much of the body as comes. */
function bytesOf({ target, size, isChunked, cut }: Shape, token: string): string {
  const body = (BODY + ' '.repeat(size)).slice(0, size);
  const sent = body.slice(0, Math.floor(size * cut));
  if (!isChunked) return requestTo(target, [`Content-Length: ${size}`]).replace('TOKEN', token) + sent;
  const head = requestTo(target, ['Transfer-Encoding: chunked']).replace('TOKEN', token);
  const chunk = sent === '' ? '' : `${sent.length.toString(16)}\r\n${sent}\r\n`;
  return head + chunk + (cut === 1 ? '0\r\n\r\n' : '');
}

async function played(shape: Shape, { port, token }: Subject): Promise<void> {
  const client = await rawClient(port);
  await client.send(bytesOf(shape, token));
  if (shape.ending === 'stops sending') client.socket.end();
  // Where the rest of a body is missing the gateway waits for it, and nobody here has to.
  if (shape.ending !== 'leaves' && shape.cut === 1) await client.answer();
  client.leave();
}

/** Connections of this process, at either end. */
function sockets(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 20));
}

test('no size, cut or framing of a request ends the process, and none leaves a connection', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const before = sockets();
  // An exception in an event of one exchange would end the process: node:test fails the test instead.
  for (let at = 0; at < SHAPES.length; at += 32)
    await Promise.all(SHAPES.slice(at, at + 32).map((shape) => played(shape, gateway)));
  assert.equal((await exchanged(gateway.port, post(gateway.token)))?.status, 200);
  await gateway.close();
  await until(() => sockets() <= before);
  await upstream.idle();
});

test('a mint request of 17 KB gets its 400, whatever is still to come of it', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  for (const length of [17_000, 17_001, 5_000_000]) {
    const client = await rawClient(gateway.port);
    const options = { target: '/plimsoll/tokens', body: 'x'.repeat(17_000), length };
    await client.send(post(gateway.token, [], options));
    assert.equal((await client.answer())?.status, 400, String(length));
    client.leave();
  }
  assert.deepEqual(gateway.errors, []);
});

/** No status code that node:http would write. */
const ODD_STATUS: Behaviour = (socket) => socket.write('HTTP/1.1 042 Odd\r\ncontent-length: 100000\r\n\r\n{');

test('a response that cannot be passed on is a 502 of its own exchange, and costs its connection to the API', async (t) => {
  const upstream = await rawUpstream(t, ODD_STATUS);
  const gateway = await subject(t, { upstream });
  assert.equal((await exchanged(gateway.port, post(gateway.token)))?.status, 502);
  await upstream.idle();
  assert.equal((await exchanged(gateway.port, requestTo('GET /healthz', [])))?.status, 200);
});

test('an error that cannot even be reported costs its own exchange', async (t) => {
  const upstream = await rawUpstream(t);
  const options = {
    authenticate: () => Promise.reject(new Error('no store')),
    onError() {
      throw new Error('no log either');
    },
  };
  const gateway = await subject(t, { upstream, options });
  assert.equal((await exchanged(gateway.port, post(gateway.token)))?.status, 529);
});
