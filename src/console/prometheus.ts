import type { PrometheusTrouble } from './view.ts';

export class PrometheusSilent extends Error {
  readonly trouble: PrometheusTrouble;

  constructor(trouble: PrometheusTrouble) {
    super(`The Prometheus ${trouble}.`);
    this.name = 'PrometheusSilent';
    this.trouble = trouble;
  }
}

/** One series of an answer: pairs of milliseconds and values, of which `NaN` and infinities are left out. */
export interface Answered {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [atMs: number, value: number])[];
}

const LONGEST_WAIT_MS = 10_000;

/** Asks a Prometheus, with `GET` alone. Asking throws a `PrometheusSilent`. */
export class Prometheus {
  /** Host and port, without what the address may hold of a password. */
  readonly host: string;
  readonly #base: URL;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(url: string) {
    this.#base = new URL(url.endsWith('/') ? url : `${url}/`);
    this.host = this.#base.host;
    const { username, password } = this.#base;
    const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    this.#headers = login === ':' ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` };
    this.#base.username = '';
    this.#base.password = '';
  }

  /** The values of an expression at a moment. */
  instant(query: string, atMs: number): Promise<readonly Answered[]> {
    return this.#ask('query', { query, time: String(atMs / 1_000) });
  }

  /** The values of an expression at every step, the first and the last included. */
  range(
    query: string,
    { fromMs, toMs, stepMs }: { readonly fromMs: number; readonly toMs: number; readonly stepMs: number },
  ): Promise<readonly Answered[]> {
    const times = { start: String(fromMs / 1_000), end: String(toMs / 1_000), step: String(stepMs / 1_000) };
    return this.#ask('query_range', { query, ...times });
  }

  async #ask(path: string, parameters: Readonly<Record<string, string>>): Promise<readonly Answered[]> {
    const place = new URL(`api/v1/${path}`, this.#base);
    place.search = new URLSearchParams(parameters).toString();
    const signal = AbortSignal.timeout(LONGEST_WAIT_MS);
    const response = await fetch(place, { signal, headers: this.#headers }).catch(() => {
      throw new PrometheusSilent(signal.aborted ? 'took too long' : 'cannot be reached');
    });
    if (!response.ok) throw new PrometheusSilent('refused the query');
    const body: unknown = await response.json().catch(() => {
      throw new PrometheusSilent(signal.aborted ? 'took too long' : 'is no Prometheus');
    });
    return answeredIn(body);
  }
}

interface Body {
  readonly data?: { readonly result?: unknown };
}

interface Result {
  readonly metric?: Readonly<Record<string, string>>;
  readonly value?: unknown;
  readonly values?: unknown;
}

function answeredIn(body: unknown): readonly Answered[] {
  const result = (body as Body | null)?.data?.result;
  if (!Array.isArray(result)) throw new PrometheusSilent('is no Prometheus');
  return (result as readonly Result[]).map(({ metric = {}, value, values }) => {
    const pairs: readonly unknown[] = Array.isArray(values) ? values : [value];
    return { labels: metric, values: pairs.flatMap(pairIn) };
  });
}

function pairIn(pair: unknown): readonly (readonly [number, number])[] {
  if (!Array.isArray(pair)) return [];
  const [at, value] = [Number(pair[0]) * 1_000, Number(pair[1])];
  return Number.isFinite(at) && Number.isFinite(value) ? [[at, value]] : [];
}
