import { Registry } from 'prom-client';
import { ledgerPlace } from '../environment/ledger-place.ts';
import { METRICS_PORT } from '../gateway/configuration/configuration.ts';
import { PortError } from '../http/listen.ts';
import { watchOrganization, type WatchOptions } from '../organization/watch.ts';
import { portIn } from './arguments.ts';
import { aborted, fail, wrapped, type CommandIo } from './command.ts';
import { serveMetrics } from './metrics-server.ts';

/** Where the metrics are served, and where what was read is kept. */
interface ServeValues {
  readonly host?: string;
  readonly port?: string;
  /** The place of the totals: the reports are kept beside them. */
  readonly place: string;
}

/**
 * Serves the bill as metrics until the signal is aborted, and reads it as often as it changes. Of many such processes with
 * one place, one reads. Returns the exit code.
 */
export async function serveOrganization(
  options: Omit<WatchOptions, 'store' | 'registry'>,
  { host = '127.0.0.1', port, place }: ServeValues,
  io: CommandIo,
): Promise<number> {
  const address = { host, port: portIn(port, METRICS_PORT), portOption: '--port', onError: () => undefined };
  const found = place === '' ? null : ledgerPlace(place);
  const store = found === null || 'problem' in found ? null : found.openReports();
  const registry = new Registry();
  const onProblem = (sentence: string): void => wrapped(sentence, 78).forEach((line) => io.err(line));
  try {
    const serving = await serveMetrics(registry, address);
    const clock = { epochMs: () => io.now(), monotonicMs: () => performance.now() };
    const watch = watchOrganization({ ...options, clock, registry, onProblem, ...(store !== null && { store }) });
    io.out(`The bill at ${serving.url}/metrics, read every 10 minutes. Press Ctrl-C to stop it.`);
    await aborted(io.signal);
    await watch.close();
    await serving.close(0);
    return 0;
  } catch (error) {
    if (!(error instanceof PortError)) throw error;
    return fail([error.message], io);
  } finally {
    await store?.close();
  }
}
