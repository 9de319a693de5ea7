import type { Timers } from '../clock.ts';
import { allowedBody } from '../observe/admission.ts';
import { answerListener } from '../observe/answer.ts';
import type { Exchange, Way } from '../observe/exchange.ts';
import type { LiveCall } from '../observe/live-call.ts';
import { retriesAnswer } from '../observe/sdk-retry.ts';
import { retryAfterMs } from '../retry/policy.ts';
import type { Endpoint } from './endpoints.ts';
import { forwarded, without } from './headers.ts';
import { textOf, type RequestBody } from './receive.ts';
import { BodyTooLargeError } from './request-body.ts';
import type { Arrival } from './request.ts';
import { isReadable } from './response-body.ts';
import { UpstreamAnswer, UpstreamTimeoutError, type Upstream, type UpstreamRequest } from './upstream.ts';

/** One attempt of a client's, on its way to the API. */
export interface Forwarding extends Exchange {
  readonly arrival: Arrival;
  readonly endpoint: Endpoint;
  readonly body: RequestBody;
  readonly upstream: Upstream;
  /** The real key. */
  readonly key: () => string;
  readonly retries: ClientRetries;
  /** When the client's request had come. */
  readonly startedMs: number;
  /** Joins the attempts of a call; `null` for a client that does not count them: each of its requests is a call. */
  readonly likeness: (() => string) | null;
}

/** The longest that the SDKs wait on their own account. */
const LONGEST_BACKOFF_MS = 8_000;

/** Longer than that no attempt is expected. */
const LONGEST_WAIT_MS = 10 * 60_000;

/** On the way, or held up in a busy client. */
const LATE_MS = 10_000;

/** A client's time began before its request had come. */
const ON_THE_WAY_MS = 250;

/** Who asks is a client with retry rules of its own, of which nothing is known but what the SDKs do. */
export const FORWARDING: Way<Forwarding, UpstreamAnswer> = {
  guarded: ({ body }) => body.guarded,
  async send(forwarding) {
    const { arrival, upstream } = forwarding;
    if (arrival.isGone) throw new Error('the client has gone');
    const sending = upstream.send(sent(forwarding));
    arrival.whenGone(() => sending.abort());
    const answer = new UpstreamAnswer(await sending.answer);
    arrival.whenGone(() => answer.passage.cancel());
    return answer;
  },
  headers: ({ values }) => values,
  follow({ call, observation, arrival }, answer) {
    const isRead = isReadable(answer.values.get('content-encoding') ?? 'identity');
    const type = (isRead ? answer.values.get('content-type') : null) ?? '';
    answer.passage.listen(answerListener({ call, observation, path: arrival.target }, type));
  },
  refusalBody: (_forwarding, answer) => answer.json(),
  retriesAnswer: ({ likeness }, { status, headers }) =>
    likeness !== null && retriesAnswer({ status, headers, refreshable: false }, 1),
  isSteerable: ({ observation, call }) => call.attempts < (observation.retry?.attempts ?? 0),
  steer: (answer, headers) => answer.steer(headers),
  refused(forwarding, { headers }, goesOn) {
    if (goesOn) wait(forwarding, retryAfterMs(headers, forwarding.observation.clock.epochMs()));
  },
  isCancelled: (forwarding) => forwarding.arrival.isGone && !hasTimedOut(forwarding),
  failedAs: (forwarding, error) =>
    error instanceof UpstreamTimeoutError || hasTimedOut(forwarding) ? 'timeout' : 'connection_error',
  retriesFailure: ({ likeness }, error) => likeness !== null && !(error instanceof BodyTooLargeError),
  wait: (forwarding) => wait(forwarding, null),
};

/** The SDKs say how long they wait for an answer, in whole seconds, and leave without a word when they have. */
function hasTimedOut({ arrival, startedMs, observation }: Forwarding): boolean {
  const seconds = Number(arrival.header('x-stainless-timeout') ?? Number.NaN);
  return arrival.isGone && observation.clock.monotonicMs() - startedMs >= seconds * 1_000 - ON_THE_WAY_MS;
}

function wait({ call, retries, likeness }: Forwarding, askedMs: number | null): void {
  if (likeness !== null)
    retries.wait(likeness(), call, Math.min(askedMs ?? LONGEST_BACKOFF_MS, LONGEST_WAIT_MS) + LATE_MS);
}

function sent({ arrival, endpoint, body, call, key }: Forwarding): UpstreamRequest {
  const { method, target, headers } = arrival;
  return {
    method,
    target,
    headers: [...readable(forwarded(headers), endpoint), 'x-api-key', key()],
    body: allowed(body, call),
  };
}

/** What nobody has to change goes on byte for byte, text or not. */
function allowed({ asItCame }: RequestBody, call: LiveCall): UpstreamRequest['body'] {
  const isChanged = call.admittedMaxTokens !== null || call.fallbackModel !== null;
  return isChanged && asItCame instanceof Uint8Array ? allowedBody(textOf(asItCame), call) : asItCame;
}

/** What has to be changed on its way comes as it is. */
function readable(headers: string[], { namesResults }: Endpoint): string[] {
  return namesResults === true ? [...without(headers, 'accept-encoding'), 'accept-encoding', 'identity'] : headers;
}

/** Calls that wait at a time; beyond it a call ends with its refusal at once. */
const MOST_WAITING = 10_000;

interface Waiting {
  readonly call: LiveCall;
  readonly cancel: () => void;
}

/**
 * The calls whose clients were refused and will send the same request again. Nothing but its likeness joins an attempt to
 * the one before: what is asked for, with what token, and how many attempts it says there were.
 */
export class ClientRetries {
  readonly #timers: Timers;
  readonly #waiting = new Map<string, Waiting[]>();
  #count = 0;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** The call whose attempt number `retryCount` (0: the first) this is; `undefined`: it is a new call. */
  resume(likeness: string, retryCount: number): LiveCall | undefined {
    const waits = this.#waiting.get(likeness);
    const at = retryCount > 0 ? (waits?.findIndex(({ call }) => call.attempts === retryCount) ?? -1) : -1;
    const found = waits?.[at];
    if (found !== undefined) this.#remove(likeness, found);
    return found?.call;
  }

  /** The call waits so long for its next attempt, and then ends with its last. */
  wait(likeness: string, call: LiveCall, waitMs: number): void {
    if (this.#count >= MOST_WAITING) return call.endWithLastAttempt();
    const cancel = this.#timers.inBackground(waitMs, () => {
      this.#remove(likeness, waiting);
      call.endWithLastAttempt();
    });
    const waiting: Waiting = { call, cancel };
    const waits = this.#waiting.get(likeness);
    if (waits === undefined) this.#waiting.set(likeness, [waiting]);
    else waits.push(waiting);
    this.#count++;
  }

  /** Ends all that wait: nobody will come any more. */
  end(): void {
    for (const waits of this.#waiting.values()) {
      for (const { call, cancel } of waits) {
        cancel();
        call.endWithLastAttempt();
      }
    }
    this.#waiting.clear();
    this.#count = 0;
  }

  #remove(likeness: string, waiting: Waiting): void {
    waiting.cancel();
    const rest = (this.#waiting.get(likeness) ?? []).filter((other) => other !== waiting);
    if (rest.length === 0) this.#waiting.delete(likeness);
    else this.#waiting.set(likeness, rest);
    this.#count--;
  }
}
