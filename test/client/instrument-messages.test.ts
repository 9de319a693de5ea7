/** What `instrument()` says to a program in plain JavaScript that gives it something else: what it got, and what to do. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAnthropic } from '@ai-sdk/anthropic';
import Anthropic from '@anthropic-ai/sdk';
import { ChatAnthropic } from '@langchain/anthropic';
import { ConfigurationError, instrument, instrumentFetch } from 'plimsoll';
import { Registry } from 'prom-client';
import AnthropicBefore from 'sdk-too-old';

const client = new Anthropic({ apiKey: 'test' });
const provider = createAnthropic({ apiKey: 'test' });
const FIRST = 'pass `new Anthropic()` first, then the options';
const PROVIDER = 'use createAnthropic({ fetch: instrumentFetch(fetch) })';

/** As of the SDK for Claude agents, of which only the methods tell. */
const query = { setPermissionMode: () => undefined };
const otherApi = { chat: {}, baseURL: 'https://api.example.com/v1', withOptions: () => undefined };

const CLIENTS: readonly (readonly [name: string, given: unknown, got: string, advice: string])[] = [
  ['nothing', undefined, 'nothing', FIRST],
  ['null', null, 'null', FIRST],
  ['a key', ['sk-', 'ant-', 'x'.repeat(20)].join(''), 'a text of 27 characters', FIRST],
  ['the options', { key: 'prod-x' }, 'an object', FIRST],
  ['the class', Anthropic, 'the class of a client', 'construct it: new Anthropic()'],
  ['a provider of the AI SDK', provider, 'a provider of the AI SDK', PROVIDER],
  ['a model of the AI SDK', provider('claude-haiku-4-5'), 'a model of the AI SDK', PROVIDER],
  [
    'a model of LangChain',
    new ChatAnthropic({ apiKey: 'test', model: 'claude-haiku-4-5' }),
    'a model of LangChain',
    'use new ChatAnthropic({ createClient: (options) => instrument(new Anthropic(options)) })',
  ],
  [
    'a query of the Claude Agent SDK',
    query,
    'a query of the Claude Agent SDK, which calls the API from a process of its own',
    'point its ANTHROPIC_BASE_URL at `plimsoll gateway`',
  ],
  ['a promise', Promise.resolve(client), 'a promise', 'await it'],
  ['a part', client.messages, 'a part of a client', 'pass the client itself: the one that has `messages`'],
  [
    'the client of another API',
    otherApi,
    'a client of another API',
    'pass a client of @anthropic-ai/sdk: plimsoll measures the Claude API alone',
  ],
  ['a fetch', fetch, 'a function', 'pass `new Anthropic()`; for a fetch use instrumentFetch(fetch)'],
];

describe('instrument() of what is no client', () => {
  for (const [name, given, got, advice] of CLIENTS) {
    it(`says what it is and what to do: ${name}`, () => {
      const message = `client: expected a client of @anthropic-ai/sdk, got ${got}: ${advice}`;
      assert.throws(() => instrument(given as Anthropic), { code: 'PLIMSOLL_NOT_A_CLIENT', message });
    });
  }

  it('says what to do with a client of an older SDK', () => {
    const advice = 'install @anthropic-ai/sdk@^1, or pass `fetch: instrumentFetch(fetch)` to the client';
    assert.throws(
      () => instrument(new AnthropicBefore({ apiKey: 'test' }) as unknown as Anthropic),
      (error) => error instanceof ConfigurationError && error.problems[0]?.advice === advice,
    );
  });
});

const NO_OPTIONS = "pass { key: 'prod-checkout-api' }, or nothing";

const OPTIONS: readonly (readonly [given: unknown, message: string])[] = [
  [null, `options: expected an object, got null: ${NO_OPTIONS}`],
  ['prod-x', `options: expected an object, got "prod-x": pass { key: 'prod-x' }`],
  [['sk-', 'ant-', 'secret'].join(''), `options: expected an object, got a text of 13 characters: ${NO_OPTIONS}`],
  [['prod-x'], `options: expected an object, got a list of 1: ${NO_OPTIONS}`],
  [() => null, `options: expected an object, got a function: ${NO_OPTIONS}`],
  [new Registry(), 'options: expected an object, got an object: pass { registry }'],
  [
    { attribution: ['route'] },
    'attribution: expected names of labels, each with a list of values, got a list of 1: pass { route: [] }',
  ],
  [
    { attribution: 'route' },
    'attribution: expected names of labels, each with a list of values, got "route": pass { route: [] }',
  ],
  [
    { attribution: { route: 'chat' } },
    'attribution: expected a list of values for "route", got "chat": write [] for any value',
  ],
  [{ labels: null }, "labels: expected names of labels, each with a value, got null: pass { tenant: 'harbor' }"],
  [
    { models: 'claude-haiku-4-5' },
    `models: expected a list of models, got "claude-haiku-4-5": pass ['claude-haiku-4-5']`,
  ],
  [{ registry: {} }, 'registry: expected a registry of prom-client, got an object: pass new Registry()'],
  [{ prices: 'prices.json' }, `prices: expected a table of prices, got "prices.json": pass loadPrices('prices.json')`],
  [
    { recorders: { started: () => undefined } },
    'recorders: expected a list of recorders, got an object: pass [recorder]',
  ],
  [{ guards: () => undefined }, 'guards: expected a list of guards, got a function: pass [guard]'],
  [{ onCall: 'log' }, 'onCall: expected a function, got "log": pass (call) => …'],
  [{ budgets: [] }, 'budgets: expected budgets, got a list of 0: pass budgets({ definitions: [...] })'],
  [{ routes: null }, 'routes: expected routes, got null: pass routes({ chat: { maxTokens: 512 } })'],
  [
    { key: null },
    'key: expected the alias of an API key, such as "prod-checkout-api", got null: pass a name of your own',
  ],
];

describe('instrument() and instrumentFetch() with options that cannot be used', () => {
  for (const [given, message] of OPTIONS) {
    it(`say so: ${message}`, () => {
      const expected = { code: 'PLIMSOLL_OPTIONS_INVALID', message };
      assert.throws(() => instrument(new Anthropic({ apiKey: 'test' }), given as object), expected);
      assert.throws(() => instrumentFetch(fetch, given as object), expected);
    });
  }
});
