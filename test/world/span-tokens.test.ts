import assert from 'node:assert/strict';
import { it } from 'node:test';
import { usageAttributes } from '../../src/record/otel/span-attributes.ts';
import { answeredBy, usage } from '../../src/observe/usage.ts';

/**
 * What a span tells of a call, beside what is billed: dashboards that stand on spans added a compaction and an advisor to
 * the answer's tokens, and showed prompts that nobody had sent.
 */
it('a span has the tokens of the answer, as the top level of the usage has them, and compaction apart', () => {
  const raw = {
    input_tokens: 300,
    cache_read_input_tokens: 700,
    output_tokens: 50,
    iterations: [
      { type: 'compaction', input_tokens: 9_000, output_tokens: 400 },
      { type: 'message', model: 'claude-fable-5', input_tokens: 535, output_tokens: 0 },
      { type: 'advisor_message', model: 'claude-opus-5-5', input_tokens: 1_000, output_tokens: 2_040 },
      { type: 'message', model: 'claude-opus-4-8', input_tokens: 100, output_tokens: 20 },
      {
        type: 'fallback_message',
        model: 'claude-opus-4-8',
        input_tokens: 200,
        cache_read_input_tokens: 700,
        output_tokens: 30,
      },
    ],
  };
  const attributes = usageAttributes(usage(raw, answeredBy({ model: 'claude-opus-4-8', usage: raw })), true);
  assert.deepEqual(attributes, {
    'gen_ai.usage.input_tokens': 1_000,
    'gen_ai.usage.cache_read.input_tokens': 700,
    'gen_ai.usage.cache_write.input_tokens': 0,
    'gen_ai.usage.output_tokens': 50,
    'anthropic.usage.compaction.input_tokens': 9_000,
    'anthropic.usage.compaction.output_tokens': 400,
  });
});
