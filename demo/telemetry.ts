import { setTimeout as sleep } from 'node:timers/promises';

/** A collector that does not answer must not hold up the end. */
const LONGEST_SHUTDOWN_MS = 800;

/** Sends spans where `OTEL_EXPORTER_OTLP_ENDPOINT` says, if it is set; what comes back ends that and sends the rest. */
export async function telemetry(): Promise<() => Promise<void>> {
  if (!process.env['OTEL_EXPORTER_OTLP_ENDPOINT']) return () => Promise.resolve();
  const { startTelemetry } = await import('plimsoll/otel');
  const sending = await startTelemetry({ serviceName: 'plimsoll-demo' });
  return () => Promise.race([sending.shutdown(), sleep(LONGEST_SHUTDOWN_MS)]);
}
