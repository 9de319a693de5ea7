import type { Registry } from 'prom-client';
import { consoleHandler } from '../console/handler.ts';
import type { Serving } from '../http/listen.ts';
import { serve, type Handler, type ServeOptions } from '../http/serve.ts';
import { metricsHandler } from '../record/metrics/page.ts';

/** The addresses of the live page where it stands at `/`. */
const OF_LIVE_PAGE: ReadonlySet<string> = new Set(['/', '/data', '/page.js', '/page.css', '/runbooks']);

interface MetricsServerOptions extends ServeOptions {
  /** The name that the live page shows, at `/`. Default: there is no page. */
  readonly livePage?: string;
  /** The page of metrics, and the live page, of more processes than this one. */
  readonly joined?: { readonly metrics: Handler; readonly live: Handler };
}

/** Serves the metrics of a registry at `/metrics`, and the live page if it has a name. Rejects with a `PortError`. */
export async function serveMetrics(registry: Registry, options: MetricsServerOptions): Promise<Serving> {
  const { livePage: name, joined, ...address } = options;
  const page = joined?.metrics ?? metricsHandler({ registry });
  const live = joined?.live ?? (name === undefined ? null : consoleHandler({ registry, name }));
  const handler = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    if (pathname === '/metrics') return page(request);
    if (live !== null && (OF_LIVE_PAGE.has(pathname) || pathname.startsWith('/runbooks/'))) return live(request);
    return new Response('The metrics are at /metrics\n', { status: 404 });
  };
  return serve(handler, address);
}
