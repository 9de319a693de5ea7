import { readFile } from 'node:fs/promises';
import { samplesIn, type Sample } from '../advice/samples.ts';
import { ConfigurationError, hasWords, unreadable } from '../errors.ts';
import { redacted } from '../keys/secrets.ts';
import type { CommandIo } from './command.ts';

const LONGEST_WAIT_MS = 10_000;

/**
 * Reads the samples of a running service's metrics from a URL, a file, or `-` for standard input. Throws a
 * `ConfigurationError` (`PLIMSOLL_METRICS_PAGE`) if the page cannot be read, is not a metrics page, or has no plimsoll
 * metrics.
 */
export async function metricsPage(place: string, io: Pick<CommandIo, 'stdin' | 'signal'>): Promise<readonly Sample[]> {
  const samples = samplesIn(await metricsText(place, io));
  const shown = redacted(place);
  if (samples === null) throw noMetrics('a page in the text format of Prometheus', `something else at ${shown}`);
  if (!samples.some(({ name }) => /^(?:anthropic|plimsoll)_/.test(name)))
    throw noMetrics('plimsoll metrics', `only other metrics at ${shown}`);
  return samples;
}

function noMetrics(expected: string, got: string): ConfigurationError {
  const advice = 'pass the URL or the file of another page';
  return new ConfigurationError('PLIMSOLL_METRICS_PAGE', [
    { kind: 'unreadable', field: '--metrics', expected, got, advice },
  ]);
}

/** Reads the text of a metrics page. Throws as `metricsPage` does where there is none to be read. */
export async function metricsText(place: string, io: Pick<CommandIo, 'stdin' | 'signal'>): Promise<string> {
  try {
    if (place === '-') return await standardInput(io);
    return /^https?:\/\//i.test(place) ? await page(place, io) : await readFile(place, 'utf8');
  } catch (error) {
    throw noMetrics('a readable page', `${unreadableReason(error)} at ${redacted(place)}`);
  }
}

async function page(url: string, io: Pick<CommandIo, 'signal'>): Promise<string> {
  const signal = AbortSignal.any([io.signal, AbortSignal.timeout(LONGEST_WAIT_MS)]);
  const response = await fetch(url, { signal, headers: { accept: 'text/plain' } });
  if (!response.ok) throw new StatusError(response.status);
  return response.text();
}

class StatusError extends Error {
  readonly code: string;

  constructor(status: number) {
    super('The response is an error.');
    this.code = `status ${status}`;
  }
}

async function standardInput(io: Pick<CommandIo, 'stdin'>): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of io.stdin) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString('utf8');
}

/**
 * Says why a page or file could not be read, in words where the machine gives a code. For a port that `fetch` refuses,
 * whose error says only "bad port", it says so.
 */
function unreadableReason(error: unknown): string {
  const cause: unknown = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return 'no reason given';
  if (cause.message === 'bad port') return 'a port that fetch does not allow';
  if (cause.message.includes('includes credentials')) return 'a URL with a password, which fetch does not allow,';
  if (cause.name === 'TimeoutError') return 'no response in time';
  if (hasWords(cause)) return unreadable(cause).got;
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : redacted(cause.message);
}
