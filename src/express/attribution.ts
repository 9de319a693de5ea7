import type { Request, RequestHandler } from 'express';
import { withLateAttribution } from '../client/attribution.ts';
import { ConfigurationError, type Problem } from '../errors.ts';

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
    .map(([header, label]): Problem => ({
      kind: 'conflict',
      field: 'headers',
      expected: 'labels that any client may set',
      got: `"${label}" for "${header}", which is protected`,
      advice: 'set it in `labels`, from the authenticated request',
    }));
  const type = typeof options.labels;
  if (type !== 'undefined' && type !== 'function') {
    const what = { expected: 'a function of the request', got: type, advice: 'write labels: (req) => ({ … })' };
    problems.push({ kind: 'invalid', field: 'labels', ...what });
  }
  if (problems.length > 0) throw new ConfigurationError('PLIMSOLL_OPTIONS_INVALID', problems);
}

/**
 * What routers write on a request while they pass it on; the same in Express 4 and 5. At the end, where no route has
 * answered, they put back what was there before the first of them: nothing.
 */
interface RoutedRequest {
  baseUrl: string | undefined;
  readonly params: Readonly<Record<string, unknown>> | undefined;
  readonly route?: { readonly path: unknown } | undefined;
}

const followed = new WeakMap<RoutedRequest, MountPath>();

/**
 * Follows a request through the routers from here on. The answer is asked for where a route handles the request and is
 * its pattern with those of the routers entered since, such as `/tenants/:id/chat`; `undefined` where no route has
 * matched. Parameters of a mount path that are not whole segments make it `*`; one that is a regular expression is told
 * as what it matched.
 */
function routePattern(req: RoutedRequest): () => string | undefined {
  const mount = followed.get(req) ?? new MountPath(req);
  followed.set(req, mount);
  return () => {
    if (req.route === undefined) return undefined;
    const pattern = mount.pattern + written(req.route.path);
    return pattern.length > 1 && pattern.endsWith('/') ? pattern.slice(0, -1) : pattern;
  };
}

/** Express takes text, a regular expression, or a list of both. */
function written(path: unknown): string {
  return Array.isArray(path) ? path.map(String).join('|') : String(path);
}

/**
 * `req.baseUrl` holds the values that a mount path like `/tenants/:id` was given, and a router hides its parent's
 * parameters. But when a router is entered, it sets `baseUrl` while `params` are still those of its mount path: that is
 * when values are put back to names.
 */
class MountPath {
  readonly #patterns: Map<string | undefined, string>;
  #baseUrl: string | undefined;

  constructor(req: RoutedRequest) {
    this.#baseUrl = req.baseUrl;
    this.#patterns = new Map([[req.baseUrl, '']]);
    Object.defineProperty(req, 'baseUrl', {
      configurable: true,
      enumerable: true,
      get: () => this.#baseUrl,
      set: (baseUrl: string | undefined) => this.#move(req, baseUrl),
    });
  }

  get pattern(): string {
    return this.#patterns.get(this.#baseUrl) ?? '';
  }

  /** A router is in the midst of a request: whatever it writes, nothing may be thrown at it. */
  #move(req: RoutedRequest, baseUrl: unknown): void {
    const outer = this.#baseUrl ?? '';
    this.#baseUrl = baseUrl as string | undefined;
    // Anything shorter is a router that is left: the one around it is known.
    if (typeof baseUrl !== 'string' || baseUrl.length <= outer.length || !baseUrl.startsWith(outer)) return;
    const around = this.#patterns.get(outer) ?? '';
    const own = ownParams(req.params ?? {}, around);
    this.#patterns.set(baseUrl, around + withoutValues(baseUrl.slice(outer.length), own));
  }
}

type Params = Readonly<Record<string, unknown>>;

/** With `mergeParams` a router has those of the routers around it too. */
function ownParams(params: Params, around: string): Params {
  const named = new Set(around.split('/'));
  return Object.fromEntries(Object.entries(params).filter(([name]) => !named.has(`:${name}`)));
}

/** In lower case, because routers take `/API` for `/api`; `*` where a value is not a whole segment of the path. */
function withoutValues(path: string, params: Params): string {
  const names = new Map(Object.entries(params).map(([name, value]) => [String(value), name]));
  const found = new Set<string>();
  const segments = path.split('/').map((segment) => {
    const name = names.get(decoded(segment));
    if (name === undefined) return segment.toLowerCase();
    found.add(name);
    return `:${name}`;
  });
  return found.size === Object.keys(params).length ? segments.join('/') : '/*';
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment; // Express answers 400 for a parameter like this; elsewhere it is plain text.
  }
}
