import { APIError, toFile, type Anthropic } from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import type { Fault, MessagesRequest, Reply } from 'plimsoll/simulator';
import { collected, PARAMS } from '../client-workbench.ts';

/** A way of calling the API through the SDK, and what goes wrong on the way. */
export interface Way {
  readonly does: (claude: Anthropic) => Promise<unknown>;
  readonly script?: readonly Fault[];
  /** Calls that it makes. */
  readonly calls?: number;
}

const AT_ONCE = { 'retry-after-ms': '1' };
const STREAMED = { ...PARAMS, stream: true } as const;
const BATCH = {
  requests: [
    { custom_id: 'good', params: PARAMS },
    { custom_id: 'bad', params: { ...PARAMS, model: 'claude-typo' } },
  ],
};

/** Calls a tool at the first turn and answers at the second. */
export function respond({ body }: MessagesRequest): Reply | undefined {
  if (body.messages.length > 1) return { text: 'Four fathoms.' };
  return body['tools'] === undefined ? undefined : { text: '', toolUse: [{ name: 'depth', input: { at: 'harbor' } }] };
}

const depth = betaTool({
  name: 'depth',
  description: 'how deep the water is',
  inputSchema: { type: 'object', properties: { at: { type: 'string' } } },
  run: () => '4 fathoms',
});

/** What a call is refused with, to be compared: what it threw and what that says. */
export async function refusalOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    return { status: error.status as unknown, message: error.message, name: error.name, id: error.requestID };
  }
  throw new Error('expected a refusal, got an answer');
}

async function leftAfter(events: number, claude: Anthropic): Promise<readonly unknown[]> {
  const seen: unknown[] = [];
  for await (const event of await claude.messages.create(STREAMED)) {
    seen.push(event);
    if (seen.length === events) break;
  }
  return seen;
}

async function brokenStream(claude: Anthropic): Promise<readonly unknown[]> {
  const seen: unknown[] = [];
  try {
    for await (const event of await claude.messages.create(STREAMED)) seen.push(event);
  } catch (error) {
    if (error instanceof Error) seen.push(error.message);
  }
  return seen;
}

async function batch(claude: Anthropic): Promise<unknown> {
  const made = await claude.messages.batches.create(BATCH);
  const ended = await claude.messages.batches.retrieve(made.id);
  const results = await collected(await claude.messages.batches.results(made.id));
  const again = await collected(await claude.messages.batches.results(made.id));
  const listed = await collected(await claude.messages.batches.list());
  return {
    counts: ended.request_counts,
    results,
    again,
    listed: listed.length,
    gone: await claude.messages.batches.delete(made.id),
  };
}

async function lateCancel(claude: Anthropic): Promise<unknown> {
  const { id } = await claude.messages.batches.create(BATCH);
  return refusalOf(claude.messages.batches.cancel(id));
}

async function file(claude: Anthropic): Promise<unknown> {
  const uploaded = await claude.beta.files.upload({ file: await toFile(Buffer.from('depths'), 'depths.txt') });
  const bytes = await (await claude.beta.files.download(uploaded.id)).arrayBuffer();
  const { filename } = await claude.beta.files.retrieveMetadata(uploaded.id);
  const gone = await claude.beta.files.delete(uploaded.id);
  return { filename, text: Buffer.from(bytes).toString(), gone: gone.type };
}

/** The official SDK's ways of calling, and the refusals and breaks that it meets. */
export const WAYS: Readonly<Record<string, Way>> = {
  'messages.create': { does: (claude) => claude.messages.create(PARAMS) },
  'messages.create, streamed': { does: async (claude) => collected(await claude.messages.create(STREAMED)) },
  'messages.stream': { does: (claude) => claude.messages.stream(PARAMS).finalMessage() },
  'beta.messages.create': { does: (claude) => claude.beta.messages.create(PARAMS) },
  'beta.messages.stream': { does: (claude) => claude.beta.messages.stream(PARAMS).finalMessage() },
  'a tool runner': {
    does: (claude) => claude.beta.messages.toolRunner({ ...PARAMS, tools: [depth] }).runUntilDone(),
    calls: 2,
  },
  'messages.countTokens': {
    does: (claude) => claude.messages.countTokens({ model: PARAMS.model, messages: PARAMS.messages }),
  },
  'models.list': { does: async (claude) => (await collected(await claude.models.list())).map(({ id }) => id) },
  'models.retrieve': { does: (claude) => claude.models.retrieve(PARAMS.model) },
  'a batch, from its making to its end': { does: batch, calls: 8 },
  'a batch that is canceled too late': { does: lateCancel, calls: 2 },
  'a file, up and down': { does: file, calls: 4 },
  'a refused request': {
    does: (claude) => refusalOf(claude.messages.create({ ...PARAMS, model: 'claude-typo' })),
  },
  'a refused stream': {
    does: (claude) => refusalOf(claude.messages.create({ ...STREAMED, max_tokens: 0 })),
  },
  'a bad file id': { does: (claude) => refusalOf(claude.beta.files.retrieveMetadata('file_none')) },
  'two 429s and then an answer': {
    does: (claude) => claude.messages.create(PARAMS),
    script: [
      { fault: 'requests_limit', headers: AT_ONCE },
      { fault: 'input_tokens_limit', headers: AT_ONCE },
    ],
  },
  '429s until the tries are used up': {
    does: (claude) => refusalOf(claude.messages.create(PARAMS)),
    script: [1, 2, 3].map(() => ({ fault: 'output_tokens_limit', headers: AT_ONCE }) as const),
  },
  'a spend cap': {
    does: (claude) => refusalOf(claude.messages.create(PARAMS)),
    script: [1, 2, 3].map(() => ({ fault: 'tier_spend_cap', headers: AT_ONCE }) as const),
  },
  'a 429 that forbids another try': {
    does: (claude) => refusalOf(claude.messages.create(PARAMS)),
    script: [{ fault: 'requests_limit', headers: { 'x-should-retry': 'false' } }],
  },
  'a 529, a 500 and then a stream': {
    does: async (claude) => collected(await claude.messages.create(STREAMED)),
    script: [
      { fault: 'overloaded', headers: AT_ONCE },
      { fault: 'server_error', headers: AT_ONCE },
    ],
  },
  'an error event in a stream': { does: brokenStream, script: [{ fault: 'error_event', at: 4 }] },
  'a stream without its end': { does: brokenStream, script: [{ fault: 'cut_body', at: 5 }] },
  'a stream that is left': { does: (claude) => leftAfter(3, claude), script: [{ fault: 'stalled_body', at: 4 }] },
};

/** What the ways that come to no answer of the API's are told: not by the same error, for there is a proxy between. */
export const BROKEN_WAYS: Readonly<Record<string, Way>> = {
  'a connection that breaks, and then an answer': {
    does: (claude) => claude.messages.create(PARAMS),
    script: [{ fault: 'connection_reset' }],
  },
  'a connection that breaks within a stream': { does: brokenStream, script: [{ fault: 'body_reset', at: 5 }] },
};
