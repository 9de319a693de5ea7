/**
 * Answers of unusual size. Whoever reads one by `text()`, as a logging middleware does, is billed for the same tokens as
 * whoever reads it by `json()`. The figures are those that the body states.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument } from 'plimsoll';
import { JsonListener, type JsonEnd } from '../../src/observe/content.ts';
import { PARAMS } from '../../testing/client-workbench.ts';
import { KeepingRecorder } from '../../testing/keeping-recorder.ts';

const MESSAGE = JSON.stringify({
  ...{ id: 'msg_01', type: 'message', role: 'assistant', model: 'claude-haiku-5-5' },
  content: [{ type: 'text', text: 'x'.repeat(40 << 20) }],
  ...{ stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 12, output_tokens: 7 } },
});

const READERS: Readonly<Record<string, (answer: Response) => Promise<unknown>>> = {
  'json()': (answer) => answer.json(),
  'text()': (answer) => answer.text(),
  'arrayBuffer()': (answer) => answer.arrayBuffer(),
  'its stream': (answer) => new Response(answer.body).blob(),
};

describe('a JSON answer of 40 MiB', () => {
  for (const [name, read] of Object.entries(READERS)) {
    it(`has its tokens when it is read by ${name}`, async () => {
      const log = new KeepingRecorder();
      const answer = (): Promise<Response> =>
        Promise.resolve(new Response(MESSAGE, { headers: { 'content-type': 'application/json' } }));
      const claude = instrument(new Anthropic({ apiKey: 'none', fetch: answer }), { recorders: [log] });
      await read(await claude.messages.create(PARAMS).asResponse());
      const [call] = log.calls;
      assert.equal(call?.outcome, 'ok');
      assert.deepEqual([call?.usage?.parts[0]?.tokens.input, call?.usage?.parts[0]?.tokens.output], [12, 7]);
    });
  }

  for (const [name, text] of [
    ['lists in lists', '['.repeat(600_000) + ']'.repeat(600_000)],
    ['objects in objects', '{"a":'.repeat(600_000) + '1' + '}'.repeat(600_000)],
    ['many values', `[${'1,'.repeat(600_000)}1]`],
  ] as const)
    it(`is not parsed if it is made of ${name}`, () => {
      const ends: [value: unknown, how: JsonEnd][] = [];
      const listener = new JsonListener((value, how) => ends.push([value, how]));
      listener.chunk(Buffer.from(text));
      listener.end('done');
      assert.deepEqual(ends, [[undefined, 'unread']]);
    });

  it('is parsed if its brackets and commas are text', () => {
    const text = '[{,:\\"'.repeat(400_000);
    const values: unknown[] = [];
    const listener = new JsonListener((value) => values.push(value));
    listener.chunk(Buffer.from(JSON.stringify([text])));
    listener.end('done');
    assert.deepEqual(values, [[text]]);
  });

  it('is not looked into above a limit, which is no end before its time', () => {
    const ends: [value: unknown, how: JsonEnd][] = [];
    const listener = new JsonListener((value, how) => ends.push([value, how]), 4);
    for (const part of ['[1', ', 2', ']']) listener.chunk(Buffer.from(part));
    listener.end('done');
    assert.deepEqual(ends, [[undefined, 'unread']]);
  });
});
