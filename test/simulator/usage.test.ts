import assert from 'node:assert/strict';
import test from 'node:test';
import {
  completeUsage,
  deltaUsage,
  startUsage,
  type WireIteration,
  type WireUsage,
} from '../../src/simulator/usage.ts';

const BASE: WireUsage = completeUsage(
  {},
  {
    input_tokens: 10,
    output_tokens: 20,
    cache_read_input_tokens: 0,
    cache_creation_input_tokens: 0,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    service_tier: 'standard',
    inference_geo: 'global',
  },
);

const step = (type: WireIteration['type'], input: number) => ({ type, input_tokens: input, output_tokens: 1 });

test('cache writes without a split are writes of five minutes, less those that were said to last an hour', () => {
  const { cache_creation: all } = completeUsage({ cache_creation_input_tokens: 7 }, BASE);
  assert.deepEqual(all, { ephemeral_5m_input_tokens: 7, ephemeral_1h_input_tokens: 0 });
  const said = { cache_creation_input_tokens: 7, cache_creation: { ephemeral_1h_input_tokens: 3 } };
  const { cache_creation: some } = completeUsage(said, BASE);
  assert.deepEqual(some, { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 3 });
});

test('a split of cache writes adds up to their total', () => {
  const split = { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 3 };
  assert.equal(completeUsage({ cache_creation: split }, BASE).cache_creation_input_tokens, 7);
});

test('the counts of a message made in steps are the sum of its steps, without the compactions', () => {
  const iterations = [step('compaction', 1_000), step('message', 5), step('message', 6)];
  const { input_tokens, output_tokens } = completeUsage({ iterations }, BASE);
  assert.deepEqual([input_tokens, output_tokens], [11, 2]);
});

test('a count that was said is kept, whatever the steps add up to', () => {
  assert.equal(completeUsage({ input_tokens: 3, iterations: [step('message', 5)] }, BASE).input_tokens, 3);
});

test('a stream begins with a placeholder for its output, and says the parts of it only at its end', () => {
  const said = { output_tokens_details: { thinking_tokens: 5 }, server_tool_use: { web_search_requests: 1 } };
  const usage = completeUsage(said, BASE);
  const start = startUsage(usage, 2);
  assert.equal(start.output_tokens, 2);
  assert.ok(!('output_tokens_details' in start) && !('server_tool_use' in start));
  const { output_tokens, output_tokens_details, server_tool_use } = deltaUsage(usage);
  assert.equal(output_tokens, 20);
  assert.deepEqual(output_tokens_details, { thinking_tokens: 5 });
  assert.deepEqual(server_tool_use, { web_search_requests: 1, web_fetch_requests: 0 });
});

test('the end of a stream says nothing that its beginning has said for good', () => {
  const delta = deltaUsage(BASE);
  for (const field of ['service_tier', 'inference_geo', 'cache_creation']) assert.ok(!(field in delta), field);
});
