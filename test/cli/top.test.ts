import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, metricsHandler } from 'plimsoll';
import { serve } from 'plimsoll/http';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import type { Terminal } from '../../src/cli/command.ts';
import { Screen } from '../../src/cli/terminal.ts';
import { command } from '../../src/cli/top.ts';
import { keptIo } from '../../testing/kept-io.ts';

const DEADLINE_MS = 60_000;

/** A terminal that keeps what is written to it. */
class KeptTerminal implements Terminal {
  columns = 80;
  rows = 40;
  readonly written: string[] = [];
  listeners = 0;
  resized: () => void = () => undefined;

  write(text: string): void {
    this.written.push(text);
  }

  onResize(listener: () => void): () => void {
    this.resized = listener;
    this.listeners += 1;
    return () => (this.listeners -= 1);
  }

  /** The lines of the last frame, without what moves the cursor and clears. */
  get frame(): readonly string[] {
    return (this.written.at(-1) ?? '').replaceAll(/\u001b\[[\d;?]*[A-Za-z]/g, '').split('\r\n');
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (const endMs = Date.now() + DEADLINE_MS; !condition() && Date.now() < endMs;) await sleep(20);
  assert.ok(condition());
}

async function page(t: TestContext) {
  const api = simulator({ tier: 'custom' });
  const registry = new Registry();
  const client = instrument(new Anthropic({ apiKey: 'simulated', fetch: api.fetch, logLevel: 'off' }), { registry });
  const serving = await serve(metricsHandler({ registry }), { port: 0 });
  t.after(() => serving.close(0));
  const messages = [{ role: 'user' as const, content: 'Ahoy' }];
  const ask = () => client.messages.create({ model: 'claude-haiku-4-5', max_tokens: 64, messages });
  return { ask, serving, url: `${serving.url}/metrics` };
}

test('draws what the page counts, follows the width, names who is silent, and leaves the terminal as it was', async (t) => {
  const { ask, url, serving } = await page(t);
  const terminal = new KeptTerminal();
  const stop = new AbortController();
  const { io } = keptIo({ now: () => Date.now() });
  t.after(() => stop.abort());
  const ended = command.run([url], { ...io, terminal, signal: stop.signal });
  await until(() => terminal.frame.some((line) => line.startsWith('calls 0 ')));
  await ask();
  await until(() => terminal.frame.some((line) => /^calls 1 {2}success 100%/.test(line)));
  assert.ok(terminal.frame.every((line) => line.length <= 80));
  terminal.columns = 40;
  terminal.resized();
  assert.ok(terminal.frame.every((line) => line.length <= 40));
  terminal.columns = 80;
  await serving.close(0);
  await until(() => terminal.frame.some((line) => line.includes('silent since')));
  assert.ok(!terminal.written.join('').includes('\u001b[1m'), 'no color where there is none');
  stop.abort();
  assert.equal(await ended, 0);
  assert.equal(terminal.written[0], '\u001b[?1049h\u001b[?25l');
  assert.equal(terminal.written.at(-1), '\u001b[?25h\u001b[?1049l');
  assert.equal(terminal.listeners, 0);
});

test('a pipe gets one frame, in plain lines', async (t) => {
  const { url } = await page(t);
  const { io, out } = keptIo({ now: () => Date.now() });
  assert.equal(await command.run(['--metrics', url], io), 0);
  assert.match(out[0] ?? '', /UTC {2}last 1 min {2}1 of 1 replicas$/);
});

test('what a label holds is drawn, not obeyed; color is there where it is wanted', () => {
  const terminal = new KeptTerminal();
  new Screen(terminal, true).draw([{ text: 'route \u001b[2J', tone: 'bad' }]);
  assert.equal(terminal.written[1], '\u001b[H\u001b[31mroute \\u001b[2J\u001b[0m\u001b[K\u001b[J');
});
