import { setTimeout as sleep } from 'node:timers/promises';

/** A collector that does not respond must not delay the exit. */
const LONGEST_SHUTDOWN_MS = 800;

/** Sends spans to `OTEL_EXPORTER_OTLP_ENDPOINT`, if it is set. The returned function sends the rest and stops. */
export async function telemetry(): Promise<() => Promise<void>> {
  if (!process.env['OTEL_EXPORTER_OTLP_ENDPOINT']) return () => Promise.resolve();
  const { startTelemetry } = await import('plimsoll/otel');
  const sending = await startTelemetry({ serviceName: 'plimsoll-demo' });
  return () => Promise.race([sending.shutdown(), sleep(LONGEST_SHUTDOWN_MS)]);
}
