import assert from 'node:assert/strict';
import { test } from 'node:test';
import { api, gatewayPlace } from '../../../testing/gateway/processes.ts';
import { exchanged, rawClient } from '../../../testing/gateway/raw-client.ts';
import { post } from '../../../testing/gateway/subject.ts';

/** Connections that send all they can, and the megabytes of each body: the memory of parsing them would be a gigabyte. */
const HOSTILE = Number(process.env['PLIMSOLL_HOSTILE'] ?? 8);
const BODY_MIB = Number(process.env['PLIMSOLL_HOSTILE_MIB'] ?? 2);
const HEAP_MB = Number(process.env['PLIMSOLL_HOSTILE_HEAP'] ?? 64);

const LINES = ['clients: { app: { models: [claude-haiku-4-5] } }'];

const HEADERS = ['anthropic-version: 2023-06-01', 'Content-Type: application/json'];

test('clients that send the largest bodies over and over end no small gateway, and hold up no other client', async (t) => {
  const server = await api(t);
  const env = { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` };
  const place = await gatewayPlace(t, server, { lines: LINES, env });
  const gateway = await place.start();
  const token = await place.token();
  const nested = `{"model":"m","max_tokens":1,"x":[${'[[[[]]]],'.repeat((BODY_MIB << 20) / 9)}0]}`;
  const request = post(token, [], { body: nested });
  let [isOver, refused] = [false, 0];
  const hostile = Array.from({ length: HOSTILE }, async () => {
    while (!isOver) {
      const client = await rawClient(gateway.port);
      void client.send(request);
      const answered = await client.answer();
      if ((answered?.status ?? 0) >= 400) refused += 1;
      client.leave();
    }
  });
  const statuses: (number | undefined)[] = [];
  while (statuses.length < 20 || refused < HOSTILE)
    statuses.push((await exchanged(gateway.port, post(token, HEADERS)))?.status);
  isOver = true;
  await Promise.all(hostile);
  assert.deepEqual([...new Set(statuses)], [200]);
  assert.equal(await gateway.stop('SIGTERM'), 0);
});
