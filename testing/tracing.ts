/** An OpenTelemetry SDK as a user sets it up, whose spans go over HTTP to a receiver. */
import type { TestContext } from 'node:test';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Sampler } from '@opentelemetry/sdk-trace';
import { otlpReceiver } from './otlp-receiver.ts';
import type { OtlpReceiver, ReceivedSpan } from './otlp-receiver.ts';

export interface Tracing {
  readonly provider: TracerProvider;
  readonly receiver: OtlpReceiver;
  /** All spans that have ended, after they went over the wire. */
  spans(): Promise<readonly ReceivedSpan[]>;
}

export interface TracingOptions {
  /** Registered with the API, as most programs do; else it has to be passed to whoever is to use it. */
  readonly isGlobal?: boolean;
  readonly hasContextManager?: boolean;
  readonly sampler?: Sampler;
}

/** For the time of one test. */
export async function tracing(t: TestContext, options: TracingOptions = {}): Promise<Tracing> {
  const { isGlobal = true, hasContextManager = true, sampler } = options;
  const receiver = await otlpReceiver();
  const exporter = new OTLPTraceExporter({ url: `${receiver.endpoint}/v1/traces` });
  const provider = new TracerProvider({
    spanProcessors: [new BatchSpanProcessor({ exporter })],
    ...(sampler === undefined ? {} : { sampler }),
  });
  if (isGlobal) trace.setGlobalTracerProvider(provider);
  if (hasContextManager) context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  t.after(async () => {
    trace.disable();
    context.disable();
    await provider.shutdown();
    await receiver.close();
  });
  const spans = async (): Promise<readonly ReceivedSpan[]> => {
    await provider.forceFlush();
    return receiver.spans;
  };
  return { provider, receiver, spans };
}
