import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request, type IncomingMessage, type ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { STREAMED } from '../../testing/cassettes/cassettes.ts';
import {
  answering,
  ASK,
  asked,
  bench,
  bytesOf,
  deferred,
  errorOf,
  HEADERS,
} from '../../testing/gateway/written-api.ts';

const stream = STREAMED[0]?.response.body ?? '';

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
