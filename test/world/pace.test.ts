import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument } from 'plimsoll';
import { Registry } from 'prom-client';
import { collected } from '../../testing/client-workbench.ts';

/**
 * The speed of output where part of it is thinking. Models that keep their thinking back sent thousands of tokens "in the
 * last second": throughput boards showed 50,000 tokens a second.
 */

type Step = readonly [atSeconds: number, event: Readonly<Record<string, unknown>> & { readonly type: string }];

const START: Step = [
  0.5,
  {
    type: 'message_start',
    message: { model: 'claude-opus-5-5', content: [], usage: { input_tokens: 9, output_tokens: 1 } },
  },
];

const block = (atSeconds: number, type: string): Step => [
  atSeconds,
  { type: 'content_block_start', index: 0, content_block: { type } },
];

const piece = (atSeconds: number, type: string, content: object): Step => [
  atSeconds,
  { type: 'content_block_delta', index: 0, delta: { type, ...content } },
];

const text = (atSeconds: number): Step => piece(atSeconds, 'text_delta', { text: 'Four fathoms.' });

const end = (atSeconds: number, output_tokens: number, thinking_tokens?: number): readonly Step[] => {
  const details = thinking_tokens === undefined ? {} : { output_tokens_details: { thinking_tokens } };
  return [
    [atSeconds, { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens, ...details } }],
    [atSeconds, { type: 'message_stop' }],
  ];
};

/** The sum and the number of the observed seconds per output token, of a stream whose events come at these times. */
async function pace(steps: readonly Step[]): Promise<readonly [sum: number, count: number]> {
  let nowMs = 0;
  const source = steps[Symbol.iterator]();
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const { value, done } = source.next();
        if (done === true) return controller.close();
        const [atSeconds, event] = value;
        nowMs = atSeconds * 1_000;
        controller.enqueue(Buffer.from(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`));
      },
    },
    { highWaterMark: 0 }, // time goes on when the reader asks for the next event
  );
  const answer = (): Promise<Response> =>
    Promise.resolve(new Response(body, { headers: { 'content-type': 'text/event-stream' } }));
  const registry = new Registry();
  const clock = { epochMs: () => Date.UTC(2026, 10, 24) + nowMs, monotonicMs: () => nowMs };
  const plain = new Anthropic({ apiKey: 'test', fetch: answer, maxRetries: 0, logLevel: 'off' });
  const claude = instrument(plain, { registry, clock });
  const params = { model: 'claude-opus-5-5', max_tokens: 64, messages: [{ role: 'user' as const, content: 'Ahoy' }] };
  await collected(await claude.messages.create({ ...params, stream: true }));
  const page = await registry.metrics();
  const value = (part: string): number =>
    Number(new RegExp(`^anthropic_time_per_output_token_seconds_${part}\\{.*\\} (.*)$`, 'm').exec(page)?.[1] ?? 0);
  return [value('sum'), value('count')];
}

describe('the time per output token', () => {
  it('of an answer after thinking that nobody saw is that of the answer', async () => {
    // 5,000 tokens in the dark for 100 seconds, then 51 tokens of text in 5.
    const steps = [START, block(1, 'thinking'), piece(100, 'signature_delta', { signature: 'x' }), block(100, 'text')];
    assert.deepEqual(await pace([...steps, text(100), text(105), ...end(105, 5_051, 5_000)]), [0.1, 1]);
  });

  it('of an answer after thinking that was shown, or summed up, is that of the answer too', async () => {
    const steps = [START, block(1, 'thinking'), piece(2, 'thinking_delta', { thinking: 'Hm.' }), block(60, 'text')];
    assert.deepEqual(await pace([...steps, text(60), text(65), ...end(65, 5_051, 5_000)]), [0.1, 1]);
  });

  it('of an answer without thinking is what it was', async () => {
    assert.deepEqual(await pace([START, block(1, 'text'), text(1), text(6), ...end(6, 51)]), [0.1, 1]);
  });

  it('is not recorded where thinking goes on after the answer has begun', async () => {
    const steps = [START, block(1, 'text'), text(1), block(2, 'thinking'), block(9, 'text'), text(9)];
    assert.deepEqual(await pace([...steps, ...end(10, 900, 800)]), [0, 0]);
  });

  it('is not recorded where the server does not say how much of it was thinking', async () => {
    const steps = [START, block(1, 'thinking'), piece(50, 'signature_delta', { signature: 'x' }), block(50, 'text')];
    assert.deepEqual(await pace([...steps, text(50), text(51), ...end(51, 5_051)]), [0, 0]);
  });
});
