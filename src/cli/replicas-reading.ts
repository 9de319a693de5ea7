import type { PageRead } from '../console/metrics-pages.ts';
import { Replicas } from '../console/replicas.ts';
import { unfit } from '../errors.ts';
import { METRICS_PORT } from '../gateway/configuration/configuration.ts';
import { redacted } from '../keys/secrets.ts';
import { wrongArguments } from './arguments.ts';
import type { CommandIo } from './command.ts';
import { pageAt } from './metrics-page.ts';

const DEFAULT_URL = `http://127.0.0.1:${METRICS_PORT}/metrics`;

/** A page that takes longer is silent. */
const LONGEST_WAIT_MS = 2_000;

const LEAST_PAUSE_MS = 2_000;

const UNASKED_PAUSE_MS = 10_000;

/** Reads metrics pages: every 10 seconds, and where somebody asks, before the answer, if the last time was 2 seconds ago. */
export class ReplicasReading {
  readonly replicas: Replicas;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  #readAtMs = -Infinity;
  #reading: Promise<void> | null = null;

  /** `read` reads a page; by default over HTTP. */
  constructor(urls: readonly string[], io: CommandIo, read: ((url: string) => Promise<PageRead>) | null = null) {
    const signal = (): AbortSignal => AbortSignal.any([io.signal, AbortSignal.timeout(LONGEST_WAIT_MS)]);
    this.#now = () => io.now();
    this.replicas = new Replicas(urls, {
      now: this.#now,
      read: read ?? ((url) => pageAt(url, signal())),
    });
    this.#timer = setInterval(() => void this.fresh(), UNASKED_PAUSE_MS).unref();
  }

  /** Resolves when the figures are at most two seconds old. */
  fresh(): Promise<void> {
    if (this.#reading === null && this.#now() - this.#readAtMs < LEAST_PAUSE_MS) return Promise.resolve();
    this.#reading ??= this.replicas.poll().finally(() => {
      this.#readAtMs = this.#now();
      this.#reading = null;
    });
    return this.#reading;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

/** The pages that arguments name, by `--metrics` or without. Throws `wrongArguments` for what is no URL. */
export function urlsIn(
  { metrics = [] }: { readonly metrics?: readonly string[] },
  more: readonly string[],
): readonly string[] {
  const given = [...metrics, ...more];
  const problems = given
    .filter((url) => !URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    .map((url) => unfit('--metrics', redacted(url), { expected: `a URL such as ${DEFAULT_URL}` }));
  if (problems.length > 0) throw wrongArguments(...problems);
  return given.length === 0 ? [DEFAULT_URL] : given;
}
