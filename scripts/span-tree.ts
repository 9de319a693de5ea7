/** Draws the spans of a call in `docs/opentelemetry.md`: those that a real call on the simulator has written. */
import Anthropic from '@anthropic-ai/sdk';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider, type ReadableSpan } from '@opentelemetry/sdk-trace';
import { instrument } from 'plimsoll';
import { simulator } from 'plimsoll/simulator';

/** What is shown of each span, so that the picture fits a page; times are left out, because they differ in each run. */
const SHOWN = [
  'gen_ai.usage.input_tokens',
  'gen_ai.usage.output_tokens',
  'plimsoll.key',
  'plimsoll.attempts',
  'plimsoll.cost_usd',
  'http.response.status_code',
  'http.request.resend_count',
  'plimsoll.attempt.outcome',
  'plimsoll.rate_limited.reason',
  'plimsoll.retry.reason',
];

/** The tree of a call that a limit refused once, with the SDK's own span, as lines of a code block. */
export async function spanTree(): Promise<string> {
  const spans = await spansOfCall();
  const lines = childrenOf(undefined, spans).flatMap((root) => drawn(root, spans));
  return ['```', ...lines, '```'].join('\n');
}

async function spansOfCall(): Promise<readonly ReadableSpan[]> {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const refusal = { fault: 'requests_limit', headers: { 'retry-after-ms': '1' } } as const;
  const api = simulator({ clock: { now: () => Date.UTC(2026, 10, 24), sleep: () => Promise.resolve() } });
  api.script([refusal]);
  const claude = instrument(new Anthropic({ apiKey: 'any', fetch: api.fetch }), {
    key: 'prod-checkout-api',
    recorders: [],
  });
  const messages = [{ role: 'user' as const, content: 'When is high water?' }];
  await trace.getTracer('service').startActiveSpan('POST /chat', async (request) => {
    await claude.messages.create({ model: 'claude-haiku-5-5', max_tokens: 300, messages });
    request.end();
  });
  await provider.forceFlush();
  trace.disable();
  context.disable();
  return exporter.getFinishedSpans();
}

function childrenOf(parent: string | undefined, spans: readonly ReadableSpan[]): readonly ReadableSpan[] {
  return spans.filter((span) => span.parentSpanContext?.spanId === parent);
}

function drawn(span: ReadableSpan, spans: readonly ReadableSpan[]): readonly string[] {
  const children = childrenOf(span.spanContext().spanId, spans);
  const facts = SHOWN.filter((name) => name in span.attributes).map(
    (name) => `${name} = ${String(span.attributes[name])}`,
  );
  const rail = children.length > 0 ? '│  ' : '   ';
  return [
    `${span.name}   [${span.instrumentationScope.name}]`,
    ...facts.map((fact) => `${rail}${fact}`),
    ...children.flatMap((child, index) => {
      const isLast = index === children.length - 1;
      return drawn(child, spans).map(
        (line, row) => `${row === 0 ? (isLast ? '└─ ' : '├─ ') : isLast ? '   ' : '│  '}${line}`,
      );
    }),
  ];
}
