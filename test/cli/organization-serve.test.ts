import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { serve } from 'plimsoll/http';
import { command } from '../../src/cli/organization.ts';
import { sqliteTotals } from '../../src/totals/sqlite-totals.ts';
import { keptIo } from '../../testing/kept-io.ts';
import { ADMIN_KEY } from '../../testing/organization/books-bench.ts';
import { WatchBench } from '../../testing/organization/watch-bench.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-serve-'));
after(() => rmSync(folder, { recursive: true }));

const DEADLINE_MS = 60_000;

/** Asks until a page has a line, as a scraper does. */
async function scraped(url: string, line: RegExp): Promise<string> {
  for (const endMs = Date.now() + DEADLINE_MS; Date.now() < endMs;) {
    const page = await (await fetch(url)).text();
    if (line.test(page)) return page;
  }
  throw new Error('the page never had the line');
}

test('serves the bill as metrics until it is stopped, and keeps what it read beside the totals', async () => {
  const { books } = new WatchBench();
  books.at(0, 12);
  const usage = { input_tokens: 1_000_000, output_tokens: 0 };
  await books.ask({ key: 'foreign', model: 'claude-haiku-4-5', usage });
  books.at(2, 6);
  const api = await serve(books.sim.handle, { port: 0 });
  const totals = join(folder, 'totals.db');
  await sqliteTotals(totals).close();
  const stop = new AbortController();
  const { io, out } = keptIo({
    now: () => books.clock.now(),
    env: { ANTHROPIC_ADMIN_KEY: ADMIN_KEY },
  });
  const args = ['--serve', '--port', '0', '--base-url', api.url, '--totals', totals];
  const ended = command.run(args, { ...io, signal: stop.signal });
  for (const endMs = Date.now() + DEADLINE_MS; out.length === 0 && Date.now() < endMs;)
    await new Promise((resolve) => setImmediate(resolve));
  const [, url = ''] = /at (\S+),/.exec(out[0] ?? '') ?? [];
  const page = await scraped(url, /^anthropic_bill_polls_total\{.*outcome="ok"\} 1$/m);
  assert.match(page, /^anthropic_bill_billed_usd\{.*key="foreign",model="claude-haiku-4-5",window="month"\} 0\.9$/m);
  assert.ok(!page.includes(ADMIN_KEY));
  stop.abort();
  assert.equal(await ended, 0);
  await api.close(0);
});

test('a port that is none is named, and so is a missing admin key', async () => {
  const { io, err } = keptIo({ env: { ANTHROPIC_ADMIN_KEY: ADMIN_KEY } });
  assert.equal(await command.run(['--serve', '--port', 'moon'], io), 2);
  assert.match(err.join(), /--port/);
  const without = keptIo({ env: {} });
  assert.notEqual(await command.run(['--serve'], without.io), 0);
  assert.match(without.err.join(' '), /ANTHROPIC_ADMIN_KEY/);
});
