import { AsyncLocalStorage } from 'node:async_hooks';
import type { ServerResponse } from 'node:http';
import { CAUSE_HEADER } from '../gateway/errors.ts';
import { OWNER_LABEL } from '../gateway/access/member.ts';
import type { Authenticate } from '../gateway/grant.ts';
import { FALLBACK_HEADER } from '../gateway/headers.ts';
import { shownPath } from '../gateway/endpoints.ts';
import type { GatewayFault } from '../gateway/faults.ts';
import { brokenOff, HEAD_WRITTEN } from '../gateway/node.ts';
import type { Listener } from '../http/listen.ts';
import { redacted } from '../keys/secrets.ts';
import { operation } from '../observe/operation.ts';
import { TOKEN_KINDS, type Call, type Recorder, type TokenKind } from '../vocabulary.ts';
import type { CommandIo } from './command.ts';

/** The known facts of a request. */
interface Entry {
  readonly startedAtMs: number;
  readonly startedMs: number;
  readonly method: string;
  readonly target: string;
  requestId: string | null;
  cause: string | null;
  /** The rule that led to another key or model, as the response says. */
  fallback: string | null;
  /** Calls that came of it: one, and one for each way after the first. */
  calls: number;
  headMs: number | null;
  client: string | null;
  token: string | null;
  owner: string | null;
  denial: string | null;
  call: Call | null;
}

/** Endpoints that the gateway answers by itself; the others are named after their calls. */
const OWN: Readonly<Record<string, string>> = {
  '/healthz': 'healthz',
  '/readyz': 'readyz',
  '/plimsoll/tokens': 'plimsoll.tokens',
};
const PROBES: ReadonlySet<string> = new Set(['healthz', 'readyz']);

/**
 * Logs each finished request as one line of JSON: who asked for what, the outcome and the duration. It contains no
 * content, no key, no token, and no text of the client's except the name of the model. Successful probes are not
 * logged.
 */
export class RequestLog {
  readonly #write: (line: string) => void;
  readonly #current = new AsyncLocalStorage<Entry>();

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  /** Records the call of each request. */
  readonly recorder: Recorder = {
    started: (call) => {
      this.#note(call, 1);
      return { attempted: () => this.#note(call) };
    },
  };

  /** Wraps the listener so that each finished request is logged. */
  listener(inner: Listener): Listener {
    return (incoming, outgoing) => {
      const { method = '', url = '' } = incoming;
      const startedMs = performance.now();
      const nothing = {
        requestId: null,
        cause: null,
        fallback: null,
        calls: 0,
        headMs: null,
        client: null,
        token: null,
        owner: null,
        denial: null,
        call: null,
      };
      const entry: Entry = { startedAtMs: Date.now(), startedMs, method, target: url, ...nothing };
      watchHead(outgoing, entry);
      outgoing.once('close', () => this.#over(entry, outgoing));
      this.#current.run(entry, inner, incoming, outgoing);
    };
  }

  /** Wraps the authentication so that the log names the client, or the reason of a denial. */
  authenticate(inner: Authenticate): Authenticate {
    return async (presented) => {
      const verdict = await inner(presented);
      const entry = this.#current.getStore();
      if (entry === undefined) return verdict;
      if (typeof verdict === 'string') entry.denial = verdict;
      else
        [entry.client, entry.token, entry.owner] = [
          verdict.client,
          verdict.tokenId,
          verdict.labels[OWNER_LABEL] ?? null,
        ];
      return verdict;
    };
  }

  #note(call: Call, begun = 0): void {
    const entry = this.#current.getStore();
    if (entry === undefined) return;
    entry.calls += begun;
    entry.call = call;
  }

  #over(entry: Entry, outgoing: ServerResponse): void {
    const endpoint = endpointOf(entry);
    if (PROBES.has(endpoint) && outgoing.statusCode === 200) return;
    this.#write(
      logLine(entry.startedAtMs, {
        level: 'info',
        event: 'request',
        method: /^[A-Z]{1,10}$/.test(entry.method) ? entry.method : 'other',
        endpoint,
        // What the gateway knows has a name; of anything else, people have to see what was asked for.
        ...((endpoint === 'other' || (entry.call === null && outgoing.statusCode === 404)) && {
          path: shownPath(entry.target.split('?', 1)[0] ?? ''),
        }),
        status: outgoing.headersSent ? outgoing.statusCode : null,
        ...ending(entry, outgoing),
        ...asked(entry),
        ...(entry.headMs !== null && { headMs: rounded(entry.headMs) }),
        durationMs: rounded(performance.now() - entry.startedMs),
      }),
    );
  }
}

/** What went wrong: the cause of the gateway's error, or who broke the response off. */
function ending({ cause }: Entry, outgoing: ServerResponse) {
  if (outgoing.writableFinished) return cause === null ? {} : { cause };
  const { by, cause: brokenBy } = brokenOff(outgoing);
  const why = brokenBy ?? cause;
  return { brokenOff: by, ...(why !== null && { cause: why }) };
}

/** Returns one of a closed set, because a path may contain anything. */
function endpointOf({ call, method, target }: Entry): string {
  const path = target.split('?', 1)[0] ?? '';
  return call?.operation ?? OWN[path] ?? operation(method, path, false);
}

/** The client, and its request. */
function asked({ requestId, client, token, owner, denial, call, calls, fallback }: Entry) {
  const model = call?.model ?? call?.requestedModel ?? null;
  return {
    requestId,
    client,
    token,
    ...(owner !== null && { owner }),
    ...(denial !== null && { denial }),
    key: call?.key ?? null,
    model: model === null ? null : redacted(model.slice(0, LONGEST)),
    ...(calls > 1 && { failovers: calls - 1 }),
    ...(fallback !== null && { fallback }),
    ...(call !== null && used(call)),
  };
}

/**
 * The tokens of the call by kind, those that there are, and its cost in whole nano-dollars; `null` if a part of it has no
 * price. Attempts of a call before this one are in it. Nothing where the server has told no usage.
 */
function used({ usage, cost }: Call) {
  if (usage === null) return {};
  const tokens: Partial<Record<TokenKind, number>> = {};
  for (const part of usage.parts) {
    for (const kind of TOKEN_KINDS) if (part.tokens[kind] > 0) tokens[kind] = (tokens[kind] ?? 0) + part.tokens[kind];
  }
  return { tokens, costNanoUsd: cost?.priced === true ? cost.totalNanoUsd : null };
}

const LONGEST = 128;

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}

/** Records when the head is written, and the request id in it. A `writeHead` of its own would keep each response alive. */
function watchHead(outgoing: ServerResponse, entry: Entry): void {
  outgoing.on(HEAD_WRITTEN, (headers: readonly string[]) => {
    entry.headMs = performance.now() - entry.startedMs;
    entry.requestId = valueIn(headers, 'request-id', WORD);
    entry.cause = valueIn(headers, CAUSE_HEADER, WORD);
    entry.fallback = valueIn(headers, FALLBACK_HEADER, FALLBACK);
  });
}

const WORD = /^[\w.-]{1,128}$/;

const FALLBACK = /^(?:key|model=[\w.:@/-]{1,128}); on=[a-z_]{1,32}$/;

/** The last value of a header in a flat list, which the gateway has added if the API sent one too; `null` for another form. */
function valueIn(headers: readonly string[], wanted: string, form: RegExp): string | null {
  const at = headers.findLastIndex((name, index) => index % 2 === 0 && name.toLowerCase() === wanted);
  const value = at === -1 ? undefined : headers[at + 1];
  return value !== undefined && form.test(value) ? redacted(value) : null;
}

/** The same error is printed once in this time. */
const PRINT_MS = 60_000;

/** Makes a printer of errors: each kind when it comes first, and then at most once a minute, with how many came since. */
export function onceAMinute(io: Pick<CommandIo, 'err' | 'now'>): (error: unknown) => void {
  const kinds = new Map<string, { printedMs: number; count: number }>();
  return (error) => {
    const { name, code } = kindOf(error);
    const kind = `${name} ${code ?? ''}`;
    const seen = kinds.get(kind) ?? { printedMs: Number.NEGATIVE_INFINITY, count: 0 };
    if (kinds.size < MOST_KINDS) kinds.set(kind, seen);
    seen.count += 1;
    if (io.now() - seen.printedMs < PRINT_MS) return;
    io.err(errorLine(error, io.now(), seen.count));
    [seen.printedMs, seen.count] = [io.now(), 0];
  };
}

const MOST_KINDS = 1_000;

/** An error as a line of JSON, with its kind only: messages of others may contain content. */
function errorLine(error: unknown, nowMs: number, count: number): string {
  const { name, code, cause } = kindOf(error);
  const because = cause === undefined ? {} : { cause: kindOf(cause).code ?? kindOf(cause).name };
  return logLine(nowMs, { level: 'error', event: 'error', name, code, count, ...because });
}

/** A failure of what the gateway needs, or its end, as a line of JSON. */
export function faultLine({ cause, count, name, ...fault }: GatewayFault, nowMs: number): string {
  const [level, event] = cause === null ? ['info', 'fault_ended'] : ['error', 'fault'];
  return logLine(nowMs, {
    ...{ level, event, ...(name !== '' && { name }) },
    ...(cause !== null && { cause, count }),
    ...fault,
  });
}

/** What is wrong with the reading of the organization, in a sentence of plimsoll's own, as a line of JSON. */
export function organizationLine(message: string, nowMs: number): string {
  return logLine(nowMs, { level: 'warn', event: 'organization', message });
}

/** A Redis that stopped answering, or answers again, as a line of JSON. */
export function redisLine(facts: { readonly store: string; readonly outage: string | null }, nowMs: number): string {
  const level = facts.outage === null ? 'info' : 'error';
  return logLine(nowMs, { level, event: 'redis', ...facts });
}

/** A line of the gateway's log: JSON, with the time first. */
export function logLine(atMs: number, facts: object): string {
  return JSON.stringify({ time: new Date(atMs).toISOString(), ...facts });
}

function kindOf(error: unknown): { readonly name: string; readonly code?: string; readonly cause?: unknown } {
  if (!(error instanceof Error)) return { name: typeof error };
  return { name: error.name, cause: error.cause, ...('code' in error && { code: String(error.code) }) };
}
