/**
 * A program as a user writes it: telemetry, an instrumented client, calls; then it has nothing left to do.
 * Says on one line what it knows, as JSON. `argv[2]` chooses how it differs from the plain one.
 */
import Anthropic from '@anthropic-ai/sdk';
import { trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { instrument } from 'plimsoll';
import { otelMetrics, startTelemetry } from 'plimsoll/otel';
import { simulator } from 'plimsoll/simulator';

const [, , mode] = process.argv;

const exporter = new InMemorySpanExporter();
if (mode === 'own-provider') {
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
}

const metrics = mode === 'metrics' ? true : mode?.startsWith('names') ? 'prometheus-names' : undefined;
const telemetry = await startTelemetry({ serviceName: 'pier', ...(metrics !== undefined && { metrics }) });
const sim = simulator();
const client = new Anthropic({ apiKey: 'test', fetch: sim.fetch, logLevel: 'off' });
const claude = instrument(client, { recorders: mode?.startsWith('names') ? [] : [otelMetrics()] });
await claude.messages.create({
  model: 'claude-haiku-4-5',
  max_tokens: 64,
  messages: [{ role: 'user', content: 'hi' }],
});

const nanoUsd = sim.truth.requests
  .flatMap(({ billed }) => billed)
  .flatMap((part) => Object.values<number>({ ...part.nanoUsd }))
  .reduce((sum, cost) => sum + cost, 0);
const said = {
  started: telemetry.started,
  ownSpans: exporter.getFinishedSpans().length,
  nanoUsd,
};
process.stdout.write(`${JSON.stringify(said)}\n`);

if (mode === 'names-frozen') {
  await telemetry.flush();
  process.kill(process.pid, 'SIGKILL'); // as a platform ends a function: nothing of it runs any more
}

if (mode === 'exit') {
  await Promise.all([telemetry.shutdown(), telemetry.shutdown()]);
  process.exit(0);
}
