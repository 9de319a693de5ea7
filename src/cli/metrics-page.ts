import { readFile } from 'node:fs/promises';
import { samplesIn, type Sample } from '../advice/samples.ts';
import { ConfigurationError, hasWords, unreadable } from '../errors.ts';
import { redacted } from '../keys/secrets.ts';
import { pageIn, type PageRead } from '../console/metrics-pages.ts';
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
async function metricsText(place: string, io: Pick<CommandIo, 'stdin' | 'signal'>): Promise<string> {
  if (/^https?:\/\//i.test(place)) {
    const page = await pageAt(place, AbortSignal.any([io.signal, AbortSignal.timeout(LONGEST_WAIT_MS)]));
    if ('trouble' in page) throw noMetrics('a readable page', `${page.trouble} at ${redacted(place)}`);
    return page.bytes.toString('utf8');
  }
  try {
    return place === '-' ? await standardInput(io) : await readFile(place, 'utf8');
  } catch (error) {
    throw noMetrics('a readable page', `${unreadableReason(error)} at ${redacted(place)}`);
  }
}

/** Reads the page at a URL within bounds, or tells what came in its place, in words that follow "got". Never rejects. */
export async function pageAt(url: string, signal: AbortSignal): Promise<PageRead> {
  try {
    const response = await fetch(url, { signal, headers: { accept: 'text/plain' } });
    const from = response.redirected ? ` after a redirect to ${shownPath(response.url)}` : '';
    if (!response.ok) {
      await response.body?.cancel();
      return { trouble: `status ${response.status}${from}${response.status === 404 ? ': is the path right?' : ''}` };
    }
    const page = await pageIn(response.body ?? NOTHING);
    if ('trouble' in page || page.bytes[0] !== LESS_THAN) return page;
    return { trouble: `HTML${from}: is the path right?` };
  } catch (error) {
    return { trouble: unreadableReason(error) };
  }
}

const LESS_THAN = 0x3c;

const NOTHING = new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });

/** The path alone: the rest may be secret. */
function shownPath(url: string): string {
  return redacted(new URL(url).pathname.slice(0, 60));
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
