/**
 * Spans of three sources meet at one call: the SDK's, plimsoll's and, where an organization has them sent, the API's own,
 * which hang under the span that `traceparent` names. The right values are by hand.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { propagation, trace, TraceFlags, type TextMapPropagator } from '@opentelemetry/api';
import { instrument } from 'plimsoll';
import { simulator, type Fault } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { collected, PARAMS } from '../../testing/client-workbench.ts';
import type { ReceivedSpan } from '../../testing/otlp-receiver.ts';
import { tracing } from '../../testing/tracing.ts';

/** Writes `traceparent` as the one of the W3C does. */
const W3C: TextMapPropagator = {
  inject(context, carrier, setter) {
    const span = trace.getSpanContext(context);
    if (span === undefined) return;
    const flags = (span.traceFlags & TraceFlags.SAMPLED).toString(16).padStart(2, '0');
    setter.set(carrier, 'traceparent', `00-${span.traceId}-${span.spanId}-${flags}`);
  },
  extract: (context) => context,
  fields: () => ['traceparent'],
};

interface Sent {
  readonly parents: readonly (string | null)[];
  readonly spans: readonly ReceivedSpan[];
}

const SOON = { 'retry-after-ms': '1' };

async function sent(
  t: TestContext,
  faults: readonly Fault[],
  make: (claude: Anthropic) => Promise<unknown>,
): Promise<Sent> {
  const traced = await tracing(t);
  propagation.setGlobalPropagator(W3C);
  t.after(() => propagation.disable());
  const sim = simulator();
  sim.script(faults);
  const parents: (string | null)[] = [];
  const fetch: typeof globalThis.fetch = (url, init) => {
    parents.push(new Headers(init?.headers).get('traceparent'));
    return sim.fetch(url, init);
  };
  const plain = new Anthropic({ apiKey: 'test', fetch, logLevel: 'off' });
  const over = new Promise<void>((resolve) => {
    instrument(plain, { registry: new Registry(), onCall: () => resolve() });
  });
  await make(plain).catch(() => undefined);
  await over;
  return { parents, spans: await traced.spans() };
}

const attemptsOf = (spans: readonly ReceivedSpan[]): readonly ReceivedSpan[] =>
  spans
    .filter(({ name }) => name === 'anthropic.attempt')
    .toSorted(
      (a, b) =>
        Number(a.attributes['http.request.resend_count'] ?? 0) - Number(b.attributes['http.request.resend_count'] ?? 0),
    );

describe("the API's own spans hang under the attempt that they belong to", () => {
  const WAYS: Readonly<Record<string, (claude: Anthropic) => Promise<unknown>>> = {
    'a call': (claude) => claude.messages.create(PARAMS),
    'a stream': async (claude) => collected(await claude.messages.create({ ...PARAMS, stream: true })),
    'a call through middleware of the program': (claude) =>
      claude.messages.create(PARAMS, { middleware: [(request, next) => next(request)] }),
  };
  for (const [name, make] of Object.entries(WAYS)) {
    it(`in ${name} that is tried three times`, async (t) => {
      const { parents, spans } = await sent(
        t,
        Array.from({ length: 2 }, () => ({ fault: 'overloaded', headers: SOON })),
        make,
      );
      const attempts = attemptsOf(spans);
      assert.equal(attempts.length, 3);
      assert.equal(new Set(parents).size, 3);
      assert.deepEqual(
        parents,
        attempts.map(({ traceId, spanId }) => `00-${traceId}-${spanId}-01`),
      );
    });
  }

  it('unless the program names a parent of its own', async (t) => {
    const own = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const headers = { traceparent: own };
    const { parents } = await sent(t, [], (claude) =>
      claude.withOptions({ openTelemetry: { propagation: false } }).messages.create(PARAMS, { headers }),
    );
    assert.deepEqual(parents, [own]);
  });
});

describe("a span of plimsoll's own has what the SDK's would have", () => {
  const usage = {
    input_tokens: 10,
    cache_creation_input_tokens: 9,
    cache_creation: { ephemeral_5m_input_tokens: 5, ephemeral_1h_input_tokens: 4 },
    output_tokens: 7,
    service_tier: 'priority',
    iterations: [
      { type: 'compaction', input_tokens: 300, output_tokens: 20 },
      {
        ...{ type: 'message', input_tokens: 10, output_tokens: 7, cache_creation_input_tokens: 9 },
        cache_creation: { ephemeral_5m_input_tokens: 5, ephemeral_1h_input_tokens: 4 },
      },
    ],
  };
  const message = {
    id: 'msg_01Pier',
    type: 'message',
    role: 'assistant',
    model: 'claude-opus-5-5',
    content: [],
    usage,
  };
  const start = { type: 'message_start', message };
  const stop = { type: 'message_stop' };
  const BODIES: Readonly<Record<string, readonly [body: string, type: string]>> = {
    'a message': [JSON.stringify({ ...message, stop_reason: 'end_turn' }), 'application/json'],
    'a stream': [
      [start, { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage }, stop]
        .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
        .join(''),
      'text/event-stream',
    ],
  };
  for (const [name, [body, type]] of Object.entries(BODIES)) {
    it(`after ${name}`, async (t) => {
      const traced = await tracing(t);
      const fetch = (): Promise<Response> => Promise.resolve(new Response(body, { headers: { 'content-type': type } }));
      const plain = new Anthropic({ apiKey: 'test', fetch, logLevel: 'off', openTelemetry: false });
      const over = new Promise<void>((resolve) => {
        instrument(plain, { registry: new Registry(), onCall: () => resolve() });
      });
      const params = { ...PARAMS, output_config: { effort: 'low' as const }, service_tier: 'auto' as const };
      const options = { openTelemetry: { conversationId: 'harbor-7' } };
      if (type === 'application/json') await plain.messages.create(params, options);
      else await collected(await plain.messages.create({ ...params, stream: true }, options));
      await over;
      const [call] = (await traced.spans()).filter(({ name }) => name.startsWith('chat '));
      const expected = {
        'gen_ai.response.id': 'msg_01Pier',
        'gen_ai.conversation.id': 'harbor-7',
        'gen_ai.request.reasoning.level': 'low',
        'anthropic.request.service_tier': 'auto',
        'anthropic.response.service_tier': 'priority',
        'anthropic.usage.cache_creation.ephemeral_5m_input_tokens': 5,
        'anthropic.usage.cache_creation.ephemeral_1h_input_tokens': 4,
        'anthropic.usage.compaction.input_tokens': 300,
        'anthropic.usage.compaction.output_tokens': 20,
        'gen_ai.usage.input_tokens': 19,
        'gen_ai.usage.output_tokens': 7,
      };
      const attributes = call?.attributes ?? {};
      assert.deepEqual(
        Object.fromEntries(Object.keys(expected).map((key) => [key, Number(attributes[key]) || attributes[key]])),
        expected,
      );
    });
  }
});
