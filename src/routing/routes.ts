import { ConfigurationError, brandedCause, mayHoldSecret, optionProblems, unfit, type Problem } from '../errors.ts';
import { REFUSAL, type Admission, type Guard, type GuardedRequest } from '../decisions.ts';
import { MESSAGE_OPERATIONS, type Call } from '../vocabulary.ts';
import {
  DEFAULT_MAX_TOKENS,
  MAX_TOKENS_VARIABLE,
  ROLE_OF_TASK,
  TASKS,
  maxTokens,
  models,
  type Task,
} from './models.ts';

/** A route's task, model and ceiling. All are optional: the default is conversation. */
export interface RouteDefinition {
  /** Chooses among the models of the environment. Default: `conversation`, which takes the default model. */
  readonly task?: Task;
  /** The model of this route, whatever its task. */
  readonly model?: string;
  /** The `max_tokens` of `route()`, and the ceiling for calls of the route. Default: `ANTHROPIC_MAX_TOKENS`, or 1,024. */
  readonly maxTokens?: number;
}

const FIELDS: Readonly<Record<keyof RouteDefinition, true>> = { task: true, model: true, maxTokens: true };

/** Options of `routes()`. */
export interface RoutesOptions {
  /**
   * Treats calls that ask for more than their route's `maxTokens`: `warn` counts them (the default), `clamp` sends them
   * with the route's `maxTokens`, `reject` throws a `RouteError` and sends nothing.
   */
  readonly ceilings?: CeilingMode;
  /** The variables that name the models: `ANTHROPIC_DEFAULT_MODEL`, `…_REASONING_MODEL`, `…_CRITICAL_MODEL`. Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const NAMES: Readonly<Record<keyof RoutesOptions, true>> = { ceilings: true, env: true };

/** The parameters that a route gives to a call. */
export interface RouteParams {
  readonly model: string;
  readonly max_tokens: number;
}

/** The routes of a service, each with its model and `max_tokens`. */
export interface Routes<Name extends string = string> {
  readonly names: readonly Name[];
  /**
   * Returns model and `max_tokens` for the calls of a route: spread them into the parameters. They carry the route's
   * name under a symbol, which is not sent: an instrumented client with these `routes` counts the call under that name.
   */
  readonly route: (name: Name) => RouteParams;
  readonly ceilings: CeilingMode;
  /** Makes a guard that keeps `max_tokens` within the ceilings, and reports its decisions to `decided`. */
  readonly guard: (decided: (route: string, decision: CeilingDecision) => void) => Guard;
}

/** Carries the route's name in the parameters of a call. Spreading keeps it, and JSON leaves it out. */
const ROUTE = Symbol.for('plimsoll.route');

/** Returns the name of the route whose `route()` is in the parameters of a call; `undefined` if there is none. */
export function routeOf(body: object | null): string | undefined {
  const name = (body as { [ROUTE]?: unknown } | null)?.[ROUTE];
  return typeof name === 'string' ? name : undefined;
}

/**
 * Makes the routes of a service. Throws a `ConfigurationError` (`PLIMSOLL_ROUTES_INVALID`) with every problem.
 *
 * @example
 * const shop = routes({ chat: { maxTokens: 512 }, review: { task: 'code' }, research: { task: 'analysis' } });
 * const claude = instrument(new Anthropic(), { routes: shop });
 * await claude.messages.create({ ...shop.route('chat'), messages });
 */
export function routes<const Table extends Readonly<Record<string, RouteDefinition>>>(
  table: Table,
  options: RoutesOptions = {},
): Routes<Extract<keyof Table, string>> {
  const { ceilings: mode = 'warn', env = process.env } = options;
  const fill = maxTokens(env);
  const ofRoutes = [...optionProblems(options, NAMES), ...Object.entries(table).flatMap(routeProblems)];
  const problems = [...ofRoutes, ...modeProblems(mode), ...fillProblems(fill)];
  if (problems.length > 0) throw new ConfigurationError('PLIMSOLL_ROUTES_INVALID', problems);
  const named = models(env);
  const params = new Map(
    Object.entries(table).map(([name, { task = 'conversation', model, maxTokens: ceiling }]) => {
      const max_tokens = ceiling ?? fill ?? DEFAULT_MAX_TOKENS;
      return [name, Object.freeze({ model: model ?? named[ROLE_OF_TASK[task]], max_tokens, [ROUTE]: name })];
    }),
  );
  return {
    names: [...params.keys()] as Extract<keyof Table, string>[],
    route: (name) => params.get(name) ?? unknownRoute(name, [...params.keys()]),
    ceilings: mode,
    guard: (decided) =>
      ceilings({
        mode,
        decided,
        fill: fill ?? DEFAULT_MAX_TOKENS,
        ceilingOf: (route) => params.get(route)?.max_tokens,
      }),
  };
}

function unknownRoute(name: string, names: readonly string[]): never {
  throw new ConfigurationError('PLIMSOLL_ROUTE_UNKNOWN', [
    unfit('route', name, { expected: `one of ${names.join(', ')}`, advice: 'add it to routes()' }),
  ]);
}

/** Names become label values. */
const NAME = /^[\w./:-]{1,64}$/;

function routeProblems([name, route]: readonly [string, unknown]): readonly Problem[] {
  if (!NAME.test(name) || mayHoldSecret(name)) {
    const expected = 'names of up to 64 letters, digits and . / : _ -';
    return [{ kind: 'invalid', field: 'routes', expected, got: 'another name', advice: 'rename it' }];
  }
  const place = `routes.${name}`;
  if (typeof route !== 'object' || route === null)
    return [unfit(place, route, { expected: 'an object', advice: 'write {} for conversation' })];
  const { task, model, maxTokens: tokens } = route as { task?: unknown; model?: unknown; maxTokens?: unknown };
  return [
    ...optionProblems(route, FIELDS).map((problem) => ({ ...problem, field: `${place}.${problem.field}` })),
    ...(task === undefined || (TASKS as readonly unknown[]).includes(task)
      ? []
      : [unfit(`${place}.task`, task, { expected: `one of ${TASKS.join(', ')}`, advice: 'choose the nearest' })]),
    ...(model === undefined || (typeof model === 'string' && model.trim() !== '')
      ? []
      : [
          unfit(`${place}.model`, model, {
            expected: 'the id of a model',
            advice: "leave it out to use the task's model",
          }),
        ]),
    ...(tokens === undefined || (Number.isSafeInteger(tokens) && Number(tokens) > 0)
      ? []
      : [unfit(`${place}.maxTokens`, tokens, { expected: 'a whole number from 1 up' })]),
  ];
}

function modeProblems(mode: unknown): readonly Problem[] {
  if ((CEILING_MODES as readonly unknown[]).includes(mode)) return [];
  return [unfit('ceilings', mode, { expected: `one of ${CEILING_MODES.join(', ')}` })];
}

function fillProblems(fill: number | null): readonly Problem[] {
  if (fill !== null) return [];
  const [expected, advice] = ['a whole number of tokens from 1 up', 'write digits only, such as 1024'];
  return [{ kind: 'invalid', field: MAX_TOKENS_VARIABLE, expected, got: 'another value', advice }];
}

/** The ways to treat a call that asks for more tokens than its route allows. */
const CEILING_MODES = ['warn', 'clamp', 'reject'] as const;

/** What happens to a `max_tokens` above the ceiling of its route. */
export type CeilingMode = (typeof CEILING_MODES)[number];

/** A decision about the `max_tokens` of a call. A call within its ceiling has none. */
export type CeilingDecision = 'filled' | 'warned' | 'clamped' | 'rejected';

interface CeilingOptions {
  readonly mode: CeilingMode;
  /** Returns the ceiling of a route; `undefined` if the route is not defined. */
  readonly ceilingOf: (route: string) => number | undefined;
  /** The `max_tokens` of calls that have neither their own nor a defined route. */
  readonly fill: number;
  /** Called at most once per call; `route` is empty for a call without a defined route. */
  readonly decided: (route: string, decision: CeilingDecision) => void;
}

/**
 * Makes a guard that keeps `max_tokens` within the ceiling of the call's route. It fills in a missing one in every mode,
 * and throws a `RouteError` for one above the ceiling in mode `reject`. Batches, and calls that are not messages, pass.
 */
function ceilings({ mode, ceilingOf, fill, decided }: CeilingOptions): Guard {
  return {
    admit(call: Call, { body }: GuardedRequest): Admission {
      if (body === null || !MESSAGE_OPERATIONS.has(call.operation)) return undefined;
      const named = call.attribution['route'] ?? '';
      const ceiling = ceilingOf(named);
      const route = ceiling === undefined ? '' : named;
      const asked = body['max_tokens'];
      if (asked === undefined || asked === null) {
        decided(route, 'filled');
        return { maxTokens: ceiling ?? fill };
      }
      if (ceiling === undefined || typeof asked !== 'number' || asked <= ceiling) return undefined;
      decided(route, DECISIONS[mode]);
      if (mode === 'reject') throw new RouteError({ route, maxTokens: asked, ceiling });
      return mode === 'clamp' ? { maxTokens: ceiling } : undefined;
    },
  };
}

const DECISIONS: Readonly<Record<CeilingMode, CeilingDecision>> = {
  warn: 'warned',
  clamp: 'clamped',
  reject: 'rejected',
};

/** Marks the error in every copy of the package. */
const BRAND = Symbol.for('plimsoll.route-error');

/** The fields of a refusal. */
interface RouteErrorDetails {
  readonly route: string;
  /** The `max_tokens` of the call. */
  readonly maxTokens: number;
  /** The most that the route allows. */
  readonly ceiling: number;
}

/**
 * A call asked for more tokens than its route allows, and the routes reject that. Nothing was sent, and the SDK does
 * not retry it. The message is fixed, because the SDK retries an error whose text looks like a timeout.
 */
export class RouteError extends Error implements RouteErrorDetails {
  readonly code = 'PLIMSOLL_MAX_TOKENS_ABOVE_CEILING';
  readonly route: string;
  readonly maxTokens: number;
  readonly ceiling: number;
  readonly [REFUSAL] = true;
  readonly [BRAND] = true;

  constructor({ route, maxTokens, ceiling }: RouteErrorDetails) {
    super(
      "Not sent: max_tokens is above the ceiling of the route. This error's fields say which route, and by how much.",
    );
    this.name = 'RouteError';
    this.route = route;
    this.maxTokens = maxTokens;
    this.ceiling = ceiling;
  }
}

/** Tells whether the error is a route's refusal, or has one among its causes: some of the SDK's helpers wrap errors. */
export function isRouteError(error: unknown): boolean {
  return brandedCause(error, BRAND) !== null;
}
