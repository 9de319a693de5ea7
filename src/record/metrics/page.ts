import { gzip } from 'node:zlib';
import {
  defaultLabels,
  exposition,
  foreignMetric,
  type ExpositionFormat,
  type ForeignMetric,
  type ForeignMetricObject,
} from './exposition.ts';
import { optionProblems, refuseOptions, unfit, type Problem } from '../../errors.ts';
import { countError, defaultRegistry, registeredFamily, type MetricRegistry } from './registry.ts';
import type { AnyFamily } from './series.ts';

const CONTENT_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** Options of `metricsHandler()`. */
export interface MetricsHandlerOptions {
  /** A prom-client registry. Default: prom-client's own `register`. */
  readonly registry?: MetricRegistry;
}

/**
 * Answers scrapes with all metrics of the registry, in the format that `Accept` asks for; OpenMetrics has exemplars.
 * Parsed, it equals `registry.metrics()`, but the registry's content type is never switched, which would cut the names
 * of its counters permanently. A metric of other owners that throws is left out and counted. The page shows spend and
 * attribution values: mount it where only Prometheus can reach it. Throws a `ConfigurationError` (`PLIMSOLL_OPTIONS_INVALID`).
 */
export function metricsHandler(options: MetricsHandlerOptions = {}): (request: Request) => Promise<Response> {
  refuseOptions(optionProblems(options, NAMES));
  const { registry = defaultRegistry() } = options;
  refuseOptions(registryProblems(registry));
  return async function metricsHandler(request) {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return new Response('metrics are read with GET\n', { status: 405, headers: { allow: 'GET, HEAD' } });
    }
    const format = preferredFormat(request.headers.get('accept'));
    const headers = new Headers({ 'content-type': CONTENT_TYPES[format], vary: 'Accept, Accept-Encoding' });
    const zip = acceptsGzip(request.headers.get('accept-encoding'));
    if (zip) headers.set('content-encoding', 'gzip');
    if (request.method === 'HEAD') return new Response(null, { headers });
    const page = exposition(await present(registry), { format, defaultLabels: await labelsForAll(registry) });
    return new Response(streamed(zip ? await compress(page) : page), { headers });
  };
}

const NAMES: Readonly<Record<keyof MetricsHandlerOptions, true>> = { registry: true };

function registryProblems(registry: unknown): readonly Problem[] {
  if (typeof registry === 'object' && registry !== null && 'registerMetric' in registry) return [];
  return [unfit('registry', registry, { expected: 'a registry of prom-client', advice: 'pass new Registry()' })];
}

/** A body of these bytes. A `Response` would copy them otherwise: a page can have ten megabytes. */
function streamed(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
}

function compress(page: Uint8Array): Promise<NonSharedBuffer> {
  return new Promise((resolve, reject) => {
    gzip(page, (error, compressed) => (error === null ? resolve(compressed) : reject(error)));
  });
}

async function present(registry: MetricRegistry): Promise<readonly (AnyFamily | ForeignMetric)[]> {
  const metrics = registry.getMetricsAsArray().map(async (metric) => {
    try {
      return registeredFamily(metric) ?? (await foreignMetric(registry, metric as ForeignMetricObject));
    } catch {
      countError(registry, 'scrape');
      return null;
    }
  });
  return (await Promise.all(metrics)).filter((metric) => metric !== null);
}

async function labelsForAll(registry: MetricRegistry): Promise<readonly (readonly [string, string])[]> {
  try {
    return await defaultLabels(registry);
  } catch {
    countError(registry, 'scrape');
    return [];
  }
}

interface Range {
  readonly type: string;
  readonly version: string | null;
  readonly quality: number;
}

/**
 * The format that an `Accept` header prefers, by RFC 9110: the highest `q` of the range that names a format most
 * closely. Text if it prefers neither and does not name OpenMetrics first, if it accepts neither, and if there is no
 * header.
 */
export function preferredFormat(accept: string | null): ExpositionFormat {
  const ranges = (accept ?? '').split(',').map(range);
  const openMetrics = liking(ranges, 'application/openmetrics-text', '1.0.0');
  const text = liking(ranges, 'text/plain', '0.0.4');
  if (openMetrics.quality !== text.quality) return openMetrics.quality > text.quality ? 'openmetrics' : 'text';
  return openMetrics.named && text.named && openMetrics.at < text.at ? 'openmetrics' : 'text';
}

/** Tells whether an `Accept-Encoding` header allows gzip. */
export function acceptsGzip(acceptEncoding: string | null): boolean {
  const codings = (acceptEncoding ?? '').split(',').map(range);
  const gzip =
    codings.find(({ type }) => type === 'gzip' || type === 'x-gzip') ?? codings.find(({ type }) => type === '*');
  return gzip !== undefined && gzip.quality > 0;
}

/** One item of either header: `text/plain;version=0.0.4;q=0.5`. A `q` that is no number counts as 1. */
function range(item: string): Range {
  const [type = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase());
  const of = (name: string): string | null =>
    parameters
      .find((parameter) => parameter.startsWith(`${name}=`))
      ?.slice(name.length + 1)
      .replaceAll('"', '') ?? null;
  const quality = Number.parseFloat(of('q') ?? '1');
  return { type, version: of('version'), quality: Number.isNaN(quality) ? 1 : quality };
}

interface Liking {
  readonly quality: number;
  readonly named: boolean;
  readonly at: number;
}

/** A range of another version is a range of another format. */
function liking(ranges: readonly Range[], type: string, version: string): Liking {
  const closest = [type, `${type.slice(0, type.indexOf('/'))}/*`, '*/*']
    .map((name) => ranges.findIndex((range) => range.type === name && (range.version ?? version) === version))
    .find((at) => at !== -1);
  if (closest === undefined) return { quality: 0, named: false, at: Infinity };
  const found = ranges[closest];
  return { quality: found?.quality ?? 0, named: found?.type === type, at: closest };
}
