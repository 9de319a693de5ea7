import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { gatewayBench, TOKEN } from '../../testing/gateway/workbench.ts';

const pieces = fc.array(fc.uint8Array({ maxLength: 5_000 }), { maxLength: 12 });

/** The pieces, however they come: one at a time, or with turns of the loop between. */
async function sent(
  to: { write(piece: Uint8Array): unknown; end(): unknown },
  all: readonly Uint8Array[],
  spaced: boolean,
) {
  for (const piece of all) {
    to.write(piece);
    if (spaced) await turn();
  }
  to.end();
}

async function bytesOf(body: AsyncIterable<unknown>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of body) all.push(piece as Buffer);
  return Buffer.concat(all);
}

test('any bytes pass unchanged both ways, in whatever pieces and with or without a length', async (t) => {
  let answer: readonly Uint8Array[] = [];
  let isSpaced = false;
  let isLengthSaid = false;
  let got: Promise<Buffer> = Promise.resolve(Buffer.alloc(0));
  const bench = await gatewayBench({
    api: (incoming, outgoing) => {
      got = bytesOf(incoming);
      void got.then(() => {
        const length = isLengthSaid ? { 'content-length': Buffer.concat(answer).length } : {};
        outgoing.writeHead(200, { 'content-type': 'application/octet-stream', ...length });
        return sent(outgoing, answer, isSpaced);
      });
    },
  });
  t.after(() => bench.close());
  await fc.assert(
    fc.asyncProperty(fc.record({ up: pieces, down: pieces, spaced: fc.boolean(), said: fc.boolean() }), async (run) => {
      const { up, down, spaced, said } = run;
      [answer, isSpaced, isLengthSaid] = [down, spaced, said];
      const length = said ? { 'content-length': Buffer.concat(up).length } : {};
      const outgoing = request(`${bench.url}/v1/files`, { method: 'POST', headers: { 'x-api-key': TOKEN, ...length } });
      const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
      await sent(outgoing, up, spaced);
      const [incoming] = await answered;
      assert.deepEqual(await bytesOf(incoming), Buffer.concat(down));
      assert.deepEqual(await got, Buffer.concat(up));
    }),
    { numRuns: 60 },
  );
});
