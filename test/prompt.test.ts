import assert from 'node:assert/strict';
import test from 'node:test';
import { promptContent } from '../src/prompt.ts';

const UNSEEN = 500_000;

const IMAGE_DATA = { type: 'base64', media_type: 'image/png', data: 'A'.repeat(1_000_000) };

const content = (blocks: readonly unknown[]) =>
  promptContent({ messages: [{ role: 'user', content: blocks }] }, UNSEEN);

/** 4,784 tokens of 2.7 characters. */
const AN_IMAGE = 4_784 * 2.7;

test('an image in base64 counts as the largest image in place of its characters, wherever it lies', () => {
  const image = { type: 'image', source: IMAGE_DATA };
  for (const blocks of [
    [image],
    [{ type: 'tool_result', tool_use_id: 'toolu_1', content: [image] }],
    [{ type: 'document', source: { type: 'content', content: [image] } }],
  ]) {
    assert.deepEqual(content(blocks), { correction: AN_IMAGE - 1_000_000, unseen: 0, isCached: false });
  }
});

test('an image that is not in the request counts as the largest image, and anything else as unseen', () => {
  const image = { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } };
  assert.deepEqual(content([image]), { correction: AN_IMAGE, unseen: 0, isCached: false });
  for (const source of [
    { type: 'file', file_id: 'file_1' },
    { type: 'url', url: 'https://example.com' },
    { type: 'new' },
  ])
    assert.deepEqual(content([{ type: 'document', source }]), { correction: 0, unseen: UNSEEN, isCached: false });
  const thread = { type: 'continue', previous_message_id: 'msg_1' };
  assert.equal(promptContent({ thread, messages: [] }, UNSEEN).unseen, UNSEEN);
  assert.equal(promptContent({ thread: { type: 'create' }, messages: [] }, UNSEEN).unseen, 0);
});

test('a PDF in base64 counts as 1.5 tokens a character, up to a whole context window', () => {
  const pdf = (length: number) => [
    { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'A'.repeat(length) } },
  ];
  assert.deepEqual(content(pdf(1_000)), { correction: -1_000, unseen: 1_500, isCached: false });
  assert.deepEqual(content(pdf(700_000)), { correction: -700_000, unseen: 1_000_000, isCached: false });
});

test('a document of text is in the text', () => {
  const source = { type: 'text', media_type: 'text/plain', data: 'Ahoy' };
  assert.deepEqual(content([{ type: 'document', source }]), { correction: 0, unseen: 0, isCached: false });
});

test('a cache breakpoint is seen wherever it may stand', () => {
  const breakpoint = { cache_control: { type: 'ephemeral' } };
  const block = { type: 'text', text: 'Ahoy', ...breakpoint };
  for (const body of [breakpoint, { system: [block] }, { tools: [block] }, { messages: [{ content: [block] }] }])
    assert.equal(promptContent(body, UNSEEN).isCached, true);
  assert.equal(promptContent({ cache_control: null, system: 'cache_control' }, UNSEEN).isCached, false);
});

test('a body of any shape and depth is looked through without an error', () => {
  let deep: unknown = [];
  for (let depth = 0; depth < 100_000; depth += 1) deep = [{ content: deep }];
  assert.deepEqual(content(deep as []), { correction: 0, unseen: 0, isCached: false });
  for (const messages of [null, 'text', [null], [{ content: [null, { source: null }, { source: { type: {} } }] }]])
    assert.deepEqual(promptContent({ messages, system: 1, tools: {} }, UNSEEN).unseen, 0);
});
