import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type Anthropic from '@anthropic-ai/sdk';
import {
  ConfigurationError,
  isRouteError,
  RouteError,
  routes,
  sentenceOf,
  withAttribution,
  type RoutesOptions,
} from 'plimsoll';
import { PARAMS, samples, workbench, type Workbench } from '../../testing/client-workbench.ts';

const TABLE = {
  chat: { task: 'conversation', maxTokens: 512 },
  review: { task: 'code' },
  research: { task: 'analysis' },
  faq: {},
} as const;

const shop = (options: RoutesOptions = {}) => routes(TABLE, { env: {}, ...options });

describe('a route', () => {
  it('asks the model of its task, and the default one when nothing is said', () => {
    const { route } = shop();
    assert.deepEqual({ ...route('chat') }, { ...route('chat'), model: 'claude-haiku-4-5', max_tokens: 512 });
    assert.equal(route('review').model, 'claude-sonnet-5-5');
    assert.equal(route('research').model, 'claude-opus-5-5');
    assert.deepEqual(JSON.stringify(route('faq')), '{"model":"claude-haiku-4-5","max_tokens":1024}');
  });

  it('uses the models and the max_tokens of the environment', () => {
    const env = {
      ANTHROPIC_DEFAULT_MODEL: ' claude-haiku-5-5 ',
      ANTHROPIC_REASONING_MODEL: 'claude-sonnet-5',
      ANTHROPIC_CRITICAL_MODEL: 'claude-fable-5-2',
      ANTHROPIC_MAX_TOKENS: '300',
    };
    const { route } = shop({ env });
    const asked = (['chat', 'review', 'research', 'faq'] as const).map((name) => Object.values(route(name)).join(' '));
    assert.deepEqual(asked, [
      'claude-haiku-5-5 512',
      'claude-sonnet-5 300',
      'claude-fable-5-2 300',
      'claude-haiku-5-5 300',
    ]);
  });

  it('may have a model of its own', () => {
    assert.equal(
      routes({ old: { model: 'claude-opus-4-8', task: 'simple' } }, { env: {} }).route('old').model,
      'claude-opus-4-8',
    );
  });

  it('has to be in the table: another name is a type error, and at run time an error that lists the routes', () => {
    assert.throws(
      // @ts-expect-error the table has no such route
      () => shop().route('chta'),
      /expected one of chat, review, research, faq, got "chta"/,
    );
  });

  it('is refused with all problems of the table', () => {
    const table = { 'a b': {}, one: { task: 'poetry' }, two: { model: ' ', maxTokens: 0 }, three: null };
    assert.throws(
      () => routes(table as never, { ceilings: 'never' as never, env: { ANTHROPIC_MAX_TOKENS: '1k' } }),
      (error: unknown) => {
        assert.ok(error instanceof ConfigurationError);
        assert.equal(error.code, 'PLIMSOLL_ROUTES_INVALID');
        assert.deepEqual(error.problems.map(sentenceOf), [
          'routes: expected names of up to 64 letters, digits and . / : _ -, got another name: rename it',
          'routes.one.task: expected one of conversation, simple, code, analysis, got "poetry": choose the nearest',
          'routes.two.model: expected the id of a model, got " ": leave it out to use the task\'s model',
          'routes.two.maxTokens: expected a whole number from 1 up, got 0',
          'routes.three: expected an object, got null: write {} for conversation',
          'ceilings: expected one of warn, clamp, reject, got "never"',
          'ANTHROPIC_MAX_TOKENS: expected a whole number of tokens from 1 up, got another value: write digits only, such as 1024',
        ]);
        return true;
      },
    );
  });
});

it('a secret in the wrong place of a table, or as the name of a route, is not shown', () => {
  for (const secret of ['sk-ant-api03-Zz9', 'plk_Zz9']) {
    const mistakes = [
      () => routes({ [secret]: {} }),
      () => routes({ chat: { task: secret as never } }),
      () => routes({ chat: {} }, { ceilings: secret as never }),
      () => routes({ chat: {} }).route(secret as never),
    ];
    for (const mistake of mistakes) {
      assert.throws(mistake, (error: unknown) => error instanceof ConfigurationError && !/Zz9/.test(error.message));
    }
  }
});

const { messages } = PARAMS;

function bench(options: RoutesOptions = {}): Workbench & { readonly shop: ReturnType<typeof shop> } {
  const table = shop(options);
  return { ...workbench({ instrument: { routes: table } }), shop: table };
}

const decisions = ({ registry }: Workbench) => samples(registry, 'anthropic_max_tokens_decisions_total');

/** The routes under which calls were counted, in order. */
const routesOf = ({ log }: Workbench) => log.calls.map(({ attribution }) => attribution['route']);

describe('a call made with route()', () => {
  const WAYS: Readonly<
    Record<string, (claude: Anthropic, params: Anthropic.MessageCreateParamsNonStreaming) => Promise<unknown>>
  > = {
    create: (claude, params) => claude.messages.create(params),
    'a stream': async (claude, params) => {
      const events = await claude.messages.create({ ...params, stream: true });
      for await (const event of events) assert.ok(event.type);
    },
    'the stream helper': (claude, params) => claude.messages.stream(params).finalMessage(),
    parse: (claude, params) => claude.messages.parse(params),
    'beta create': (claude, params) => claude.beta.messages.create({ ...params, betas: ['some-beta'] }),
    'the beta stream helper': (claude, params) => claude.beta.messages.stream(params).finalMessage(),
    'the tool runner': (claude, params) => claude.beta.messages.toolRunner({ ...params, tools: [] }).runUntilDone(),
    withResponse: (claude, params) => claude.messages.create(params).withResponse(),
    withOptions: (claude, params) => claude.withOptions({ timeout: 5_000 }).messages.create(params),
  };
  for (const [name, way] of Object.entries(WAYS)) {
    it(`is counted under its route by ${name}, and sends nothing of it`, async () => {
      const made = bench();
      await way(made.claude, { ...made.shop.route('chat'), messages });
      await made.log.finishedCalls(1);
      assert.deepEqual(routesOf(made), ['chat']);
      assert.equal(made.sim.truth.requests[0]?.status, 200, 'the API refuses parameters that it does not know');
      const requests = Object.keys(await samples(made.registry, 'anthropic_requests_total'));
      assert.ok(requests.length === 1 && requests[0]?.includes('route=chat'), String(requests));
    });
  }

  it('has its own route, whatever is around it', async () => {
    const made = bench();
    await withAttribution({ route: '/api/chat' }, async () => {
      await made.claude.messages.create({ ...made.shop.route('review'), messages });
      await made.claude.messages.create(PARAMS);
    });
    await made.log.finishedCalls(2);
    assert.deepEqual(routesOf(made), ['review', '/api/chat']);
  });

  it('is counted among those without a route where it does not say', async () => {
    const made = bench();
    await made.claude.messages.create(PARAMS);
    await made.log.finishedCalls(1);
    assert.deepEqual(await samples(made.registry, 'plimsoll_attribution_missing_total'), { 'label=route': 1 });
  });
});

/** More than the 512 of `chat`. */
const TOO_MANY = { max_tokens: 4_000, messages };

describe('the ceiling of a route', () => {
  it('lets calls within it pass, and counts nothing', async () => {
    const made = bench({ ceilings: 'reject' });
    await made.claude.messages.create({ ...made.shop.route('chat'), messages });
    await made.claude.messages.create({ ...made.shop.route('chat'), max_tokens: 511, messages });
    assert.deepEqual(await decisions(made), {});
  });

  it('is only counted by default', async () => {
    const made = bench();
    await made.claude.messages.create({ ...made.shop.route('chat'), ...TOO_MANY });
    await made.log.finishedCalls(1);
    assert.equal(made.log.calls[0]?.maxTokens, 4_000);
    assert.deepEqual(await decisions(made), { 'route=chat,key=default,decision=warned': 1 });
  });

  it('holds in mode clamp: an answer is cut there', async () => {
    const made = bench({ ceilings: 'clamp' });
    made.sim.script([{ fault: 'none' }]);
    await made.claude.messages.create({ ...made.shop.route('chat'), ...TOO_MANY });
    await made.log.finishedCalls(1);
    assert.equal(made.log.calls[0]?.maxTokens, 512, 'what is sent is what ratios and budgets go by');
    assert.deepEqual(await decisions(made), { 'route=chat,key=default,decision=clamped': 1 });
  });

  it('refuses in mode reject, before anything is sent, and is not retried', async () => {
    const made = bench({ ceilings: 'reject' });
    const refused = made.claude.messages.create({ ...made.shop.route('chat'), ...TOO_MANY });
    const error = await refused.catch((thrown: unknown) => thrown);
    assert.ok(error instanceof RouteError);
    assert.deepEqual([error.route, error.maxTokens, error.ceiling], ['chat', 4_000, 512]);
    assert.equal(made.sim.truth.requests.length, 0);
    assert.deepEqual(made.log.events, ['started', 'finished blocked']);
    assert.deepEqual(await decisions(made), { 'route=chat,key=default,decision=rejected': 1 });
  });

  it('refuses a stream too, whose helper wraps the error, and a route by the name of timeout', async () => {
    const table = routes({ timeout: { maxTokens: 5 } }, { env: {}, ceilings: 'reject' });
    const { claude, sim, log } = workbench({ instrument: { routes: table } });
    const error = await claude.messages
      .stream({ ...table.route('timeout'), ...TOO_MANY })
      .finalMessage()
      .catch((thrown: unknown) => thrown);
    assert.ok(isRouteError(error));
    assert.equal(sim.truth.requests.length, 0);
    assert.equal(log.calls.length, 1);
  });

  it('holds for calls whose route is around them', async () => {
    const made = bench({ ceilings: 'clamp' });
    await withAttribution({ route: 'chat' }, () => made.claude.messages.create({ ...PARAMS, max_tokens: 4_000 }));
    assert.deepEqual(await decisions(made), { 'route=chat,key=default,decision=clamped': 1 });
  });

  for (const [name, route, sent] of [
    ["a route's own", { route: 'chat' }, 512],
    ["the environment's where there is no route", {}, 300],
  ] as const) {
    it(`fills a max_tokens that is missing with ${name}`, async () => {
      const made = bench({ env: { ANTHROPIC_MAX_TOKENS: '300' } });
      const { max_tokens: _missing, ...params } = PARAMS;
      await withAttribution(route, () => made.claude.messages.create(params as typeof PARAMS));
      await made.log.finishedCalls(1);
      assert.equal(made.log.calls[0]?.maxTokens, sent);
      assert.equal(made.sim.truth.requests[0]?.status, 200, 'without it the API refuses');
      assert.deepEqual(await decisions(made), {
        [`route=${'route' in route ? 'chat' : ''},key=default,decision=filled`]: 1,
      });
    });
  }

  it('does not touch batches and token counts', async () => {
    const made = bench({ ceilings: 'reject' });
    await made.claude.messages.countTokens({ model: PARAMS.model, messages });
    await made.claude.messages.batches.create({
      requests: [{ custom_id: 'one', params: { ...PARAMS, max_tokens: 4_000 } }],
    });
    assert.deepEqual(await decisions(made), {});
  });
});

describe('the label route', () => {
  it('is declared by the routes, beside the labels of the user', async () => {
    const { claude, registry } = workbench({
      instrument: {
        routes: shop(),
        attribution: { tenant: ['acme'], route: ['/health'] },
        labels: { tenant: 'acme', route: '/health' },
      },
    });
    await claude.messages.create(PARAMS);
    const requests = Object.keys(await samples(registry, 'anthropic_requests_total'));
    assert.ok(requests[0]?.includes('tenant=acme') && requests[0].includes('route=/health'), String(requests));
  });

  it('is refused with what to write where there are no routes', () => {
    assert.throws(
      () => workbench({ instrument: { routes: { chat: {} } as never } }),
      /routes: expected routes, got an object: pass routes\(\{ chat: \{ maxTokens: 512 \} \}\)/,
    );
  });
});
