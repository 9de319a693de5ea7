import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { command } from '../../src/cli/prices.ts';
import { CASSETTES } from '../../testing/cassettes/cassettes.ts';
import { keptIo } from '../../testing/kept-io.ts';
import { unwrapped } from '../../testing/unwrapped.ts';

const NOW = Date.UTC(2026, 10, 24, 12);

interface Ran {
  readonly code: number;
  readonly out: readonly string[];
  readonly err: readonly string[];
}

interface World {
  readonly stdin?: string | readonly (Uint8Array | string)[];
  readonly env?: Readonly<Record<string, string>>;
  readonly nowMs?: number;
}

async function run(args: readonly string[], { stdin = '', env = {}, nowMs = NOW }: World = {}): Promise<Ran> {
  const { io, out, err } = keptIo({ now: () => nowMs, stdin, env });
  const code = await command.run(args, io);
  assert.ok([...out, ...err].every((line) => args.includes('--json') || line.length <= 80));
  return { code, out, err: unwrapped(err) };
}

function json(ran: Ran): unknown {
  return JSON.parse(ran.out.join('\n'));
}

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-prices-'));
after(() => rmSync(folder, { recursive: true }));

function priceFile(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(content));
  return path;
}

describe('plimsoll prices', () => {
  it('shows the prices in force today', async () => {
    const { code, out, err } = await run([]);
    assert.equal(code, 0);
    assert.deepEqual(err, []);
    assert.deepEqual(out.slice(0, 2), [
      'Prices on 2026-11-24, in USD per million tokens',
      'the shipped table, checked 2026-11-26',
    ]);
    for (const line of [
      'model                      input output write5m write1h  read batch     geo',
      'claude-opus-5                  5     25    6.25      10   0.5  x0.5 us x1.1',
      '  fast                        10     50    12.5      20     1',
      'claude-haiku-5-5             0.1    0.5   0.125     0.2  0.01  x0.5 us x1.1',
      '  over 100000                0.5    2.5   0.625       1  0.05',
      'claude-sonnet-4-5              3     15    3.75       6   0.3  x0.5',
      '  ends 2026-11-30',
      'claude-mythos-preview     unpriced',
      'web_search                10 per 1,000 uses',
    ]) {
      assert.ok(out.includes(line), `${line}\n\nin\n${out.join('\n')}`);
    }
    assert.ok(!out.some((line) => line.startsWith('claude-3-opus')));
  });

  it('shows the prices of another day with --date', async () => {
    const { out } = await run(['--date', '2025-12-01']);
    assert.ok(out.includes('claude-3-opus                 15     75   18.75      30   1.5  x0.5'));
    assert.ok(out.includes('  over 200000                  6   22.5     7.5      12   0.6'));
    assert.ok(!out.some((line) => line.startsWith('claude-opus-5')));
  });

  it('gives every figure with its source as JSON', async () => {
    const ran = await run(['--json', '--date', '2026-10-07']);
    const { date, checkedOn, models, serverTools } = json(ran) as {
      readonly date: string;
      readonly checkedOn: string;
      readonly models: readonly Readonly<Record<string, unknown>>[];
      readonly serverTools: readonly unknown[];
    };
    assert.deepEqual([date, checkedOn], ['2026-10-07', '2026-11-26']);
    const { price, ...sonnet } = models.find(({ model }) => model === 'claude-sonnet-5-5') ?? assert.fail();
    assert.deepEqual(sonnet, {
      model: 'claude-sonnet-5-5',
      aliases: [],
      family: 'sonnet',
      status: 'active',
      eol: null,
      retiresNotSoonerThan: null,
      note: null,
    });
    assert.deepEqual(price, {
      effectiveFrom: '2026-10-07',
      effectiveTo: null,
      input: 2,
      output: 10,
      cacheWrite5m: 2.5,
      cacheWrite1h: 4,
      cacheRead: 0.1,
      batchMultiplier: 0.5,
      geoMultipliers: { us: 1.1 },
      longContext: null,
      fast: null,
      verified: 'VERIFIED',
      source: 'docs "Release notes" 2026-10-07 (stored en copy)',
      note: 'cache read 0.05x',
    });
    assert.equal(models.find(({ model }) => model === 'claude-fable-5-2')?.['price'], null);
    assert.deepEqual(serverTools[0], { tool: 'web_search', note: null, usdPerThousandUses: 10 });
  });

  it('warns of a table older than 45 days', async () => {
    const dayMs = 86_400_000;
    const checkedMs = Date.UTC(2026, 10, 26);
    const young = await run([], { nowMs: checkedMs + 46 * dayMs - 1 });
    assert.deepEqual(young.err, []);
    const old = await run([], { nowMs: checkedMs + 46 * dayMs });
    assert.equal(old.code, 0);
    assert.deepEqual(old.err, [
      'The prices were last checked on 2026-11-26, 46 days ago:',
      'update plimsoll, or set newer ones with PLIMSOLL_PRICES.',
    ]);
  });

  it('takes a price file from --file, else from PLIMSOLL_PRICES', async () => {
    const rates = { output: 1, cacheWrite5m: 1, cacheWrite1h: 1, cacheRead: 1 };
    const file = (name: string, input: number) =>
      priceFile(name, { checkedOn: '2026-11-20', models: [{ model: 'claude-x', prices: [{ input, ...rates }] }] });
    const env = { PLIMSOLL_PRICES: file('seven.json', 7) };
    const fromEnv = await run([], { env });
    assert.ok(fromEnv.out.includes('a table of your own, checked 2026-11-20'));
    assert.ok(fromEnv.out.includes('claude-x                       7      1       1       1     1'));
    const fromFile = await run(['--file', file('eight.json', 8)], { env });
    assert.ok(fromFile.out.includes('claude-x                       8      1       1       1     1'));
  });

  it('lists the problems of a bad price file and fails', async () => {
    const path = priceFile('bad.json', { extends: 'none', models: [{ model: 'x', prices: 1 }] });
    const { code, out, err } = await run([], { env: { PLIMSOLL_PRICES: path } });
    assert.deepEqual([code, out, err], [1, [], [`${path}: models[0].prices: expected a list, got 1`]]);
  });

  it('says that a day is earlier than the table', async () => {
    for (const args of [
      ['--date', '2019-01-01'],
      ['explain', '--date', '2019-01-01'],
    ]) {
      const { err } = await run(args, { stdin: '{"input_tokens":1,"output_tokens":1}' });
      assert.match(err[0] ?? '', /^The price table begins on 20\d\d-\d\d-\d\d: it has no prices of earlier days\.$/);
    }
    const begins = /\d{4}-\d{2}-\d{2}/.exec((await run(['--date', '2019-01-01'])).err[0] ?? '')?.[0] ?? '';
    const first = await run(['--date', begins]);
    assert.deepEqual(first.err, []);
    assert.ok(first.out.some((line) => /^claude-\S+ +\d/.test(line)));
  });

  it('asks for the model that was meant', async () => {
    const stdin = '{"input_tokens":1,"output_tokens":1}';
    for (const args of [
      ['explain', '--model', 'claude-opsu-5'],
      ['explain', '--model', 'claude-opus-5', '--on', 'claude-opsu-5'],
    ])
      assert.ok(
        (await run(args, { stdin })).err.includes(
          'claude-opsu-5 is not in the price table, did you mean claude-opus-5?',
        ),
      );
  });

  it('refuses arguments that it does not know', async () => {
    for (const [args, reason] of [
      [['--date', 'today'], '--date: expected a day as YYYY-MM-DD, got "today"'],
      [['compare'], 'prices: expected one of list, explain, got "compare"'],
      [['explain', 'response.json'], 'prices: expected explain or nothing, got "explain response.json"'],
    ] as const) {
      const { code, out, err } = await run(args);
      assert.deepEqual([code, out, err], [2, [], [reason]]);
    }
    const unknown = await run(['--no-such-option']);
    assert.deepEqual(
      [unknown.code, unknown.err[0]],
      [
        2,
        '--no-such-option: expected one of --date, --json, --file, --model, --batch, --on, --help, got an unknown option',
      ],
    );
  });

  it('says how it is used', async () => {
    const { code, out } = await run(['--help']);
    assert.equal(code, 0);
    assert.ok(out[0]?.startsWith('plimsoll prices'));
  });
});

describe('plimsoll prices explain', () => {
  const response = {
    type: 'message',
    model: 'claude-haiku-5-5',
    usage: {
      input_tokens: 100_001,
      cache_creation_input_tokens: 3,
      cache_read_input_tokens: null,
      output_tokens: 5,
      output_tokens_details: { thinking_tokens: 2 },
      server_tool_use: { web_search_requests: 2, web_fetch_requests: 1 },
      service_tier: 'batch',
      inference_geo: 'us',
    },
  };

  it('prices a response line by line, every multiplier in the price', async () => {
    const { code, out, err } = await run(['explain'], { stdin: JSON.stringify(response) });
    assert.deepEqual([code, err], [0, []]);
    // 0.5 × 0.5 × 1.1 = 0.275; 0.625 × 0.55 = 0.34375; 2.5 × 0.55 = 1.375. 3 × 343.75 = 1,031.25 nano-dollars.
    assert.deepEqual(out, [
      'claude-haiku-5-5, price of 2026-10-07, figures verified',
      '  long_context rate, prompt of 100004 tokens, batch x 0.5, us x 1.1',
      'kind                          tokens     USD per million                 USD',
      'input                         100001               0.275         0.027500275',
      'cache_write_5m                     3             0.34375         0.000001031',
      'output                             5               1.375         0.000006875',
      'server tool                     uses       USD per 1,000                 USD',
      'web_search                         2                  10         0.020000000',
      'web_fetch                          1                   0         0.000000000',
      'total                                                            0.047508181',
      '2 of the output tokens were thinking.',
      'Unsure: the prompt may be that of several steps, each shorter and cheaper.',
      'Unsure: the 5 m / 1 h split does not add up. The rest counts as 5 m.',
      '',
    ]);
  });

  it('gives the same as JSON', async () => {
    const explained = json(await run(['explain', '--json'], { stdin: JSON.stringify(response) })) as {
      readonly usages: readonly {
        readonly parts: readonly { readonly lines: readonly { readonly nanoUsd: number }[] }[];
      }[];
      readonly totalNanoUsd: number;
      readonly priced: boolean;
    };
    assert.deepEqual([explained.totalNanoUsd, explained.priced], [47_508_181, true]);
    assert.deepEqual(
      explained.usages[0]?.parts[0]?.lines.map(({ nanoUsd }) => nanoUsd),
      [27_500_275, 1_031, 6_875],
    );
  });

  it('says what the same tokens would have cost on another model, and that it may count tokens differently', async () => {
    const stdin = JSON.stringify({
      model: 'claude-opus-5-5',
      usage: { input_tokens: 1_000_000, output_tokens: 100_000 },
    });
    const { code, out } = await run(['explain', '--on', 'claude-haiku-4-5'], { stdin });
    assert.equal(code, 0);
    // 4 + 2 dollars on Opus 5.5; 1 + 0.5 on Haiku 4.5.
    assert.ok(out.includes('on claude-haiku-4-5: 1.500000000 USD, 25% of that'));
    assert.ok(out.some((line) => line.includes('about 30% more tokens')));
    assert.ok(out.every((line) => line.length <= 80));
    const elsewhere = json(await run(['explain', '--json', '--on', 'claude-haiku-4-5'], { stdin })) as {
      readonly on: object;
    };
    assert.deepEqual(elsewhere.on, { model: 'claude-haiku-4-5', totalNanoUsd: 1_500_000_000, priced: true });
    const unknown = await run(['explain', '--on', 'claude-unheard-of'], { stdin });
    assert.ok(unknown.out.includes('on claude-unheard-of: unpriced'));
  });

  it('prices a usage object that stands alone, of the model given', async () => {
    const stdin = JSON.stringify({ input_tokens: 10, output_tokens: 10 });
    const { out, code } = await run(['explain', '--model', 'claude-haiku-4-5', '--batch'], { stdin });
    assert.equal(code, 0);
    assert.ok(out.includes('total                                                            0.000030000')); // 10 × 500 + 10 × 2,500
    const unnamed = await run(['explain'], { stdin });
    assert.equal(unnamed.code, 1);
    assert.equal(unnamed.out[1], '  unpriced: the usage names no model; pass --model');
  });

  it('prices every recording, streamed or not, whatever chunks it comes in', async () => {
    for (const { response } of CASSETTES) {
      const bytes = Buffer.from(response.body);
      const stdin = Array.from({ length: Math.ceil(bytes.length / 97) }, (_, at) =>
        bytes.subarray(at * 97, at * 97 + 97),
      );
      const { code, out } = await run(['explain'], { stdin });
      assert.equal(code, 0);
      assert.deepEqual(out, (await run(['explain'], { stdin: response.body })).out);
    }
  });

  it('estimates the output of a stream that was cut, and says so', async () => {
    const start = {
      type: 'message_start',
      message: { model: 'claude-haiku-4-5', usage: { input_tokens: 100, output_tokens: 1 } },
    };
    const delta = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'x'.repeat(450) } };
    const stdin = [start, delta].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
    const { code, out } = await run(['explain'], { stdin });
    assert.equal(code, 0);
    assert.ok(out.some((line) => line.startsWith('output_estimated')));
    assert.ok(!out.some((line) => line.startsWith('output ')));
    assert.ok(out.includes('The usage has no final output tokens: the output is estimated.'));
  });

  it('prices the results of a batch at its price; what failed is not billed', async () => {
    const succeeded = (id: string) => ({
      custom_id: id,
      result: {
        type: 'succeeded',
        message: { model: 'claude-haiku-4-5', usage: { input_tokens: 10, output_tokens: 10 } },
      },
    });
    const lines = [succeeded('a'), { custom_id: 'b', result: { type: 'errored', error: {} } }, succeeded('c')];
    const { code, out } = await run(['explain'], { stdin: lines.map((line) => `${JSON.stringify(line)}\n`).join('') });
    assert.equal(code, 0);
    assert.equal(out.at(-1), 'all 2 usages                                                     0.000060000');
  });

  it('prices each iteration at its own model', async () => {
    const iterations = [
      { type: 'message', model: 'claude-sonnet-4-6', input_tokens: 10, output_tokens: 1 },
      { type: 'advisor_message', model: 'claude-opus-5-5', input_tokens: 10, output_tokens: 1 },
    ];
    const stdin = JSON.stringify({
      model: 'claude-sonnet-4-6',
      usage: { input_tokens: 10, output_tokens: 1, iterations },
    });
    const { out } = await run(['explain'], { stdin });
    assert.ok(
      out.some((line) => line.startsWith('claude-sonnet-4-6,')) &&
        out.some((line) => line.startsWith('claude-opus-5-5,')),
    );
    assert.ok(out.includes('total                                                            0.000105000')); // 30,000 + 15,000 + 40,000 + 20,000
  });

  it('says why something has no price, leaves it out of the total and fails', async () => {
    const unpriced: readonly (readonly [object, string])[] = [
      [{ model: 'claude-opus-9' }, 'newer than the price table, update plimsoll'],
      [{ model: 'claude-opus-3-9' }, 'no price is known for that day'],
      [{ model: 'm'.repeat(10_240) }, 'no price is known for that day'],
      [{ usage: { input_tokens: 1, speed: 'fast' } }, 'not sold at speed fast'],
      [{ usage: { input_tokens: 1, service_tier: 'spot' } }, 'the service tier spot is not known'],
      [{ usage: { input_tokens: -1 } }, 'the usage has numbers that are not valid counts'],
    ];
    for (const [change, reason] of unpriced) {
      const stdin = JSON.stringify({ model: 'claude-haiku-4-5', usage: { input_tokens: 1 }, ...change });
      const { code, out, err } = await run(['explain'], { stdin });
      assert.equal(code, 1);
      assert.equal(out[1], `  unpriced: ${reason}`);
      assert.deepEqual(err, ['Some usage has no price: the total does not include it.']);
    }
  });

  it('says so where a server tool has no price', async () => {
    const usage = { input_tokens: 1, server_tool_use: { code_execution_requests: 4 } };
    const { code, out } = await run(['explain'], { stdin: JSON.stringify({ model: 'claude-haiku-4-5', usage }) });
    assert.equal(code, 1);
    assert.ok(out.some((line) => /^code_execution +4 +unpriced/.test(line)));
  });

  it('refuses input without a usage', async () => {
    for (const stdin of ['', 'hello', '[]', '{}', '{"usage":7}', 'event: ping\ndata: {}\n\n', '{"type":"error"}\nx']) {
      const { code, out, err } = await run(['explain'], { stdin });
      assert.deepEqual([code, out], [1, []], stdin);
      assert.ok(err[0]?.startsWith('Expected on standard input'));
    }
  });
});
