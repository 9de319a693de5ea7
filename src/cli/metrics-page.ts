import { readFile } from 'node:fs/promises';
import type { CommandIo } from './command.ts';
import { samplesIn, type Sample } from './exposition-samples.ts';
import { unreadableReason } from './unreadable-reason.ts';

/** The metrics cannot be read, or are not plimsoll's. */
export class MetricsPageError extends Error {
  readonly code = 'PLIMSOLL_METRICS_PAGE';

  constructor(message: string) {
    super(message);
    this.name = 'MetricsPageError';
  }
}

const LONGEST_WAIT_MS = 10_000;

/** The samples of a running service's metrics: of a URL, a file, or `-` for standard input. Throws a `MetricsPageError`. */
export async function metricsPage(place: string, io: CommandIo): Promise<readonly Sample[]> {
  const samples = samplesIn(await textAt(place, io));
  if (samples === null) throw new MetricsPageError(`What is at ${place} is no metrics page.`);
  if (!samples.some(({ name }) => /^(?:anthropic|plimsoll)_/.test(name)))
    throw new MetricsPageError(`The metrics at ${place} are none of plimsoll's.`);
  return samples;
}

async function textAt(place: string, io: CommandIo): Promise<string> {
  try {
    if (place === '-') return await standardInput(io);
    return /^https?:\/\//i.test(place) ? await page(place, io) : await readFile(place, 'utf8');
  } catch (error) {
    throw new MetricsPageError(`No metrics at ${place}: ${unreadableReason(error)}. Give another with --metrics.`);
  }
}

async function page(url: string, io: CommandIo): Promise<string> {
  const signal = AbortSignal.any([io.signal, AbortSignal.timeout(LONGEST_WAIT_MS)]);
  const response = await fetch(url, { signal, headers: { accept: 'text/plain' } });
  if (!response.ok) throw new StatusError(response.status);
  return response.text();
}

class StatusError extends Error {
  readonly code: string;

  constructor(status: number) {
    super('The answer is an error.');
    this.code = `status ${status}`;
  }
}

async function standardInput(io: CommandIo): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of io.stdin) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString('utf8');
}
