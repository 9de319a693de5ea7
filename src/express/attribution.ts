import type { Request, RequestHandler } from 'express';
import { withLateAttribution } from '../attribution.ts';
import { ConfigurationError } from '../configuration-error.ts';
import { routePattern } from './route-pattern.ts';

/** Labels by name; a name without a value stays without one, whatever the client's headers say. */
export type RequestLabels = Readonly<Record<string, string | undefined>>;

/** What `attribution()` takes. Nothing is needed. */
export interface AttributionOptions {
  /** Labels of a request, from what the application knows of it: asked at each Claude call, so after authentication. */
  labels?(req: Request): RequestLabels;
  /** Request headers that any client may set a label by, as header name to label name: `{ 'x-feature': 'feature' }`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Labels that no header may set: name those that budgets go by. `route` always is one. */
  readonly protected?: readonly string[];
}

/**
 * Express middleware that sets attribution labels for every Claude call made while a request is served: `route`, the
 * pattern of the route that handles it, and what the options say. Mount it on the application, before the routes and
 * after body parsers: inside a router, `route` begins there.
 * Only names that the client declared (`attribution` of `instrument()`) become labels; a call outside of any route has
 * no `route`. `labels` that throw are counted in `plimsoll_errors_total` and the call goes on without them.
 *
 * Throws a `ConfigurationError` (`PLIMSOLL_OPTIONS_INVALID`) where a header would set a protected label.
 *
 * @example
 * app.use(attribution({ labels: (req) => ({ tenant: req.user?.tenant }), headers: { 'x-feature': 'feature' }, protected: ['tenant'] }));
 */
export function attribution(options: AttributionOptions = {}): RequestHandler {
  checkOptions(options);
  const headers = Object.entries(options.headers ?? {});
  return function attribution(req, _res, next) {
    const route = routePattern(req);
    const ofRequest = (): RequestLabels => ({ ...fromHeaders(req, headers), route: route() });
    withLateAttribution(ofRequest, () => {
      if (options.labels === undefined) return next();
      withLateAttribution(() => onlyText(options.labels?.(req)), next);
    });
  };
}

function fromHeaders(req: Request, headers: readonly (readonly [string, string])[]): RequestLabels {
  return Object.fromEntries(headers.map(([header, label]) => [label, req.get(header)]));
}

/** Programs in plain JavaScript return numbers and null too. */
function onlyText(labels: RequestLabels | undefined): RequestLabels {
  const entries = Object.entries(labels ?? {});
  return Object.fromEntries(entries.map(([name, value]) => [name, typeof value === 'string' ? value : undefined]));
}

function checkOptions(options: AttributionOptions): void {
  const { headers = {}, protected: reserved = [] } = options;
  const closed = new Set([...reserved, 'route']);
  const problems = Object.entries(headers)
    .filter(([, label]) => closed.has(label))
    .map(
      ([header, label]) =>
        `headers: expected labels that any client may set, got "${label}" for "${header}", which is protected: ` +
        'set it in `labels`, from the authenticated request',
    );
  const given = typeof options.labels;
  if (given !== 'undefined' && given !== 'function') {
    problems.push(`labels: expected a function of the request, got ${given}: write labels: (req) => ({ … })`);
  }
  if (problems.length > 0) throw new ConfigurationError('PLIMSOLL_OPTIONS_INVALID', problems);
}
