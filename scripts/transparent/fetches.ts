import { createRequire } from 'node:module';
import fetch3 from 'node-fetch';
import { fetch as undiciFetch, Response as UndiciResponse } from 'undici';
import type { Choice } from './plan.ts';

export type Fetch = typeof fetch;

// Their types are their own: to the SDK, and to most programs, a fetch is a fetch.
const fetch2: unknown = createRequire(import.meta.url)('node-fetch2');

const FETCHES: Readonly<Record<Choice<'fetch'>, Fetch>> = {
  undici: undiciFetch as unknown as Fetch,
  'node-fetch-2': fetch2 as Fetch,
  'node-fetch-3': fetch3 as unknown as Fetch,
};

/** The fetch function of a plan; `undefined` where the SDK takes Node's own. */
export function fetchOf(name: Choice<'fetch'> | undefined, hands: Choice<'hands'> | undefined): Fetch | undefined {
  const base = name === undefined ? undefined : FETCHES[name];
  return hands === undefined ? base : HANDS[hands](base ?? fetch);
}

/** Fetch functions as programs and their tests write them around another one. */
const HANDS: Readonly<Record<Choice<'hands'>, (base: Fetch) => Fetch>> = {
  'plain-object': (base) => async (input, init) => plainObject(await base(input, init)),
  'read-response': (base) => async (input, init) => {
    const response = await base(input, init);
    const text = await response.text();
    return Object.assign(response, { text: async () => text, json: async () => JSON.parse(text) as unknown });
  },
  'same-response': (base) => {
    let first: Promise<Response> | undefined;
    return (input, init) => (first ??= base(input, init));
  },
  'other-realm': (base) => async (input, init) => {
    const { status, headers, body } = await base(input, init);
    const Other = UndiciResponse as unknown as typeof Response;
    return new Other(body, { status, headers: [...headers.entries()] });
  },
  'bound-proxy': (base) => async (input, init) =>
    new Proxy(await base(input, init), {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    }),
  'throws-string': () => () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- as some fetch functions do
    throw 'no network today';
  },
  'throws-error': () => async () => {
    throw new RangeError('no network today', { cause: new Error('cable') });
  },
};

async function plainObject(response: Response): Promise<Response> {
  const { ok, status, headers, url } = response;
  const text = await response.text();
  const plain = { ok, status, headers, url, text: async () => text, json: async () => JSON.parse(text) as unknown };
  return plain as unknown as Response;
}
