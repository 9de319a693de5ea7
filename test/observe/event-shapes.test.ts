import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { beginsAlike, eventEnd, eventTypeAt, frameBytes, plainEvent } from '../../src/observe/event-shapes.ts';
import { STREAMED } from '../../testing/cassettes/cassettes.ts';

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function event(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify({ type: name, ...data })}\n\n`;
}

function delta(type: string, content: object, index = 0): string {
  return event('content_block_delta', { index, delta: { type, ...content } });
}

/** Every event of the recordings, and of the API's reference what was not recorded. */
const EVENTS: readonly string[] = [
  ...STREAMED.flatMap(({ response }) => response.body.split(/(?<=\n\n)/)),
  delta('text_delta', { text: 'fathoms' }),
  delta('text_delta', { text: 'fathoms' }, 10),
  delta('thinking_delta', { thinking: 'fathoms' }),
  delta('input_json_delta', { partial_json: '{"fathoms":' }),
  delta('signature_delta', { signature: 'EqQBCgIYAhIM' }),
  delta('citations_delta', { citation: { type: 'char_location', cited_text: 'fathoms' } }),
  event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
  event('content_block_stop', { index: 0 }),
  event('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 4 } }),
  event('message_stop', {}),
  event('ping', {}),
  event('error', { error: { type: 'overloaded_error', message: 'Overloaded' } }),
];

describe('event shapes', () => {
  it('takes for alike what all of its bytes say is alike, of everything that the API sends', () => {
    const types = new Set(EVENTS.map((each) => eventTypeAt(bytes(each), 0)));
    types.delete(-1);
    assert.ok(types.size >= 2, 'content of blocks 0 and 10 begins at two places');
    for (const typeAt of types)
      for (const each of EVENTS)
        assert.equal(beginsAlike(bytes(each), typeAt), eventTypeAt(bytes(each), 0) === typeAt, each);
  });

  it('finds the end of an event whatever its content looks like, and of nothing that is not written as the API does', () => {
    const end = (text: string): number => {
      const typeAt = eventTypeAt(bytes(text), 0);
      return eventEnd(bytes(text), typeAt, frameBytes(bytes(text), typeAt));
    };
    const long = 'water '.repeat(100);
    for (const text of ['', 'a', '"}}\n\n', long, `${long}\n`]) {
      const first = delta('text_delta', { text });
      for (const next of ['', first, 'event: ping\n']) assert.equal(end(first + next), first.length);
    }
    const padded = delta('text_delta', { text: 'a' }).replace('}\n', '        }\n');
    assert.equal(end(padded), padded.length);
    const bare = delta('text_delta', {});
    assert.equal(end(bare + delta('text_delta', { text: '' })), bare.length);
    for (const open of [bare.slice(0, -1), bare.slice(0, -3), bare.replaceAll('\n', '\r\n')]) {
      if (eventTypeAt(bytes(open), 0) !== -1) assert.equal(end(open), -1, open);
    }
  });

  it('reads of an event that says nothing but its type what parsing it says', () => {
    const seen = new Set<string>();
    for (const each of EVENTS) {
      const data = /^data: (.*)$/m.exec(each)?.[1] ?? '{}';
      const plain = plainEvent(data);
      if (plain === null) continue;
      seen.add(plain);
      const { type, content_block: block } = JSON.parse(data) as { type: string; content_block?: { type: string } };
      assert.equal(plain, type === 'content_block_start' ? block?.type : type);
      assert.equal(plainEvent(`${data.slice(0, -1)}   }  `), plain, 'the API pads its events');
      for (const broken of [data.slice(0, -1), `${data}}`, data.slice(1), `${data},`, data.replace(':', '')])
        assert.equal(plainEvent(broken), null, broken);
    }
    assert.deepEqual([...seen].toSorted(), ['content_block_stop', 'message_stop', 'text', 'thinking']);
  });

  it('parses the start of a block that has more to say', () => {
    for (const block of [
      { type: 'text', text: 'begun' },
      { type: 'text', text: '', citations: [] },
      { type: 'tool_use', id: 'toolu_01', name: 'depth', input: {} },
      { type: 'fallback', from: { model: 'a' }, to: { model: 'b' } },
    ])
      assert.equal(plainEvent(JSON.stringify({ type: 'content_block_start', index: 0, content_block: block })), null);
  });
});
