import type { Registry } from 'prom-client';
import type { Serving } from '../http/listen.ts';
import { serve, type ServeOptions } from '../http/serve.ts';
import { metricsHandler } from '../record/metrics/page.ts';

/** Serves the metrics of a registry at `/metrics`, and nothing else. Rejects with a `PortError`. */
export async function serveMetrics(registry: Registry, options: ServeOptions): Promise<Serving> {
  const page = metricsHandler({ registry });
  const handler = async (request: Request): Promise<Response> => {
    if (new URL(request.url).pathname === '/metrics') return page(request);
    return new Response('The metrics are at /metrics\n', { status: 404 });
  };
  return serve(handler, options);
}
