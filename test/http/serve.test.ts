import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { rawClient } from '../../testing/gateway/raw-client.ts';
import { PortError, type Serving } from '../../src/http/listen.ts';
import { serve, type Handler } from '../../src/http/serve.ts';

const servings: Serving[] = [];
after(() => Promise.all(servings.map((serving) => serving.close(0))));

async function served(handler: Handler, onError?: (error: unknown) => void): Promise<Serving> {
  const serving = await serve(handler, { port: 0, ...(onError && { onError }) });
  servings.push(serving);
  return serving;
}

/** A promise and its ends, for tests that wait for what happens rather than for time. */
function happening<Value>() {
  let happens = (_value: Value): void => undefined;
  const promise = new Promise<Value>((resolve) => {
    happens = resolve;
  });
  return { promise, happens: (value: Value) => happens(value) };
}

test('a request arrives whole: method, path, query, headers and body', async () => {
  const { url } = await served(async (request) => {
    const { pathname, search } = new URL(request.url);
    return Response.json({
      method: request.method,
      target: pathname + search,
      key: request.headers.get('x-api-key'),
      body: await request.text(),
    });
  });
  const response = await fetch(`${url}//a/b?c=d%20e`, { method: 'POST', headers: { 'x-api-key': 'k' }, body: 'hello' });
  assert.deepEqual(await response.json(), { method: 'POST', target: '//a/b?c=d%20e', key: 'k', body: 'hello' });
});

test('status, headers and repeated cookies of a response reach the client', async () => {
  const { url } = await served(async () => {
    const headers = new Headers({ 'x-one': '1' });
    headers.append('set-cookie', 'a=1');
    headers.append('set-cookie', 'b=2');
    return new Response('teapot', { status: 418, headers });
  });
  const response = await fetch(url);
  assert.equal(response.status, 418);
  assert.equal(response.headers.get('x-one'), '1');
  assert.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2']);
  assert.equal(await response.text(), 'teapot');
});

test('a request body streams to the handler while the client still writes', async () => {
  const first = happening<string>();
  const { url } = await served(async (request) => {
    assert.ok(request.body);
    const reader = request.body.pipeThrough(new TextDecoderStream()).getReader();
    first.happens((await reader.read()).value ?? '');
    let rest = '';
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) rest += piece.value;
    return new Response(rest);
  });
  const client = httpRequest(url, { method: 'POST' });
  client.write('first');
  assert.equal(await first.promise, 'first');
  client.end('second');
  const [incoming] = (await once(client, 'response')) as [IncomingMessage];
  assert.equal(await textOf(incoming), 'second');
});

test('the head of a response goes out before its first byte', async () => {
  const bodyMayStart = happening<undefined>();
  const { url } = await served(
    async () =>
      new Response(
        new ReadableStream({
          async pull(controller) {
            await bodyMayStart.promise;
            controller.enqueue(new TextEncoder().encode('late'));
            controller.close();
          },
        }),
      ),
  );
  const response = await fetch(url);
  assert.equal(response.status, 200);
  bodyMayStart.happens(undefined);
  assert.equal(await response.text(), 'late');
});

test('a client that does not read stops the body from being produced', async () => {
  let produced = 0;
  const piece = new Uint8Array(64 * 1024);
  const { url } = await served(
    async () =>
      new Response(
        new ReadableStream(
          {
            pull(controller) {
              produced += 1;
              if (produced > 2_000) controller.close();
              else controller.enqueue(piece);
            },
          },
          { highWaterMark: 0 },
        ),
      ),
  );
  const client = httpRequest(url);
  client.end();
  const [incoming] = (await once(client, 'response')) as [IncomingMessage];
  await settled(() => produced);
  assert.ok(produced < 1_000, `${produced} pieces of 64 KiB were made for a client that read none`);
  let received = 0;
  for await (const chunk of incoming) received += (chunk as Buffer).length;
  assert.equal(received, 2_000 * piece.length);
});

test('a client that leaves aborts the request and cancels the body', async () => {
  const aborted = happening<undefined>();
  const cancelled = happening<undefined>();
  const { url } = await served(async (request) => {
    request.signal.addEventListener('abort', () => aborted.happens(undefined));
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode('one')),
      cancel: () => cancelled.happens(undefined),
    });
    return new Response(body);
  });
  const leave = new AbortController();
  const response = await fetch(url, { signal: leave.signal });
  const reader = response.body?.getReader();
  await reader?.read();
  leave.abort();
  await Promise.all([aborted.promise, cancelled.promise]);
});

test('a client that leaves before the head aborts the request', async () => {
  const arrived = happening<undefined>();
  const aborted = happening<undefined>();
  const { url } = await served(async (request) => {
    arrived.happens(undefined);
    await once(request.signal, 'abort');
    aborted.happens(undefined);
    throw request.signal.reason;
  });
  const leave = new AbortController();
  const response = fetch(url, { signal: leave.signal });
  await arrived.promise;
  leave.abort();
  await assert.rejects(response, { name: 'AbortError' });
  await aborted.promise;
});

test('a request that was answered in full is not aborted afterwards', async () => {
  const signals: AbortSignal[] = [];
  const serving = await serve(
    async (request) => {
      signals.push(request.signal);
      return new Response('done');
    },
    { port: 0 },
  );
  assert.equal(await (await fetch(serving.url)).text(), 'done');
  await serving.close();
  assert.deepEqual(
    signals.map((signal) => signal.aborted),
    [false],
  );
});

test('a handler that fails is a 500 that does not say why, and is reported', async () => {
  const errors: unknown[] = [];
  const failure = new Error('secret');
  const { url } = await served(
    async () => {
      throw failure;
    },
    (error) => errors.push(error),
  );
  const response = await fetch(url);
  assert.equal(response.status, 500);
  assert.equal(await response.text(), 'Internal Server Error\n');
  assert.deepEqual(errors, [failure]);
});

test('a handler that rejects with ECONNRESET breaks the connection before the head', async () => {
  const { url } = await served(async () => {
    throw new TypeError('fetch failed', { cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }) });
  });
  await assert.rejects(fetch(url), (error: TypeError) => {
    assert.equal(error.message, 'fetch failed');
    assert.equal((error.cause as NodeJS.ErrnoException).code, 'ECONNRESET');
    return true;
  });
});

test('a body that fails reaches the client as a broken body, after what came before', async () => {
  const mayFail = happening<undefined>();
  const { url } = await served(async () => {
    const body = new ReadableStream({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode('half'));
        await mayFail.promise;
        controller.error(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
      },
    });
    return new Response(body);
  });
  const response = await fetch(url);
  const reader = response.body?.getReader();
  assert.ok(reader);
  assert.equal(Buffer.from((await reader.read()).value ?? '').toString(), 'half');
  mayFail.happens(undefined);
  await assert.rejects(reader.read(), { name: 'TypeError', message: 'terminated' });
});

test('a body that fails is broken for a client of HTTP/1.0 too, which knows its end by that of the connection', async () => {
  const { port } = await served(async () => {
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode('half')),
      pull: (controller) => controller.error(new Error('broken')),
    });
    return new Response(body);
  });
  const { socket, send } = await rawClient(port);
  const [error] = await Promise.all([once(socket, 'error'), send('GET / HTTP/1.0\r\nHost: localhost\r\n\r\n')]);
  assert.equal((error as [NodeJS.ErrnoException])[0].code, 'ECONNRESET');
});

test('HEAD has the head of GET and no body', async () => {
  const cancelled = happening<undefined>();
  const { url } = await served(
    async () => new Response(new ReadableStream({ cancel: () => cancelled.happens(undefined) }), { status: 206 }),
  );
  const response = await fetch(url, { method: 'HEAD' });
  assert.equal(response.status, 206);
  assert.equal(await response.text(), '');
  await cancelled.promise;
});

test('a request body that the handler leaves unread does not block the connection', async () => {
  const { url } = await served(async (request) => {
    if (request.method === 'PUT') await request.body?.getReader().read();
    return new Response(request.method);
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (const method of ['POST', 'PUT', 'GET']) {
    const client = httpRequest(url, { method, agent });
    client.end(method === 'GET' ? undefined : Buffer.alloc(1024 * 1024));
    const [incoming] = (await once(client, 'response')) as [IncomingMessage];
    assert.equal(await textOf(incoming), method);
  }
  agent.destroy();
});

test('a target that is not a URL is a 400', async () => {
  const { port } = await served(async () => new Response('never'));
  const socket = connect(port, '127.0.0.1');
  socket.end('GET http://[ HTTP/1.1\r\nhost: localhost\r\n\r\n');
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  assert.match(answer, /^HTTP\/1\.1 400 /);
});

test('a port in use is one line that names the port and what to do', async () => {
  const { port } = await served(async () => new Response());
  await assert.rejects(
    serve(async () => new Response(), { port }),
    (error) => {
      assert.ok(error instanceof PortError);
      assert.equal(error.code, 'PLIMSOLL_PORT_IN_USE');
      assert.equal(
        error.message,
        `Port ${port} on 127.0.0.1 is in use: choose another, or stop the program that has it.`,
      );
      return true;
    },
  );
});

test('closing lets an open response finish, and refuses new connections', async () => {
  const mayEnd = happening<undefined>();
  const { url, close } = await served(
    async () =>
      new Response(
        new ReadableStream({
          async start(controller) {
            controller.enqueue(new TextEncoder().encode('begun '));
            await mayEnd.promise;
            controller.enqueue(new TextEncoder().encode('ended'));
            controller.close();
          },
        }),
      ),
  );
  const response = await fetch(url);
  const ended = close();
  await assert.rejects(
    fetch(url),
    (error: TypeError) => (error.cause as NodeJS.ErrnoException).code === 'ECONNREFUSED',
  );
  mayEnd.happens(undefined);
  assert.equal(await response.text(), 'begun ended');
  await ended;
});

test('closing without a grace period breaks open responses', async () => {
  const { url, close } = await served(async () => new Response(new ReadableStream()));
  const response = await fetch(url);
  await close(0);
  await assert.rejects(response.text(), { message: 'terminated' });
});

async function textOf(incoming: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of incoming) text += String(chunk);
  return text;
}

/** Waits until a figure is the same after many turns of the event loop. */
async function settled(figure: () => number): Promise<void> {
  let last = -1;
  for (let quiet = 0; quiet < 200;) {
    await new Promise((resolve) => setImmediate(resolve));
    quiet = figure() === last ? quiet + 1 : 0;
    last = figure();
  }
}
