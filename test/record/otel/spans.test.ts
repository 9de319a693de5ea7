import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import type Anthropic from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import { SpanKind } from '@opentelemetry/api';
import type { Fault, MessagesRequest, Reply, TruthRequest } from 'plimsoll/simulator';
import { collected, PARAMS, workbench } from '../../../testing/client-workbench.ts';
import type { Workbench } from '../../../testing/client-workbench.ts';
import type { ReceivedSpan } from '../../../testing/otlp-receiver.ts';
import type { Call } from '../../../src/vocabulary.ts';
import { tracing } from '../../../testing/tracing.ts';
import type { Tracing } from '../../../testing/tracing.ts';

const SOON = { 'retry-after-ms': '1' };

/** Which parts of what a call used are on the span that bears its tokens. */
type Borne = 'everything' | 'what was known at message_start' | 'nothing';

interface Scenario {
  readonly does: (claude: Anthropic) => Promise<unknown>;
  readonly faults?: readonly Fault[];
  /** What each call comes to. */
  readonly outcomes: readonly Call['outcome'][];
  /** Where the SDK has a span; one of plimsoll's own has everything. */
  readonly onSdkSpan?: Borne;
}

const streamed = { ...PARAMS, stream: true as const };

const depth = betaTool({
  name: 'depth',
  description: 'how deep the water is',
  inputSchema: { type: 'object', properties: { at: { type: 'string' } } },
  run: () => '4 fathoms',
});

/** Reads up to the first event of a kind, and leaves. */
async function leaveAt(claude: Anthropic, type: string): Promise<void> {
  for await (const event of await claude.messages.create(streamed)) if (event.type === type) break;
}

async function abortAt(claude: Anthropic, type: string): Promise<void> {
  const controller = new AbortController();
  const stream = await claude.messages.create(streamed, { signal: controller.signal });
  for await (const event of stream) if (event.type === type) controller.abort();
}

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'an answer': { does: (claude) => claude.messages.create(PARAMS), outcomes: ['ok'] },
  'a stream': { does: async (claude) => collected(await claude.messages.create(streamed)), outcomes: ['ok'] },
  'a stream by its helper': { does: (claude) => claude.messages.stream(PARAMS).finalMessage(), outcomes: ['ok'] },
  'an answer as a raw response': {
    does: async (claude) => (await claude.messages.create(PARAMS).asResponse()).json(),
    outcomes: ['ok'],
  },
  'a stream as a raw response': {
    does: async (claude) => (await claude.messages.create(streamed).asResponse()).text(),
    outcomes: ['ok'],
  },
  'an answer after two refusals': {
    does: (claude) => claude.messages.create(PARAMS),
    faults: [
      { fault: 'requests_limit', headers: SOON },
      { fault: 'overloaded', headers: SOON },
    ],
    outcomes: ['ok'],
  },
  'a stream after a refusal': {
    does: async (claude) => collected(await claude.messages.create(streamed)),
    faults: [{ fault: 'input_tokens_limit', headers: SOON }],
    outcomes: ['ok'],
  },
  'a refusal at every attempt': {
    does: (claude) => claude.messages.create(PARAMS, { maxRetries: 1 }),
    faults: [
      { fault: 'requests_limit', headers: SOON },
      { fault: 'output_tokens_limit', headers: SOON },
    ],
    outcomes: ['rate_limited'],
  },
  'a refusal that is final': {
    does: (claude) => claude.messages.create({ ...PARAMS, model: 'claude-unheard-of' }),
    outcomes: ['not_found'],
  },
  'a connection that breaks at every attempt': {
    does: (claude) => claude.messages.create(PARAMS, { maxRetries: 0 }),
    faults: [{ fault: 'connection_reset' }],
    outcomes: ['connection_error'],
  },
  'a stream left at its first event': {
    does: (claude) => leaveAt(claude, 'message_start'),
    outcomes: ['cancelled'],
    onSdkSpan: 'what was known at message_start',
  },
  'a stream left at its first content': {
    does: (claude) => leaveAt(claude, 'content_block_delta'),
    outcomes: ['cancelled'],
    onSdkSpan: 'what was known at message_start',
  },
  'a stream aborted at its first content': {
    does: (claude) => abortAt(claude, 'content_block_delta'),
    outcomes: ['cancelled'],
  },
  'a stream with an error event': {
    does: async (claude) => collected(await claude.messages.create(streamed)),
    faults: [{ fault: 'error_event', at: 'message_delta' }],
    outcomes: ['overloaded'],
  },
  'a stream that is cut': {
    does: async (claude) => collected(await claude.messages.create(streamed)),
    faults: [{ fault: 'cut_body', at: 'message_delta' }],
    outcomes: ['truncated'],
  },
  'a stream that breaks': {
    does: async (claude) => collected(await claude.messages.create(streamed)),
    faults: [{ fault: 'body_reset', at: 'message_delta' }],
    outcomes: ['connection_error'],
  },
  'a tool runner of two calls': {
    does: (claude) => claude.beta.messages.toolRunner({ ...PARAMS, tools: [depth] }).runUntilDone(),
    outcomes: ['ok', 'ok'],
  },
};

/** Usages with all kinds of input tokens, and a tool call where there is a tool. */
function respond({ body }: MessagesRequest): Reply {
  const usage = { input_tokens: 10, cache_read_input_tokens: 5, cache_creation_input_tokens: 7 };
  if ('tools' in body && body.messages.length === 1)
    return { text: '', toolUse: [{ name: 'depth', input: { at: 'harbor' } }], usage };
  return { text: 'Four fathoms at the pier. '.repeat(8), usage };
}

interface Setting {
  readonly hasSdkSpans: boolean;
  readonly hasContextManager: boolean;
}

/** Runs a scenario as a service would, while it serves a request of its own. */
async function ran(t: TestContext, scenario: Scenario, setting: Setting): Promise<Ran> {
  const traced = await tracing(t, setting);
  const bench = workbench({
    simulator: { respond },
    client: setting.hasSdkSpans ? {} : { openTelemetry: false },
    instrument: { key: 'prod-pier-svc', labels: { feature: 'soundings' }, attribution: { feature: [] } },
  });
  bench.sim.script(scenario.faults ?? []);
  const server = traced.provider.getTracer('express');
  await server.startActiveSpan('GET /depth', { kind: SpanKind.SERVER }, async (span) => {
    await scenario.does(bench.claude).catch(() => undefined); // what it comes to is asked of the recorder
    span.end();
  });
  await bench.log.finishedCalls(scenario.outcomes.length);
  return { bench, traced, spans: await traced.spans() };
}

interface Ran {
  readonly bench: Workbench;
  readonly traced: Tracing;
  readonly spans: readonly ReceivedSpan[];
}

const bearsTokens = ({ attributes }: ReceivedSpan): boolean =>
  Object.keys(attributes).some((name) => name.startsWith('gen_ai.usage.'));
const bearsCost = ({ attributes }: ReceivedSpan): boolean => 'plimsoll.cost_usd' in attributes;
const isAttempt = ({ name }: ReceivedSpan): boolean => name === 'anthropic.attempt';
const isServer = ({ kind }: ReceivedSpan): boolean => kind === 2;
const isCall = ({ name }: ReceivedSpan): boolean => name === 'anthropic.messages.create' || name.startsWith('chat ');
const nanoUsd = (span: ReceivedSpan): number => Math.round(Number(span.attributes['plimsoll.cost_usd']) * 1e9);

/** On the call's span, or on its attempt's where the SDK had ended that. */
function outcomeOf(call: ReceivedSpan, spans: readonly ReceivedSpan[]): unknown {
  const attempt = spans.findLast(({ parentSpanId }) => parentSpanId === call.spanId);
  return call.attributes['plimsoll.outcome'] ?? attempt?.attributes['plimsoll.outcome'];
}

const INPUT_KINDS = ['input', 'cache_read', 'cache_write_5m', 'cache_write_1h'] as const;

/** What the server billed for the input of a request, in nano-dollars. */
function billedInput({ billed }: TruthRequest): number {
  return billed.reduce(
    (sum, part) => sum + INPUT_KINDS.reduce((input, kind) => input + (part.nanoUsd?.[kind] ?? 0), 0),
    0,
  );
}

function inputTokens({ billed }: TruthRequest): number {
  return billed.reduce((sum, { tokens }) => sum + INPUT_KINDS.reduce((input, kind) => input + tokens[kind], 0), 0);
}

for (const hasSdkSpans of [true, false]) {
  for (const hasContextManager of [true, false]) {
    const setting = { hasSdkSpans, hasContextManager };
    const where = hasSdkSpans ? "on the SDK's span" : "on a span of plimsoll's own";
    const how = hasContextManager ? 'with a context manager' : 'without a context manager';
    describe(`a call's tokens, cost and attempts are once in its trace, ${where}, ${how}`, () => {
      for (const [name, scenario] of Object.entries(SCENARIOS)) {
        it(name, async (t) => {
          const { bench, spans } = await ran(t, scenario, setting);
          const calls = spans.filter(isCall);
          const used = bench.log.calls.filter(({ usage }) => usage !== null);
          assert.equal(calls.length, scenario.outcomes.length);
          assert.equal(
            spans.filter(bearsTokens).length,
            used.length,
            'one span with tokens for each call that used any',
          );
          assert.equal(spans.filter(bearsCost).length, used.length);
          assert.deepEqual(
            bench.log.calls.map(({ outcome }) => outcome),
            scenario.outcomes,
          );
          assert.deepEqual(
            calls.map((call) => outcomeOf(call, spans)),
            scenario.outcomes,
          );
          checkAttempts(spans, bench);
          checkOwners(spans, hasContextManager);
          checkUsage(spans, bench, hasSdkSpans ? (scenario.onSdkSpan ?? 'everything') : 'everything');
        });
      }
    });
  }
}

/** Each HTTP request that the server saw is a child of its call, with the status that it was sent. */
function checkAttempts(spans: readonly ReceivedSpan[], { sim }: Workbench): void {
  const attempts = spans.filter(isAttempt);
  const calls = new Set(spans.filter(isCall).map(({ spanId }) => spanId));
  assert.deepEqual(
    attempts.map(({ attributes }) => attributes['http.response.status_code'] ?? null),
    sim.truth.requests.map(({ status }) => status),
  );
  for (const { parentSpanId, kind, startMs, endMs } of attempts) {
    assert.ok(calls.has(parentSpanId));
    assert.equal(kind, 3);
    assert.ok(endMs >= startMs);
  }
}

/** Whose call it is stands on the call's span, what it comes to on one span, and nothing on the server's. */
function checkOwners(spans: readonly ReceivedSpan[], hasContextManager: boolean): void {
  const [server, ...others] = spans.filter(isServer);
  assert.deepEqual(others, []);
  assert.deepEqual(server?.attributes, {});
  for (const { attributes, traceId } of spans.filter(isCall)) {
    assert.equal(attributes['plimsoll.key'], 'prod-pier-svc');
    assert.equal(attributes['plimsoll.attribution.feature'], 'soundings');
    assert.equal(traceId === server?.traceId, hasContextManager);
  }
}

/** Tokens and cost are those of the server's own account, as far as the server told them. */
function checkUsage(spans: readonly ReceivedSpan[], { sim, log }: Workbench, borne: Borne): void {
  const answered = sim.truth.requests.filter(({ billed }) => billed.length > 0);
  const bearers = spans.filter(bearsTokens);
  assert.deepEqual(
    bearers.map(({ attributes }) => attributes['gen_ai.usage.input_tokens']),
    answered.map(inputTokens),
  );
  assert.deepEqual(
    spans.filter(bearsCost).map(nanoUsd),
    answered.map((request, index) =>
      borne === 'everything' ? log.calls[index]?.cost?.totalNanoUsd : billedInput(request),
    ),
  );
  for (const [index, request] of answered.entries()) {
    if (request.usageReported !== 'full') continue;
    const output = request.billed.reduce((sum, { tokens }) => sum + tokens.output, 0);
    assert.equal(bearers[index]?.attributes['gen_ai.usage.output_tokens'], output);
  }
}
