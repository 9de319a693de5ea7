import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, metricsHandler } from 'plimsoll';
import { budgets, isBudgetExceeded } from 'plimsoll/budget';
import { serve } from 'plimsoll/http';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import type { Terminal } from '../../src/cli/command.ts';
import { Screen } from '../../src/cli/terminal.ts';
import { topFrame } from '../../src/cli/top-frame.ts';
import { command } from '../../src/cli/top.ts';
import { consoleHandler } from '../../src/console/handler.ts';
import type { View } from '../../src/console/view.ts';
import { keptIo } from '../../testing/kept-io.ts';
import { tool } from '../../testing/tools.ts';

const DEADLINE_MS = 60_000;

/** A terminal that keeps what is written to it. */
class KeptTerminal implements Terminal {
  columns = 80;
  rows = 40;
  readonly written: string[] = [];
  listeners = 0;
  resized: () => void = () => undefined;
  pressed: (key: string) => void = () => undefined;

  write(text: string): void {
    this.written.push(text);
  }

  onResize(listener: () => void): () => void {
    this.resized = listener;
    this.listeners += 1;
    return () => (this.listeners -= 1);
  }

  onKey(listener: (key: string) => void): () => void {
    this.pressed = listener;
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

test('q ends it, and so does Ctrl-C, which is a key there; other keys do not', async (t) => {
  const { url } = await page(t);
  for (const key of ['q', '\u0003']) {
    const terminal = new KeptTerminal();
    const { io } = keptIo({ now: () => Date.now() });
    const ended = command.run([url], { ...io, terminal });
    terminal.pressed('x');
    await until(() => terminal.frame.some((line) => line.startsWith('calls 0 ')));
    terminal.pressed(key);
    assert.equal(await ended, 0);
    assert.deepEqual([terminal.written.at(-1), terminal.listeners], ['\u001b[?25h\u001b[?1049l', 0]);
  }
});

/**
 * Runs a command in a real terminal of 80 columns, makes it 50 wide once it has drawn, and ends it by a key or a signal.
 * Prints what it wrote before and after the change, its exit code, and whether the terminal reads whole lines again.
 */
const IN_TERMINAL = `
import fcntl, json, os, pty, select, signal, struct, sys, termios, time
ending, command = sys.argv[1], sys.argv[2:]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
def size(columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 30, columns, 0, 0))
    os.kill(pid, signal.SIGWINCH)
def read_until(mark):
    text, end = '', time.time() + 120
    while mark not in text and time.time() < end:
        if select.select([fd], [], [], 1)[0]:
            try: text += os.read(fd, 65536).decode('utf8', 'replace')
            except OSError: break
    return text
size(80)
wide = read_until('calls 0 ')
wide += read_until('\\x1b[J') if '\\x1b[J' not in wide else ''
size(50)
narrow = read_until('calls 0 ')
if ending == 'SIGINT': os.kill(pid, signal.SIGINT)
else: os.write(fd, ending.encode())
last = read_until('\\x1b[?1049l')
status = os.waitpid(pid, 0)[1]
whole = bool(termios.tcgetattr(fd)[3] & termios.ICANON)
print(json.dumps({'wide': wide, 'narrow': narrow, 'last': last, 'code': os.waitstatus_to_exitcode(status), 'whole': whole}))
`;

const python = tool('python3');
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');

test(
  'in a real terminal it obeys NO_COLOR, follows the size, and leaves it as it was',
  { skip: python.skip },
  async (t) => {
    const { url } = await page(t);
    const run = [process.execPath, '--conditions=plimsoll-source', MAIN, 'top', url];
    const ends = ['q', 'SIGINT'].map(async (ending) => {
      const { stdout } = await promisify(execFile)(python.path, ['-c', IN_TERMINAL, ending, ...run], {
        env: { ...process.env, NO_COLOR: '1', TERM: 'xterm-256color' },
      });
      return JSON.parse(stdout) as Record<'wide' | 'narrow' | 'last', string> & { code: number; whole: boolean };
    });
    for (const { wide, narrow, last, code, whole } of await Promise.all(ends)) {
      assert.deepEqual([code, whole], [0, true]);
      assert.ok(wide.includes('\u001b[?1049h\u001b[?25l') && last.endsWith('\u001b[?25h\u001b[?1049l'));
      assert.doesNotMatch(wide + narrow, /\u001b\[\d*m/, 'no color');
      const widest = (text: string): number =>
        Math.max(
          ...text
            .replaceAll(/\u001b\[[\d;?]*[A-Za-z]/g, '')
            .split(/\r+\n/)
            .map((line) => line.length),
        );
      assert.ok(widest(wide) <= 80 && widest(wide) > 50 && widest(narrow) <= 50);
    }
  },
);

test('a pipe gets one frame, in plain lines', async (t) => {
  const { url } = await page(t);
  const { io, out } = keptIo({ now: () => Date.now() });
  assert.equal(await command.run(['--metrics', url], io), 0);
  assert.match(out[0] ?? '', /UTC {2}last 1 min {2}1 of 1 replica$/);
});

test('a budget is drawn whatever its mode is called', async (t) => {
  const modes = ['warn', 'constructor', '__proto__'];
  const lines = modes.flatMap((mode) => [
    `anthropic_budget_limit_usd{budget="of ${mode}",period="day",scope="all"} 5`,
    `anthropic_budget_spent_usd{budget="of ${mode}",period="day",scope="all"} 1`,
    `anthropic_budget_info{budget="of ${mode}",mode="${mode}"} 1`,
  ]);
  const serving = await serve(() => Promise.resolve(new Response(lines.join('\n'))), { port: 0 });
  t.after(() => serving.close(0));
  const { io, out } = keptIo({ now: () => Date.now() });
  assert.equal(await command.run(['--once', '--metrics', `${serving.url}/metrics`], io), 0);
  const drawn = out.join('\n');
  for (const shown of ['warns', 'constructor', '__proto__'])
    assert.match(drawn, new RegExp(`^of \\w+ +${shown} +\\[###`, 'm'));
});

test('top ends with 1 in a pipe if no page could be read', async (t) => {
  const serving = await serve(() => Promise.resolve(new Response('', { status: 401 })), { port: 0 });
  t.after(() => serving.close(0));
  const { io, out } = keptIo({ now: () => Date.now() });
  assert.equal(await command.run(['--once', '--metrics', `${serving.url}/metrics`], io), 1);
  assert.match(out.join('\n'), /got status 401/);
});

test('a budget that refuses calls stands out before all of it is spent', async () => {
  const registry = new Registry();
  const sim = simulator();
  const limits = budgets({ definitions: [{ name: 'all', period: 'month', usd: '0.000001', mode: 'block' }] });
  const claude = instrument(new Anthropic({ apiKey: 'test', fetch: sim.fetch }), { registry, budgets: limits });
  const handle = consoleHandler({ registry });
  await assert.rejects(
    claude.messages.create({ model: 'claude-haiku-4-5', max_tokens: 9, messages: [{ role: 'user', content: 'Ahoy' }] }),
    isBudgetExceeded,
  );
  const view = (await (await handle(new Request('http://localhost/data'))).json()) as View;
  assert.equal(view.budgets[0]?.spentUsd, 0);
  assert.equal(topFrame(view).find(({ text }) => text.startsWith('all'))?.tone, 'warning');
});

test('what a label holds is drawn, not obeyed; color is there where it is wanted', () => {
  const terminal = new KeptTerminal();
  new Screen(terminal, true).draw([{ text: 'route \u001b[2J', tone: 'bad' }]);
  assert.equal(terminal.written[1], '\u001b[H\u001b[31mroute \\u001b[2J\u001b[0m\u001b[K\u001b[J');
});
