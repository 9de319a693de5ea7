import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Reply } from 'plimsoll/simulator';
import { ASK, bench, STREAM } from '../../testing/simulator-bench.ts';

/** Opus 5.5 at $4 and $20 a million tokens; its clock stands at 24 November 2026. */
const OPUS = { ...ASK, model: 'claude-opus-5-5' };

const refused = (category: string | null): Reply => ({
  content: [],
  stopReason: 'refusal',
  stopDetails: { category },
  usage: { input_tokens: 1_000, output_tokens: 0 },
});

const fellBack: Reply = {
  model: 'claude-opus-4-8',
  text: 'Gladly.',
  usage: { input_tokens: 400, output_tokens: 20 },
  declined: [
    { model: 'claude-fable-5', category: 'cyber', usage: { input_tokens: 500 } },
    { model: 'claude-opus-5', category: 'bio', text: 'One moment', usage: { input_tokens: 450, output_tokens: 7 } },
  ],
};

async function billedFor(
  reply: Reply,
): Promise<readonly (readonly [model: string, nanoUsd: number, isFree: boolean])[]> {
  const { claude, sdk } = bench({ respond: () => reply });
  await sdk.messages.create(OPUS);
  const [request] = claude.truth.requests;
  return (request?.billed ?? []).map(({ model, nanoUsd, isFree }) => [
    model,
    Object.values(nanoUsd ?? {}).reduce((sum, each) => sum + each, 0),
    isFree,
  ]);
}

describe('a refusal before any output is billed by its category', () => {
  for (const category of ['cyber', 'general_harms', null])
    it(`${category}: free`, async () => {
      assert.deepEqual(await billedFor(refused(category)), [['claude-opus-5-5', 0, true]]);
    });
  for (const category of ['bio', 'frontier_llm', 'reasoning_extraction', 'of_next_year'])
    it(`${category}: billed`, async () => {
      assert.deepEqual(await billedFor(refused(category)), [['claude-opus-5-5', 4_000_000, false]]);
    });
  it('one in the middle is billed whatever its category', async () => {
    const { content: _none, ...reply } = refused('cyber');
    assert.deepEqual(await billedFor({ ...reply, text: 'At first' }), [['claude-opus-5-5', 4_000_000, false]]);
  });
});

describe('a fallback', () => {
  it('is a step for each model, and the top level is that of the answer', async () => {
    const { sdk } = bench({ respond: () => fellBack });
    const { model, usage, content } = await sdk.beta.messages.create(OPUS);
    assert.equal(model, 'claude-opus-4-8');
    assert.deepEqual([usage.input_tokens, usage.output_tokens], [400, 20]);
    assert.deepEqual(
      usage.iterations?.map((step) => [
        step.type,
        'model' in step && step.model,
        step.input_tokens,
        step.output_tokens,
      ]),
      [
        ['message', 'claude-fable-5', 500, 0],
        ['message', 'claude-opus-5', 450, 7],
        ['fallback_message', 'claude-opus-4-8', 400, 20],
      ],
    );
    assert.deepEqual(
      content.map(({ type }) => type),
      ['fallback', 'text', 'fallback', 'text'],
    );
  });

  it('begins a stream with the model that was asked for, and its usage', async () => {
    const { sdk } = bench({ respond: () => fellBack });
    for await (const event of await sdk.messages.create({ ...OPUS, ...STREAM, model: 'claude-fable-5' })) {
      if (event.type !== 'message_start') continue;
      assert.deepEqual([event.message.model, event.message.usage.input_tokens], ['claude-fable-5', 500]);
    }
  });

  it('bills an attempt that was declined before any output by its category, and one in the middle as usual', async () => {
    // 450 × $5 + 7 × $25, and 400 × $5 + 20 × $25, a million.
    assert.deepEqual(await billedFor(fellBack), [
      ['claude-fable-5', 0, true],
      ['claude-opus-5', 2_425_000, false],
      ['claude-opus-4-8', 2_500_000, false],
    ]);
  });

  it('is told by the truth, with who refused and why', async () => {
    const { claude, sdk } = bench({ respond: () => fellBack });
    await sdk.messages.create(OPUS);
    const verdict = claude.truth.requests[0]?.verdict;
    assert.equal(verdict?.fallbackFrom, 'claude-fable-5');
    assert.deepEqual(verdict.refusals, [
      { model: 'claude-fable-5', category: 'cyber', wroteNothing: true },
      { model: 'claude-opus-5', category: 'bio', wroteNothing: false },
      null,
    ]);
  });
});
