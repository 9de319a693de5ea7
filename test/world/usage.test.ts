import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument } from 'plimsoll';
import { Registry } from 'prom-client';
import { collected, samples, total } from '../../testing/client-workbench.ts';
import { KeepingRecorder } from '../../testing/keeping-recorder.ts';

/**
 * Usage as proxies, other clouds and newer features of the API report it. Each case is what somebody else's counter got
 * wrong; the bodies are written here by hand, and so are the right values.
 */

const PARAMS = { model: 'claude-haiku-5-5', max_tokens: 100, messages: [{ role: 'user' as const, content: 'Ahoy' }] };

/** 24 November 2026: the prices of that day hold. */
const CLOCK = { epochMs: () => Date.UTC(2026, 10, 24), monotonicMs: () => performance.now() };

interface Observed {
  readonly claude: Anthropic;
  readonly registry: Registry;
  readonly log: KeepingRecorder;
}

function observed(body: string, type: string): Observed {
  const answer = (): Promise<Response> => Promise.resolve(new Response(body, { headers: { 'content-type': type } }));
  const registry = new Registry();
  const log = new KeepingRecorder();
  const plain = new Anthropic({ apiKey: 'test', fetch: answer, maxRetries: 0, logLevel: 'off' });
  return { registry, log, claude: instrument(plain, { registry, clock: CLOCK, recorders: [log] }) };
}

type Event = Readonly<Record<string, unknown>> & { readonly type: string };

async function streamed(...events: readonly Event[]): Promise<Observed> {
  const text = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
  const bench = observed(text, 'text/event-stream');
  await collected(await bench.claude.messages.create({ ...PARAMS, stream: true }));
  return bench;
}

async function plain(message: Readonly<Record<string, unknown>>): Promise<Observed> {
  const whole = { id: 'msg_1', type: 'message', role: 'assistant', model: PARAMS.model, stop_reason: 'end_turn' };
  const bench = observed(JSON.stringify({ ...whole, content: [], ...message }), 'application/json');
  await bench.claude.messages.create(PARAMS);
  return bench;
}

const start = (usage: object): Event => ({
  type: 'message_start',
  message: { id: 'msg_1', type: 'message', role: 'assistant', model: PARAMS.model, content: [], usage },
});

const text = (length: number): readonly Event[] => [
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'x'.repeat(length) } },
  { type: 'content_block_stop', index: 0 },
];

const delta = (usage: object, stop_reason: string | null = 'end_turn'): Event => ({
  type: 'message_delta',
  delta: { stop_reason },
  usage,
});

const STOP: Event = { type: 'message_stop' };

/** Tokens by kind. */
async function tokens({ registry }: Observed): Promise<Readonly<Record<string, number>>> {
  const shown = await samples(registry, 'anthropic_tokens_total');
  return Object.fromEntries(Object.entries(shown).map(([labels, count]) => [labels.split('kind=')[1] ?? '', count]));
}

describe('a part never outlives its total:', () => {
  it('prompt that the last event moves from input to cache reads, writes included', async () => {
    const written = { ephemeral_5m_input_tokens: 40, ephemeral_1h_input_tokens: 60 };
    const bench = await streamed(
      start({ input_tokens: 8_834, cache_creation_input_tokens: 100, cache_creation: written, output_tokens: 0 }),
      ...text(12),
      delta({ input_tokens: 18, cache_read_input_tokens: 8_916, cache_creation_input_tokens: 0, output_tokens: 426 }),
      STOP,
    );
    assert.deepEqual(await tokens(bench), { input: 18, cache_read: 8_916, output: 426 });
  });

  it('1 h writes beyond the total of writes', async () => {
    const bench = await plain({
      usage: {
        input_tokens: 5,
        output_tokens: 7,
        cache_creation_input_tokens: 100,
        cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 150 },
      },
    });
    assert.deepEqual(await tokens(bench), { input: 5, output: 7, cache_write_1h: 100 });
    assert.deepEqual(await samples(bench.registry, 'anthropic_uncertain_costs_total'), {
      'model=claude-haiku-5-5,key=default,doubt=cache_split': 1,
    });
  });

  it('steps that a later event has other totals for', async () => {
    const iterations = [{ type: 'message', input_tokens: 300, output_tokens: 20 }];
    const bench = await streamed(
      start({ input_tokens: 300, output_tokens: 1 }),
      ...text(12),
      delta({ output_tokens: 20, iterations }, null),
      delta({ output_tokens: 75 }),
      STOP,
    );
    assert.deepEqual(await tokens(bench), { input: 300, output: 75 });
  });

  it('a final usage without output, which is estimated and not the placeholder of the start', async () => {
    // 90 characters of text at 4.5 a token, and 4 for the answer.
    const bench = await streamed(
      start({ input_tokens: 9, output_tokens: 1 }),
      ...text(90),
      delta({ input_tokens: 9 }),
      STOP,
    );
    assert.deepEqual(await tokens(bench), { input: 9, output_estimated: 24 });
  });

  it('a final usage without output of a message that is not streamed', async () => {
    const content = [{ type: 'text', text: 'x'.repeat(88) }]; // 90 bytes with its quotes
    assert.deepEqual(await tokens(await plain({ content, usage: { input_tokens: 9 } })), {
      input: 9,
      output_estimated: 24,
    });
  });

  it('thinking that the last event counts as less output', async () => {
    const details = { output_tokens_details: { thinking_tokens: 90 } };
    const bench = await streamed(
      start({ input_tokens: 9, output_tokens: 1 }),
      ...text(12),
      delta({ output_tokens: 100, ...details }, null),
      delta({ output_tokens: 30 }),
      STOP,
    );
    assert.equal(await total(bench.registry, 'anthropic_thinking_tokens_total'), 30);
  });
});

describe('a figure of a call is of the answer', () => {
  /** A compaction, an answer of 50 tokens, and an advisor on another model that wrote two thousand. */
  const iterations = [
    { type: 'compaction', input_tokens: 9_000, output_tokens: 400 },
    { type: 'message', input_tokens: 300, output_tokens: 50 },
    { type: 'advisor_message', model: 'claude-opus-5-5', input_tokens: 1_000, output_tokens: 2_040 },
  ];
  const usage = { input_tokens: 300, output_tokens: 50, iterations };

  it('and not a sum over what the server did besides: half of max_tokens, not 24 times', async () => {
    const bench = await plain({ usage });
    const ratio = await bench.registry.getSingleMetric('anthropic_max_tokens_ratio')?.get();
    const sum = ratio?.values.find((sample) => 'metricName' in sample && String(sample.metricName).endsWith('_sum'));
    assert.equal(sum?.value, 0.5);
  });

  it('while all of it is billed, each part at its own model', async () => {
    const bench = await plain({ usage });
    // Haiku 5.5: 9,300 × $0.10 and 450 × $0.50; Opus 5.5: 1,000 × $4 and 2,040 × $20; a million each.
    assert.equal((await total(bench.registry, 'anthropic_cost_usd_total')).toFixed(9), '0.045955000');
  });
});

describe('a price that depends on the length of each prompt', () => {
  const input_tokens = 300_000;

  it('is taken step by step: five prompts of 60,000 are five cheap ones', async () => {
    const iterations = Array.from({ length: 5 }, () => ({ type: 'message', input_tokens: 60_000, output_tokens: 10 }));
    const bench = await plain({ usage: { input_tokens, output_tokens: 50, iterations } });
    assert.equal((await total(bench.registry, 'anthropic_cost_usd_total')).toFixed(9), '0.030025000');
    assert.deepEqual(await samples(bench.registry, 'anthropic_uncertain_costs_total'), {});
  });

  it('is that of one long prompt where the steps are missing, and marked as uncertain', async () => {
    const bench = await plain({ usage: { input_tokens, output_tokens: 50 } });
    assert.equal((await total(bench.registry, 'anthropic_cost_usd_total')).toFixed(9), '0.150125000');
    assert.deepEqual(await samples(bench.registry, 'anthropic_uncertain_costs_total'), {
      'model=claude-haiku-5-5,key=default,doubt=prompt_band': 1,
    });
  });
});

describe('the price table', () => {
  const outdated = ({ registry }: Observed): Promise<number> => total(registry, 'anthropic_price_table_outdated');
  const used = { usage: { input_tokens: 1, output_tokens: 1 } };

  it('is out of date once a model is newer than it', async () => {
    assert.equal(await outdated(await plain({ ...used, model: 'claude-opus-5-6' })), 1);
    assert.equal(await outdated(await plain({ ...used, model: 'claude-haiku-6-20270301' })), 1);
    assert.equal(await outdated(await plain({ ...used, model: 'claude-sloop-1' })), 1);
  });

  it('is not for a model that it knows, one that is older, and one that is none of the API', async () => {
    for (const model of [
      'claude-opus-5-5-20260922',
      'claude-mythos-preview',
      'claude-opus-3-9',
      'qwen3.7-plus',
      'claude-fable-5-1',
    ])
      assert.equal(await outdated(await plain({ ...used, model })), 0, model);
  });
});

describe('a diagnosis of the prompt cache', () => {
  const usage = { input_tokens: 1, output_tokens: 1 };
  const missed = (type: string): object => ({ cache_miss_reason: { type, cache_missed_input_tokens: 1_200 } });

  it('is counted by its reason, one that nobody knows as other', async () => {
    const reasons = async (diagnostics: unknown): Promise<unknown> =>
      samples((await plain({ usage, diagnostics })).registry, 'anthropic_cache_misses_total');
    assert.deepEqual(await reasons(missed('tools_changed')), {
      'model=claude-haiku-5-5,key=default,reason=tools_changed': 1,
    });
    assert.deepEqual(await reasons(missed('moon_phase_changed')), {
      'model=claude-haiku-5-5,key=default,reason=other': 1,
    });
  });

  it('is none where it was not asked for or is still pending', async () => {
    for (const diagnostics of [null, undefined, { cache_miss_reason: null }]) {
      const { registry } = await plain({ usage, diagnostics });
      assert.equal(await total(registry, 'anthropic_cache_misses_total'), 0);
    }
  });

  it('comes with the first event of a stream', async () => {
    const event = { ...start({ input_tokens: 1, output_tokens: 1 }) };
    const message = { ...(event['message'] as object), diagnostics: missed('system_changed') };
    const bench = await streamed({ ...event, message }, ...text(5), delta({ output_tokens: 2 }), STOP);
    assert.equal(await total(bench.registry, 'anthropic_cache_missed_tokens_total'), 1_200);
  });
});
