import { readFile } from 'node:fs/promises';
import { ConfigurationError } from '../errors.ts';
import { redacted } from '../keys/secrets.ts';
import type { CommandIo } from './command.ts';

const LONGEST_WAIT_MS = 10_000;

/**
 * Reads the samples of a running service's metrics from a URL, a file, or `-` for standard input. Throws a
 * `ConfigurationError` (`PLIMSOLL_METRICS_PAGE`) if the page cannot be read, is not a metrics page, or has no plimsoll
 * metrics.
 */
export async function metricsPage(place: string, io: CommandIo): Promise<readonly Sample[]> {
  const samples = samplesIn(await textAt(place, io));
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

async function textAt(place: string, io: CommandIo): Promise<string> {
  try {
    if (place === '-') return await standardInput(io);
    return /^https?:\/\//i.test(place) ? await page(place, io) : await readFile(place, 'utf8');
  } catch (error) {
    throw noMetrics('a readable page', `${unreadableReason(error)} at ${redacted(place)}`);
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
    super('The response is an error.');
    this.code = `status ${status}`;
  }
}

async function standardInput(io: CommandIo): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of io.stdin) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString('utf8');
}

/**
 * Says why a page or file could not be read: `ECONNREFUSED`, `ENOENT`, or the text of the error. For a port that
 * `fetch` refuses, whose error says only "bad port", it says so.
 */
function unreadableReason(error: unknown): string {
  const cause: unknown = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return 'no reason given';
  if (cause.message === 'bad port') return 'a port that fetch does not allow';
  if (cause.message.includes('includes credentials')) return 'a URL with a password, which fetch does not allow,';
  if (cause.name === 'TimeoutError') return 'no response in time';
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : redacted(cause.message);
}

/** One line of a `/metrics` page. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]|$)/;

/** Parses a page in the text format of Prometheus or OpenMetrics; `null` for any other text. */
export function samplesIn(text: string): readonly Sample[] | null {
  const samples: Sample[] = [];
  for (const line of text.split(/\r?\n/)) {
    // The rest of the line is an exemplar.
    const match = line.startsWith('#') || line === '' ? null : LINE.exec(line.split(' # ')[0] ?? '');
    if (match === null && line !== '' && !line.startsWith('#')) return null;
    const [, name = '', labels = '', value = ''] = match ?? [];
    if (match !== null)
      samples.push({ name, labels: labelsIn(labels), value: Number(value.replace(/Inf$/, 'Infinity')) });
  }
  return samples;
}

/** Goes from one `="` to the next and reads each character once: an expression would begin anew at each letter of a name. */
function labelsIn(text: string): Readonly<Record<string, string>> {
  const labels: [name: string, value: string][] = [];
  let from = 0;
  for (let at = text.indexOf('="'); at !== -1; at = text.indexOf('="', from)) {
    const name = nameBefore(text, from, at);
    from = at + 1;
    if (name === '') continue;
    const end = closingQuote(text, at + 2);
    if (end === -1) break;
    labels.push([
      name,
      text
        .slice(at + 2, end)
        .replace(/\\n/g, '\n')
        .replace(/\\(.)/g, '$1'),
    ]);
    from = end + 1;
  }
  return Object.fromEntries(labels);
}

/** The name that ends before `end`; empty if there is none. */
function nameBefore(text: string, from: number, end: number): string {
  let start = end;
  while (start > from && /\w/.test(text.charAt(start - 1))) start -= 1;
  while (start < end && /\d/.test(text.charAt(start))) start += 1;
  return text.slice(start, end);
}

function closingQuote(text: string, from: number): number {
  let at = from;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at < text.length ? at : -1;
}

/** The samples of one metric. */
export function samplesOf(samples: readonly Sample[], name: string): readonly Sample[] {
  return samples.filter((sample) => sample.name === name);
}

/** The label, empty if the sample has none. */
export function label({ labels }: Sample, name: string): string {
  return labels[name] ?? '';
}

/** Sums one metric, grouped by `key`. */
export function sums(
  samples: readonly Sample[],
  name: string,
  key: (sample: Sample) => string,
): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const sample of samplesOf(samples, name)) found.set(key(sample), (found.get(key(sample)) ?? 0) + sample.value);
  return found;
}
