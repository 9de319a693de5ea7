import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
  type HrTime,
  type ProxyTracerProvider,
  type Span,
  type Tracer,
  type TracerProvider,
} from '@opentelemetry/api';
import { systemClock, type Clock } from '../../clock.ts';
import { VERSION } from '../../version.ts';
import type { Attempt, Call, Recorder, RetryDenial } from '../../vocabulary.ts';
import type { Trace } from '../metrics/series.ts';
import { errorType } from './instruments.ts';
import {
  attemptAttributes,
  callAttributes,
  isFailure,
  ownerAttributes,
  requestAttributes,
  responseAttributes,
  spanName,
  usageAttributes,
} from './span-attributes.ts';

export interface SpanRecorderOptions {
  /** The attribution labels that go onto spans. */
  readonly attribution?: readonly string[];
  /** Default: the provider that is registered with the OpenTelemetry API, now or later. */
  readonly tracerProvider?: TracerProvider | undefined;
  readonly clock?: Clock;
}

export interface SpanRecorder extends Recorder {
  /** The trace of a call, for exemplars; `null` where it is not sampled, because nobody could look it up. */
  trace(call: Call): Trace | null;
}

/**
 * Adds to the span that the SDK has for a call what the SDK does not know: cost, 429 reasons, retry wait, key alias and
 * attribution. Where the SDK has none, it opens one by the conventions for generative AI, below the span that is active
 * when the call begins; nothing is ever put on that one. Each attempt is a child span, `anthropic.attempt`, that lasts
 * until the headers of a refusal or the end of an answer's body.
 *
 * One span of a call has its tokens and its cost: the call's own, or, where the SDK ended that before the answer was
 * read (`asResponse()`), the last attempt's. After `break` the SDK's span has what was known at `message_start`.
 * A trace that is not recorded costs a look-up; the prompt, the answer and the key are never on a span.
 */
export function spanRecorder(options: SpanRecorderOptions = {}): SpanRecorder {
  return new Spans(options);
}

/** A call with a span. */
interface TracedCall {
  readonly span: Span;
  /** plimsoll opened the span, and ends it. */
  readonly isOwn: boolean;
  /** The reasons of its 429s, each once. */
  readonly reasons: string[];
  /** The last attempt, whose span is kept open: what comes too late for the SDK's span goes there. */
  attempt: OpenAttempt | null;
  /** The SDK's span was open when the usage was known: it has the tokens. */
  hasUsage: boolean;
}

interface OpenAttempt {
  readonly span: Span;
  readonly headersAtMs: number;
  readonly isAnswered: boolean;
}

/**
 * What a call has come to if nothing more is told before the SDK ends its span: the SDK does that at a `break`, before
 * it gives the body up. Every other end is told in time and replaces it.
 */
const IF_LEFT = 'cancelled';

class Spans implements SpanRecorder {
  readonly #attribution: readonly string[];
  readonly #provider: TracerProvider | undefined;
  readonly #clock: Clock;
  readonly #calls = new WeakMap<Call, TracedCall>();
  #tracer: Tracer | null = null;

  constructor({ attribution = [], tracerProvider, clock = systemClock }: SpanRecorderOptions) {
    this.#attribution = attribution;
    this.#provider = tracerProvider;
    this.#clock = clock;
  }

  started(call: Call): void {
    const isOwn = call.sdkSpan === undefined;
    const span = isOwn ? this.#opened(call) : call.sdkSpan;
    if (!isSpan(span) || !span.isRecording()) return;
    span.setAttributes(ownerAttributes(call, this.#attribution));
    this.#calls.set(call, { span, isOwn, reasons: [], attempt: null, hasUsage: false });
  }

  attempted(call: Call, attempt: Attempt): void {
    const traced = this.#calls.get(call);
    if (traced === undefined) return;
    const reason = attempt.rejection?.rateLimitReason ?? null;
    if (reason !== null && !traced.reasons.includes(reason)) traced.reasons.push(reason);
    if (traced.isOwn && typeof attempt.status === 'number')
      traced.span.setAttribute('http.response.status_code', attempt.status);
    endAttempt(traced.attempt);
    traced.attempt = this.#attemptOf(traced, attempt);
  }

  usageKnown(call: Call): void {
    const traced = this.#calls.get(call);
    if (traced === undefined || traced.isOwn || !traced.span.isRecording()) return;
    traced.hasUsage = true;
    traced.span.setAttribute('plimsoll.outcome', call.outcome ?? IF_LEFT);
    traced.span.setAttributes(callAttributes(call, traced.reasons));
  }

  retryDenied(call: Call, reason: RetryDenial): void {
    const span = this.#calls.get(call)?.span;
    if (span?.isRecording() === true) span.setAttribute('plimsoll.retry.denied', reason);
  }

  finished(call: Call): void {
    const traced = this.#calls.get(call);
    if (traced === undefined) return;
    const endsAtMs = call.startedAtMs + (call.durationSeconds ?? 0) * 1_000;
    if (traced.isOwn) finishOwn(call, traced);
    else finishBorrowed(call, traced);
    endAttempt(traced.attempt, endsAtMs);
    if (traced.isOwn) traced.span.end(hrTime(endsAtMs));
  }

  trace(call: Call): Trace | null {
    const context = this.#calls.get(call)?.span.spanContext();
    if (context === undefined || (context.traceFlags & TraceFlags.SAMPLED) === 0) return null;
    return { traceId: context.traceId, spanId: context.spanId, timestampSeconds: this.#clock.epochMs() / 1_000 };
  }

  #opened(call: Call): Span | undefined {
    return this.#tracerIfAny()?.startSpan(spanName(call), {
      kind: SpanKind.CLIENT,
      startTime: hrTime(call.startedAtMs),
      attributes: requestAttributes(call),
    });
  }

  #attemptOf({ span: parent }: TracedCall, attempt: Attempt): OpenAttempt | null {
    const { startedAtMs, durationSeconds } = attempt;
    const span = this.#tracerIfAny()?.startSpan(
      'anthropic.attempt',
      { kind: SpanKind.CLIENT, startTime: hrTime(startedAtMs), attributes: attemptAttributes(attempt) },
      trace.setSpan(ROOT_CONTEXT, parent),
    );
    if (span === undefined) return null;
    if (isFailure(attempt)) span.setStatus({ code: SpanStatusCode.ERROR });
    const headersAtMs = startedAtMs + durationSeconds * 1_000;
    return { span, headersAtMs, isAnswered: attempt.rejection === null };
  }

  /** Asked for until there is one: the provider may be registered after the client was made. */
  #tracerIfAny(): Tracer | null {
    return (this.#tracer ??= tracerOf(this.#provider ?? trace.getTracerProvider()));
  }
}

function isSpan(value: unknown): value is Span {
  return typeof value === 'object' && value !== null && 'isRecording' in value && 'setAttributes' in value;
}

function finishOwn(call: Call, { span, reasons }: TracedCall): void {
  span.setAttributes(responseAttributes(call));
  span.setAttributes(callAttributes(call, reasons));
  setOutcome(span, call);
  if (errorType(call) !== null) span.setStatus({ code: SpanStatusCode.ERROR });
}

/** What is told too late for the SDK's span goes to the last attempt; tokens and cost, only if they are on neither. */
function finishBorrowed(call: Call, { span, reasons, attempt, hasUsage }: TracedCall): void {
  if (span.isRecording()) {
    setOutcome(span, call);
    span.setAttributes(callAttributes(call, reasons));
    // The SDK ends it when the body has been read or closed: a body that is gone was neither.
    if (call.outcome === 'abandoned') span.end();
  } else if (attempt !== null) {
    setOutcome(attempt.span, call);
    if (hasUsage) return;
    attempt.span.setAttributes(callAttributes(call, reasons));
    if (call.usage !== null) attempt.span.setAttributes(usageAttributes(call.usage, call.outcome === 'ok'));
  }
}

function setOutcome(span: Span, { outcome }: Call): void {
  if (outcome !== null) span.setAttribute('plimsoll.outcome', outcome);
}

/** With the body of an answer, and with the headers of a refusal. */
function endAttempt(attempt: OpenAttempt | null, bodyEndsAtMs?: number): void {
  if (attempt === null) return;
  const { span, headersAtMs, isAnswered } = attempt;
  span.end(hrTime(isAnswered ? (bodyEndsAtMs ?? headersAtMs) : headersAtMs));
}

/** As seconds and nanoseconds: a plain number could be taken for one of the monotonic clock. */
function hrTime(epochMs: number): HrTime {
  const seconds = Math.floor(epochMs / 1_000);
  return [seconds, Math.round((epochMs - seconds * 1_000) * 1_000_000)];
}

/**
 * plimsoll's tracer of a provider, or `null` where the API's own provider stands in because none has been registered:
 * its tracers would make spans that are nothing, and allocate them.
 */
export function tracerOf(provider: TracerProvider): Tracer | null {
  if ('getDelegateTracer' in provider) {
    return (provider as ProxyTracerProvider).getDelegateTracer('plimsoll', VERSION) ?? null;
  }
  return provider.getTracer('plimsoll', VERSION);
}
