import { ConfigurationError } from '../configuration-error.ts';
import { got } from '../got.ts';
import { mayHoldSecret } from '../secret-mark.ts';
import type { Guard } from '../vocabulary.ts';
import { CEILING_MODES, ceilings, type CeilingDecision, type CeilingMode } from './ceilings.ts';
import {
  DEFAULT_MAX_TOKENS,
  MAX_TOKENS_VARIABLE,
  maxTokens,
  models,
  ROLE_OF_TASK,
  TASKS,
  type Task,
} from './models.ts';

/** What the calls of one route are for. Nothing is needed: then it is conversation. */
export interface RouteDefinition {
  /** Chooses the model of the environment. Default `conversation`: the default model. */
  readonly task?: Task;
  /** A model of its own, whatever the task. */
  readonly model?: string;
  /** What `route()` asks for, and the most that a call of the route may. Default: `ANTHROPIC_MAX_TOKENS`, or 1,024. */
  readonly maxTokens?: number;
}

export interface RoutesOptions {
  /**
   * A call that asks for more than its route's `maxTokens`: `warn` counts it (the default), `clamp` sends it with the
   * route's, `reject` throws a `RouteError` and sends nothing.
   */
  readonly ceilings?: CeilingMode;
  /** Names the models: `ANTHROPIC_DEFAULT_MODEL`, `…_REASONING_MODEL`, `…_CRITICAL_MODEL`. Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** What a route puts into the parameters of a call. */
export interface RouteParams {
  readonly model: string;
  readonly max_tokens: number;
}

/** The routes of a service: which model each asks, and for how many tokens. */
export interface Routes<Name extends string = string> {
  readonly names: readonly Name[];
  /**
   * Model and `max_tokens` for the calls of a route, to be spread into their parameters. They carry the route's name,
   * unseen and unsent: an instrumented client with these `routes` counts the call under it.
   */
  readonly route: (name: Name) => RouteParams;
  readonly ceilings: CeilingMode;
  /** Keeps `max_tokens` at what the routes allow; `decided` is told what it did. */
  readonly guard: (decided: (route: string, decision: CeilingDecision) => void) => Guard;
}

/** Carries the route's name in the parameters of a call. Spreading keeps it, and JSON leaves it out. */
const ROUTE = Symbol.for('plimsoll.route');

/** The name of the route whose `route()` is in the parameters of a call; `undefined` where none is. */
export function routeOf(body: object | null): string | undefined {
  const name = (body as { [ROUTE]?: unknown } | null)?.[ROUTE];
  return typeof name === 'string' ? name : undefined;
}

/**
 * The routes of a service, checked. Throws a `ConfigurationError` (`PLIMSOLL_ROUTES_INVALID`) with every problem.
 *
 * @example
 * const shop = routes({ chat: { maxTokens: 512 }, review: { task: 'code' }, research: { task: 'analysis' } });
 * const claude = instrument(new Anthropic(), { routes: shop });
 * await claude.messages.create({ ...shop.route('chat'), messages });
 */
export function routes<const Table extends Readonly<Record<string, RouteDefinition>>>(
  table: Table,
  { ceilings: mode = 'warn', env = process.env }: RoutesOptions = {},
): Routes<Extract<keyof Table, string>> {
  const fill = maxTokens(env);
  const problems = [...Object.entries(table).flatMap(routeProblems), ...modeProblems(mode), ...fillProblems(fill)];
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
    `route: expected one of ${names.join(', ')}, got ${got(name)}: add it to routes()`,
  ]);
}

/** Names become label values. */
const NAME = /^[\w./:-]{1,64}$/;

function routeProblems([name, route]: readonly [string, unknown]): readonly string[] {
  const isName = NAME.test(name) && !mayHoldSecret(name);
  const place = `routes: ${isName ? name : 'a route'}`;
  if (!isName) return [`${place}: expected a name of up to 64 letters, digits and . / : _ -, got another: rename it`];
  if (typeof route !== 'object' || route === null)
    return [`${place}: expected an object, got ${typeof route}: write {} for conversation`];
  const { task, model, maxTokens: tokens } = route as { task?: unknown; model?: unknown; maxTokens?: unknown };
  return [
    ...(task === undefined || (TASKS as readonly unknown[]).includes(task)
      ? []
      : [`${place}: expected task to be one of ${TASKS.join(', ')}, got ${got(task)}: choose the nearest`]),
    ...(model === undefined || (typeof model === 'string' && model.trim() !== '')
      ? []
      : [`${place}: expected model to be the id of one, got ${got(model)}: leave it out for the task's`]),
    ...(tokens === undefined || (Number.isSafeInteger(tokens) && Number(tokens) > 0)
      ? []
      : [`${place}: expected maxTokens to be a whole number from 1 up, got ${got(tokens)}`]),
  ];
}

function modeProblems(mode: unknown): readonly string[] {
  if ((CEILING_MODES as readonly unknown[]).includes(mode)) return [];
  return [`ceilings: expected one of ${CEILING_MODES.join(', ')}, got ${got(mode)}`];
}

function fillProblems(fill: number | null): readonly string[] {
  if (fill !== null) return [];
  return [
    `${MAX_TOKENS_VARIABLE}: expected a whole number of tokens from 1 up, got another: write digits only, such as 1024`,
  ];
}
