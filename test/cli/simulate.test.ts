import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import type { CommandIo } from '../../src/cli/command.ts';
import { main } from '../../src/cli/main.ts';
import { serve } from '../../src/http/serve.ts';
import { keptIo } from '../../testing/kept-io.ts';
import { unwrapped } from '../../testing/unwrapped.ts';

/** Runs `plimsoll …`; `started` is the first line that it writes, `end` ends it as Ctrl-C would. */
function plimsoll(...args: readonly string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const ending = new AbortController();
  let first = (_line: string): void => undefined;
  const started = new Promise<string>((resolve) => {
    first = resolve;
  });
  const io: CommandIo = {
    stdin: (async function* none() {})(),
    out: (line) => {
      out.push(line);
      first(line);
    },
    err: (line) => err.push(line),
    reveal: (line) => out.push(line),
    env: {},
    now: () => Date.now(),
    columns: 80,
    color: false,
    onReload: () => undefined,
    signal: ending.signal,
  };
  return { out, err, started, end: () => ending.abort(), code: main(args, io) };
}

const ask = {
  model: 'claude-haiku-5-5',
  max_tokens: 20,
  messages: [{ role: 'user' as const, content: 'Ahoy' }],
};

test('plimsoll simulate serves the SDK until it is ended, and says what it was asked', async () => {
  const run = plimsoll('simulate', '--port', '0', '--json');
  const { url } = JSON.parse(await run.started) as { url: string };
  const client = new Anthropic({ apiKey: 'any', baseURL: url });
  const message = await client.messages.stream(ask).finalMessage();
  await client.messages.create(ask);
  await assert.rejects(client.messages.create({ ...ask, model: 'claude-typo' }), Anthropic.NotFoundError);
  run.end();
  assert.equal(await run.code, 0);
  const account = JSON.parse(run.out.at(-1) ?? '') as { requests: object; billedUsd: number };
  assert.deepEqual(account.requests, { 200: 2, 404: 1 });
  assert.ok(account.billedUsd > 0);
  assert.equal(message.usage.output_tokens > 0, true);
});

test('the same seed gives the same answers', async () => {
  const texts: string[] = [];
  for (const seed of ['7', '7', '8']) {
    const run = plimsoll('simulate', '--port', '0', '--json', '--seed', seed);
    const { url } = JSON.parse(await run.started) as { url: string };
    const client = new Anthropic({ apiKey: 'any', baseURL: url });
    texts.push(JSON.stringify((await client.messages.create(ask)).content));
    run.end();
    await run.code;
  }
  assert.equal(texts[0], texts[1]);
  assert.notEqual(texts[0], texts[2]);
});

test('the tier sets the limits that responses show', async () => {
  const run = plimsoll('simulate', '--port', '0', '--json', '--tier', 'start');
  const { url } = JSON.parse(await run.started) as { url: string };
  const response = await new Anthropic({ apiKey: 'any', baseURL: url }).messages.create(ask).asResponse();
  await response.body?.cancel();
  assert.equal(response.headers.get('anthropic-ratelimit-requests-limit'), '1000');
  run.end();
  await run.code;
});

test('people see where it listens, how to use it and what it would have cost', async () => {
  const run = plimsoll('simulate', '--port', '0');
  await run.started;
  run.end();
  await run.code;
  assert.match(
    run.out[0] ?? '',
    /^Simulated Claude API at http:\/\/127\.0\.0\.1:\d+, tier scale, seed 1\. Press Ctrl-C to stop it\.$/,
  );
  assert.match(run.out[1] ?? '', /ANTHROPIC_BASE_URL=http:\/\/127\.0\.0\.1:\d+/);
  assert.equal(run.out.at(-1), 'No requests; billed 0.000000 USD.');
});

test('a port in use is one line and exit code 1', async () => {
  const { port, close } = await serve(async () => new Response(), { port: 0 });
  const run = plimsoll('simulate', '--port', String(port));
  assert.equal(await run.code, 1);
  assert.deepEqual(run.err, [
    `Port ${port} on 127.0.0.1 is in use: choose another with --port, or stop the program that has it.`,
  ]);
  await close();
});

test('all wrong arguments are named at once, with exit code 2', async () => {
  const run = plimsoll('simulate', '--port', '70000', '--tier', 'gold', '--seed', 'x', '--pace', 'slow');
  assert.equal(await run.code, 2);
  assert.deepEqual(unwrapped(run.err).slice(0, 4), [
    '--port: expected 0 to 65535, got "70000"',
    '--tier: expected one of start, build, scale, custom, tier1, tier2, tier3, tier4, got "gold"',
    '--seed: expected a whole number, got "x"',
    '--pace: expected one of instant, natural, got "slow"',
  ]);
});

test('help fits 80 columns and shows a command that can be copied', async () => {
  const run = plimsoll('simulate', '--help');
  assert.equal(await run.code, 0);
  assert.ok(run.out.every((line) => line.length <= 80));
  assert.ok(run.out.some((line) => line.includes('curl http://127.0.0.1:8788/v1/messages')));
});

test('plimsoll without a command lists the commands; an unknown one is exit code 2', async () => {
  const help = plimsoll();
  assert.equal(await help.code, 0);
  assert.ok(help.out.some((line) => line.startsWith('  simulate')));
  const typo = plimsoll('simulat');
  assert.equal(await typo.code, 2);
  assert.equal(typo.err[0], 'plimsoll: expected a command, got "simulat": did you mean simulate?');
});

const DAY_MS = 86_400_000;

test('--past-days gives the organization a past, which the commands that read it show', async (t) => {
  const startedMs = Date.now();
  const run = plimsoll('simulate', '--port', '0', '--past-days', '3', '--json');
  t.after(() => run.end());
  const { url } = JSON.parse(await run.started) as { url: string };
  const env = { ANTHROPIC_BASE_URL: url, ANTHROPIC_ADMIN_KEY: ['sk-ant', 'admin01', 'any'].join('-') };
  const bill = keptIo({ env, now: () => Date.now() });
  assert.equal(await main(['organization', '--json'], bill.io), 0);
  const { last_7_days: week, unread } = JSON.parse(bill.out.join('\n')) as {
    readonly last_7_days: { readonly billedNanoUsd: string; readonly closedDays: readonly string[] };
    readonly unread: readonly unknown[];
  };
  // 2 MTok × $4 + 0.3 × $20 of Opus 5.5, 5 × $2 + 0.5 × $10 of Sonnet 5.5, 9 × $1 + 0.4 × $5 of Haiku 4.5: $40 on a plain
  // day. A day takes hours to be complete, so it depends on the time of day which of the three are.
  const used = [1, 2, 3].map((ago) => Math.floor(startedMs / DAY_MS) - ago);
  const complete = used.filter((day) => week.closedDays.includes(new Date(day * DAY_MS).toISOString().slice(0, 10)));
  assert.ok(complete.length >= 2);
  const tenths = complete.reduce((sum, day) => sum + 10 + (day % 7), 0);
  assert.equal(Number(week.billedNanoUsd), tenths * 4e9);
  assert.deepEqual(unread, []);
  const keys = keptIo({ env, now: () => Date.now() });
  await main(['keys'], keys.io);
  assert.match(keys.out.join('\n'), /^\[ \] any \(apikey_01\w+\)$/m);
  run.end();
  await run.code;
  const wrong = plimsoll('simulate', '--past-days', 'many');
  assert.equal(await wrong.code, 2);
  assert.deepEqual(wrong.err, ['--past-days: expected 0 to 60, got "many"']);
});
