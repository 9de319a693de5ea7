import type Anthropic from '@anthropic-ai/sdk';
import type { Choice } from './plan.ts';

/** What the program passes to an operation, as it would be in TypeScript's types if it did not vary. */
export interface Arguments {
  readonly params: {
    readonly model: string;
    readonly max_tokens: number;
    readonly messages: { role: 'user'; content: string }[];
  };
  readonly options: Anthropic.RequestOptions;
}

const CLOCK = {
  type: 'custom' as const,
  name: 'clock',
  input_schema: { type: 'object' as const, properties: { zone: { type: 'string' } } },
  run: () => '12:00',
  parse: (input: unknown) => input,
};

const BATCH_ID = 'msgbatch_01';

/** How each operation is called. The result is a promise of the SDK's, or a helper that has begun. */
export const OPERATIONS: Readonly<Record<Choice<'operation'>, (client: Anthropic, given: Arguments) => unknown>> = {
  create: ({ messages }, { params, options }) => messages.create(params, options),
  'create-stream': ({ messages }, { params, options }) => messages.create({ ...params, stream: true }, options),
  stream: ({ messages }, { params, options }) => messages.stream(params, options),
  parse: ({ messages }, { params, options }) => messages.parse(params, options),
  'beta-create': ({ beta }, { params, options }) => beta.messages.create({ ...params, betas: ['beta-1'] }, options),
  'beta-create-stream': ({ beta }, { params, options }) => beta.messages.create({ ...params, stream: true }, options),
  'beta-stream': ({ beta }, { params, options }) => beta.messages.stream(params, options),
  runner: ({ beta }, { params, options }) => beta.messages.toolRunner({ ...params, tools: [CLOCK] }, options),
  'runner-stream': ({ beta }, { params, options }) =>
    beta.messages.toolRunner({ ...params, tools: [CLOCK], stream: true }, options),
  'count-tokens': ({ messages }, { params: { max_tokens: _, ...params }, options }) =>
    messages.countTokens(params, options),
  'batch-create': ({ messages }, { params, options }) =>
    messages.batches.create({ requests: [{ custom_id: 'a', params }] }, options),
  'batch-list': ({ messages }, { options }) => messages.batches.list({ limit: 1 }, options),
  'batch-results': ({ messages }, { options }) => messages.batches.results(BATCH_ID, {}, options),
  models: ({ models }, { options }) => models.list({ limit: 2 }, options),
  model: ({ models }, { options }) => models.retrieve('claude-haiku-4-5', {}, options),
  upload: ({ files }, { options }) => files.upload({ file: new File(['plimso'], 'a.txt') }, options),
  download: ({ files }, { options }) => files.download('file_01', {}, options),
  get: (client, { options }) => client.get('/v1/anything?a=1', options),
  post: (client, { params, options }) => client.post('/v1/anything', { ...options, body: params }),
  // Read as it is sent, and so never sent again.
  'post-stream': (client, { params, options }) =>
    client.post('/v1/anything', { ...options, body: new Blob([JSON.stringify(params)]).stream() }),
};
