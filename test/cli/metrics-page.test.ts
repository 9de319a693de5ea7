import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ConfigurationError } from '../../src/errors.ts';
import { metricsPage, pageAt } from '../../src/cli/metrics-page.ts';
import { serve } from '../../src/http/serve.ts';
import { freePort } from '../../testing/free-port.ts';
import { keptIo } from '../../testing/kept-io.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-metrics-page-'));
const places = { folder, missing: join(folder, 'none'), file: join(folder, 'page'), below: join(folder, 'page', 'x') };
writeFileSync(places.file, 'anthropic_requests_total 1\n');

let [refused, broken, failing] = ['', '', ''];
const closing: (() => unknown)[] = [() => rmSync(folder, { recursive: true })];
after(() => Promise.all(closing.map((close) => close())));

before(async () => {
  refused = `http://127.0.0.1:${await freePort()}/metrics`;
  const abrupt = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await new Promise((resolve) => abrupt.once('listening', resolve));
  const address = abrupt.address();
  broken = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/metrics`;
  const { url, close } = await serve(async () => new Response('', { status: 503 }), { port: 0 });
  failing = url;
  closing.push(
    () => abrupt.close(),
    () => close(0),
  );
});

describe('a metrics page that cannot be read is named, with the reason in words', () => {
  for (const [name, place, got] of [
    ['a file that is not there', () => places.missing, 'no such file'],
    ['a folder', () => places.folder, 'a folder'],
    ['a file in a file', () => places.below, 'no such file'],
    ['a port where nobody listens', () => refused, 'a refused connection'],
    ['a host that does not exist', () => 'http://nobody.invalid/metrics', 'an unknown host'],
    ['a connection that breaks', () => broken, 'a broken connection'],
    ['a server that fails', () => failing, 'status 503'],
    ['a port that is not allowed', () => 'http://127.0.0.1:1/', 'a port that fetch does not allow'],
  ] as const)
    it(name, async () => {
      const reading = metricsPage(place(), keptIo().io);
      await assert.rejects(reading, (error) => {
        assert.ok(error instanceof ConfigurationError);
        const [problem] = error.problems;
        assert.deepEqual([problem?.field, problem?.expected], ['--metrics', 'a readable page']);
        assert.equal(problem?.got.replace(place(), 'PLACE'), `${got} at PLACE`);
        assert.doesNotMatch(error.message, /\bE[A-Z]{3,}\b/);
        return true;
      });
    });
});

it('a page is read from a file and from standard input', async () => {
  const { io } = keptIo({ stdin: 'anthropic_requests_total 2\n' });
  assert.deepEqual(
    [...(await metricsPage(places.file, io)), ...(await metricsPage('-', io))].map(({ value }) => value),
    [1, 2],
  );
});

it('a page of too many series is left unread where the bound is, and said to be too large', async () => {
  const line = (at: number): string => `anthropic_requests_total{route="${String(at).padStart(90, '0')}"} 1\n`;
  let sent = 0;
  const endless = (): ReadableStream =>
    new ReadableStream({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode(Array.from({ length: 1_000 }, () => line((sent += 1))).join('')));
      },
    });
  const { url, close } = await serve(async () => new Response(endless()), { port: 0 });
  closing.push(() => close(0));
  const page = await pageAt(url, new AbortController().signal);
  assert.deepEqual(page, { trouble: 'a page too large: more than 200,000 series' });
  assert.ok(sent < 1_000_000, `${sent} lines were read`);
});
