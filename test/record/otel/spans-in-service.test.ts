import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import { SpanKind, trace } from '@opentelemetry/api';
import { AlwaysOffSampler, SamplingDecision } from '@opentelemetry/sdk-trace';
import type { Sampler } from '@opentelemetry/sdk-trace';
import express from 'express';
import type { RequestHandler } from 'express';
import { metricsHandler } from 'plimsoll';
import { simulator } from 'plimsoll/simulator';
import { PARAMS, workbench } from '../../../testing/client-workbench.ts';
import type { Workbench } from '../../../testing/client-workbench.ts';
import type { ReceivedSpan } from '../../../testing/otlp-receiver.ts';
import { scraped } from '../../../testing/scraped.ts';
import { tracing } from '../../../testing/tracing.ts';

const SOON = { 'retry-after-ms': '1' };
const streamed = { ...PARAMS, stream: true as const };

const named = (spans: readonly ReceivedSpan[], name: string): readonly ReceivedSpan[] =>
  spans.filter((span) => span.name === name);

/** What an instrumentation of http does for every request that a server gets. */
const serverSpans: RequestHandler = (request, response, next) => {
  const options = { kind: SpanKind.SERVER, attributes: { 'http.route': request.path } };
  trace.getTracer('http').startActiveSpan(`${request.method} ${request.path}`, options, (span) => {
    response.on('finish', () => span.end());
    next();
  });
};

/** The body of the answer to one request to an express app. */
async function asked(t: TestContext, handler: RequestHandler): Promise<string> {
  const app = express();
  app.use(serverSpans);
  app.get('/ask', handler);
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close());
  const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/ask`);
  return response.text();
}

async function openMetrics({ registry }: Workbench): Promise<string> {
  const request = new Request('http://127.0.0.1/metrics', { headers: { accept: 'application/openmetrics-text' } });
  return (await metricsHandler({ registry })(request)).text();
}

function exemplarTraceIds(text: string): readonly string[] {
  return [...scraped(text).exemplars.values()].map((exemplar) => /trace_id="(\w+)"/.exec(exemplar)?.[1] ?? exemplar);
}

describe('under the span of a server', () => {
  for (const openTelemetry of [undefined, false] as const) {
    const whose = openTelemetry === false ? 'a span of its own' : "the SDK's span";
    it(`a call that an express handler makes is a child of the request, on ${whose}`, async (t) => {
      const traced = await tracing(t);
      const { claude } = workbench({ client: openTelemetry === false ? { openTelemetry } : {} });
      await asked(t, (_, response, next) => {
        claude.messages.create(PARAMS).then((message) => response.json(message.usage), next);
      });
      const spans = await traced.spans();
      const [server] = named(spans, 'GET /ask');
      const [attempt] = named(spans, 'anthropic.attempt');
      const call = spans.find(({ spanId }) => spanId === attempt?.parentSpanId);
      assert.equal(spans.length, 3);
      assert.deepEqual(server?.attributes, { 'http.route': '/ask' });
      assert.equal(call?.parentSpanId, server.spanId);
      assert.equal(attempt?.traceId, server.traceId);
    });
  }
});

describe("exemplars in a service's metrics", () => {
  for (const openTelemetry of [undefined, false] as const) {
    it(`lead to traces that were received, ${openTelemetry === false ? 'of its own' : "of the SDK's"}`, async (t) => {
      const traced = await tracing(t);
      const bench = workbench({ client: openTelemetry === false ? { openTelemetry } : {} });
      bench.sim.script([{ fault: 'requests_limit', headers: SOON }]);
      await bench.claude.messages.create(PARAMS);
      await bench.claude.messages.stream(PARAMS).finalMessage();
      for await (const event of await bench.claude.messages.create(streamed)) if (event.type === 'message_start') break;
      await bench.log.finishedCalls(3);
      const received = new Set((await traced.spans()).map(({ traceId }) => traceId));
      const exemplars = exemplarTraceIds(await openMetrics(bench));
      assert.ok(exemplars.length >= 10);
      assert.deepEqual(
        exemplars.filter((traceId) => !received.has(traceId)),
        [],
      );
    });
  }

  const recordedOnly: Sampler = { shouldSample: () => ({ decision: SamplingDecision.RECORD }) };
  for (const [how, sampler] of [
    ['dropped', new AlwaysOffSampler()],
    ['recorded and not sampled', recordedOnly],
  ] as const) {
    it(`are left out where the trace is ${how}, and no span is sent`, async (t) => {
      const traced = await tracing(t, { sampler });
      for (const client of [{}, { openTelemetry: false } as const]) {
        const bench = workbench({ client });
        await bench.claude.messages.create(PARAMS);
        assert.deepEqual(exemplarTraceIds(await openMetrics(bench)), []);
      }
      assert.deepEqual(await traced.spans(), []);
    });
  }

  it('are left out where no OpenTelemetry SDK is registered', async () => {
    const bench = workbench();
    await bench.claude.messages.create(PARAMS);
    assert.deepEqual(exemplarTraceIds(await openMetrics(bench)), []);
  });
});

describe('a tracer provider', () => {
  it('is used from the moment that it is registered', async (t) => {
    const { claude } = workbench({ client: { openTelemetry: false } });
    await claude.messages.create(PARAMS);
    const traced = await tracing(t);
    await claude.messages.create(PARAMS);
    assert.equal(named(await traced.spans(), 'chat claude-haiku-4-5').length, 1);
  });

  it('of the client alone gets the attempts too', async (t) => {
    const traced = await tracing(t, { isGlobal: false });
    const { claude } = workbench({ client: { openTelemetry: { tracerProvider: traced.provider } } });
    await claude.messages.create(PARAMS);
    assert.deepEqual(
      (await traced.spans()).map(({ name }) => name),
      ['anthropic.attempt', 'anthropic.messages.create'],
    );
  });
});

describe('a refusal whose reason is not known yet when the answer has come', () => {
  it('leaves tokens and cost where they belong, and is an attempt all the same', async (t) => {
    const traced = await tracing(t);
    let reason: ReadableStreamDefaultController<Uint8Array> | undefined;
    const slow = new ReadableStream<Uint8Array>({ start: (controller) => void (reason = controller) });
    const sim = simulator();
    let requests = 0;
    const fetch: typeof globalThis.fetch = (input, init) =>
      ++requests > 1
        ? sim.fetch(input, init)
        : Promise.resolve(new Response(slow, { status: 429, headers: { 'retry-after-ms': '1' } }));
    const { claude, log } = workbench({ client: { fetch } });
    // The rest of a refusal is waited for 10 ms: on this clock, the next attempt comes before they are over.
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const answered = claude.messages.create(PARAMS);
    for (; requests < 2; t.mock.timers.tick(1)) await setImmediate();
    await answered;
    assert.deepEqual(log.events, ['started']);
    t.mock.timers.reset();
    reason?.enqueue(Buffer.from('{"error":{"details":{"error_code":"ramp_limit_exceeded"}}}'));
    reason?.close();
    await log.finishedCalls(1);
    const spans = await traced.spans();
    const [call] = named(spans, 'anthropic.messages.create');
    const attempts = named(spans, 'anthropic.attempt');
    assert.deepEqual(
      attempts.map(({ attributes }) => attributes['plimsoll.rate_limited.reason']),
      ['acceleration', undefined],
    );
    assert.equal(call?.attributes['plimsoll.outcome'], 'ok');
    assert.equal(call.attributes['plimsoll.attempts'], 2);
    assert.deepEqual(
      spans.map(({ attributes }) => ['plimsoll.cost_usd' in attributes, 'gen_ai.usage.input_tokens' in attributes]),
      spans.map((span) => [span === call, span === call]),
    );
  });
});
