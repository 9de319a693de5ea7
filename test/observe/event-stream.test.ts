import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EventStreamScanner } from '../../src/observe/event-stream.ts';
import { eventsOf, STREAMED } from '../../testing/cassettes/cassettes.ts';

/** What a scanner has come to know, as plain data. */
function knowledge(scanner: EventStreamScanner): object {
  const { startUsage, deltaUsage, model, stopReason, stopped, errorType, begun, contentBytes, toolUses, unreadable } =
    scanner;
  return { startUsage, deltaUsage, model, stopReason, stopped, errorType, begun, contentBytes, toolUses, unreadable };
}

function scan(chunks: Iterable<Uint8Array>): object {
  const scanner = new EventStreamScanner();
  for (const chunk of chunks) scanner.feed(chunk);
  return knowledge(scanner);
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The same, by parsing every event. */
function truth(body: string): object {
  const events = eventsOf(body);
  const start = events.find((event) => event['type'] === 'message_start') as { message: Record<string, unknown> };
  const delta = events.findLast((event) => event['type'] === 'message_delta') as Record<
    string,
    Record<string, unknown>
  >;
  const content = events
    .filter((event) => event['type'] === 'content_block_delta')
    .map((event) => event['delta'] as Record<string, string>)
    .map(({ text, thinking, partial_json }) => text ?? thinking ?? partial_json ?? '');
  return {
    startUsage: start.message['usage'],
    deltaUsage: Object.fromEntries(Object.entries(delta['usage'] ?? {}).filter(([, value]) => value !== null)),
    model: start.message['model'],
    stopReason: delta['delta']?.['stop_reason'],
    stopped: true,
    errorType: null,
    begun: true,
    toolUses: events.filter((event) =>
      /tool_use$/.test(String((event['content_block'] as Record<string, string>)?.['type'])),
    ).length,
    unreadable: 0,
    content,
  };
}

/** A prime, longer than most events: each byte is a cut of one of so many ways, and other cuts are far from it. */
const APART = 521;

/** The body, cut at a byte and then at every 521st after it. */
function* cutEvery(body: Uint8Array, first: number): Iterable<Uint8Array> {
  yield body.subarray(0, first);
  for (let from = first; from < body.length; from += APART) yield body.subarray(from, from + APART);
}

describe('EventStreamScanner', () => {
  for (const { source, response } of STREAMED) {
    it(`finds in ${source} what parsing every event finds`, () => {
      const { content, ...expected } = truth(response.body) as { content: string[] };
      const { contentBytes, ...found } = scan([bytes(response.body)]) as { contentBytes: number };
      assert.deepEqual(found, expected);
      const encoded = content.reduce((sum, text) => sum + Buffer.byteLength(JSON.stringify(text)) - 2, 0);
      // A server may encode a character in several ways (`é` or `\\u00e9`): sizes agree where it is as JSON.stringify does.
      assert.ok(Math.abs(contentBytes - encoded) <= encoded * 0.1, `${contentBytes} bytes of content, not ${encoded}`);
    });
  }

  for (const [ending, convert] of [
    ['LF', (text: string) => text],
    ['CRLF', (text: string) => text.replaceAll('\n', '\r\n')],
  ] as const) {
    it(`reads every recording the same wherever it is cut, with ${ending}`, () => {
      for (const { source, response } of STREAMED) {
        const body = bytes(convert(response.body));
        const whole = scan([bytes(response.body)]);
        for (let first = 0; first < APART; first++) {
          const found = scan(cutEvery(body, first));
          if (JSON.stringify(found) !== JSON.stringify(whole))
            assert.deepEqual(found, whole, `${source} cut at ${first} and every ${APART} bytes after`);
        }
      }
    });

    it(`reads every recording the same with each event in a chunk of its own, and each after a cut one, with ${ending}`, () => {
      for (const { response } of STREAMED) {
        const body = convert(response.body);
        const whole = scan([bytes(body)]);
        const events = body.split(/(?<=\n\r?\n)/).map(bytes);
        assert.deepEqual(scan(events), whole);
        assert.deepEqual(
          scan(events.flatMap((each, i) => (i % 3 === 0 ? [each.subarray(0, 40), each.subarray(40)] : [each]))),
          whole,
        );
      }
    });

    it(`reads the shortest recording the same when it is cut in two at any byte, with ${ending}`, () => {
      const [shortest] = STREAMED.toSorted((one, other) => one.response.body.length - other.response.body.length);
      const body = bytes(convert(shortest?.response.body ?? ''));
      const whole = scan([body]);
      for (let cut = 0; cut <= body.length; cut++) {
        const found = scan([body.subarray(0, cut), body.subarray(cut)]);
        if (JSON.stringify(found) !== JSON.stringify(whole)) assert.deepEqual(found, whole, `cut at ${cut}`);
      }
    });

    it(`reads every recording the same byte by byte, with ${ending}`, () => {
      for (const { response } of STREAMED) {
        const body = bytes(convert(response.body));
        const single = Array.from(body, (_, at) => body.subarray(at, at + 1));
        assert.deepEqual(scan(single), scan([bytes(response.body)]));
      }
    });
  }

  it('does not count an event whose blank line has not come', () => {
    const found = scan([bytes('event: message_stop\ndata: {"type":"message_stop"}\n')]) as { stopped: boolean };
    assert.equal(found.stopped, false);
  });

  it('does not take text in the content for an event', () => {
    const told =
      'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"event: message_stop\\n\\n"}}';
    const found = scan([bytes(`event: content_block_delta\n${told}\n\n`)]) as { stopped: boolean };
    assert.equal(found.stopped, false);
  });

  it('keeps what an earlier delta said and a later one leaves out or gives as null', () => {
    const delta = (usage: string): string =>
      `event: message_delta\ndata: {"type":"message_delta","delta":{},"usage":${usage}}\n\n`;
    const scanner = new EventStreamScanner();
    scanner.feed(
      bytes(delta('{"output_tokens":5,"input_tokens":9}') + delta('{"output_tokens":7,"input_tokens":null}')),
    );
    assert.deepEqual(scanner.deltaUsage, { output_tokens: 7, input_tokens: 9 });
  });

  it('reports an error event by its type, and by an empty type where it is unreadable', () => {
    const event = (data: string): string => `event: error\ndata: ${data}\n\n`;
    const overloaded = scan([bytes(event('{"type":"error","error":{"type":"overloaded_error","message":"x"}}'))]);
    assert.equal((overloaded as { errorType: string }).errorType, 'overloaded_error');
    const broken = scan([bytes(event('{"type":'))]) as { errorType: string; unreadable: number };
    assert.deepEqual([broken.errorType, broken.unreadable], ['', 1]);
  });

  it('gives up a line that never ends instead of holding it, and reads on after it', () => {
    const scanner = new EventStreamScanner();
    scanner.feed(bytes('event: message_start\ndata: '));
    for (let i = 0; i < 33; i++) scanner.feed(new Uint8Array(1 << 20).fill(0x78));
    scanner.feed(bytes('\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'));
    assert.equal(scanner.unreadable, 1);
    assert.equal(scanner.stopped, true);
  });

  it('measures content apart from padding, signatures and the index of its block', () => {
    const line = (index: number, delta: string, padding = ''): string =>
      `event: content_block_delta\ndata: {"type":"content_block_delta","index":${index},"delta":${delta}${padding}}\n\n`;
    const sized = (text: string): number => (scan([bytes(text)]) as { contentBytes: number }).contentBytes;
    assert.equal(sized(line(0, '{"type":"text_delta","text":"12345"}', '        ')), 5);
    assert.equal(sized(line(17, '{"type":"text_delta","text":"12345"}')), 5);
    assert.equal(sized(line(0, '{"type":"thinking_delta","thinking":"1234567"}', '  ')), 7);
    assert.equal(sized(line(3, '{"type":"input_json_delta","partial_json":"123"}')), 3);
    assert.equal(sized(line(0, '{"type":"signature_delta","signature":"ErUBCkYIB"}')), 0);
  });

  /** The line as an event, fed in pieces of that size. */
  function pieces(name: string, data: string, size: number): EventStreamScanner {
    const scanner = new EventStreamScanner();
    const body = bytes(`event: ${name}\ndata: ${data}\n\n`);
    for (let at = 0; at < body.length; at += size) scanner.feed(body.subarray(at, at + size));
    return scanner;
  }

  it('holds no more than the beginning of a megabyte of content, however it is cut', () => {
    const text = 'x'.repeat(1 << 20);
    const delta = `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"${text}"}      }`;
    for (const size of [1, 512, 100_000]) {
      const scanner = pieces('content_block_delta', delta, size);
      assert.deepEqual([scanner.contentBytes, scanner.begun, scanner.unreadable], [1 << 20, true, 0]);
      assert.ok(scanner.copiedBytes <= 4_096, `${scanner.copiedBytes} bytes copied in pieces of ${size}`);
    }
  });

  it('copies a held line a few times at most, however it is cut', () => {
    const usage = { input_tokens: 9, iterations: ['x'.repeat(256 << 10)] };
    const start = JSON.stringify({ type: 'message_start', message: { usage } });
    for (const size of [1, 7, 512]) {
      const scanner = pieces('message_start', start, size);
      assert.deepEqual(scanner.startUsage, usage);
      assert.ok(scanner.copiedBytes <= 4 * start.length, `${scanner.copiedBytes} bytes copied in pieces of ${size}`);
    }
  });

  it('skips comments and fields that say nothing without holding them', () => {
    const scanner = new EventStreamScanner();
    for (let i = 0; i < 1_000; i++) scanner.feed(new Uint8Array(1_024).fill(0x3a));
    assert.ok(scanner.copiedBytes <= 4_096);
    assert.equal(scanner.unreadable, 0);
  });
});
