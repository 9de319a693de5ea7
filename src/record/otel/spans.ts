import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  isSpanContextValid,
  trace,
  type Context,
  type HrTime,
  type ProxyTracerProvider,
  type Span,
  type Tracer,
  type TracerProvider,
} from '@opentelemetry/api';
import { systemClock, type Clock } from '../../clock.ts';
import { VERSION } from '../../version.ts';
import type { Trace } from '../../trace.ts';
import type { Attempt, Call, CallRecorder, Recorder, Rejection, RetryDenial } from '../../vocabulary.ts';
import { errorType } from './instruments.ts';
import {
  attemptAttributes,
  callAttributes,
  isFailure,
  ownerAttributes,
  rejectionAttributes,
  requestAttributes,
  responseAttributes,
  spanName,
  usageAttributes,
} from './span-attributes.ts';

interface SpanRecorderOptions {
  /** The attribution labels that go onto spans. */
  readonly attribution?: readonly string[];
  /** Default: the provider that is registered with the OpenTelemetry API, now or later. */
  readonly tracerProvider?: TracerProvider | undefined;
  readonly clock?: Clock;
}

/**
 * Adds to the SDK's span of a call what the SDK does not know: cost, 429 reasons, retry wait, key alias and
 * attribution. If the SDK has none, it opens one by the conventions for generative AI, below the span that is active
 * when the call begins; it never adds anything to that one. Each attempt is a child span, `anthropic.attempt`, that
 * lasts until the headers of a refusal or the end of a response's body. One span of a call has its tokens and its cost:
 * the call's own, or, if the SDK ended that before the response was read (`asResponse()`), the last attempt's. After
 * `break`, the SDK's span has what was known at `message_start`. A trace that is not recorded costs a look-up; the
 * prompt, the response and the key are never on a span.
 */
export function spanRecorder(options: SpanRecorderOptions = {}): Recorder {
  return new Spans(options);
}

class Spans implements Recorder {
  readonly clock: Clock;
  readonly #attribution: readonly string[];
  readonly #provider: TracerProvider | undefined;
  #tracer: Tracer | null = null;

  constructor({ attribution = [], tracerProvider, clock = systemClock }: SpanRecorderOptions) {
    this.clock = clock;
    this.#attribution = attribution;
    this.#provider = tracerProvider;
  }

  started(call: Call): CallRecorder | undefined {
    const isOwn = call.sdkSpan === undefined;
    const span = isOwn ? this.#open(call) : call.sdkSpan;
    if (!isSpan(span) || !span.isRecording()) return undefined;
    span.setAttributes(ownerAttributes(call, this.#attribution));
    return new CallSpan(this, call, { span, isOwn });
  }

  #open(call: Call): Span | undefined {
    return this.tracer?.startSpan(spanName(call), {
      kind: SpanKind.CLIENT,
      startTime: hrTime(call.startedAtMs),
      attributes: requestAttributes(call),
    });
  }

  /** Looked up until there is one: the provider may be registered after the client was made. */
  get tracer(): Tracer | null {
    return (this.#tracer ??= tracerOf(this.#provider ?? trace.getTracerProvider()));
  }
}

/** A context of one value: the API's own makes a map and three functions for each. */
class OneValue implements Context {
  readonly #key: symbol;
  readonly #value: unknown;

  constructor(key: symbol, value: unknown) {
    this.#key = key;
    this.#value = value;
  }

  getValue(key: symbol): unknown {
    return key === this.#key ? this.#value : undefined;
  }

  setValue(key: symbol, value: unknown): Context {
    return ROOT_CONTEXT.setValue(this.#key, this.#value).setValue(key, value);
  }

  deleteValue(key: symbol): Context {
    return key === this.#key ? ROOT_CONTEXT : this;
  }
}

const NOTHING: Context = {
  getValue: () => undefined,
  setValue: (key, value) => new OneValue(key, value),
  deleteValue: () => ROOT_CONTEXT,
};

interface OpenAttempt {
  readonly span: Span;
  readonly headersAtMs: number;
  /** Whether the attempt succeeded. */
  readonly hasBody: boolean;
}

/**
 * The outcome on the SDK's span if nothing else is known before the SDK ends it: the SDK does that at a `break`, before
 * it gives up the body. Every other outcome is known in time and replaces it.
 */
const IF_LEFT = 'cancelled';

const NONE: readonly string[] = [];

/** One call and its span. */
class CallSpan implements CallRecorder {
  readonly #spans: Spans;
  readonly #call: Call;
  readonly #span: Span;
  /** Whether plimsoll opened the span, and ends it. */
  readonly #isOwn: boolean;
  /** The reasons of its 429s, each once. */
  #reasons: readonly string[] = NONE;
  /** Spans of attempts that are under way, by their index. One that is never sent never ends, and is seen by nobody. */
  #begun: Map<number, Span> | null = null;
  /** The last attempt, whose span is kept open for facts that are too late for the SDK's span. */
  #attempt: OpenAttempt | null = null;
  /** Whether the SDK's span was open when the usage was known, so that it has the tokens. */
  #hasUsage = false;
  /** The SDK's span has all that is known of the call at its end. */
  #isSaid = false;

  constructor(spans: Spans, call: Call, { span, isOwn }: { readonly span: Span; readonly isOwn: boolean }) {
    this.#spans = spans;
    this.#call = call;
    this.#span = span;
    this.#isOwn = isOwn;
  }

  /**
   * Opens the span of an attempt before it is sent, so that the request can name it as the parent of the API's own spans.
   * Only in place of the SDK's span: what a program has put there itself stays.
   */
  attempting(traceparent: string, index: number): string | null {
    const [version, traceId, parentId, flags] = traceparent.split('-');
    const call = this.#span.spanContext();
    if (this.#isOwn || traceId !== call.traceId || parentId !== call.spanId) return null;
    const span = this.#startAttempt(this.#spans.clock.epochMs());
    if (span === undefined || !isSpanContextValid(span.spanContext())) return null;
    (this.#begun ??= new Map()).set(index, span);
    return `${version}-${traceId}-${span.spanContext().spanId}-${flags}`;
  }

  attempted(attempt: Attempt): void {
    if (attempt.rejection !== null) this.#addReason(attempt.rejection);
    if (this.#isOwn && typeof attempt.status === 'number')
      this.#span.setAttribute('http.response.status_code', attempt.status);
    this.#endAttempt();
    this.#attempt = this.#openAttempt(attempt);
  }

  usageKnown(): void {
    if (this.#isOwn || !this.#span.isRecording()) return;
    this.#hasUsage = true;
    this.#isSaid = this.#call.outcome !== null;
    this.#span.setAttribute('plimsoll.outcome', this.#call.outcome ?? IF_LEFT);
    this.#span.setAttributes(callAttributes(this.#call, this.#reasons));
  }

  /** The attempt that had been a success is none. */
  bodyError(rejection: Rejection): void {
    this.#addReason(rejection);
    this.#attempt?.span.setAttributes(rejectionAttributes(rejection));
    this.#attempt?.span.setStatus({ code: SpanStatusCode.ERROR });
  }

  #addReason({ rateLimitReason: reason }: Rejection): void {
    if (reason === null || this.#reasons.includes(reason)) return;
    this.#reasons = [...this.#reasons, reason];
    this.#isSaid = false;
  }

  retryDenied(reason: RetryDenial): void {
    if (this.#span.isRecording()) this.#span.setAttribute('plimsoll.retry.denied', reason);
  }

  finished(): void {
    const { startedAtMs, durationSeconds } = this.#call;
    const endsAtMs = startedAtMs + (durationSeconds ?? 0) * 1_000;
    if (this.#isOwn) this.#finishOwn();
    else this.#finishBorrowed();
    this.#endAttempt(endsAtMs);
    if (this.#isOwn) this.#span.end(hrTime(endsAtMs));
  }

  /** `null` if the trace is not sampled, because nobody could find it. */
  trace(): Trace | null {
    const { traceFlags, traceId, spanId } = this.#span.spanContext();
    if ((traceFlags & TraceFlags.SAMPLED) === 0) return null;
    return { traceId, spanId, timestampSeconds: this.#spans.clock.epochMs() / 1_000 };
  }

  #startAttempt(startedAtMs: number): Span | undefined {
    return this.#spans.tracer?.startSpan(
      'anthropic.attempt',
      { kind: SpanKind.CLIENT, startTime: hrTime(startedAtMs) },
      trace.setSpan(NOTHING, this.#span),
    );
  }

  #openAttempt(attempt: Attempt): OpenAttempt | null {
    const { startedAtMs, durationSeconds, index } = attempt;
    const span = this.#begun?.get(index) ?? this.#startAttempt(startedAtMs);
    if (span === undefined) return null;
    this.#begun?.delete(index);
    span.setAttributes(attemptAttributes(attempt));
    if (isFailure(attempt)) span.setStatus({ code: SpanStatusCode.ERROR });
    return { span, headersAtMs: startedAtMs + durationSeconds * 1_000, hasBody: attempt.rejection === null };
  }

  /** With the body of a success, and with the headers of a refusal. */
  #endAttempt(bodyEndsAtMs?: number): void {
    if (this.#attempt === null) return;
    const { span, headersAtMs, hasBody } = this.#attempt;
    span.end(hrTime(hasBody ? (bodyEndsAtMs ?? headersAtMs) : headersAtMs));
  }

  #finishOwn(): void {
    const span = this.#span;
    span.setAttributes(responseAttributes(this.#call));
    span.setAttributes(callAttributes(this.#call, this.#reasons));
    setOutcome(span, this.#call);
    if (errorType(this.#call) !== null) span.setStatus({ code: SpanStatusCode.ERROR });
  }

  /** Adds to the last attempt what is too late for the SDK's span; tokens and cost, only if they are on neither. */
  #finishBorrowed(): void {
    const call = this.#call;
    if (this.#span.isRecording()) {
      if (!this.#isSaid) {
        setOutcome(this.#span, call);
        this.#span.setAttributes(callAttributes(call, this.#reasons));
      }
      // The SDK ends it when the body has been read or closed; a lost body was neither.
      if (call.outcome === 'abandoned') this.#span.end();
    } else if (this.#attempt !== null) {
      const { span } = this.#attempt;
      setOutcome(span, call);
      if (this.#hasUsage) return;
      span.setAttributes(callAttributes(call, this.#reasons));
      if (call.usage !== null) span.setAttributes(usageAttributes(call.usage, call.outcome === 'ok'));
    }
  }
}

function isSpan(value: unknown): value is Span {
  return typeof value === 'object' && value !== null && 'isRecording' in value && 'setAttributes' in value;
}

function setOutcome(span: Span, { outcome }: Call): void {
  if (outcome !== null) span.setAttribute('plimsoll.outcome', outcome);
}

/** A time as seconds and nanoseconds: a plain number could be mistaken for one of the monotonic clock. */
function hrTime(epochMs: number): HrTime {
  const seconds = Math.floor(epochMs / 1_000);
  return [seconds, Math.round((epochMs - seconds * 1_000) * 1_000_000)];
}

/**
 * Returns plimsoll's tracer of a provider, or `null` if only the API's no-op provider exists because none has been
 * registered: its tracers would allocate spans for nothing.
 */
export function tracerOf(provider: TracerProvider): Tracer | null {
  if ('getDelegateTracer' in provider) {
    return (provider as ProxyTracerProvider).getDelegateTracer('plimsoll', VERSION) ?? null;
  }
  return provider.getTracer('plimsoll', VERSION);
}
