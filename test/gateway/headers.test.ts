import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import { REAL_KEY, TOKEN } from '../../testing/gateway/workbench.ts';
import { answering, asked, bench, bytesOf } from '../../testing/gateway/written-api.ts';

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

  for (const status of [200, 429])
    it(`drops from a ${status} what only the gateway itself may say, and limits that another gateway has set`, async (t) => {
      const { url } = await bench(
        t,
        answering((outgoing) => {
          outgoing.writeHead(status, {
            'content-type': 'application/json',
            'plimsoll-limit': 'client',
            'Plimsoll-Cause': 'disk_full',
            'plimsoll-fallback': 'key; on=overloaded',
            'plimsoll-retry-denied': 'spent',
            'plimsoll-anything': '1',
            'anthropic-ratelimit-requests-remaining': '7',
            'request-id': 'req_1',
          });
          outgoing.end('{}');
        }),
      );
      const { headers, statusCode } = await asked(url);
      const names = Object.keys(headers).filter((name) => /^(?:plimsoll|anthropic|request-id)/.test(name));
      assert.deepEqual([statusCode, names], [status, ['request-id']]);
    });

  it('drops what the API says about its own host', async (t) => {
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
