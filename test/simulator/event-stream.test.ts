import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { simulator, type ContentBlock } from 'plimsoll/simulator';
import { CASSETTES, eventsOf, STREAMED, UNSTREAMED, type Cassette } from '../../testing/cassettes/cassettes.ts';
import { ASK, bench, post } from '../../testing/simulator-bench.ts';

type Event = Readonly<Record<string, unknown>>;
type Json = Readonly<Record<string, unknown>>;

const record = (value: unknown): Json => Object(value) as Json;

/** The content that a recorded stream's deltas add up to. */
function contentOf(events: readonly Event[]): readonly ContentBlock[] {
  const blocks: Record<string, unknown>[] = [];
  for (const event of events) {
    const index = Number(event['index']);
    if (event['type'] === 'content_block_start') blocks[index] = { ...record(event['content_block']), json: '' };
    const block = blocks[index];
    const { text, thinking, signature, partial_json } = record(event['delta']) as Readonly<Record<string, string>>;
    if (event['type'] !== 'content_block_delta' || block === undefined) continue;
    if (text !== undefined) block['text'] = String(block['text']) + text;
    if (thinking !== undefined) block['thinking'] = String(block['thinking']) + thinking;
    if (signature !== undefined) block['signature'] = signature;
    if (partial_json !== undefined) block['json'] = String(block['json']) + partial_json;
  }
  const whole = blocks.map(({ json, ...block }) =>
    'input' in block ? { ...block, input: JSON.parse(String(json) || '{}') as unknown } : block,
  );
  return whole as unknown as readonly ContentBlock[];
}

/** Types in order, deltas of one block as one. */
function sequence(events: readonly Event[]): readonly string[] {
  const types = events.map((event) => {
    const part = record(event['type'] === 'content_block_start' ? event['content_block'] : event['delta']);
    const kind = event['type'] === 'message_delta' ? undefined : part['type'];
    return typeof kind === 'string' ? `${String(event['type'])} ${kind}` : String(event['type']);
  });
  return types.filter((type, at) => type !== types[at - 1]);
}

/** Names and order of keys, all the way down; lists are not looked into. */
function shape(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  return Object.entries(value).map(([key, inner]) => [key, key === 'input' ? null : shape(inner)]);
}

/** One shape for each type of event. */
function shapes(events: readonly Event[]): ReadonlyMap<string, unknown> {
  return new Map(events.map((event) => [sequence([event])[0] ?? '', shape(event)]));
}

/** Recordings of the newest form: older ones have fewer keys, and count no thinking before May 2026. */
function isNewest({ response: { body } }: Cassette): boolean {
  const thinks = body.includes('"type":"thinking"');
  const keys = ['"stop_details"', '"inference_geo"', ...(thinks ? ['"thinking_tokens"'] : [])];
  return keys.every((key) => body.includes(key));
}

async function replayed(cassette: Cassette): Promise<string> {
  const events = eventsOf(cassette.response.body);
  const usage = record(events.find((event) => event['type'] === 'message_delta')?.['usage']);
  const claude = simulator({
    unknownModels: 'serve',
    respond: () => ({
      content: contentOf(events),
      usage: {
        output_tokens: Number(usage['output_tokens']),
        ...('server_tool_use' in usage && { server_tool_use: { web_search_requests: 1 } }),
      },
    }),
  });
  return (
    await claude.handle(post('/v1/messages', { ...ASK, thinking: cassette.request.body?.['thinking'], stream: true }))
  ).text();
}

describe('an event stream has the form of the recordings', () => {
  const recorded = STREAMED.filter(({ response }) => response.body.includes('       }'));

  test('most recordings are compared', () => {
    assert.ok(recorded.length >= 25, `${recorded.length} of ${CASSETTES.length}`);
    assert.ok(recorded.filter(isNewest).length >= 5);
  });

  for (const [number, cassette] of recorded.entries()) {
    const events = eventsOf(cassette.response.body);

    test(`types come in the order of ${cassette.source} (${number})`, async () => {
      const made = eventsOf(await replayed(cassette));
      // Where the recorded ping stands depends on the time the first token took; citations are not simulated.
      const outside = ({ type, delta }: Event): boolean =>
        type === 'ping' || record(delta)['type'] === 'citations_delta';
      const kept = (all: readonly Event[]): readonly string[] => sequence(all.filter((event) => !outside(event)));
      assert.deepEqual(kept(made), kept(events));
    });

    if (!isNewest(cassette)) continue;
    test(`events have the keys of ${cassette.source} (${number})`, async () => {
      const made = shapes(eventsOf(await replayed(cassette)));
      for (const [type, expected] of shapes(events)) assert.deepEqual(made.get(type), expected, type);
    });
  }

  test('the ping follows the first content_block_start, as in almost all recordings', async () => {
    const { claude } = bench();
    const types = eventsOf(await (await claude.handle(post('/v1/messages', { ...ASK, stream: true }))).text());
    assert.deepEqual(
      types.slice(0, 4).map((event) => event['type']),
      ['message_start', 'content_block_start', 'ping', 'content_block_delta'],
    );
    assert.equal(types.filter((event) => event['type'] === 'ping').length, 1);
  });

  test('every event but the ping has up to 15 spaces before its last brace', async () => {
    const { claude } = bench();
    const text = await (await claude.handle(post('/v1/messages', { ...ASK, stream: true }))).text();
    const paddings = new Set<number>();
    for (const event of text.trimEnd().split('\n\n')) {
      const match = /^event: (\w+)\ndata: (\{.*?)( *)\}$/.exec(event);
      assert.ok(match, event);
      if (match[1] === 'ping') assert.equal(event, 'event: ping\ndata: {"type": "ping"}');
      else paddings.add(match[3]?.length ?? -1);
    }
    assert.ok(paddings.size > 3 && Math.max(...paddings) <= 15);
    assert.ok(text.endsWith('\n\n'));
  });

  test('message_start has a placeholder for the output, message_delta the total', async () => {
    const { claude } = bench({ respond: () => ({ text: 'Ahoy there', usage: { output_tokens: 40 } }) });
    const events = eventsOf(await (await claude.handle(post('/v1/messages', { ...ASK, stream: true }))).text());
    const started = record(record(events[0]?.['message'])['usage']);
    assert.ok(Number(started['output_tokens']) <= 3);
    assert.equal(record(events.at(-2)?.['usage'])['output_tokens'], 40);
  });

  test('several message_delta events are sent where a reply says so, the last with the final usage', async () => {
    const { claude } = bench({
      respond: () => ({ text: 'Ahoy', earlierUsages: [{ output_tokens: 1 }], usage: { output_tokens: 2 } }),
    });
    const events = eventsOf(await (await claude.handle(post('/v1/messages', { ...ASK, stream: true }))).text());
    const deltas = events.filter((event) => event['type'] === 'message_delta');
    assert.deepEqual(
      deltas.map((event) => record(event['usage'])['output_tokens']),
      [1, 2],
    );
    assert.equal(record(deltas[0]?.['delta'])['stop_reason'], null);
  });
});

describe('a JSON answer has the form of the recordings', () => {
  const recorded = UNSTREAMED.filter(isNewest);

  test('some recordings are compared', () => assert.ok(recorded.length >= 2, String(recorded.length)));

  for (const [number, cassette] of recorded.entries()) {
    test(`keys come in the order of ${cassette.source} (${number})`, async () => {
      const expected = JSON.parse(cassette.response.body) as { content: readonly ContentBlock[]; stop_reason: string };
      const { claude } = bench({ respond: () => ({ content: expected.content, stopReason: expected.stop_reason }) });
      const made = await (await claude.handle(post('/v1/messages', ASK))).json();
      assert.deepEqual(shape(made), shape(expected));
      assert.deepEqual(
        (made as typeof expected).content.map((block) => shape(block)),
        expected.content.map((block) => shape(block)),
      );
    });
  }
});

test('a request id, the organization and the recorded rate-limit headers come with a response', async () => {
  const { claude } = bench();
  const { headers } = await claude.handle(post('/v1/messages', { ...ASK, stream: true }));
  const recorded = CASSETTES.flatMap(({ response }) => Object.keys(response.headers));
  // Some recordings have a retry-after on a 200; nothing says what it means there.
  for (const name of new Set(recorded)) if (name !== 'retry-after') assert.ok(headers.has(name), name);
  assert.match(headers.get('request-id') ?? '', /^req_011C[1-9A-HJ-NP-Za-km-z]{22}$/);
  assert.match(headers.get('anthropic-organization-id') ?? '', /^[0-9a-f-]{36}$/);
  assert.equal(headers.get('content-type'), 'text/event-stream; charset=utf-8');
});
