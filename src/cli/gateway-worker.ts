import { ConfigurationError, sentenceOf } from '../errors.ts';
import type { GatewayConfiguration } from '../gateway/configuration/configuration.ts';
import type { FileTexts } from '../gateway/configuration/files.ts';
import { Journal } from '../record/metrics/joined.ts';
import { storeFor } from '../record/metrics/registry.ts';
import { aborted, type CommandIo } from './command.ts';
import { requireStartFields, type StartFields } from './gateway-reload.ts';
import type { StartedGateway, Supervised } from './gateway-start.ts';
import { WorkerChannel } from './worker-channel.ts';
import { ledgerBehind } from './worker-ledgers.ts';

/** What a process is as one of the workers of a gateway. */
export interface WorkerSeat {
  /** From 1 on; another process takes the place of one that has ended. */
  readonly number: number;
  /** Of the ledgers that the supervising process keeps in memory. */
  readonly ledgerId: string;
  /** Of the supervising process: a worker that differs would spend from another ledger. */
  readonly startFields: StartFields;
}

/** The variable by which a process knows that it is a worker. */
export const WORKER_VARIABLE = 'PLIMSOLL_GATEWAY_WORKER';

/** Reads the place that the supervising process has given; `null` for a process that is no worker. */
export function seatIn({ env }: Pick<CommandIo, 'env'>): WorkerSeat | null {
  const given = env[WORKER_VARIABLE];
  return given === undefined || process.send === undefined ? null : (JSON.parse(given) as WorkerSeat);
}

/** Reads a configuration from the texts of its files, and starts a gateway with it. */
export interface Serving {
  readonly read: (texts: FileTexts) => GatewayConfiguration;
  readonly start: (configuration: GatewayConfiguration, supervised: Supervised) => Promise<StartedGateway>;
}

/**
 * Serves as a worker, until the supervising process, or a signal, says that it should end. Rejects with a `ConfigurationError`
 * (`PLIMSOLL_GATEWAY_RESTART`) where the configuration is not that of the other processes.
 */
export async function serveAsWorker(seat: WorkerSeat, serves: Serving, io: CommandIo): Promise<void> {
  const { read, start } = serves;
  let journal: Journal | null = null;
  let lines: readonly string[] = [];
  let end = (_isReplaced: boolean): void => undefined;
  const told = new Promise<boolean>((resolve) => (end = resolve));
  const channel: WorkerChannel = new WorkerChannel((message) => void process.send?.(message), {
    alive: () => null,
    workers: ([ready, all]: readonly [number, number]) =>
      (lines = ready === all ? [] : [`workers: ${ready} of ${all} ready`]),
    gauges: () => journal?.gauges() ?? [],
    // While it starts, it may have read its configuration before the change.
    reload: (texts: FileTexts) => serving.then((running) => reloaded(running, () => read(texts))),
    stop: () => end(false),
    replace: () => end(true),
  });
  process.on('message', (message) => channel.receive(message));
  const supervised: Supervised = {
    isFirst: seat.number === 1,
    readyLines: () => lines,
    memory: (name) => ledgerBehind(channel, name, seat.ledgerId),
    follow(registry) {
      journal = new Journal(storeFor(registry), (changes) => channel.tell('counted', changes));
    },
  };
  // The texts in force: the files may have changed since, or have become invalid.
  const serving: Promise<StartedGateway> = channel.ask<FileTexts>('files').then((texts) => {
    const configuration = read(texts);
    requireStartFields(seat.startFields, configuration);
    return start(configuration, supervised);
  });
  const running = await serving;
  channel.tell('ready', running.url);
  const isReplaced = await Promise.race([told, aborted(io.signal).then(() => false)]);
  await (isReplaced ? running.replaced() : running.close());
  // What was counted last has gone before this is answered.
  flushed(journal);
  await channel.ask('ended');
  process.disconnect();
}

function flushed(journal: Journal | null): void {
  journal?.flush();
}

/** Applies the configuration of now; returns what is wrong with it, or `null`. */
function reloaded(running: StartedGateway, read: () => GatewayConfiguration): string | null {
  try {
    running.reload(read());
    return null;
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems.map(sentenceOf).join(' ');
    return error instanceof Error ? error.name : 'failed';
  }
}
