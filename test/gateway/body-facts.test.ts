import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { promptContent } from '../../src/prompt.ts';
import { BodyScanner } from '../../src/gateway/body-scanner.ts';
import { REQUEST, scan } from '../../testing/gateway/scanned-body.ts';

const MIB = 1 << 20;

test('of a request the fields are kept that rules and budgets go by', () => {
  const text = JSON.stringify({
    model: 'm',
    max_tokens: 5,
    stream: true,
    speed: 'fast',
    system: 'x'.repeat(1_000),
    tools: [
      { type: 'advisor_20260301', name: 'advisor', model: 'a', max_tokens: 7 },
      { name: 'cars', input_schema: { properties: { model: {} } }, input_examples: [{ model: 'Civic' }] },
    ],
    fallbacks: [{ model: 'f', max_tokens: 9, speed: 'fast', output_config: { format: { schema: { model: 1 } } } }],
    mcp_servers: [{ name: 'cars', model: 'none of ours' }],
    metadata: { model: 3 },
    messages: [{ role: 'user', content: [{ type: 'tool_use', input: { model: 'Civic', max_tokens: 'all' } }] }],
  });
  assert.deepEqual(scan(text), {
    problem: null,
    body: {
      model: 'm',
      max_tokens: 5,
      stream: true,
      speed: 'fast',
      tools: [
        { model: 'a', max_tokens: 7 },
        { model: 'f', max_tokens: 9, speed: 'fast' },
      ],
    },
    textLength: text.length,
  });
});

test('of a batch, those of each of its requests', () => {
  const text = `{"requests":[{"custom_id":"a","params":${REQUEST}},{"params":${REQUEST.replace('5', '6')}}]}`;
  const params = (tokens: number) => ({ params: { model: 'm', max_tokens: tokens } });
  assert.deepEqual(scan(text, 'batch').body, { requests: [params(5), params(6)] });
});

const PROBLEMS: Readonly<Record<string, readonly string[]>> = {
  no_object: ['[]', 'null', '"model"', '7', `[${REQUEST}]`],
  too_deep: ['['.repeat(201), `{"a":${'[{"b":'.repeat(20_000)}`],
  repeated: [
    `{"model":"n",${REQUEST.slice(1)}`,
    `{"mod\\u0065l":"n",${REQUEST.slice(1)}`,
    `{"\\u006d\\u006f\\u0064\\u0065\\u006c":"n",${REQUEST.slice(1)}`,
    `{"max_tokens":1,${REQUEST.slice(1)}`,
    `{"tools":[{"model":"a","model":"b"}],${REQUEST.slice(1)}`,
    `{"fallbacks":[],"fallbacks":[{"model":"b"}],${REQUEST.slice(1)}`,
  ],
  model: ['null', '""', '7', 'true', '["m"]', '{"toString":null}', `"${'m'.repeat(300)}"`].map((value) =>
    REQUEST.replace('"m"', value),
  ),
  max_tokens: [
    'null',
    '"5"',
    '-1',
    '5.0',
    '1e2',
    '1e400',
    'true',
    '[5]',
    '{"valueOf":1,"toString":1}',
    '1000000001',
  ].map((value) => REQUEST.replace('5', value)),
  speed: ['"turbo"', '1', '{}', '["fast"]'].map((value) => `{"speed":${value},${REQUEST.slice(1)}`),
};

for (const [problem, texts] of Object.entries(PROBLEMS))
  test(`a body is not understood: ${problem}`, () => {
    for (const text of texts) assert.equal(scan(text).problem, problem, text.slice(0, 80));
  });

test('a request without a model or max_tokens is not understood, but tokens are counted without max_tokens', () => {
  assert.equal(scan('{"max_tokens":5}').problem, 'model');
  assert.equal(scan('{"model":"m"}').problem, 'max_tokens');
  assert.equal(scan('{"model":"m"}', 'count').problem, null);
});

test('a further model is not understood that is no name, and one of null is none', () => {
  for (const value of ['7', '{}', '["m"]', 'true'])
    assert.equal(scan(`{"tools":[{"model":${value}}],${REQUEST.slice(1)}`).problem, 'model', value);
  assert.equal(scan(`{"tools":[{"model":null,"max_tokens":null}],${REQUEST.slice(1)}`).problem, null);
});

test('a batch is not understood whose requests are not a list of objects with params', () => {
  for (const text of [
    '{}',
    '{"requests":{}}',
    '{"requests":1}',
    '{"requests":[1]}',
    '{"requests":[[]]}',
    '{"requests":[{}]}',
  ])
    assert.equal(scan(text, 'batch').problem, 'requests', text);
  for (const params of ['1', '[]', '"x"', 'null'])
    assert.equal(scan(`{"requests":[{"params":${params}}]}`, 'batch').problem, 'requests', params);
  assert.equal(scan(`{"requests":[{"params":${REQUEST}}],"requests":[]}`, 'batch').problem, 'repeated');
});

/** Blocks of a conversation, with what the estimates of budgets look for in them, and what only looks like it. */
const { block } = fc.letrec((tie) => ({
  source: fc.oneof(
    { maxDepth: 2 },
    fc.record(
      {
        type: fc.constantFrom('base64', 'url', 'file', 'text', '', 7),
        data: fc.constantFrom('', 'A'.repeat(10), 'A'.repeat(80_000), 5),
      },
      { requiredKeys: [] },
    ),
    fc.record({ content: fc.array(tie('block'), { maxLength: 2 }), type: fc.constant('content') }),
  ),
  block: fc.record(
    {
      type: fc.constantFrom('image', 'document', 'text', 'tool_result', 3),
      source: fc.oneof({ maxDepth: 2 }, tie('source'), fc.constant('none'), fc.array(tie('source'), { maxLength: 1 })),
      content: fc.oneof({ maxDepth: 2 }, fc.string(), fc.array(tie('block'), { maxLength: 2 })),
      input: fc.constant({ source: { type: 'url' }, content: [{ source: { type: 'url' } }] }),
      cache_control: fc.constantFrom({ type: 'ephemeral' }, null, 'none'),
    },
    { requiredKeys: [] },
  ),
}));

test('what a prompt has besides its text is counted as the budgets count it in a parsed body', () => {
  const request = fc.record(
    {
      system: fc.oneof(
        fc.string(),
        fc.array(fc.record({ cache_control: fc.constantFrom(null, {}) }), { maxLength: 2 }),
      ),
      thread: fc.constantFrom({ type: 'continue' }, { type: 'new' }, { id: 'continue' }, 'continue'),
      tools: fc.array(fc.record({ name: fc.constant('cars'), cache_control: fc.constantFrom(null, {}) }), {
        maxLength: 1,
      }),
      messages: fc.array(fc.record({ content: fc.array(block, { maxLength: 3 }) }), { maxLength: 2 }),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(request, (fields) => {
      const parsed = { model: 'm', max_tokens: 1, ...fields };
      const scanner = new BodyScanner(Buffer.from(JSON.stringify(parsed)), 'message');
      scanner.run(Number.MAX_SAFE_INTEGER);
      assert.deepEqual(promptContent(scanner.facts.body ?? {}, 1_000), promptContent(parsed, 1_000));
    }),
    { numRuns: 1_000 },
  );
});

test('reading a body takes no memory for its size or shape', () => {
  const kinds = [
    '[[]],',
    '{"a":{}},',
    '{"type":1},',
    '1,',
    '"a",',
    '{"source":{"type":"base64","data":"a"},"type":"image"},',
  ];
  for (const kind of kinds) {
    for (const place of ['messages', 'x', 'tools', 'metadata']) {
      const text = `{"model":"m","max_tokens":1,"${place}":[${kind.repeat(MIB / kind.length)}0]}`;
      const scanner = new BodyScanner(Buffer.from(text), 'message');
      scanner.run(Number.MAX_SAFE_INTEGER);
      assert.equal(scanner.facts.asked, 0);
      assert.equal(JSON.stringify(scanner.facts.body), '{"model":"m","max_tokens":1}');
    }
  }
});

test('a batch of too many requests, and a request with too many further models, are read no further', () => {
  const further = '{"model":"a"},';
  const request = (models: number): string => `{"model":"m","max_tokens":1,"x":[${further.repeat(models)}0]}`;
  const batch = `{"requests":[${`{"params":${request(1)}},`.repeat(60_000)}{}]}`;
  for (const [kind, text, asked] of [
    ['message', request(300_000), 1_000],
    ['batch', `{"requests":[{"params":${request(1_001)}}]}`, 1_001],
    ['batch', batch, 100_001],
  ] as const) {
    const scanner = new BodyScanner(Buffer.from(text), kind);
    scanner.run(Number.MAX_SAFE_INTEGER);
    assert.equal(scanner.facts.problem, 'too_many');
    assert.equal(scanner.facts.asked, asked);
    assert.equal(scanner.facts.body, null);
  }
  const most = new BodyScanner(Buffer.from(request(1_000)), 'message');
  most.run(Number.MAX_SAFE_INTEGER);
  assert.equal(most.facts.problem, null);
});
