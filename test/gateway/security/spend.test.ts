import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { budgets, sqliteLedger } from 'plimsoll/budget';
import { exchanged, rawClient, type RawClient } from '../../../testing/gateway/raw-client.ts';
import { answer, rawUpstream, type Behaviour } from '../../../testing/gateway/raw-upstream.ts';
import { MINTS, post, subject, visitorToken, type Subject } from '../../../testing/gateway/subject.ts';

const MODEL = 'claude-haiku-4-5';
const CENT = 10_000_000n;

/** What a hop of a request is billed: $1 a million tokens in, a token for each character, and $5 a million out. */
const hopNanoUsd = (body: string, tokens: number): bigint => BigInt(body.length * 1_000 + tokens * 5_000);

/** An API of which each model but the last declines late: all of them are billed for all that they may put out. */
const declining: Behaviour = (socket, { body }) => {
  const asked = JSON.parse(body.toString()) as {
    readonly max_tokens: number;
    readonly fallbacks?: readonly { readonly max_tokens?: number }[];
  };
  const hops = [asked.max_tokens, ...(asked.fallbacks ?? []).map(({ max_tokens: own = asked.max_tokens }) => own)];
  const iterations = hops.map((tokens, hop) => ({
    type: hop > 0 && hop === hops.length - 1 ? 'fallback_message' : 'message',
    model: MODEL,
    input_tokens: body.length,
    output_tokens: tokens,
  }));
  const { input_tokens, output_tokens } = iterations.at(-1) ?? { input_tokens: 0, output_tokens: 0 };
  const usage = { input_tokens, output_tokens, iterations };
  const message = { id: 'msg_1', type: 'message', model: MODEL, content: [], stop_reason: 'end_turn', usage };
  const text = JSON.stringify(message);
  answer(socket, ['Content-Type: application/json', `Content-Length: ${text.length}`], text);
};

const FALLBACKS: Readonly<Record<string, readonly object[]>> = {
  'with more tokens than the request itself': [{ model: MODEL, max_tokens: 300 }],
  'with the tokens of the request itself': [{ model: MODEL }, { model: MODEL }, { model: MODEL }],
  'of which one is not named by its model': [{ max_tokens: 300 }, { model: MODEL, max_tokens: 1 }],
};

for (const [which, fallbacks] of Object.entries(FALLBACKS))
  test(`a visitor spends a cent and no more in 200 calls at once, with fallbacks ${which}`, async (t) => {
    const upstream = await rawUpstream(t, declining);
    const gateway = await subject(t, { upstream, client: { mints: MINTS } });
    const token = await visitorToken(gateway, CENT);
    const body = JSON.stringify({ model: MODEL, max_tokens: 100, messages: [], fallbacks });
    const call = async (): Promise<number | undefined> =>
      (await exchanged(gateway.port, post(token, [], { body })))?.status;
    const statuses = await Promise.all(Array.from({ length: 200 }, call));
    const hops = [100, ...fallbacks.map((each) => (each as { readonly max_tokens?: number }).max_tokens ?? 100)];
    const callNanoUsd = hops.reduce((sum, tokens) => sum + hopNanoUsd(body, tokens), 0n);
    const answered = statuses.filter((status) => status === 200).length;
    assert.equal(answered, Number(CENT / callNanoUsd));
    assert.equal(upstream.requests.length, answered);
    assert.equal(statuses.filter((status) => status === 402).length, 200 - answered);
  });

test('a visitor spends no more where a model runs at a dearer place', async (t) => {
  const upstream = await rawUpstream(t, declining);
  const gateway = await subject(t, { upstream, client: { mints: MINTS } });
  const model = 'claude-opus-5-5';
  const status = async (fields: object): Promise<number | undefined> => {
    const body = JSON.stringify({ model, messages: [], ...fields });
    return (await exchanged(gateway.port, post(await visitorToken(gateway, CENT), [], { body })))?.status;
  };
  // $4 and $20 a million tokens, and a tenth more in the US: $0.0093 are $0.0102.
  const own = (place: string | null) => ({ max_tokens: 450, inference_geo: place });
  const further = (place: string | null) => ({
    max_tokens: 1,
    fallbacks: [{ model, max_tokens: 425, inference_geo: place }],
  });
  for (const fields of [own, further]) {
    assert.equal(await status(fields(null)), 200);
    assert.equal(await status(fields('us')), 402);
  }
  assert.equal(upstream.requests.length, 2);
});

test('a visitor whose fallbacks the API would choose is refused: nobody could say what they cost', async (t) => {
  const upstream = await rawUpstream(t, declining);
  const gateway = await subject(t, { upstream, client: { mints: MINTS } });
  const body = JSON.stringify({ model: MODEL, max_tokens: 1, messages: [], fallbacks: 'default' });
  const token = await visitorToken(gateway, CENT);
  assert.equal((await exchanged(gateway.port, post(token, [], { body })))?.status, 402);
  assert.equal(upstream.requests.length, 0);
});

/** What nobody can bound before it is sent, with the part of `mints.unbounded` that allows it. */
const UNBOUNDED: readonly (readonly [fields: object, part: string | null])[] = [
  [{ tools: [{ type: 'web_search_20260318', name: 'web_search', max_uses: 1 }] }, 'server_tools'],
  [
    {
      tools: [
        { name: 'own', input_schema: {} },
        { type: 'code_execution_20260521', name: 'c' },
      ],
    },
    'server_tools',
  ],
  [{ tools: [{ type: 'advisor_20260301', name: 'advisor', model: MODEL, max_tokens: 1 }] }, 'server_tools'],
  [{ tools: [{ type: 'made_up_next_year', name: 'x' }] }, 'server_tools'],
  [{ tools: [{ type: 'x'.repeat(300), name: 'x' }] }, 'server_tools'],
  [{ tools: [{ type: 'mcp_toolset', mcp_server_name: 'cars' }] }, 'mcp_servers'],
  [{ mcp_servers: [{ type: 'url', url: 'https://mine.example.com', name: 'mine' }] }, 'mcp_servers'],
  [{ compaction: { type: 'summarize' } }, 'compaction'],
  [{ context_management: { edits: [{ type: 'compact_20260112' }] } }, 'compaction'],
  [{ context_management: { edits: [{ type: 'clear_tool_uses_20250919' }, { type: 'made_up' }] } }, 'compaction'],
  [{ messages: turnWith({ type: 'tool_addition', tool: definition('web_fetch_20260318') }) }, 'server_tools'],
  [{ tools: [{ name: 'own', input_schema: { type: 'web_search_20260318' } }] }, null],
  [
    {
      tools: [
        { type: 'custom', name: 'own' },
        { type: 'bash_20250124', name: 'bash' },
      ],
    },
    null,
  ],
  [{ context_management: { edits: [{ type: 'clear_thinking_20251015', keep: { type: 'all' } }] } }, null],
  [{ messages: turnWith({ type: 'tool_addition', tool: definition('custom') }), mcp_servers: null }, null],
  [{ thinking: { type: 'enabled', budget_tokens: 1 }, tool_choice: { type: 'auto' } }, null],
];

function turnWith(block: object): readonly object[] {
  return [{ role: 'user', content: [block] }];
}

function definition(type: string): object {
  return { type: 'tool_definition', definition: { type, name: 'added' } };
}

test('a visitor may ask for nothing whose cost has no bound, unless its client allows just that', async (t) => {
  const upstream = await rawUpstream(t, declining);
  const parts = ['server_tools', 'mcp_servers', 'compaction'] as const;
  for (const allowed of [null, ...parts]) {
    const mints = { ...MINTS, ...(allowed !== null && { unbounded: [allowed] }) };
    const gateway = await subject(t, { upstream, client: { mints } });
    const token = await visitorToken(gateway, 100n * CENT);
    for (const [fields, part] of UNBOUNDED) {
      const body = JSON.stringify({ model: MODEL, max_tokens: 1, messages: [], ...fields });
      const answered = await exchanged(gateway.port, post(token, [], { body }));
      const expected = part === null || part === allowed ? 200 : 403;
      assert.equal(answered?.status, expected, `${body} where ${allowed} is allowed`);
      if (expected === 403) assert.match(String(answered?.body), new RegExp(`mints\\.unbounded with ${part}`));
      // The client's own token has budgets, and no bound of its own.
      assert.equal((await exchanged(gateway.port, post(gateway.token, [], { body })))?.status, 200);
    }
  }
});

test('a model in a tool that a turn adds is asked about like any other', async (t) => {
  const upstream = await rawUpstream(t, declining);
  const gateway = await subject(t, { upstream, client: { models: [MODEL] } });
  const tool = {
    type: 'tool_definition',
    definition: { type: 'advisor_20260301', name: 'a', model: 'claude-opus-5-5' },
  };
  const body = JSON.stringify({ model: MODEL, max_tokens: 1, messages: turnWith({ type: 'tool_addition', tool }) });
  assert.equal((await exchanged(gateway.port, post(gateway.token, [], { body })))?.status, 403);
});

for (const billTo of [null, 'self', 'any'] as const) {
  const allowed = billTo === 'any';
  test(`a visitor ${allowed ? 'bills others where its client may' : `bills no other where billTo is ${billTo}`}`, async (t) => {
    const upstream = await rawUpstream(t, declining);
    const gateway = await subject(t, { upstream, client: { mints: MINTS, billTo } });
    const status = async (policy: unknown, token: string): Promise<number | undefined> => {
      const body = JSON.stringify({ model: MODEL, max_tokens: 1, messages: [], billing_policy: policy });
      return (await exchanged(gateway.port, post(token, [], { body })))?.status;
    };
    const visitor = await visitorToken(gateway, CENT);
    assert.equal(await status({ type: 'billing_policy', bill_to: 'self' }, visitor), 200);
    assert.equal(await status(null, visitor), 200);
    assert.equal(await status({ type: 'billing_policy', bill_to: 'user_profile' }, visitor), allowed ? 200 : 403);
    for (const policy of [
      'user_profile',
      ['user_profile'],
      { bill_to: ['user_profile'] },
      { bill_to: 'USER_PROFILE' },
    ]) {
      assert.equal(await status(policy, visitor), 400, JSON.stringify(policy));
    }
  });
}

/** Where a client leaves: what it sends, and what the API has sent by then. */
const STAGES: Readonly<
  Record<string, { readonly lines?: readonly string[]; readonly sent?: string; readonly cut?: number }>
> = {
  'within its body': { cut: 30 },
  'before a response': {},
  'before a response, as an attempt that it numbers': { lines: ['x-stainless-retry-count: 0'] },
  'before a response, as if its own patience had ended': {
    lines: ['x-stainless-retry-count: 0', 'x-stainless-timeout: 0'],
  },
  'after the head of a response': { sent: 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n' },
  'within a response': { sent: 'HTTP/1.1 200 OK\r\nContent-Length: 99\r\nContent-Type: application/json\r\n\r\n{' },
};

async function budgeted(t: TestContext, behave: Behaviour) {
  const definitions = [{ name: 'all', period: 'month', usd: '5', mode: 'block' }] as const;
  const held = budgets({ ledger: sqliteLedger(':memory:'), definitions });
  t.after(() => held.close());
  const upstream = await rawUpstream(t, behave);
  const gateway = await subject(t, { upstream, options: { budgets: held } });
  const balance = async () => (await held.refresh()).budgets[0]?.balance;
  return { upstream, gateway, balance };
}

async function open({ port, token }: Subject, lines: readonly string[], cut = 0): Promise<RawClient> {
  const client = await rawClient(port);
  // Half of 400,000 tokens at $5 a million: a dollar is held for each of them.
  const body = JSON.stringify({ model: MODEL, max_tokens: 400_000, messages: [] });
  const request = post(token, lines, { body });
  await client.send(request.slice(0, request.length - cut));
  return client;
}

for (const [where, { lines = [], sent, cut }] of Object.entries(STAGES))
  test(`clients that leave ${where} hold nothing of a budget afterwards, and have spent at once`, async (t) => {
    const { upstream, gateway, balance } = await budgeted(t, (socket) => {
      if (sent !== undefined) socket.write(sent);
    });
    let before = 0n;
    // Where a client pays all that it held, there is room for five of them.
    for (let round = 1; round <= 8 && before < 4_000_000_000n; round++) {
      const client = await open(gateway, lines, cut);
      if (cut === undefined) await upstream.arrived(round);
      if (sent !== undefined) while (client.received().length === 0) await turn();
      client.leave();
      await upstream.idle();
      for (let turns = 0; turns < 50; turns++) await turn();
      const { reservedNanoUsd = 0n, spentNanoUsd = 0n } = (await balance()) ?? {};
      assert.equal(reservedNanoUsd, 0n, `round ${round}`);
      if (cut === undefined) assert.ok(spentNanoUsd > before, `round ${round}: ${spentNanoUsd}`);
      before = spentNanoUsd;
    }
  });
