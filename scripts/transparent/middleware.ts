import { APIConnectionError, type Middleware } from '@anthropic-ai/sdk';
import { describe } from './describe.ts';
import type { Choice } from './plan.ts';

/** Where a middleware of the program's says what it sees, so that this is compared too. */
export interface Witness {
  readonly note: (what: string, is: string) => void;
  /** A call has come, or a further attempt of it, with these options. */
  readonly entered: (options: object) => void;
}

type NoteSeen = Witness['note'];

/** Middleware as the SDK documents it, and as programs get it wrong. */
export function middlewareOf(kind: Choice<'middleware'>, { note, entered }: Witness): Middleware {
  const made = KINDS[kind](note);
  return async (request, next, ctx) => {
    if (ctx.options !== undefined) entered(ctx.options);
    note(kind, `${request.method} ${request.url} ${describe(request.headers)}`);
    const response = await made(request, next, ctx);
    note(kind, `${response.status} ${describe(response.headers)}`);
    return response;
  };
}

const ANSWER = { id: 'msg_02', type: 'message', role: 'assistant', model: 'cached', content: [], usage: {} };

const KINDS: Readonly<Record<Choice<'middleware'>, (note: NoteSeen) => Middleware>> = {
  pass: () => (request, next) => next(request),
  again: () => async (request, next) => {
    const first = await next(request);
    await first.body?.cancel();
    return next(request);
  },
  'again-unread': () => async (request, next) => {
    await next(request);
    return next(request);
  },
  'retry-refusal': () => async (request, next) => {
    const first = await next(request);
    if (first.ok) return first;
    await first.body?.cancel();
    return next(request);
  },
  answer: () => async () => Response.json(ANSWER),
  clone: (note) => async (request, next) => {
    const response = await next(request);
    note('clone', describe(await response.clone().text()));
    return response;
  },
  'clone-unread': () => async (request, next) => {
    const response = await next(request);
    response.clone();
    return response;
  },
  parse: (note) => async (request, next, ctx) => {
    const response = await next(request);
    if (ctx.options?.stream !== true) note('parse', describe(await ctx.parse(response)));
    return response;
  },
  replace: () => async (request, next) => {
    const response = await next(request);
    return new Response(await response.text(), response);
  },
  consume: () => async (request, next) => {
    const response = await next(request);
    await response.text();
    return response;
  },
  header: () => (request, next) => {
    request.headers.set('x-added', 'by middleware');
    return next(request);
  },
  'type-error': () => async () => {
    throw new TypeError('a mistake in the middleware');
  },
  'retryable-error': () => async () => {
    throw new APIConnectionError({ message: 'not now' });
  },
};
