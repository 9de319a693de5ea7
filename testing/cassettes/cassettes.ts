import { readFileSync } from 'node:fs';

/** A recorded exchange: see README.md beside this file. */
export interface Cassette {
  readonly source: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly body: Readonly<Record<string, unknown>> | null;
  };
  readonly response: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  };
}

const FILES = ['llm-anthropic.json', 'openllmetry.json', 'openinference.json'];

export const CASSETTES: readonly Cassette[] = FILES.flatMap(
  (file) => JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8')) as Cassette[],
);

export const STREAMED = CASSETTES.filter(({ response }) => response.body.startsWith('event:'));
export const UNSTREAMED = CASSETTES.filter(({ response }) => response.body.startsWith('{'));

/** The data of a recorded stream's events, read the plain way: an oracle for whatever scans the bytes. */
export function eventsOf(body: string): readonly Record<string, unknown>[] {
  return body
    .split(/\r?\n\r?\n/)
    .map((event) => /^data:(.*)$/m.exec(event)?.[1])
    .filter((data) => data !== undefined)
    .map((data) => JSON.parse(data) as Record<string, unknown>);
}

/** A `fetch` that answers every request with the recording. */
export function replay({ response }: Cassette): typeof fetch {
  const headers = {
    'content-type': response.body.startsWith('{') ? 'application/json' : 'text/event-stream',
    ...response.headers,
  };
  return () => Promise.resolve(new Response(response.body, { status: response.status, headers }));
}
