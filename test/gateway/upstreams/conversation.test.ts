import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyScanner } from '../../../src/gateway/body-scanner.ts';
import { conversationOf } from '../../../src/gateway/upstreams/conversation.ts';

/** The fingerprint of a request, as the gateway makes it. */
function fingerprint(body: object): string | null {
  const bytes = Buffer.from(JSON.stringify(body));
  const scanner = new BodyScanner(bytes, 'message');
  scanner.run(bytes.length);
  return conversationOf(bytes, scanner.facts.firstTurn);
}

const ASKED = 'Please read this file.';

const ANSWERED = [
  { role: 'assistant', content: 'I have.' },
  { role: 'user', content: 'And now?' },
];

const request = (content: unknown, rest: readonly object[] = []): object => ({
  model: 'claude-haiku-5-5',
  max_tokens: 9,
  messages: [{ role: 'user', content }, ...rest],
});

const mark = { cache_control: { type: 'ephemeral' } };

test('every request of a conversation has its fingerprint, however its client writes the first message', () => {
  const first = fingerprint(request([{ type: 'text', text: ASKED, ...mark }]));
  assert.match(String(first), /^[\w-]{43}$/);
  const later: readonly object[] = [
    request([{ type: 'text', text: ASKED }], ANSWERED),
    request(ASKED, ANSWERED),
    { system: 'Be brief.', ...request(ASKED, ANSWERED), max_tokens: 4_096 },
    { messages: [{ content: [{ text: ASKED, type: 'text' }], role: 'user' }, ...ANSWERED], model: 'm', max_tokens: 1 },
  ];
  for (const each of later) assert.equal(fingerprint(each), first);
});

test('another first message is another conversation', () => {
  const source = (data: string) => ({ type: 'image', source: { type: 'base64', media_type: 'image/png', data } });
  const all = [
    request(ASKED),
    request('Please read that file.'),
    request([{ type: 'text', text: ASKED }, source('aaaa')]),
    request([{ type: 'text', text: ASKED }, source('bbbb')]),
    request([source('aaaa'), { type: 'text', text: ASKED }]),
  ].map(fingerprint);
  assert.equal(new Set(all).size, all.length);
});

test('a long first message is told by its beginning, and marks after it change nothing', () => {
  const long = 'all of it '.repeat(20_000);
  assert.equal(
    fingerprint(request([{ type: 'text', text: long, ...mark }])),
    fingerprint(request([{ type: 'text', text: long }], ANSWERED)),
  );
});

test('a request without a first message has none', () => {
  assert.equal(fingerprint({ model: 'm', max_tokens: 1, messages: [] }), null);
  assert.equal(fingerprint({ model: 'm', max_tokens: 1 }), null);
});
