/** A backend for telemetry, as far as tests need one: it takes OTLP over HTTP and shows what the bytes say. */
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import protobuf from 'protobufjs';

/**
 * The fields that are looked at, by their numbers in the specification (opentelemetry-proto 1.x); a decoder skips others.
 * Written down here so that the wire is read by something else than the library that wrote it.
 */
const SCHEMA = `
  syntax = "proto3";
  message AnyValue { oneof value {
    string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; ArrayValue array_value = 5;
  } }
  message ArrayValue { repeated AnyValue values = 1; }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message Scope { string name = 1; string version = 2; }

  message Traces { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message ScopeSpans { Scope scope = 1; repeated Span spans = 2; }
  message Span {
    bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
    fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9; Status status = 15;
  }
  message Status { string message = 2; int32 code = 3; }

  message Metrics { repeated ResourceMetrics resource_metrics = 1; }
  message ResourceMetrics { Resource resource = 1; repeated ScopeMetrics scope_metrics = 2; }
  message ScopeMetrics { Scope scope = 1; repeated Metric metrics = 2; }
  message Metric {
    string name = 1; string unit = 3;
    oneof data { Gauge gauge = 5; Sum sum = 7; Histogram histogram = 9; }
  }
  message Gauge { repeated NumberPoint data_points = 1; }
  message Sum { repeated NumberPoint data_points = 1; int32 aggregation_temporality = 2; bool is_monotonic = 3; }
  message NumberPoint {
    repeated KeyValue attributes = 7; fixed64 start_time_unix_nano = 2;
    oneof value { double as_double = 4; sfixed64 as_int = 6; }
  }
  message Histogram { repeated HistogramPoint data_points = 1; int32 aggregation_temporality = 2; }
  message HistogramPoint {
    repeated KeyValue attributes = 9; fixed64 start_time_unix_nano = 2;
    fixed64 count = 4; optional double sum = 5; repeated fixed64 bucket_counts = 6;
    repeated double explicit_bounds = 7;
  }
`;

const { root } = protobuf.parse(SCHEMA);

type Values = Readonly<Record<string, unknown>>;

/** A span as it came over the wire. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first span of a trace. */
  readonly parentSpanId: string;
  readonly name: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Values;
  readonly isError: boolean;
  readonly scope: string;
  readonly resource: Values;
}

/** A number of a metric as it came over the wire: the sum of a histogram, with its buckets. */
export interface ReceivedPoint {
  readonly name: string;
  readonly unit: string;
  readonly type: 'gauge' | 'sum' | 'histogram';
  readonly isMonotonic: boolean;
  readonly isCumulative: boolean;
  readonly startMs: number;
  readonly attributes: Values;
  readonly resource: Values;
  readonly value: number;
  /** Histograms: how many values; for sums 0. */
  readonly count: number;
  readonly bounds: readonly number[];
  /** Of each bucket alone, not cumulative; the last is that of the values above all bounds. */
  readonly bucketCounts: readonly number[];
}

export interface OtlpReceiver {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly endpoint: string;
  /** In the order in which they came. */
  readonly spans: readonly ReceivedSpan[];
  /** The points of the last export of metrics. */
  readonly points: readonly ReceivedPoint[];
  /** `POST /v1/traces application/x-protobuf`, one for each export. */
  readonly exports: readonly string[];
  /** All bytes of all exports, unpacked: to look for what must not be there. */
  readonly bytes: () => Buffer;
  close(): Promise<void>;
}

interface Received {
  readonly spans: ReceivedSpan[];
  points: readonly ReceivedPoint[];
  readonly exports: string[];
  readonly bodies: Buffer[];
}

/** Listens on a free port of the loopback interface. */
export async function otlpReceiver(): Promise<OtlpReceiver> {
  const received: Received = { spans: [], points: [], exports: [], bodies: [] };
  const server = createServer((request, response) => {
    void take(request, received).then((status) => {
      response.writeHead(status, { 'content-type': 'application/x-protobuf' });
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: received.spans,
    get points() {
      return received.points;
    },
    exports: received.exports,
    bytes: () => Buffer.concat(received.bodies),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function take(request: IncomingMessage, received: Received): Promise<number> {
  const { method, url, headers } = request;
  const packed = await buffer(request);
  const body = headers['content-encoding'] === 'gzip' ? gunzipSync(packed) : packed;
  received.exports.push(`${method} ${url} ${headers['content-type']}`);
  received.bodies.push(body);
  if (headers['content-type'] !== 'application/x-protobuf') return 415;
  if (url === '/v1/traces') received.spans.push(...spansOf(body));
  else if (url === '/v1/metrics') received.points = pointsOf(body);
  else return 404;
  return 200;
}

interface WireValue {
  readonly value?: string;
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: string;
  readonly doubleValue?: number;
  readonly arrayValue?: { readonly values: readonly WireValue[] };
}
type WireAttributes = readonly { readonly key: string; readonly value: WireValue }[];

interface WireSpan {
  readonly traceId: Buffer;
  readonly spanId: Buffer;
  readonly parentSpanId: Buffer;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: WireAttributes;
  readonly status: { readonly code: number } | null;
}
interface WireTraces {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: WireAttributes };
    readonly scopeSpans: readonly { readonly scope: { readonly name: string }; readonly spans: readonly WireSpan[] }[];
  }[];
}

interface WirePoint {
  readonly attributes: WireAttributes;
  readonly startTimeUnixNano: string;
  readonly asDouble?: number;
  readonly asInt?: string;
  readonly count?: string;
  readonly sum?: number;
  readonly explicitBounds?: readonly number[];
  readonly bucketCounts?: readonly string[];
}
interface WireData {
  readonly dataPoints: readonly WirePoint[];
  /** Gauges have none. */
  readonly aggregationTemporality?: number;
  readonly isMonotonic?: boolean;
}
interface WireMetric {
  readonly name: string;
  readonly unit: string;
  readonly gauge?: WireData;
  readonly sum?: WireData;
  readonly histogram?: WireData;
}
interface WireMetrics {
  readonly resourceMetrics: readonly {
    readonly resource: { readonly attributes: WireAttributes } | null;
    readonly scopeMetrics: readonly { readonly metrics: readonly WireMetric[] }[];
  }[];
}

function decoded(type: string, body: Buffer): unknown {
  const message = root.lookupType(type);
  return message.toObject(message.decode(body), { longs: String, defaults: true, oneofs: true });
}

function spansOf(body: Buffer): readonly ReceivedSpan[] {
  const { resourceSpans } = decoded('Traces', body) as WireTraces;
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ scope, spans }) =>
      spans.map((span) => ({
        traceId: span.traceId.toString('hex'),
        spanId: span.spanId.toString('hex'),
        parentSpanId: span.parentSpanId.toString('hex'),
        name: span.name,
        kind: span.kind,
        startMs: Number(BigInt(span.startTimeUnixNano) / 1_000n) / 1_000,
        endMs: Number(BigInt(span.endTimeUnixNano) / 1_000n) / 1_000,
        attributes: values(span.attributes),
        isError: span.status?.code === 2,
        scope: scope.name,
        resource: values(resource.attributes),
      })),
    ),
  );
}

const CUMULATIVE = 2;

function pointsOf(body: Buffer): readonly ReceivedPoint[] {
  const { resourceMetrics } = decoded('Metrics', body) as WireMetrics;
  return resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
    scopeMetrics.flatMap(({ metrics }) =>
      metrics.flatMap((metric) => pointsOfMetric(metric, values(resource?.attributes ?? []))),
    ),
  );
}

function pointsOfMetric({ name, unit, gauge, sum, histogram }: WireMetric, resource: Values): readonly ReceivedPoint[] {
  const type = gauge !== undefined ? 'gauge' : sum !== undefined ? 'sum' : 'histogram';
  const data = gauge ?? sum ?? histogram ?? { dataPoints: [] };
  return data.dataPoints.map((point) => ({
    name,
    unit,
    type,
    isMonotonic: data.isMonotonic ?? false,
    isCumulative: data.aggregationTemporality === CUMULATIVE,
    startMs: Number(BigInt(point.startTimeUnixNano) / 1_000n) / 1_000,
    attributes: values(point.attributes),
    resource,
    value: histogram === undefined ? (point.asDouble ?? Number(point.asInt)) : (point.sum ?? 0),
    count: Number(point.count ?? 0),
    bounds: point.explicitBounds ?? [],
    bucketCounts: (point.bucketCounts ?? []).map(Number),
  }));
}

function values(attributes: WireAttributes): Values {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]));
}

function plain(value: WireValue): unknown {
  if (value.arrayValue !== undefined) return value.arrayValue.values.map(plain);
  return value.stringValue ?? value.boolValue ?? value.doubleValue ?? Number(value.intValue);
}
