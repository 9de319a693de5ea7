import { got, type Problem } from '../errors.ts';

/** One kind of thing that programs pass in place of a client. */
interface Kind {
  readonly is: (given: Parts) => boolean;
  /** Completes "got …". */
  readonly got: string;
  readonly advice: string;
}

/** What of a value tells its kind. */
interface Parts {
  readonly value: unknown;
  readonly isFunction: boolean;
  /** Tells whether the value has a function of this name. */
  readonly can: (name: string) => boolean;
  /** Tells whether the value has anything of this name. */
  readonly has: (name: string) => boolean;
}

const GATEWAY = 'point its ANTHROPIC_BASE_URL at `plimsoll gateway`';
const AI_SDK = 'use createAnthropic({ fetch: instrumentFetch(fetch) })';

/** In this order: the first that fits is said. */
const KINDS: readonly Kind[] = [
  {
    is: ({ isFunction, value }) => isFunction && 'withOptions' in Object(Reflect.get(Object(value), 'prototype') ?? {}),
    got: 'the class of a client',
    advice: 'construct it: new Anthropic()',
  },
  {
    is: ({ can }) => can('languageModel'),
    got: 'a provider of the AI SDK',
    advice: AI_SDK,
  },
  {
    is: ({ can }) => can('doGenerate'),
    got: 'a model of the AI SDK',
    advice: AI_SDK,
  },
  {
    is: ({ can, has }) => can('_llmType') || has('lc_namespace'),
    got: 'a model of LangChain',
    advice: 'use new ChatAnthropic({ createClient: (options) => instrument(new Anthropic(options)) })',
  },
  {
    is: ({ can }) => can('setPermissionMode'),
    got: 'a query of the Claude Agent SDK, which calls the API from a process of its own',
    advice: GATEWAY,
  },
  { is: ({ can }) => can('then'), got: 'a promise', advice: 'await it' },
  {
    is: ({ has, can }) => has('_client') && !can('withOptions'),
    got: 'a part of a client',
    advice: 'pass the client itself: the one that has `messages`',
  },
  {
    is: ({ has, can }) => has('chat') && can('withOptions') && !has('messages'),
    got: 'a client of another API',
    advice: 'pass a client of @anthropic-ai/sdk: plimsoll measures the Claude API alone',
  },
  {
    is: ({ isFunction }) => isFunction,
    got: 'a function',
    advice: 'pass `new Anthropic()`; for a fetch use instrumentFetch(fetch)',
  },
];

/** The problem of what is no client of the SDK at all, old or new; `null` for what may be one. */
export function clientProblem(value: unknown): Problem | null {
  const problem = { kind: 'invalid', field: 'client', expected: 'a client of @anthropic-ai/sdk' } as const;
  const isFunction = typeof value === 'function';
  if (!isFunction && (typeof value !== 'object' || value === null)) {
    return { ...problem, got: got(value), advice: 'pass `new Anthropic()` first, then the options' };
  }
  const part = (name: string): unknown => Reflect.get(value, name);
  const parts: Parts = {
    value,
    isFunction,
    can: (name) => typeof part(name) === 'function',
    has: (name) => part(name) !== undefined,
  };
  if (!isFunction && parts.has('messages') && parts.can('withOptions')) return null;
  const kind = KINDS.find(({ is }) => is(parts));
  if (kind !== undefined) return { ...problem, got: kind.got, advice: kind.advice };
  return parts.has('baseURL') || parts.can('fetchWithTimeout')
    ? null
    : { ...problem, got: got(value), advice: 'pass `new Anthropic()` first, then the options' };
}
