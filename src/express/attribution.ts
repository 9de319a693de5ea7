import type { Request, RequestHandler } from 'express';
import { withLateAttribution } from '../client/attribution.ts';
import { optionProblems, refuseOptions, type Problem } from '../errors.ts';

/** Labels by name. A name without a value stays without one, whatever the client's headers say. */
export type RequestLabels = Readonly<Record<string, string | undefined>>;

/** Options of `attribution()`; all are optional. */
export interface AttributionOptions {
  /** Labels that the application derives from a request. Called at each Claude call, so after authentication. */
  labels?(req: Request): RequestLabels;
  /**
   * Request headers by which any client may set a label, as header name to label name: `{ 'x-feature': 'feature' }`.
   */
  readonly headers?: Readonly<Record<string, string>>;
  /** Labels that no header may set, such as those that budgets use. `route` is always one of them. */
  readonly protected?: readonly string[];
}

const NAMES: Readonly<Record<keyof AttributionOptions, true>> = { labels: true, headers: true, protected: true };

/**
 * Express middleware that sets attribution labels for every Claude call made while a request is served: `route`, the
 * pattern of the route that handles it, and the labels of the options. Mount it on the application, before the routes and
 * after body parsers: inside a router, `route` would start at that router.
 * Only names that the client declared (`attribution` of `instrument()`) become labels; a call outside of any route has
 * no `route`. `labels` that throw are counted in `plimsoll_errors_total` and the call goes on without them.
 *
 * Throws a `ConfigurationError` (`PLIMSOLL_OPTIONS_INVALID`) with all problems, such as a header that would set a protected label.
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
      withLateAttribution(() => keepText(options.labels?.(req)), next);
    });
  };
}

function fromHeaders(req: Request, headers: readonly (readonly [string, string])[]): RequestLabels {
  return Object.fromEntries(headers.map(([header, label]) => [label, req.get(header)]));
}

/** Keeps labels that are strings: programs in plain JavaScript return numbers and null too. */
function keepText(labels: RequestLabels | undefined): RequestLabels {
  const entries = Object.entries(labels ?? {});
  return Object.fromEntries(entries.map(([name, value]) => [name, typeof value === 'string' ? value : undefined]));
}

function checkOptions(options: AttributionOptions): void {
  const { headers = {}, protected: reserved = [] } = options;
  const closed = new Set([...reserved, 'route']);
  const conflicts = Object.entries(headers)
    .filter(([, label]) => closed.has(label))
    .map(([header, label]): Problem => ({
      kind: 'conflict',
      field: 'headers',
      expected: 'labels that any client may set',
      got: `"${label}" for "${header}", which is protected`,
      advice: 'set it in `labels`, from the authenticated request',
    }));
  const problems = [...optionProblems(options, NAMES), ...conflicts];
  const type = typeof options.labels;
  if (type !== 'undefined' && type !== 'function') {
    const what = { expected: 'a function of the request', got: type, advice: 'write labels: (req) => ({ … })' };
    problems.push({ kind: 'invalid', field: 'labels', ...what });
  }
  refuseOptions(problems);
}

/**
 * The fields that routers set on a request as they pass it on, in Express 4 and 5. If no route responds, they restore
 * them at the end, to nothing.
 */
interface RoutedRequest {
  baseUrl: string | undefined;
  readonly params: Readonly<Record<string, unknown>> | undefined;
  readonly route?: { readonly path: unknown } | undefined;
}

const followed = new WeakMap<RoutedRequest, MountPath>();

/**
 * Follows a request through the routers from here on. The returned function gives the pattern of the route that handles the
 * request, after those of the routers entered since, such as `/tenants/:id/chat`; `undefined` if no route has matched. A
 * mount path whose parameters are not whole segments becomes `*`. One that is a regular expression appears as what it
 * matched.
 */
function routePattern(req: RoutedRequest): () => string | undefined {
  const mount = followed.get(req) ?? new MountPath(req);
  followed.set(req, mount);
  return () => {
    if (req.route === undefined) return undefined;
    const pattern = mount.pattern + pathText(req.route.path);
    return pattern.length > 1 && pattern.endsWith('/') ? pattern.slice(0, -1) : pattern;
  };
}

/** The text of a route's path: Express takes strings, regular expressions, and lists of both. */
function pathText(path: unknown): string {
  return Array.isArray(path) ? path.map(String).join('|') : String(path);
}

/**
 * Keeps the pattern of the routers around a request. `req.baseUrl` has the values of a mount path like `/tenants/:id`, and a
 * router hides its parent's parameters. But when a router is entered, it sets `baseUrl` while `params` are still those of its
 * mount path: at that moment, values can be turned back into names.
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

  /** Called when a router sets `baseUrl` in the middle of a request: it must never throw. */
  #move(req: RoutedRequest, baseUrl: unknown): void {
    const outer = this.#baseUrl ?? '';
    this.#baseUrl = baseUrl as string | undefined;
    // A shorter one means that a router is left; the surrounding one is known.
    if (typeof baseUrl !== 'string' || baseUrl.length <= outer.length || !baseUrl.startsWith(outer)) return;
    const around = this.#patterns.get(outer) ?? '';
    const own = ownParams(req.params ?? {}, around);
    this.#patterns.set(baseUrl, around + namesForValues(baseUrl.slice(outer.length), own));
  }
}

type Params = Readonly<Record<string, unknown>>;

/** The parameters of the mount path alone: with `mergeParams`, a router also has those of the routers around it. */
function ownParams(params: Params, around: string): Params {
  const named = new Set(around.split('/'));
  return Object.fromEntries(Object.entries(params).filter(([name]) => !named.has(`:${name}`)));
}

/** The path with names in place of values, in lower case because routers match `/API` as `/api`; `*` if a value is not a whole segment. */
function namesForValues(path: string, params: Params): string {
  const names = new Map(Object.entries(params).map(([name, value]) => [String(value), name]));
  const found = new Set<string>();
  const segments = path.split('/').map((segment) => {
    const name = names.get(decode(segment));
    if (name === undefined) return segment.toLowerCase();
    found.add(name);
    return `:${name}`;
  });
  return found.size === Object.keys(params).length ? segments.join('/') : '/*';
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment; // Express answers 400 to such a parameter; elsewhere it is plain text.
  }
}
