import type { Middleware } from '@anthropic-ai/sdk';
import type { CacheMiss, SeenBatch } from '../answers.ts';
import type { GuardedRequest } from '../decisions.ts';
import type { BatchResult, Outcome, Rejection, Usage } from '../vocabulary.ts';
import { retryAfterMs } from '../limiter.ts';
import { admit } from './admission.ts';
import type { BodyListener } from './branch.ts';
import { tapContent } from './content.ts';
import {
  giveUp,
  isUnsent,
  notify,
  observeRefusal,
  type Exchange,
  type RefusalFate,
  type Transport,
} from './exchange.ts';
import { apiLimiters, readHeaders } from './limiters.ts';
import type { LiveCall } from './live-call.ts';
import { billsAnother } from './operation.ts';
import { rejection, requestIdOf, type BegunAttempt } from './rejection.ts';
import { followResponse, OUTCOME_OF_END, type FollowedCall } from './response.ts';
import { isOpen, readClone, refusalBody } from './sdk-response.ts';
import { failureOf } from './sdk-retry.ts';
import { addedUsages } from './usage.ts';

/** The request as the SDK gives it to a middleware. */
type SdkRequest = Parameters<Middleware>[0];

type Next = (request: SdkRequest) => Promise<Response>;

/** What a round knows of the call that it belongs to. */
interface Surroundings<E extends Exchange> {
  readonly path: string;
  /** The exchange of another call with the same request, of which nothing has been sent. */
  readonly another: () => E;
  /** The request as middleware has left it. */
  readonly guarded: (request: SdkRequest) => GuardedRequest;
  /** The request as it may be sent. */
  readonly allowed: (request: SdkRequest, call: LiveCall) => SdkRequest;
  readonly isCancelled: () => boolean;
  /** Does the SDK take the error for one of a connection, whoever has thrown it? */
  readonly isOfConnection: (error: unknown) => boolean;
}

/**
 * One time that the SDK sends a call through middleware of the program's. The middleware may ask the API never, once or
 * several times: each time is an attempt, seen innermost, where it leaves the middleware. What the middleware makes of
 * the responses is seen outermost, and ends the call.
 */
export class MiddlewareRound<E extends Exchange> {
  readonly #exchange: E;
  readonly #surroundings: Surroundings<E>;
  #transport: Transport<E, Response> | null = null;
  /** The middleware that sees the attempts. It stands behind those of the program and before those of a cloud's client. */
  readonly innermost: Middleware = (request, next) => this.#sendAttempt(request, next);
  /** The SDK has put `innermost` into the chain. */
  isJoined = false;
  /** What the responses of this round are to the call. Not reachable from their bodies: a dropped one must be collectable. */
  readonly #answers = new Map<Response, ResponseOfRound>();
  readonly #refusals = new Map<Response, KeptRefusal>();
  /** The middleware has answered, or failed: what it keeps is given up. */
  #isSettled = false;
  #last: ResponseOfRound | null = null;
  #admission: Promise<void> | null = null;

  constructor(exchange: E, surroundings: Surroundings<E>) {
    this.#exchange = exchange;
    this.#surroundings = surroundings;
  }

  /** Sends the request through the middleware, by `send`, and observes what comes back. */
  async send(transport: Transport<E, Response>): Promise<Response> {
    this.#transport = transport;
    let response: Response;
    try {
      response = await transport.send(this.#exchange);
    } catch (error) {
      this.#observe(() => this.#fail(error, transport));
      throw error;
    }
    const steering = this.#observe(() => this.#settle(response, transport));
    if (steering !== undefined) await steering;
    return response;
  }

  /** The parsed body of a refusal that came out of the middleware, which is read once however it is asked for. */
  refusalBody(response: Response, fate: RefusalFate): Promise<unknown> {
    const refusal = this.#refusals.get(response);
    if (refusal === undefined) return this.#madeBody(response, fate);
    if (fate === 'decided') readClone(response);
    // The SDK reads it no further, and nothing else does where it is none of the web's kind.
    if (fate !== 'reported' && !isOpen(response)) refusal.giveUp();
    return refusal.body;
  }

  /** The body of a refusal that the middleware made: around that of the API's, perhaps, which is read with it. */
  async #madeBody(response: Response, fate: RefusalFate): Promise<unknown> {
    const body = await refusalBody(response, fate);
    this.#giveUpRefusals(response);
    return body;
  }

  async #sendAttempt(request: SdkRequest, next: Next): Promise<Response> {
    const { call } = this.#exchange;
    if (call.isOver && call.outcome !== 'blocked') return this.#sendLate(request, next);
    const content = this.#surroundings.guarded(request);
    const begun = call.isOver ? null : call.retry(content.body);
    call.isBilledToAnother = billsAnother(content.body);
    await (this.#admission = this.#admission?.then(() => this.#admit(content)) ?? this.#admit(content));
    const isGivenUp = this.#surroundings.isCancelled();
    if (begun !== null) call.sending(content);
    let response: Response;
    try {
      response = await next(this.#surroundings.allowed(request, call));
    } catch (error) {
      if (begun !== null) call.isUnsent = isGivenUp || isUnsent(error);
      this.#observe(() => this.#failAttempt(error, begun));
      throw error;
    }
    this.#observe(() => this.#endAttempt(response, begun));
    return response;
  }

  /**
   * What leaves after the end of its call is a call of its own, which the SDK does not retry: a cache may be refreshed
   * behind the answer that it gave.
   */
  #sendLate(request: SdkRequest, next: Next): Promise<Response> {
    const transport = this.#transport;
    const late = this.#observe(() => new MiddlewareRound(this.#surroundings.another(), this.#surroundings));
    if (transport === null || late === undefined) return next(request);
    return late.send({
      ...transport,
      send: () => late.#sendAttempt(request, next),
      refusalBody: (_exchange, response, fate) => late.refusalBody(response, fate),
      retriesRefusal: () => false,
      retriesFailure: () => false,
    });
  }

  /** One after the other, at the first attempt at once. Middleware that asks again after a refusal gets the same one. */
  async #admit(content: GuardedRequest): Promise<void> {
    const { call, observation } = this.#exchange;
    const isFirst = call.attempts === 1;
    if (call.spends.length > 0 || (isFirst && observation.guards.length > 0)) {
      await admit(this.#exchange, content);
    }
    if (isFirst && observation.retry !== undefined) notify(observation, 'began');
  }

  #endAttempt(response: Response, begun: BegunAttempt | null): void {
    const { call, observation } = this.#exchange;
    const { status, headers } = response;
    if (begun === null || call.isOver) return;
    this.#last = null;
    if (response.ok) {
      const read = readHeaders(headers);
      call.succeed(status, read.limiters, begun);
      this.#last = new ResponseOfRound(call, begun.model);
      this.#answers.set(response, this.#last);
      followResponse({ call: this.#last, observation, path: this.#surroundings.path }, response, read);
      return;
    }
    const refusal = this.#refusals.get(response) ?? new KeptRefusal(response);
    this.#refusals.set(response, refusal);
    if (this.#isSettled) refusal.giveUp();
    const verdict = refusal.body.then((read) => ({
      rejection: rejection({ status, headers, body: read }),
      denied: null,
      ends: null,
    }));
    const askedMs = call.spends.length > 0 ? retryAfterMs(headers, observation.clock.epochMs()) : null;
    const refused = { status, limiters: apiLimiters(headers), requestId: requestIdOf(headers), retryAfterMs: askedMs };
    call.refuse({ ...refused, verdict, begun });
  }

  #failAttempt(error: unknown, begun: BegunAttempt | null): void {
    const { call } = this.#exchange;
    if (begun === null || call.isOver) return;
    this.#last = null;
    call.fail(this.#surroundings.isCancelled() ? 'cancelled' : failureOf(error), begun);
  }

  /** The middleware has answered: with a response of the API's, or one that it made. */
  #settle(response: Response, transport: Transport<E, Response>): Promise<void> | undefined {
    if (response.ok || this.#refusals.has(response)) this.#giveUpRefusals(response);
    if (!response.ok) return observeRefusal(this.#exchange, transport, response);
    const own = this.#answers.get(response);
    if (own === undefined) endWithBody(this.#exchange.call, response, this.#last);
    else own.endCall();
    return undefined;
  }

  #giveUpRefusals(returned: Response | null): void {
    this.#isSettled = true;
    for (const [response, refusal] of this.#refusals) if (response !== returned) refusal.giveUp();
  }

  #fail(error: unknown, transport: Transport<E, Response>): void {
    const { call, observation } = this.#exchange;
    this.#giveUpRefusals(null);
    if (this.#surroundings.isCancelled()) return call.end('cancelled');
    if (!transport.retriesFailure(this.#exchange, error)) {
      void call.recorded.then(() => call.end(this.#outcomeOf(error)));
      return;
    }
    notify(observation, 'retriedUnasked');
    transport.wait(this.#exchange);
  }

  /** An error of the middleware's own ends a call as the refusal before it would have, or as one that the program gave up. */
  #outcomeOf(error: unknown): Outcome {
    const { lastOutcome } = this.#exchange.call;
    if (this.#last === null && lastOutcome !== null) return lastOutcome;
    return this.#surroundings.isOfConnection(error) ? failureOf(error) : 'cancelled';
  }

  #observe<Seen>(step: () => Seen): Seen | undefined {
    try {
      return step();
    } catch (error) {
      giveUp(this.#exchange, error);
      return undefined;
    }
  }
}

/** A refusal in a round. One that the middleware keeps to itself is known by its headers, unless it has been read by then. */
class KeptRefusal {
  /** The parsed body; `null` where it has been given up. */
  readonly body: Promise<unknown>;
  giveUp: () => void = () => undefined;

  constructor(response: Response) {
    const givenUp = new Promise<null>((resolve) => (this.giveUp = () => resolve(null)));
    this.body = Promise.race([refusalBody(response, 'reported'), givenUp]);
  }
}

/** Ends a call when the body of a response that middleware has made is over. Its usage, if it has one, is nobody's. */
function endWithBody(call: LiveCall, response: Response, last: ResponseOfRound | null): void {
  const whole = (): void => call.end(last?.fault ?? 'ok');
  const listener: BodyListener = {
    chunk: () => undefined,
    end: (how) => (how === 'done' ? whole() : call.end(OUTCOME_OF_END[how])),
  };
  if (response.body === null) whole();
  else tapContent(response, listener, whole);
}

/** A successful response to an attempt, and what it tells of the call: one of several, perhaps. */
class ResponseOfRound implements FollowedCall {
  model: string | null = null;
  serverFallbackFrom: string | null = null;
  stopReason: string | null = null;
  answerStartSeconds: number | null = null;
  cacheMiss: CacheMiss | null = null;
  usage: Usage | null = null;
  readonly requestedModel: string | null;
  readonly operation: string;
  readonly startedAtMs: number;
  readonly details: LiveCall['details'];
  readonly #call: LiveCall;
  #outcome: Outcome | null = null;
  #bodyError: Rejection | null = null;
  #endsCall = false;

  constructor(call: LiveCall, requestedModel: string | null) {
    this.#call = call;
    this.requestedModel = requestedModel;
    this.operation = call.operation;
    this.startedAtMs = call.startedAtMs;
    this.details = call.details;
  }

  get elapsedMs(): number {
    return this.#call.elapsedMs;
  }

  startContent(): void {
    if (this.#call.firstTokenSeconds === null && !this.#call.isOver) this.#call.startContent();
  }

  priceUsage(): void {
    if (this.#share()) this.#call.priceUsage();
  }

  addBatchResult(result: BatchResult): void {
    if (!this.#call.isOver) this.#call.addBatchResult(result);
  }

  seeBatch(batch: SeenBatch): void {
    if (!this.#call.isOver) this.#call.seeBatch(batch);
  }

  /** The body is over; so is the call, if this is what its caller got. */
  end(outcome: Outcome | null, bodyError: Rejection | null = null): void {
    if (this.#outcome !== null) return;
    this.#outcome = outcome ?? 'ok';
    this.#bodyError = bodyError;
    this.#share();
    if (this.#endsCall) this.endCall();
  }

  /** The caller gets this response: the call ends with its body. */
  endCall(): void {
    this.#endsCall = true;
    if (this.#outcome !== null) this.#call.end(this.#outcome, this.#bodyError);
  }

  /** What was wrong with the response; `null` where it was whole, or nobody read it. */
  get fault(): Outcome | null {
    return this.#outcome === 'ok' || this.#outcome === 'cancelled' || this.#outcome === 'abandoned'
      ? null
      : this.#outcome;
  }

  /** Each response is billed to its own model. */
  #share(): boolean {
    const call = this.#call;
    if (call.isOver) return false;
    if (this.model !== null) call.model = this.model;
    if (this.stopReason !== null) call.stopReason = this.stopReason;
    call.serverFallbackFrom = this.serverFallbackFrom;
    call.answerStartSeconds = this.answerStartSeconds;
    call.cacheMiss = this.cacheMiss ?? call.cacheMiss;
    if (this.usage === null) return false;
    const parts = this.usage.parts.map((part) => (part.model === null ? { ...part, model: this.model } : part));
    call.usages ??= new Map();
    call.usages.set(this, { ...this.usage, parts });
    call.usage = addedUsages([...call.usages.values()]);
    return true;
  }
}
