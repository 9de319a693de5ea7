/** What a client and the id of a model say of the platform that serves it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AnthropicAws } from '@anthropic-ai/aws-sdk';
import { AnthropicBedrock, AnthropicBedrockMantle } from '@anthropic-ai/bedrock-sdk';
import { AnthropicFoundry } from '@anthropic-ai/foundry-sdk';
import { AnthropicGoogleCloud } from '@anthropic-ai/google-cloud-sdk';
import Anthropic from '@anthropic-ai/sdk';
import { AnthropicVertex } from '@anthropic-ai/vertex-sdk';
import { endpointOf, plainModel, platformOf } from '../src/platform.ts';

const authClient = { getRequestHeaders: async () => new Headers(), projectId: 'project' } as never;

const vertex = (region: string, options: object = {}): AnthropicVertex =>
  new AnthropicVertex({ ...options, region, projectId: 'project', authClient });

describe('platformOf()', () => {
  const clients: readonly (readonly [string, object])[] = [
    ['anthropic', new Anthropic({ apiKey: 'test' })],
    ['anthropic', new Anthropic({ apiKey: 'test', baseURL: 'http://gateway.internal:8787' })],
    ['bedrock', new AnthropicBedrock({ apiKey: 'test', awsRegion: 'eu-west-1' })],
    ['bedrock', new AnthropicBedrock({ apiKey: 'test', baseURL: 'http://proxy.internal' })],
    ['bedrock', new AnthropicBedrockMantle({ apiKey: 'test', awsRegion: 'us-east-1' })],
    ['vertex', vertex('us-east5')],
    ['vertex', vertex('global', { baseURL: 'http://proxy.internal/v1' })],
    ['foundry', new AnthropicFoundry({ apiKey: 'test', resource: 'resource' })],
    ['aws', new AnthropicAws({ apiKey: 'test', awsRegion: 'us-east-1', workspaceId: 'wrkspc_01' })],
    [
      'google-cloud',
      new AnthropicGoogleCloud({ bearerTokenProvider: async () => 'test', project: 'project', workspaceId: 'w' }),
    ],
  ];

  it('tells every official package, behind a proxy and in a bare Proxy too', () => {
    for (const [platform, client] of clients) {
      assert.equal(platformOf(client), platform, client.constructor.name);
      const isMoved = (client as { baseURL: string }).baseURL.includes('internal');
      if (!isMoved) assert.equal(platformOf(new Proxy(client, {})), platform, `a Proxy of ${client.constructor.name}`);
    }
  });

  it('tells by the address where a package does not say', () => {
    for (const [platform, client] of clients) {
      const { baseURL } = client as { baseURL: string };
      if (!baseURL.includes('internal')) assert.equal(platformOf({ baseURL }), platform, baseURL);
    }
    for (const region of ['global', 'us', 'eu'])
      assert.equal(platformOf({ baseURL: vertex(region).baseURL }), 'vertex', region);
  });
});

describe('endpointOf()', () => {
  const bedrock = (model: string): boolean | null => endpointOf('bedrock', {}, model).isRegional;

  it('takes the area of a Bedrock id for where the request stays, and a bare id for one region', () => {
    assert.equal(bedrock('global.anthropic.claude-haiku-4-5-20251001-v1:0'), false);
    for (const area of ['us.', 'eu.', 'jp.', 'au.', 'apac.', ''])
      assert.equal(bedrock(`${area}anthropic.claude-haiku-4-5-20251001-v1:0`), true, area);
  });

  it('does not know where a profile of an account, or GovCloud, is priced', () => {
    assert.equal(bedrock('arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef123456'), null);
    assert.equal(bedrock('us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0'), null);
  });

  it('goes by the region of a Vertex client: all but global are dearer, areas too', () => {
    const regions = ['global', 'us', 'eu', 'us-east5'].map((region) => {
      return endpointOf('vertex', vertex(region), 'claude-haiku-4-5').isRegional;
    });
    assert.deepEqual(regions, [false, true, true, true]);
    assert.equal(endpointOf('vertex', {}, 'claude-haiku-4-5').isRegional, null);
  });
});

describe('plainModel()', () => {
  it('leaves what is no spelling of a cloud as it is', () => {
    const ids = ['claude-haiku-4-5', 'my-deployment', 'anthropic/claude-opus-4-7', 'meta.llama3-70b-instruct-v1:0', ''];
    for (const id of ids) assert.equal(plainModel(id), id);
    const profile = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef123456';
    assert.equal(plainModel(profile), profile);
  });
});
