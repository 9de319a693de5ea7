import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, type InstrumentOptions, type Recorder } from 'plimsoll';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { collected, PARAMS, samples, total } from '../../testing/client-workbench.ts';

/** What nothing may change: an answer, a stream and a refusal, as the caller gets them. */
async function experience(claude: Anthropic): Promise<unknown[]> {
  const events: unknown[] = [];
  for await (const event of await claude.messages.create({ ...PARAMS, stream: true })) events.push(event);
  const message = await claude.messages.create(PARAMS);
  const refusal = await claude.messages
    .create({ ...PARAMS, model: 'claude-unheard-of' })
    .catch((error: unknown) => error);
  assert.ok(refusal instanceof Anthropic.NotFoundError, String(refusal));
  return [events, message, refusal.status, refusal.message.replace(/req_\w+/, 'req')];
}

function client(): Anthropic {
  return new Anthropic({ apiKey: 'test', fetch: simulator({ seed: 3 }).fetch, logLevel: 'off' });
}

async function sameWith(options: InstrumentOptions): Promise<void> {
  assert.deepEqual(await experience(instrument(client(), options)), await experience(client()));
}

const failing = (): never => {
  throw new Error('out of order');
};

describe('what fails inside plimsoll is counted, and the call goes on:', () => {
  it('a recorder that throws at every event, and those after it hear of every event', async () => {
    const registry = new Registry();
    let finished = 0;
    const broken: Recorder = { started: () => ({ attempted: failing, firstToken: failing, finished: failing }) };
    const counting: Recorder = { started: () => ({ finished: () => void finished++ }) };
    await sameWith({ registry, recorders: [broken, { started: failing }, counting] });
    assert.equal(finished, 3);
    assert.equal(await total(registry, 'anthropic_requests_total'), 3);
    const errors = await samples(registry, 'plimsoll_errors_total');
    assert.deepEqual(Object.keys(errors), ['stage=recorder']);
  });

  it('an onCall that throws, and one whose promise fails', async () => {
    for (const onCall of [failing, () => Promise.reject(new Error('out of order'))]) {
      const registry = new Registry();
      await sameWith({ registry, onCall });
      assert.deepEqual(await samples(registry, 'plimsoll_errors_total'), { 'stage=on_call': 3 });
    }
  });

  it('a registry that throws', async () => {
    const registry = new Registry();
    registry.registerMetric = failing;
    await sameWith({ registry });
    registry.getSingleMetric = failing;
    await sameWith({ registry });
  });

  it('a price table that throws: tokens are counted and the call is unpriced', async () => {
    const registry = new Registry();
    const prices = {
      knownModels: [],
      models: [],
      serverTools: [],
      source: 'file',
      checkedOn: '2026-11-24',
      checkedAtMs: 0,
      discounts: new Map(),
    } as const;
    const broken = {
      ...prices,
      canonicalModel: (id: string) => id,
      priceAt: failing,
      isSoldOn: failing,
      toolPriceAt: failing,
      refusalBillingAt: failing,
      negotiated: failing,
      isNewer: failing,
    };
    await sameWith({ registry, prices: broken });
    assert.equal(await total(registry, 'anthropic_unpriced_requests_total'), 2);
    assert.equal(await total(registry, 'anthropic_cost_usd_total'), 0);
    assert.ok((await total(registry, 'anthropic_tokens_total')) > 0);
  });

  it('a clock that throws', async () => {
    const registry = new Registry();
    let ready = false;
    const epochMs = (): number => (ready ? failing() : 0);
    const claude = instrument(client(), { registry, clock: { epochMs, monotonicMs: failing } });
    ready = true;
    assert.deepEqual(await experience(claude), await experience(client()));
    ready = false;
    assert.deepEqual(await samples(registry, 'plimsoll_errors_total'), { 'stage=middleware': 3 });
  });

  it('a guard that throws what is no refusal', async () => {
    const registry = new Registry();
    await sameWith({
      registry,
      guards: [{ admit: failing }, { admit: () => Promise.reject(new Error('out of order')) }],
    });
    assert.deepEqual(await samples(registry, 'plimsoll_errors_total'), { 'stage=guard': 6 });
  });
});

describe('a body that is not what it says is handed on as it is', () => {
  const BODIES: Readonly<Record<string, readonly [type: string, body: string]>> = {
    'HTML as JSON': ['application/json', '<html>busy</html>'],
    'a JSON list where a message should be': ['application/json', '[1,2,3]'],
    'JSON that is null': ['application/json', 'null'],
    'JSON with a usage that is a word': ['application/json', '{"type":"message","usage":"lots"}'],
    'JSON as an event stream': ['text/event-stream', '{"type":"message"}'],
    'an event stream of noise': [
      'text/event-stream',
      'event: message_start\ndata: {"type":\n\nevent: message_delta\ndata: 7\n\n',
    ],
    'text as nothing in particular': ['', 'hello'],
  };

  for (const [name, [type, body]] of Object.entries(BODIES)) {
    it(name, async () => {
      const answer: typeof fetch = () =>
        Promise.resolve(new Response(body, { headers: type === '' ? {} : { 'content-type': type } }));
      const registry = new Registry();
      const client = (): Anthropic => new Anthropic({ apiKey: 'test', fetch: answer, logLevel: 'off' });
      const plain = client();
      const claude = instrument(client(), { registry });
      for (const stream of [false, true]) {
        const read = async (of: Anthropic): Promise<unknown> =>
          (await of.messages.create({ ...PARAMS, stream }).asResponse()).text();
        assert.equal(await read(claude), await read(plain));
        const parsed = async (of: Anthropic): Promise<unknown> => {
          const result = await of.messages.create({ ...PARAMS, stream });
          return stream ? collected(result as unknown as AsyncIterable<unknown>) : result;
        };
        const both = [await parsed(claude).catch(String), await parsed(plain).catch(String)];
        assert.deepEqual(both[0], both[1]);
      }
      assert.equal(await total(registry, 'anthropic_requests_total'), 4);
      assert.equal(await total(registry, 'anthropic_requests_in_flight'), 0);
    });
  }

  it("a response that is not the runtime's own", async () => {
    const message = { type: 'message', model: 'claude-haiku-4-5', usage: { input_tokens: 3, output_tokens: 5 } };
    const homemade = {
      ok: true,
      status: 200,
      url: '',
      headers: new Headers({ 'content-type': 'application/json' }),
      body: { locked: false },
      bodyUsed: false,
      json: () => Promise.resolve(message),
    };
    const registry = new Registry();
    const plain = new Anthropic({ apiKey: 'test', fetch: () => Promise.resolve(homemade as unknown as Response) });
    assert.deepEqual(await instrument(plain, { registry }).messages.create(PARAMS), message);
    assert.equal(await total(registry, 'anthropic_tokens_total'), 8);
  });
});

describe('a usage that cannot be', () => {
  const usages: readonly object[] = [
    { input_tokens: -5, output_tokens: 5 },
    { input_tokens: 1.5, output_tokens: 5 },
    { input_tokens: 1e300, output_tokens: 5 },
    { input_tokens: '12', output_tokens: 5 },
  ];
  for (const usage of usages) {
    it(`is counted as far as it can be, and loudly unpriced: ${JSON.stringify(usage)}`, async () => {
      const body = JSON.stringify({ type: 'message', model: 'claude-haiku-4-5', usage });
      const answer = (): Promise<Response> =>
        Promise.resolve(new Response(body, { headers: { 'content-type': 'application/json' } }));
      const registry = new Registry();
      await instrument(new Anthropic({ apiKey: 'test', fetch: answer }), { registry }).messages.create(PARAMS);
      assert.equal(await total(registry, 'anthropic_tokens_total'), 5);
      assert.equal(await total(registry, 'anthropic_cost_usd_total'), 0);
      assert.equal(await total(registry, 'anthropic_unpriced_requests_total'), 1);
      assert.deepEqual(await samples(registry, 'plimsoll_errors_total'), { 'stage=usage': 1 });
    });
  }

  it('leaves out nulls and what is absent, and an unknown field changes nothing', async () => {
    const usage = {
      input_tokens: 7,
      output_tokens: 5,
      cache_read_input_tokens: null,
      cache_creation: null,
      newly_invented: { a: 1 },
    };
    const body = JSON.stringify({ type: 'message', model: 'claude-haiku-4-5', usage });
    const answer = (): Promise<Response> =>
      Promise.resolve(new Response(body, { headers: { 'content-type': 'application/json' } }));
    const registry = new Registry();
    await instrument(new Anthropic({ apiKey: 'test', fetch: answer }), { registry }).messages.create(PARAMS);
    assert.equal(await total(registry, 'anthropic_tokens_total'), 12);
    assert.equal(await total(registry, 'plimsoll_errors_total'), 0);
  });
});
