import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { KeyMask, ResponseBody } from '../../src/gateway/response-body.ts';
import { samples } from '../../testing/client-workbench.ts';
import { STREAMED, UNSTREAMED } from '../../testing/cassettes/cassettes.ts';
import { answering, asked, bench, bytesOf, HEADERS } from '../../testing/gateway/written-api.ts';

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

describe('a key in an answer', () => {
  const key = 'sk-sk-key';
  const texts = fc
    .array(fc.constantFrom(key, 's', 'sk-', 'sk-sk-ke', 'y', '\n\n', 'whale', '\xfc'))
    .map((parts) => parts.join(''));

  it('is overwritten wherever the answer is cut, and no other byte changes or is lost', () => {
    fc.assert(
      fc.property(texts, fc.array(fc.nat({ max: 12 })), (text, sizes) => {
        const mask = new KeyMask(key);
        const bytes = Buffer.from(text, 'latin1');
        let [got, at] = ['', 0];
        for (const size of [...sizes, bytes.length]) {
          got += mask.mask(Buffer.from(bytes.subarray(at, at + size))).toString('latin1');
          at += size;
          const waits = Math.min(at, bytes.length) - got.length;
          assert.ok(waits < key.length);
          assert.equal(text.slice(got.length, got.length + waits), key.slice(0, waits));
        }
        got += mask.end().toString('latin1');
        assert.equal(got, text.replaceAll(key, '.'.repeat(key.length)));
      }),
    );
  });

  it('holds up no piece that ends as events, lines and JSON do, and copies none', () => {
    const mask = new KeyMask(key);
    for (const text of ['data: {"text":"sk-"}\n\n', '{"a":"sk-sk-ke"}', 'sk-\n', `${key}.`]) {
      const piece = Buffer.from(text);
      const passed = mask.mask(piece);
      assert.equal(passed.buffer, piece.buffer);
      assert.equal(passed.length, piece.length);
    }
  });
});

describe('chunks of a body that come in one turn', () => {
  function flowing() {
    const source = new PassThrough();
    const body = new ResponseBody(source as unknown as IncomingMessage);
    const [written, read]: [string[], string[]] = [[], []];
    body.listen({ chunk: (bytes) => void read.push(Buffer.from(bytes).toString()), end: (how) => void read.push(how) });
    const write = (bytes: Uint8Array): boolean => written.push(Buffer.from(bytes).toString()) > 0;
    body.pipe({ write, end: () => void written.push('end'), breakOff: () => void written.push('broken off') });
    return { source, body, written, read };
  }

  it('go on in one write, and the next ones in another', async () => {
    const { source, written, read } = flowing();
    for (const piece of ['one ', 'two ', 'three ']) source.emit('data', Buffer.from(piece));
    await turn();
    assert.deepEqual(written, ['one two three ']);
    source.end('four');
    await turn();
    await turn();
    assert.deepEqual(written, ['one two three ', 'four', 'end']);
    assert.deepEqual(read, ['one two three ', 'four', 'done']);
  });

  it('are read when the client leaves before they went on', () => {
    const { source, body, written, read } = flowing();
    source.emit('data', Buffer.from('the usage'));
    body.cancel();
    assert.deepEqual(read, ['the usage', 'cancelled']);
    assert.deepEqual(written, ['broken off']);
  });
});
