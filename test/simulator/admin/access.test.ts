import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import type { SimulatorOptions } from 'plimsoll/simulator';
import { StandingClock, bench } from '../../../testing/simulator-bench.ts';

const API_KEY = ['sk-ant-api03', 'R2Dmany-more-characters-igAA'].join('-');
const ADMIN_KEY = 'sk-ant-admin01-simulated-books-of-the-house';
const SINCE = { starting_at: '2026-11-24T00:00:00Z' };

function organization(options: SimulatorOptions = {}, apiKey = ADMIN_KEY) {
  const clock = new StandingClock();
  const { claude } = bench({ clock, keys: [{ name: 'prod-shop-api', key: API_KEY }], ...options });
  const sdk = new Anthropic({ apiKey, fetch: claude.fetch, maxRetries: 0, logLevel: 'off' });
  return { claude, clock, sdk, cost: () => sdk.beta.organization.analytics.cost.list(SINCE) };
}

describe('who may read the organization', () => {
  test('an admin key reads it, and answers no messages', async () => {
    const { sdk, cost } = organization();
    assert.deepEqual((await cost()).data, []);
    const message = {
      model: 'claude-haiku-5-5',
      max_tokens: 5,
      messages: [{ role: 'user' as const, content: 'Ahoy' }],
    };
    await assert.rejects(sdk.messages.create(message), { status: 401 });
  });

  test('a key of a workspace may ask whose it is, and nothing else', async () => {
    const { sdk, cost } = organization({}, API_KEY);
    assert.equal((await sdk.organization.retrieve()).name, 'Simulated');
    await assert.rejects(cost(), { status: 403 });
  });

  test('a key that is not known is refused', async () => {
    await assert.rejects(organization({ organization: { adminKeys: ['sk-ant-admin01-another'] } }).cost(), {
      status: 401,
    });
    await assert.rejects(organization({}, 'sk-ant-api03-unknown').cost(), { status: 401 });
  });

  test('an individual account, an organization with the older reports alone, and a HIPAA-ready one are refused', async () => {
    await assert.rejects(organization({ organization: { kind: 'none' } }).cost(), { status: 403 });
    await assert.rejects(organization({ organization: { kind: 'legacy' } }).cost(), { status: 403 });
    await assert.rejects(organization({ organization: { kind: 'hipaa' } }).cost(), { status: 400 });
  });

  test('without the beta header there are no analytics', async () => {
    const { sdk } = organization();
    await assert.rejects(sdk.get('/v1/organizations/analytics/cost', { query: SINCE }), { status: 404 });
  });

  test('too many reads in a minute are refused until it is over', async () => {
    const { clock, cost } = organization({ organization: { readsPerMinute: 2 } });
    await cost();
    await cost();
    const refused = await cost().then(
      () => null,
      (error: unknown) => error as InstanceType<typeof Anthropic.APIError>,
    );
    assert.deepEqual([refused?.status, refused?.headers?.get('retry-after')], [429, '60']);
    clock.advance(60_000);
    await cost();
  });

  test('a path that is not served is a 404 for an admin key, and as closed as others for another one', async () => {
    const unknown = (sdk: Anthropic) => sdk.get('/v1/organizations/ships');
    await assert.rejects(unknown(organization().sdk), { status: 404 });
    await assert.rejects(unknown(organization({}, API_KEY).sdk), { status: 403 });
    await assert.rejects(unknown(organization({}, 'sk-ant-api03-unknown').sdk), { status: 401 });
  });

  test('in an outage every read gets a 500, and messages do not', async () => {
    const startMs = new StandingClock().now();
    const outages = [{ startMs, endMs: startMs + 60_000 }];
    const { sdk, clock, cost } = organization({ organization: { outages } });
    await assert.rejects(cost(), { status: 500 });
    await assert.rejects(sdk.organization.apiKeys.list(), { status: 500 });
    clock.advance(60_000);
    assert.deepEqual((await cost()).data, []);
  });
});
