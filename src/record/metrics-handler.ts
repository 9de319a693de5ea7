import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { defaultRegistry } from './default-registry.ts';
import type { AnyFamily } from './family.ts';
import { exposition } from './exposition.ts';
import { defaultLabels, foreignMetric } from './foreign-metric.ts';
import type { ForeignMetric, ForeignMetricObject } from './foreign-metric.ts';
import { acceptsGzip, preferredFormat } from './negotiation.ts';
import { registeredFamily } from './registered-metric.ts';
import { countError } from './registry.ts';
import type { MetricRegistry } from './registry.ts';
import type { ExpositionFormat } from './sample-text.ts';

const CONTENT_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

const compressed = promisify(gzip);

export interface MetricsHandlerOptions {
  /** A prom-client registry. Default: prom-client's own `register`. */
  readonly registry?: MetricRegistry;
}

/**
 * Answers scrapes with all metrics of the registry, in the format that `Accept` asks for; exemplars are in
 * OpenMetrics. Parsed, it equals `registry.metrics()`, but the registry's content type is never switched,
 * which would cut the names of its counters for good. A metric of somebody else's that throws is left out and
 * counted. It shows spend and attribution values: mount it where only Prometheus comes by.
 */
export function metricsHandler(options: MetricsHandlerOptions = {}): (request: Request) => Promise<Response> {
  const { registry = defaultRegistry() } = options;
  return async function metricsHandler(request) {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return new Response('metrics are read with GET\n', { status: 405, headers: { allow: 'GET, HEAD' } });
    }
    const format = preferredFormat(request.headers.get('accept'));
    const headers = new Headers({ 'content-type': CONTENT_TYPES[format], vary: 'Accept, Accept-Encoding' });
    const zip = acceptsGzip(request.headers.get('accept-encoding'));
    if (zip) headers.set('content-encoding', 'gzip');
    if (request.method === 'HEAD') return new Response(null, { headers });
    const text = exposition(await present(registry), { format, defaultLabels: await labelsForAll(registry) });
    return new Response(zip ? await compressed(text) : text, { headers });
  };
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
