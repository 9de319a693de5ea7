import type { RequestHandler } from 'express';
import { metricsHandler, type MetricsHandlerOptions } from '../record/metrics/page.ts';

/**
 * Express handler for scrapes, like `metricsHandler()`, at whatever path it is mounted. The page shows attribution values and
 * spend: mount it where only Prometheus can reach it, ideally on its own port.
 *
 * @example
 * express().use('/metrics', metrics()).listen(9464, '127.0.0.1');
 */
export function metrics(options: MetricsHandlerOptions = {}): RequestHandler {
  const page = metricsHandler(options);
  return async function metrics(req, res, next) {
    try {
      const headers = { accept: req.get('accept') ?? '', 'accept-encoding': req.get('accept-encoding') ?? '' };
      const answer = await page(new Request('http://localhost/metrics', { method: req.method, headers }));
      res
        .status(answer.status)
        .setHeaders(answer.headers)
        .end(Buffer.from(await answer.arrayBuffer()));
    } catch (error) {
      next(error); // Express 4 does not catch errors of async handlers.
    }
  };
}
