import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EventStreamScanner } from '../../src/observe/event-stream.ts';
import { answeredBy, fallbackFrom, mergedUsage, revisedUsage, servedModel, usage } from '../../src/observe/usage.ts';
import type { Tokens } from '../../src/vocabulary.ts';

const writes = (raw: Record<string, unknown>): readonly [short: number, long: number, assumed: boolean] => {
  const { parts, cacheSplitAssumed } = usage(raw);
  const { cache_write_5m, cache_write_1h } = parts[0]?.tokens ?? assert.fail();
  return [cache_write_5m, cache_write_1h, cacheSplitAssumed];
};

const split = (short: number, long: number): Record<string, unknown> => ({
  cache_creation: { ephemeral_5m_input_tokens: short, ephemeral_1h_input_tokens: long },
});

describe('cache writes never come to more than their total', () => {
  const CASES: readonly (readonly [what: string, raw: Record<string, unknown>, expected: ReturnType<typeof writes>])[] =
    [
      ['a split that adds up', { cache_creation_input_tokens: 100, ...split(60, 40) }, [60, 40, false]],
      ['no split: 5 m, and marked', { cache_creation_input_tokens: 100 }, [100, 0, true]],
      [
        'a total that grew after the split: the rest is 5 m',
        { cache_creation_input_tokens: 130, ...split(60, 40) },
        [90, 40, true],
      ],
      ['1 h tokens beyond the total', { cache_creation_input_tokens: 100, ...split(0, 150) }, [0, 100, true]],
      ['a total that shrank after the split', { cache_creation_input_tokens: 50, ...split(60, 40) }, [10, 40, true]],
      [
        'a total that went to 0, as when a credit turned writes into reads',
        { cache_creation_input_tokens: 0, ...split(60, 40) },
        [0, 0, true],
      ],
      ['a split without a total', split(60, 40), [60, 40, false]],
      ['no writes', { cache_creation_input_tokens: 0 }, [0, 0, false]],
    ];
  for (const [what, raw, expected] of CASES) it(what, () => assert.deepEqual(writes(raw), expected));
});

it('thinking is never more than the output that it is part of', () => {
  const raw = { output_tokens: 20, output_tokens_details: { thinking_tokens: 90 } };
  assert.equal(usage(raw).thinkingTokens, 20);
});

describe('steps that a later event leaves out', () => {
  const steps = {
    input_tokens: 300,
    output_tokens: 20,
    iterations: [
      { type: 'compaction', input_tokens: 9_000, output_tokens: 400 },
      { type: 'message', input_tokens: 300, output_tokens: 20 },
    ],
  };
  const outputs = (raw: Record<string, unknown>): readonly (readonly [string, number])[] =>
    usage(raw).parts.map(({ role, tokens }) => [role, tokens.output] as const);

  it('stay while the totals are theirs', () => {
    const kept = [
      ['compaction', 400],
      ['answer', 20],
    ];
    assert.deepEqual(outputs(revisedUsage(steps, {})), kept);
    assert.deepEqual(outputs(revisedUsage(steps, { output_tokens: 20, iterations: null })), kept);
  });

  it('stay where a later event repeats a total that only the start had', () => {
    const { input_tokens, ...delta } = steps;
    assert.equal(usage(revisedUsage(delta, { input_tokens }, { input_tokens })).parts.length, 2);
  });

  it('give way to new totals, but for what the totals leave out', () => {
    assert.deepEqual(outputs(revisedUsage(steps, { output_tokens: 75 })), [
      ['compaction', 400],
      ['answer', 75],
    ]);
  });

  it('are replaced by new ones', () => {
    const later = { output_tokens: 75, iterations: [{ type: 'message', output_tokens: 75 }] };
    assert.deepEqual(outputs(revisedUsage(steps, later)), [['answer', 75]]);
  });
});

describe('the model that answered', () => {
  const served = {
    iterations: [
      { type: 'message', model: 'claude-fable-5' },
      { type: 'fallback_message', model: 'claude-opus-4-8' },
    ],
  };
  const sticky = { iterations: [{ type: 'fallback_message', model: 'claude-opus-4-8' }] };

  it('is the one of the fallback step, also where no attempt was declined', () => {
    const answered = answeredBy({ model: 'claude-fable-5', usage: served });
    assert.equal(servedModel(served, answered), 'claude-opus-4-8');
    assert.equal(fallbackFrom(served, answered, 'claude-fable-5'), 'claude-fable-5');
    assert.equal(fallbackFrom(sticky, answered, 'claude-fable-5'), 'claude-fable-5');
  });

  it('is the one that is named where the API went on with no other', () => {
    const answered = answeredBy({ model: 'claude-opus-5', usage: {} });
    assert.equal(servedModel({}, answered), 'claude-opus-5');
    assert.equal(fallbackFrom({}, answered, 'claude-fable-5'), null);
  });
});

it('a step of the model that answered is no declined attempt, with or without its date', () => {
  const raw = {
    iterations: [
      { type: 'message', model: 'claude-fable-5', output_tokens: 0 },
      { type: 'message', model: 'claude-opus-4-8-20260528', output_tokens: 7 },
      { type: 'fallback_message', model: 'claude-opus-4-8', output_tokens: 9 },
    ],
  };
  assert.deepEqual(
    usage(raw, answeredBy({ model: 'claude-opus-4-8', usage: raw })).parts.map(({ role }) => role),
    ['declined', 'answer', 'answer'],
  );
});

/** The events of a stream, as the API sends them. */
function scanned(...events: readonly (readonly [type: string, fields: object])[]): EventStreamScanner {
  const scanner = new EventStreamScanner();
  const lines = events.map(([type, fields]) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
  scanner.feed(Buffer.from(lines.join('')));
  return scanner;
}

describe('the output of a stream', () => {
  const START = ['message_start', { message: { model: 'm', usage: { input_tokens: 9, output_tokens: 1 } } }] as const;
  const TEXT = [
    ['content_block_start', { index: 0, content_block: { type: 'text', text: '' } }],
    ['content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Four fathoms.' } }],
  ] as const;

  it('is not reported by a final usage that leaves it out', () => {
    assert.equal(
      scanned(START, ...TEXT, ['message_delta', { delta: {}, usage: { input_tokens: 9 } }]).isOutputReported,
      false,
    );
    assert.equal(
      scanned(START, ...TEXT, ['message_delta', { delta: {}, usage: { output_tokens: 5 } }]).isOutputReported,
      true,
    );
  });

  it('is not reported by a count that content came after', () => {
    const early = scanned(START, ['message_delta', { delta: {}, usage: { output_tokens: 5 } }], ...TEXT);
    assert.equal(early.isOutputReported, false);
  });

  it('keeps the count of an event before, where the last says nothing of it', () => {
    const scanner = scanned(
      START,
      ...TEXT,
      ['message_delta', { delta: {}, usage: { output_tokens: 5 } }],
      ['message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: null } }],
    );
    const tokens: Tokens | undefined = usage(mergedUsage(scanner.startUsage, scanner.deltaUsage) ?? {}).parts[0]
      ?.tokens;
    assert.deepEqual([scanner.isOutputReported, tokens?.output], [true, 5]);
  });
});

it('a fallback is read from a stream, with whether its model had written anything', () => {
  const hop = (from: string, to: string, category: string | null) =>
    [
      'content_block_start',
      {
        index: 0,
        content_block: {
          type: 'fallback',
          from: { model: from },
          to: { model: to },
          trigger: { type: 'refusal', category },
        },
      },
    ] as const;
  const scanner = scanned(
    ['content_block_start', { index: 0, content_block: { type: 'text', text: '' } }],
    hop('claude-fable-5', 'claude-opus-5', 'cyber'),
    hop('claude-opus-5', 'claude-opus-4-8', null),
  );
  assert.deepEqual(scanner.fallbacks, [
    { from: 'claude-fable-5', to: 'claude-opus-5', category: 'cyber', hadContent: true },
    { from: 'claude-opus-5', to: 'claude-opus-4-8', category: 'none', hadContent: false },
  ]);
  assert.equal(scanner.hasContent, false);
});
