/**
 * Claude on the clouds, as public reports have it, with the official packages: one label for a model however a cloud
 * spells it, the price of regional endpoints, and budgets that let calls through. The right values are written by hand.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AnthropicAws } from '@anthropic-ai/aws-sdk';
import { AnthropicBedrock } from '@anthropic-ai/bedrock-sdk';
import { AnthropicFoundry } from '@anthropic-ai/foundry-sdk';
import { AnthropicGoogleCloud } from '@anthropic-ai/google-cloud-sdk';
import type Anthropic from '@anthropic-ai/sdk';
import type { ClientOptions } from '@anthropic-ai/sdk';
import { AnthropicVertex } from '@anthropic-ai/vertex-sdk';
import { instrument, pricesFrom, type InstrumentOptions } from 'plimsoll';
import { budgets } from 'plimsoll/budget';
import { pace } from 'plimsoll/pace';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { samples, total } from '../../testing/client-workbench.ts';
import { KeepingRecorder } from '../../testing/keeping-recorder.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';

/**
 * Ids from public reports, and the model that each one is. Sources: the model tables of "Claude on Amazon Bedrock" and
 * "Claude on Vertex AI"; Portkey-AI/gateway#1118 and RooCodeInc/Roo-Code#1937 (ARNs); anomalyco/models.dev#5239
 * (`@default`); BerriAI/litellm#9370 (`-v2@`).
 */
const SPELLINGS: Readonly<Record<string, string>> = {
  'us.anthropic.claude-haiku-4-5-20251001-v1:0': 'claude-haiku-4-5',
  'global.anthropic.claude-haiku-4-5-20251001-v1:0': 'claude-haiku-4-5',
  'anthropic.claude-haiku-4-5-20251001-v1:0': 'claude-haiku-4-5',
  'eu.anthropic.claude-sonnet-4-6': 'claude-sonnet-4-6',
  'anthropic.claude-opus-4-6-v1': 'claude-opus-4-6',
  'global.anthropic.claude-opus-4-7-v1:0': 'claude-opus-4-7',
  'jp.anthropic.claude-sonnet-4-5-20250929-v1:0': 'claude-sonnet-4-5',
  'anthropic.claude-3-haiku-20240307-v1:0:48k': 'claude-3-haiku',
  'us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0': 'claude-sonnet-4-5',
  'anthropic.claude-3-5-sonnet-20241022-v2:0': 'claude-3-5-sonnet-20241022',
  'arn:aws:bedrock:ap-south-1::foundation-model/anthropic.claude-opus-4-6-v1:0': 'claude-opus-4-6',
  'arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-3-haiku-20240307-v1:0':
    'claude-3-haiku',
  'arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0':
    'claude-sonnet-4-5',
  'claude-haiku-4-5@20251001': 'claude-haiku-4-5',
  'claude-fable-5@default': 'claude-fable-5',
  'claude-opus-4-6@default': 'claude-opus-4-6',
  'claude-3-5-sonnet-v2@20241022': 'claude-3-5-sonnet-20241022',
  'publishers/anthropic/models/claude-opus-5': 'claude-opus-5',
  'projects/p/locations/us-east5/publishers/anthropic/models/claude-haiku-4-5@20251001': 'claude-haiku-4-5',
};

const authClient = { getRequestHeaders: async () => new Headers(), projectId: 'project' } as never;

/** The clients of the clouds, which all ask one simulated API that answers with a million tokens of input. */
const CLIENTS = {
  bedrock: (options: ClientOptions) =>
    new AnthropicBedrock({ ...options, apiKey: 'test', awsRegion: 'us-east-1' } as never),
  'vertex, global': (options: ClientOptions) => vertex('global', options),
  'vertex, us': (options: ClientOptions) => vertex('us', options),
  'vertex, us-east5': (options: ClientOptions) => vertex('us-east5', options),
  foundry: (options: ClientOptions) => new AnthropicFoundry({ ...options, apiKey: 'test', resource: 'r' }),
  aws: (options: ClientOptions) =>
    new AnthropicAws({ ...options, apiKey: 'test', awsRegion: 'us-east-1', workspaceId: 'wrkspc_01' }),
  'google-cloud': (options: ClientOptions) =>
    new AnthropicGoogleCloud({
      ...{ ...options, bearerTokenProvider: async () => 'test', project: 'project', workspaceId: 'workspace' },
    }),
};

type Cloud = keyof typeof CLIENTS;

function vertex(region: string, options: ClientOptions): AnthropicVertex {
  return new AnthropicVertex({ ...options, apiKey: null, region, projectId: 'project', authClient } as never);
}

const ENOUGH = { messages: [{ role: 'user' as const, content: 'hello' }], max_tokens: 64 };

interface Bench {
  readonly claude: Anthropic;
  readonly registry: Registry;
  readonly log: KeepingRecorder;
}

function bench(cloud: Cloud, options: InstrumentOptions = {}, status = 200): Bench {
  const sim = simulator({ respond: () => ({ usage: { input_tokens: 1_000_000, output_tokens: 0 } }) });
  const fetch: typeof globalThis.fetch = async (_url, init) => {
    if (status !== 200) return Response.json({ message: 'Too many requests' }, { status });
    const body = JSON.parse(init?.body as string) as { model?: string };
    return sim.fetch('https://api.anthropic.com/v1/messages', {
      ...{ method: 'POST', headers: { 'x-api-key': 'test', 'anthropic-version': '2023-06-01' } },
      body: JSON.stringify({ ...ENOUGH, ...body, model: 'claude-haiku-4-5', anthropic_version: undefined }),
    });
  };
  const registry = new Registry();
  const log = new KeepingRecorder();
  const plain = CLIENTS[cloud]({ fetch, logLevel: 'off', maxRetries: 0 }) as unknown as Anthropic;
  return { claude: instrument(plain, { registry, recorders: [log], ...options }), registry, log };
}

/** Haiku 4.5 costs $1 a million tokens of input; 10% more where a cloud keeps the request in a region. */
const PRICES: readonly (readonly [cloud: Cloud, model: string, usd: number | null])[] = [
  ['bedrock', 'global.anthropic.claude-haiku-4-5-20251001-v1:0', 1],
  ['bedrock', 'us.anthropic.claude-haiku-4-5-20251001-v1:0', 1.1],
  ['bedrock', 'anthropic.claude-haiku-4-5-20251001-v1:0', 1.1],
  ['vertex, global', 'claude-haiku-4-5@20251001', 1],
  ['vertex, us', 'claude-haiku-4-5@20251001', 1.1],
  ['vertex, us-east5', 'claude-haiku-4-5@20251001', 1.1],
  ['foundry', 'claude-haiku-4-5', 1],
  ['aws', 'claude-haiku-4-5', 1],
  ['google-cloud', 'claude-haiku-4-5', null],
];

describe('a model on a cloud', () => {
  it('has one id, however it is spelled', () => {
    const prices = defaultPrices();
    for (const [spelling, model] of Object.entries(SPELLINGS)) assert.equal(prices.canonicalModel(spelling), model);
  });

  for (const [cloud, model, usd] of PRICES) {
    const priced = usd === null ? 'has no price, and says so' : `costs $${usd} a million tokens`;
    it(`${priced}: ${model} on ${cloud}`, async () => {
      const { claude, registry } = bench(cloud);
      await claude.messages.create({ ...ENOUGH, model });
      assert.equal(await total(registry, 'anthropic_cost_usd_total'), usd ?? 0);
      assert.equal(await total(registry, 'anthropic_unpriced_requests_total'), usd === null ? 1 : 0);
      assert.equal(await total(registry, 'anthropic_uncertain_costs_total'), 0);
    });
  }

  it('has one label for what was answered, what was tried and what was refused', async () => {
    for (const [cloud, model] of PRICES) {
      const answered = bench(cloud);
      await answered.claude.messages.create({ ...ENOUGH, model });
      const refused = bench(cloud, {}, 429);
      await assert.rejects(Promise.resolve(refused.claude.messages.create({ ...ENOUGH, model })));
      for (const { registry, log } of [answered, refused]) {
        for (const name of ['anthropic_requests_total', 'anthropic_attempts_total']) {
          const labels = Object.keys(await samples(registry, name));
          assert.equal(labels.length, 1, `${name} ${model}`);
          assert.match(labels[0] ?? '', /model=claude-haiku-4-5,/);
        }
        assert.equal(log.calls[0]?.requestedModel, model);
      }
      assert.match(
        Object.keys(await samples(refused.registry, 'anthropic_rate_limited_total')).join(),
        /^model=claude-haiku-4-5,/,
      );
    }
  });

  it('is let through by a budget that blocks, which holds what the region costs', async () => {
    for (const [cloud, model, usd] of PRICES) {
      const definitions = [{ name: 'day', usd: 5, period: 'day', mode: 'block' } as const];
      const kept = budgets({ definitions });
      const { claude, log } = bench(cloud, { budgets: kept });
      const call = Promise.resolve(claude.messages.create({ ...ENOUGH, model }));
      if (usd === null) await assert.rejects(call, { reason: 'unknown_price' });
      else await call;
      assert.equal(log.calls[0]?.outcome, usd === null ? 'blocked' : 'ok', `${model} on ${cloud}`);
      const [day] = (await kept.refresh()).budgets;
      assert.equal(day?.balance?.spentNanoUsd, BigInt(Math.round((usd ?? 0) * 1e9)));
    }
  });

  it('is priced by the model that answers, and marked, where a profile of the account hides the endpoint', async () => {
    const { claude, registry } = bench('bedrock');
    const model = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef123456';
    await claude.messages.create({ ...ENOUGH, model });
    assert.equal(await total(registry, 'anthropic_cost_usd_total'), 1.1);
    assert.deepEqual(await samples(registry, 'anthropic_uncertain_costs_total'), {
      'model=claude-haiku-4-5,key=default,doubt=endpoint': 1,
    });
  });

  it('is known by an alias of the price file where its name says nothing', async () => {
    const prices = pricesFrom({ extends: 'default', aliases: { 'chat-prod': 'claude-haiku-4-5' } });
    const { claude, registry } = bench('foundry', { prices }, 429);
    await assert.rejects(Promise.resolve(claude.messages.create({ ...ENOUGH, model: 'chat-prod' })));
    assert.match(Object.keys(await samples(registry, 'anthropic_requests_total')).join(), /^model=claude-haiku-4-5,/);
  });

  it('before Claude 4.5 costs the same everywhere', async () => {
    const price = defaultPrices().priceAt('us.anthropic.claude-3-haiku-20240307-v1:0', Date.UTC(2026, 0, 1));
    assert.equal(price?.cards.standard.byGeo.get('bedrock/regional'), undefined);
    const newer = defaultPrices().priceAt('us.anthropic.claude-sonnet-4-5-20250929-v1:0', Date.UTC(2026, 0, 1));
    assert.equal(newer?.cards.standard.byGeo.get('bedrock/regional')?.standard.input.num, 3300n);
  });
});

const SPELLED: Partial<Readonly<Record<Cloud, string>>> = { bedrock: 'anthropic.claude-haiku-4-5-20251001-v1:0' };

describe('a pace', () => {
  for (const cloud of Object.keys(CLIENTS) as Cloud[]) {
    it(`leaves calls on ${cloud} alone, whatever the limits of the API are`, async () => {
      const own = pace({ limits: { 'haiku-4.5': { requests: 1, inputTokens: 1 } }, maxWaitMs: 1 });
      const { claude, log } = bench(cloud, { pace: own });
      const model = SPELLED[cloud] ?? 'claude-haiku-4-5';
      for (let call = 0; call < 5; call += 1) await claude.messages.create({ ...ENOUGH, model });
      assert.deepEqual(
        log.calls.map(({ outcome, waitSeconds }) => [outcome, waitSeconds < 1]),
        Array.from({ length: 5 }, () => ['ok', true]),
      );
    });
  }
});
