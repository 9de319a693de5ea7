import type { Request as ExpressRequest, RequestHandler, Response as ExpressResponse } from 'express';
import { consoleHandler, type ConsoleOptions } from '../console/handler.ts';
import { isLoopback, isOwnHost } from '../hosts.ts';
import { metricsHandler, type MetricsHandlerOptions } from '../record/metrics/page.ts';

/** Who may ask for a page. */
export interface ReachedBy {
  /**
   * Names under which the page may be reached on a loopback address, besides localhost and IP addresses, such as that of a
   * reverse proxy on this machine. Requests there for other names get a 421, so no other site's page can read this one by
   * pointing a name of its own at 127.0.0.1. Default: none.
   */
  readonly names?: readonly string[];
}

/**
 * Express handler for scrapes, like `metricsHandler()`, at whatever path it is mounted. The page shows attribution values and
 * spend: mount it where only Prometheus can reach it, ideally on its own port.
 *
 * @example
 * express().use('/metrics', metrics()).listen(9464, '127.0.0.1');
 */
export function metrics(options: MetricsHandlerOptions & ReachedBy = {}): RequestHandler {
  const { names, ...rest } = options;
  const page = metricsHandler(rest);
  return async function metrics(req, res, next) {
    if (isMisdirected(req, names)) return void res.sendStatus(421);
    try {
      const headers = { accept: req.get('accept') ?? '', 'accept-encoding': req.get('accept-encoding') ?? '' };
      await answer(await page(requestOf(req, '/metrics', headers)), res);
    } catch (error) {
      next(error); // Express 4 does not catch errors of async handlers.
    }
  };
}

/**
 * Express handler for the live page, like `consoleHandler()`, at whatever path it is mounted, with or without a slash at its
 * end. The page shows spend and attribution values: mount it behind the login of those who may see them.
 *
 * @example
 * express().use('/metrics', metrics()).use('/live', livePage()).listen(9464, '127.0.0.1');
 */
export function livePage(options: ConsoleOptions & ReachedBy = {}): RequestHandler {
  const { names, ...rest } = options;
  const page = consoleHandler(rest);
  return async function livePage(req, res, next) {
    if (isMisdirected(req, names)) return void res.sendStatus(421);
    try {
      await answer(await page(requestOf(req, req.originalUrl)), res);
    } catch (error) {
      next(error);
    }
  };
}

function isMisdirected({ socket, headers }: ExpressRequest, names: readonly string[] = []): boolean {
  return isLoopback(socket.localAddress ?? '') && !isOwnHost(headers.host ?? '', names);
}

function requestOf({ method }: ExpressRequest, path: string, headers: Readonly<Record<string, string>> = {}): Request {
  return new Request(new URL(path, 'http://localhost'), { method, headers });
}

async function answer(response: Response, res: ExpressResponse): Promise<void> {
  res
    .status(response.status)
    .setHeaders(response.headers)
    .end(Buffer.from(await response.arrayBuffer()));
}
