import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { PARAMS, samples } from '../../testing/client-workbench.ts';
import { STREAMED, UNSTREAMED } from '../../testing/cassettes/cassettes.ts';
import {
  gatewayBench,
  REAL_KEY,
  TOKEN,
  type GatewayBench,
  type GatewayBenchOptions,
} from '../../testing/gateway/workbench.ts';

const HEADERS = { 'x-api-key': TOKEN, 'content-type': 'application/json', 'anthropic-version': '2023-06-01' };
const ASK = JSON.stringify(PARAMS);

async function bench(t: TestContext, api: RequestListener, options: GatewayBenchOptions = {}): Promise<GatewayBench> {
  const made = await gatewayBench({ ...options, api });
  t.after(() => made.close());
  return made;
}

interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** Asks with nothing between that changes a byte. Gives the head; its body is unread. */
async function asked(url: string, ask: Ask = {}): Promise<IncomingMessage> {
  const { method = 'POST', path = '/v1/messages', headers = {}, body = ASK } = ask;
  const outgoing = request(url + path, { method, headers: { ...HEADERS, ...headers }, agent: false });
  outgoing.end(method === 'POST' ? body : undefined);
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  return answer;
}

async function bytesOf(answer: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of answer) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

function deferred(): { readonly promise: Promise<undefined>; readonly resolve: (value: undefined) => void } {
  let resolve: (value: undefined) => void = () => undefined;
  const promise = new Promise<undefined>((settle) => (resolve = settle));
  return { promise, resolve };
}

/** An API that reads the request and answers this. */
function answering(answer: (outgoing: ServerResponse, incoming: IncomingMessage) => void): RequestListener {
  return (incoming, outgoing) => {
    incoming.resume().once('end', () => answer(outgoing, incoming));
  };
}

const stream = STREAMED[0]?.response.body ?? '';
const message = UNSTREAMED[0]?.response.body ?? '';

const ENCODINGS = {
  gzip: gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
} as const;

describe('an answer that is compressed goes through as it is, and is counted by what it says:', () => {
  for (const [encoding, compress] of Object.entries(ENCODINGS)) {
    for (const [kind, type, text] of [
      ['a message', 'application/json', message],
      ['a stream', 'text/event-stream', stream],
    ] as const) {
      it(`${kind} in ${encoding}`, async (t) => {
        const sent = compress(Buffer.from(text));
        const { url, log } = await bench(
          t,
          answering((outgoing) => {
            outgoing.writeHead(200, { 'content-type': type, 'content-encoding': encoding });
            for (const byte of [sent.subarray(0, 20), sent.subarray(20)]) outgoing.write(byte);
            outgoing.end();
          }),
        );
        const answer = await asked(url, { headers: { 'accept-encoding': encoding } });
        assert.equal(answer.headers['content-encoding'], encoding);
        assert.deepEqual(await bytesOf(answer), sent);
        await log.finishedCalls(1);
        assert.equal(log.calls[0]?.outcome, 'ok');
        assert.ok((log.calls[0].usage?.parts[0]?.tokens.output ?? 0) > 0);
      });
    }
  }

  it('a stream in gzip that breaks off, as far as it has come', async (t) => {
    const begun = stream.slice(0, stream.lastIndexOf('event: message_delta'));
    const sent = gzipSync(begun, { finishFlush: constants.Z_SYNC_FLUSH });
    const { url, log } = await bench(
      t,
      answering((outgoing) => {
        outgoing.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' });
        outgoing.write(sent, () => outgoing.destroy());
      }),
    );
    await assert.rejects(bytesOf(await asked(url)), { code: 'ECONNRESET' });
    await log.finishedCalls(1);
    assert.equal(log.calls[0]?.outcome, 'connection_error');
    const tokens = log.calls[0].usage?.parts[0]?.tokens;
    assert.ok((tokens?.input ?? 0) > 0 && (tokens?.output_estimated ?? 0) > 0);
  });

  it('results of a batch in gzip, more than can be read at once', async (t) => {
    const warnings: Error[] = [];
    const warned = (warning: Error): void => void warnings.push(warning);
    process.on('warning', warned);
    t.after(() => process.off('warning', warned));
    const line = (index: number): string =>
      JSON.stringify({
        custom_id: `item-${index}`,
        result: { type: 'errored', error: { noise: randomBytes(6_000).toString('hex') } },
      });
    const lines = 600;
    const sent = gzipSync(Array.from({ length: lines }, (_, index) => line(index)).join('\n'));
    const { url, registry } = await bench(
      t,
      answering((outgoing) =>
        outgoing.writeHead(200, { 'content-type': 'application/x-jsonl', 'content-encoding': 'gzip' }).end(sent),
      ),
    );
    const answer = await asked(url, { method: 'GET', path: '/v1/messages/batches/batch_1/results' });
    assert.deepEqual(await bytesOf(answer), sent);
    const results = (): Promise<Readonly<Record<string, number>>> => samples(registry, 'anthropic_batch_results_total');
    while (Object.values(await results())[0] !== lines) await turn();
    assert.deepEqual(warnings, []);
  });

  it('an encoding that nobody here knows, whose usage is then unknown', async (t) => {
    const sent = Buffer.from(message);
    const { url, log } = await bench(
      t,
      answering((outgoing) =>
        outgoing.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'dcz' }).end(sent),
      ),
    );
    assert.deepEqual(await bytesOf(await asked(url)), sent);
    await log.finishedCalls(1);
    assert.deepEqual([log.calls[0]?.outcome, log.calls[0]?.usage], ['ok', null]);
  });

  it('a refusal in gzip, whose reason is read', async (t) => {
    const body = gzipSync(
      JSON.stringify({
        type: 'error',
        error: { type: 'rate_limit_error', message: 'x', details: { error_code: 'ramp_limit_exceeded' } },
      }),
    );
    const { url, log } = await bench(
      t,
      answering((outgoing) =>
        outgoing.writeHead(429, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(body),
      ),
    );
    assert.deepEqual(await bytesOf(await asked(url)), body);
    await log.finishedCalls(1);
    assert.equal(log.attempts[0]?.rejection?.rateLimitReason, 'acceleration');
  });
});

describe('the way to the API', () => {
  it('carries the real key in the place of the token, and nothing that was for the gateway or one connection', async (t) => {
    const seen: IncomingMessage[] = [];
    const { url } = await bench(
      t,
      answering((outgoing, incoming) => {
        seen.push(incoming);
        outgoing.end('{}');
      }),
    );
    const headers = {
      authorization: `Bearer ${TOKEN}`,
      cookie: 'a=b',
      connection: 'close, x-private',
      'x-private': '1',
      'proxy-authorization': 'Basic x',
      'x-plimsoll-feature': 'chat',
      'x-forwarded-for': '10.0.0.1',
      te: 'trailers',
      'anthropic-beta': 'files-api-2025-04-14',
      'user-agent': 'a test',
    };
    await bytesOf(await asked(url, { headers }));
    const names = Object.keys(seen[0]?.headers ?? {}).sort();
    const kept = [
      'anthropic-beta',
      'anthropic-version',
      'connection',
      'content-length',
      'content-type',
      'host',
      'user-agent',
      'x-api-key',
    ];
    assert.deepEqual(names, kept);
    assert.equal(seen[0]?.headers['x-api-key'], REAL_KEY);
  });

  it('carries a body byte for byte, even one that is no text', async (t) => {
    const sent = Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x00, 0x22, 0x3a, 0x31, 0x7d]);
    const got: Buffer[] = [];
    const { url } = await bench(t, (incoming, outgoing) => {
      incoming.on('data', (piece: Buffer) => got.push(piece)).once('end', () => outgoing.end('{}'));
    });
    await bytesOf(await asked(url, { body: sent }));
    assert.deepEqual(Buffer.concat(got), sent);
  });

  it('passes a redirect on and does not follow it', async (t) => {
    let requests = 0;
    const { url } = await bench(
      t,
      answering((outgoing) => {
        requests++;
        outgoing.writeHead(307, { location: 'http://127.0.0.1:9/v1/messages' }).end();
      }),
    );
    const answer = await asked(url);
    assert.deepEqual(
      [answer.statusCode, answer.headers.location, requests],
      [307, 'http://127.0.0.1:9/v1/messages', 1],
    );
  });

  it('does not say of the host of the gateway what the API says of its own', async (t) => {
    const { url } = await bench(
      t,
      answering((outgoing) => {
        outgoing.writeHead(200, {
          'set-cookie': 'a=b',
          'strict-transport-security': 'max-age=1',
          'request-id': 'req_1',
        });
        outgoing.end('{}');
      }),
    );
    const { headers } = await asked(url);
    assert.deepEqual(
      [headers['set-cookie'], headers['strict-transport-security'], headers['request-id']],
      [undefined, undefined, 'req_1'],
    );
  });
});

async function errorOf(answer: IncomingMessage): Promise<unknown> {
  const { error } = JSON.parse((await bytesOf(answer)).toString()) as { error: { type: string } };
  return [answer.statusCode, error.type, answer.headers['x-should-retry']];
}

describe('an answer without a body', () => {
  for (const way of ['listener', 'handle'] as const) {
    it(`comes to who asks by the ${way}`, async (t) => {
      const { url, gateway } = await bench(
        t,
        answering((outgoing) => outgoing.writeHead(204, { 'request-id': 'req_1' }).end()),
      );
      const asked = new Request(`${url}/v1/files/file_1`, { method: 'DELETE', headers: HEADERS });
      const answer = await (way === 'handle' ? gateway.handle(asked) : fetch(asked));
      assert.deepEqual([answer.status, answer.headers.get('request-id'), await answer.text()], [204, 'req_1', '']);
      await gateway.close();
    });
  }
});

describe('an API in trouble', () => {
  it('that cannot be reached is a 502 of the shape of its errors, which the SDKs try again', async (t) => {
    const { url, log } = await bench(t, () => undefined, { gateway: { baseUrl: 'http://127.0.0.1:9' } });
    assert.deepEqual(await errorOf(await asked(url)), [502, 'api_error', undefined]);
    assert.equal(log.calls[0]?.outcome, 'connection_error');
  });

  it('that says nothing for too long is a 504', async (t) => {
    const limits = { upstreamSilenceMs: 20 };
    const { url, log } = await bench(t, () => undefined, { gateway: { limits } });
    assert.deepEqual(await errorOf(await asked(url)), [504, 'timeout_error', undefined]);
    assert.equal(log.calls[0]?.outcome, 'timeout');
  });

  for (const [name, length] of [
    ['breaks off within its answer', {}],
    ['sends less than it said', { 'content-length': '1000000' }],
  ] as const) {
    it(`that ${name} leaves the client with a broken answer, never with one that looks whole`, async (t) => {
      const { url, log } = await bench(
        t,
        answering((outgoing) => {
          outgoing.writeHead(200, { 'content-type': 'text/event-stream', ...length });
          outgoing.write(stream.slice(0, 500), () => outgoing.destroy());
        }),
      );
      await assert.rejects(bytesOf(await asked(url)), { code: 'ECONNRESET' });
      await log.finishedCalls(1);
      assert.equal(log.calls[0]?.outcome, 'connection_error');
    });
  }

  it('that sends more than it said adds nothing to the answer', async (t) => {
    const { url } = await bench(t, (incoming, outgoing) => {
      incoming.resume();
      outgoing.socket?.end(
        'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\n',
      );
    });
    assert.equal((await bytesOf(await asked(url))).toString(), '{}');
  });

  it('whose refusal does not end is passed on as far as it has come', async (t) => {
    const held: ServerResponse[] = [];
    const { url } = await bench(
      t,
      answering((outgoing) => {
        held.push(outgoing);
        outgoing.writeHead(500, { 'content-type': 'application/json' });
        outgoing.write('{"type":');
      }),
    );
    const answer = await asked(url);
    assert.equal(answer.statusCode, 500);
    held[0]?.end('"error"}');
    assert.equal((await bytesOf(answer)).toString(), '{"type":"error"}');
  });
});

describe('a client that leaves', () => {
  it('before the answer closes the connection to the API', async (t) => {
    const closed = deferred();
    const arrived = deferred();
    const { url, log } = await bench(t, (incoming, outgoing) => {
      incoming.resume().once('end', () => arrived.resolve(undefined));
      outgoing.once('close', () => closed.resolve(undefined));
    });
    const outgoing = request(`${url}/v1/messages`, { method: 'POST', headers: HEADERS, agent: false });
    outgoing.on('error', () => undefined);
    outgoing.end(ASK);
    await arrived.promise;
    outgoing.destroy();
    await closed.promise;
    await log.finishedCalls(1);
    assert.equal(log.calls[0]?.outcome, 'cancelled');
  });

  it('within a stream closes the connection to the API, and what had come is counted', async (t) => {
    const closed = deferred();
    const { url, log } = await bench(
      t,
      answering((outgoing) => {
        outgoing.once('close', () => closed.resolve(undefined));
        outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
        outgoing.write(stream.slice(0, stream.lastIndexOf('event: message_delta')));
      }),
    );
    const answer = await asked(url);
    await once(answer, 'data');
    answer.destroy();
    await closed.promise;
    await log.finishedCalls(1);
    const [call] = log.calls;
    assert.equal(call?.outcome, 'cancelled');
    assert.ok((call.usage?.parts[0]?.tokens.output_estimated ?? 0) > 0);
  });

  it('within its own request was never a call', async (t) => {
    const { url, log, gateway } = await bench(t, () => undefined);
    const outgoing = request(`${url}/v1/messages`, {
      method: 'POST',
      headers: { ...HEADERS, 'content-length': '1000' },
    });
    outgoing.on('error', () => undefined);
    outgoing.write('{"model":');
    await once(outgoing, 'socket');
    await turn();
    outgoing.destroy();
    await gateway.close();
    assert.deepEqual(log.events, []);
  });
});

describe('a client that is slow', () => {
  it('slows the API down, so that little is held for it', async (t) => {
    const piece = Buffer.alloc(64 << 10, 'x');
    const all = 512;
    let written = 0;
    const { url } = await bench(
      t,
      answering((outgoing) => {
        outgoing.writeHead(200, { 'content-type': 'application/octet-stream' });
        const more = (): void => {
          while (written < all) {
            written++;
            if (!outgoing.write(piece)) return void outgoing.once('drain', more);
          }
          outgoing.end();
        };
        more();
      }),
    );
    const answer = await asked(url, { method: 'GET', path: '/v1/files/file_1/content' });
    answer.pause();
    let before = -1;
    while (written !== before) {
      before = written;
      for (let turns = 0; turns < 200; turns++) await turn();
    }
    assert.ok(written < all, `the API has sent ${written} of ${all} pieces to a client that reads none`);
    assert.equal((await bytesOf(answer)).length, all * piece.length);
  });

  it('is slowed down itself by an API that does not read', async (t) => {
    const held: IncomingMessage[] = [];
    let got = 0;
    const { url } = await bench(t, (incoming, outgoing) => {
      held.push(incoming);
      incoming.pause().once('end', () => outgoing.end('{}'));
    });
    const outgoing = request(`${url}/v1/files`, { method: 'POST', headers: HEADERS, agent: false });
    const answer = once(outgoing, 'response');
    const piece = Buffer.alloc(64 << 10, 'x');
    const all = 512;
    let taken = 0;
    const more = (): void => {
      while (taken < all) {
        taken++;
        if (!outgoing.write(piece)) return void outgoing.once('drain', more);
      }
      outgoing.end();
    };
    more();
    let before = -1;
    while (taken !== before || held.length === 0) {
      before = taken;
      for (let turns = 0; turns < 200; turns++) await turn();
    }
    assert.ok(taken < all, `the gateway has taken ${taken} of ${all} pieces for an API that reads none`);
    held[0]?.on('data', (bytes: Buffer) => (got += bytes.length)).resume();
    await answer;
    assert.equal(got, all * piece.length);
  });
});
