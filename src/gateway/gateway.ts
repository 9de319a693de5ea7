import type { IncomingMessage, ServerResponse } from 'node:http';
import { systemTimers } from '../clock.ts';
import { gatewayContext } from './context.ts';
import { handle } from './handle.ts';
import { nodeListener } from './node.ts';
import { checkedGatewayOptions, type GatewayOptions } from './options.ts';
import { fromWebRequest, type GatewayRequest } from './request.ts';
import type { GatewayResponse } from './response-body.ts';
import { toWebResponse } from './web.ts';

/** A gateway, for any server. */
export interface Gateway {
  /** For a server with `Request` and `Response`. Never rejects. */
  readonly handle: (request: Request) => Promise<Response>;
  /** For node:http and Express, where it is faster. Mount it before anything that reads bodies. */
  readonly listener: (incoming: IncomingMessage, outgoing: ServerResponse) => void;
  /**
   * Applies other options from the next request on; requests in progress keep those that they began with. `registry` and
   * `limits` but for `upstreamSilenceMs` stay as they were. Throws as `gateway()` does, and has changed nothing then.
   */
  readonly reload: (options: GatewayOptions) => void;
  /**
   * For `lameDuckMs` (default 0) says in `/readyz`, and by `connection: close`, that no more requests should come, and serves
   * those that do. Then accepts no new requests, gives those in progress at most `deadlineMs` (default 30,000) to end, then breaks them
   * off. Calls that wait for a client's next attempt end with their last one. Can be called again; every call waits for
   * the end. With `until`, another process serves from now on: `/readyz` is as before, and the time for requests that
   * still come ends when the promise resolves.
   */
  readonly close: (options?: {
    readonly deadlineMs?: number;
    readonly lameDuckMs?: number;
    readonly until?: Promise<unknown>;
  }) => Promise<void>;
}

/**
 * Makes a proxy for the Claude API that holds the API keys. Clients with a token of the gateway get the API's
 * responses, byte for byte, and every call is measured, priced and checked against budgets as by `instrument()`. The
 * gateway's own errors have the API's format. Throws a `ConfigurationError` (`PLIMSOLL_OPTIONS_INVALID`) for unusable
 * options, and what `instrument()` throws for its registry.
 */
export function gateway(given: GatewayOptions): Gateway {
  const { options, base } = checkedGatewayOptions(given);
  const { timers = systemTimers } = options;
  let context = gatewayContext(options, base);
  const { open, retries } = context;
  const connections = new Set(context.apis.all);
  const finish = (request: GatewayRequest): void => open.delete(request);
  const begin = (request: GatewayRequest): Promise<GatewayResponse> => {
    open.add(request);
    return handle(context, request);
  };
  return {
    async handle(webRequest) {
      const request = fromWebRequest(webRequest);
      return toWebResponse(await begin(request), () => finish(request));
    },
    listener: nodeListener({
      handle: begin,
      finish,
      fail: (error) => context.onError(error),
      isLeaving: () => open.isLeaving,
      isTrustedProxy: (address) => context.isTrustedProxy(address),
    }),
    reload(next) {
      const checked = checkedGatewayOptions({ ...next, ...(options.registry && { registry: options.registry }) });
      const previous = context;
      context = gatewayContext(checked.options, checked.base, previous);
      const { all } = context.apis;
      for (const api of all) connections.add(api);
      for (const api of previous.apis.all) if (!all.includes(api)) api.upstream.retire();
    },
    async close({ deadlineMs = 30_000, lameDuckMs = 0, until } = {}) {
      await open.leave({ lameDuckMs, until }, timers);
      await open.drain(deadlineMs, timers);
      retries.end();
      for (const { upstream } of connections) upstream.close();
    },
  };
}
