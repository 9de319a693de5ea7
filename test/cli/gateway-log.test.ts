import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { RequestLog } from '../../src/cli/gateway-log.ts';
import { nodeListener } from '../../src/gateway/node.ts';
import { listen } from '../../src/http/listen.ts';
import { keptBytes } from '../../testing/kept-bytes.ts';

test('the log keeps no response in memory that is over, until a full collection', async (t) => {
  let lines = 0;
  const log = new RequestLog(() => (lines += 1));
  const gateway = nodeListener({
    handle: async () => ({ status: 200, headers: [], body: Buffer.from('Ahoy') }),
    finish: () => undefined,
    fail: assert.fail,
    isLeaving: () => false,
    isTrustedProxy: () => false,
  });
  const logged = log.listener(gateway);
  const { port, close } = await listen(
    (incoming, outgoing) => {
      Object.assign(outgoing, { cargo: Array.from({ length: 1_000 }, () => incoming.url) });
      logged(incoming, outgoing);
    },
    { port: 0 },
  );
  t.after(() => close(0));
  const socket = connect(port, '127.0.0.1');
  const ask = async (times: number): Promise<void> => {
    for (let asked = 0; asked < times; asked++) {
      socket.write('GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n');
      await once(socket, 'data');
    }
  };
  await ask(200);
  const kept = await keptBytes(() => ask(1_000));
  socket.destroy();
  assert.ok(lines > 1_100);
  // All of them together have more than 8 MB.
  assert.ok(kept < 4 << 20, `${kept} bytes`);
});
