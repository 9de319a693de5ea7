/**
 * Answers that are not written as the API writes them, from proxies and other servers that speak its protocol. The SDK reads
 * them, and so does plimsoll: tokens, outcome and stop reason are by hand.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, type Call } from 'plimsoll';
import { Registry } from 'prom-client';
import { collected, PARAMS, total } from '../../testing/client-workbench.ts';

const USAGE = { input_tokens: 12, output_tokens: 7 };
const MESSAGE = { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-haiku-4-5' };
const START = { type: 'message_start', message: { ...MESSAGE, content: [], usage: { ...USAGE, output_tokens: 1 } } };
const BLOCK = { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } };
const DELTA = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Ahoy' } };
const END = { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 7 } };
const EVENTS = [START, BLOCK, DELTA, { type: 'content_block_stop', index: 0 }, END, { type: 'message_stop' }];

const LONG_END = { ...END, padding: 'x'.repeat(2 << 20) };

type Written = (event: { readonly type: string }) => string;

const plain: Written = (event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
const stream = (written: Written): string => EVENTS.map(written).join('');
const document = JSON.stringify({ ...MESSAGE, content: [], stop_reason: 'end_turn', usage: USAGE });

interface Seen {
  readonly call: Call;
  readonly errors: number;
  readonly got: unknown;
}

async function seen(body: string, type: string | null, isStream: boolean): Promise<Seen> {
  const registry = new Registry();
  const bytes = new TextEncoder().encode(body);
  const fetch = (): Promise<Response> =>
    Promise.resolve(new Response(bytes, { headers: type === null ? {} : { 'content-type': type } }));
  const plain = new Anthropic({ apiKey: 'test', fetch, logLevel: 'off', maxRetries: 0 });
  const told = new Promise<Call>((onCall) => void instrument(plain, { registry, onCall }));
  const reading: Promise<unknown> = isStream
    ? plain.messages.create({ ...PARAMS, stream: true }).then(collected)
    : plain.messages.create(PARAMS);
  const got = await reading.catch((error: unknown) => error);
  const call = await told;
  return { call, got, errors: await total(registry, 'plimsoll_errors_total') };
}

function assertWhole({ call, errors }: Seen): void {
  const tokens = call.usage?.parts[0]?.tokens;
  assert.deepEqual(
    [call.outcome, call.stopReason, call.model, tokens?.input, tokens?.output, errors],
    ['ok', 'end_turn', 'claude-haiku-4-5', 12, 7, 0],
  );
}

const STREAMS: Readonly<Record<string, readonly [body: string, type: string | null]>> = {
  'without a content type': [stream(plain), null],
  'as Text/Event-Stream': [stream(plain), 'Text/Event-Stream'],
  'with a blank before its type': [stream(plain), ' text/event-stream'],
  'as octets': [stream(plain), 'application/octet-stream'],
  'as JSON': [stream(plain), 'application/json'],
  'with a byte-order mark': [`\ufeff${stream(plain)}`, 'text/event-stream'],
  'with its data before the names': [
    stream((event) => `data: ${JSON.stringify(event)}\nevent: ${event.type}\n\n`),
    'text/event-stream',
  ],
  'with lines that end with CR': [stream(plain).replaceAll('\n', '\r'), 'text/event-stream'],
  'with lines that end with CRLF': [stream(plain).replaceAll('\n', '\r\n'), 'text/event-stream'],
  'with comments that keep it alive': [stream((event) => `: keep-alive\n\n${plain(event)}`), 'text/event-stream'],
  'with ids and names without a blank': [
    stream((event) => `id: 7\nevent:${event.type}\nretry: 9\ndata:${JSON.stringify(event)}\n\n`),
    'text/event-stream',
  ],
  'with all events of one name': [
    stream((event) => `event: message\ndata: ${JSON.stringify(event)}\n\n`),
    'text/event-stream',
  ],
  'as Python writes JSON': [
    stream((event) => plain(event).replaceAll(',"', ', "').replaceAll('":', '": ')),
    'text/event-stream',
  ],
  'with data in several lines': [
    stream((event) => `event: ${event.type}\ndata: ${JSON.stringify(event, null, 1).replaceAll('\n', '\ndata: ')}\n\n`),
    'text/event-stream',
  ],
  'with the type of an event last': [
    stream(({ type, ...rest }) => `event: ${type}\ndata: ${JSON.stringify({ ...rest, type })}\n\n`),
    'text/event-stream',
  ],
  'with two megabytes in an event that tells of usage': [
    stream((event) => plain(event === END ? LONG_END : event)),
    'text/event-stream',
  ],
};

describe('a stream is read as the SDK reads it', () => {
  for (const [name, [body, type]] of Object.entries(STREAMS)) {
    it(name, async () => {
      const read = await seen(body, type, true);
      assert.equal((read.got as readonly unknown[]).length, EVENTS.length);
      assertWhole(read);
    });
  }

  it('an error ends it, whatever comes after', async () => {
    const error = 'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"x"}}\n\n';
    const { call, got } = await seen(plain(START) + error + plain(END) + plain({ type: 'message_stop' }), null, true);
    assert.ok(got instanceof Anthropic.APIError);
    assert.equal(call.outcome, 'server_error');
    assert.equal(call.stopReason, null);
  });
});

describe('what the SDK drops or throws at is counted', () => {
  const STRANGE: Readonly<Record<string, readonly [body: string, outcome: string, errors: number]>> = {
    'events without a name': [stream((event) => `data: ${JSON.stringify(event)}\n\n`), 'truncated', 2],
    'the end mark of another API': [`${stream(plain)}event: done\ndata: [DONE]\n\n`, 'ok', 1],
    'a message that is no stream': [document, 'truncated', 0],
    'a page of HTML': ['<html>Sign in to the wireless network</html>', 'truncated', 1],
  };
  for (const [name, [body, outcome, errors]] of Object.entries(STRANGE)) {
    it(`${name}, where a stream was asked for`, async () => {
      const read = await seen(body, 'text/event-stream', true);
      assert.deepEqual([read.call.outcome, read.errors], [outcome, errors]);
    });
  }

  it('a message in place of a stream has its tokens all the same', async () => {
    const { call } = await seen(document, 'application/json', true);
    assert.deepEqual(call.usage?.parts[0]?.tokens.output, 7);
  });

  it('a page of HTML in place of a message is no success', async () => {
    const { call, errors } = await seen('<html>Sign in</html>', 'text/html', false);
    assert.deepEqual([call.outcome, errors], ['server_error', 1]);
  });
});

describe('a message is read', () => {
  for (const type of [
    'application/json',
    'Application/JSON; charset=utf-8',
    'application/problem+json',
    null,
    'text/plain',
  ])
    it(`as ${type ?? 'nothing in particular'}`, async () => assertWhole(await seen(document, type, false)));

  it('with a byte-order mark', async () => assertWhole(await seen(`\ufeff${document}`, 'application/json', false)));

  it('as a stream, where none was asked for', async () =>
    assertWhole(await seen(stream(plain), 'text/event-stream', false)));
});

it('a 429 with a byte-order mark has its reason', async () => {
  const error = { type: 'rate_limit_error', details: { error_code: 'enforced_spend_limit_reached' } };
  const fetch = (): Promise<Response> =>
    Promise.resolve(new Response(new TextEncoder().encode(`\ufeff${JSON.stringify({ error })}`), { status: 429 }));
  const plain = new Anthropic({ apiKey: 'test', fetch, logLevel: 'off', maxRetries: 0 });
  const call = await new Promise<Call>((onCall) => {
    instrument(plain, { registry: new Registry(), onCall })
      .messages.create(PARAMS)
      .catch(() => undefined);
  });
  assert.deepEqual([call.outcome, call.rejection?.spendScope], ['spend_limited', 'tier']);
});
