import type Anthropic from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';

/** When the caller goes away: never, after so many events of a stream, or so long after a request was received. */
export type Leaving =
  | { readonly kind: 'stays' }
  | { readonly kind: 'breaks' | 'aborts'; readonly afterEvents: number }
  | { readonly kind: 'aborts_late' };

/** What a way of calling is given. */
export interface Doing {
  readonly claude: Anthropic;
  readonly model: string;
  readonly leaving: Leaving;
  readonly controller: AbortController;
  /** Names the requests of a batch. */
  readonly batchItems: readonly string[];
  readonly options: { readonly signal: AbortSignal; readonly timeout?: number };
}

/** Ends when the caller has what they wanted: `left` where they went away before. Rejects as the SDK does. */
type Way = (doing: Doing) => Promise<'done' | 'left'>;

const MESSAGES = [{ role: 'user' as const, content: 'How deep is the water in the harbor at low tide?' }];

function params({ model }: Doing) {
  return { model, max_tokens: 4_096, messages: MESSAGES };
}

const depth = betaTool({
  name: 'depth',
  description: 'how deep the water is',
  inputSchema: { type: 'object', properties: { at: { type: 'string' } } },
  run: () => '4 fathoms',
});

async function read(stream: AsyncIterable<unknown>, { leaving, controller }: Doing): Promise<'done' | 'left'> {
  let events = 0;
  for await (const event of stream) {
    if (event !== undefined) events += 1;
    if (leaving.kind === 'aborts' && events > leaving.afterEvents) controller.abort();
    if (leaving.kind === 'breaks' && events > leaving.afterEvents) return 'left';
  }
  return controller.signal.aborted ? 'left' : 'done';
}

const done = async (work: Promise<unknown>): Promise<'done'> => {
  await work;
  return 'done';
};

async function batch(doing: Doing, cancels: boolean): Promise<'done'> {
  const { claude, batchItems, options } = doing;
  const { batches } = claude.messages;
  const requests = batchItems.map((custom_id) => ({ custom_id, params: params(doing) }));
  const { id } = await batches.create({ requests }, options);
  if (cancels) await batches.cancel(id, {}, options);
  while ((await batches.retrieve(id, {}, options)).processing_status !== 'ended') {
    await new Promise((resolve) => setTimeout(resolve, BATCH_MS));
  }
  // Left in the middle, and then read as a whole, twice: each result counts once.
  await everyItem(await batches.results(id, {}, options), 1);
  await everyItem(await batches.results(id, {}, options));
  await everyItem(await batches.results(id, {}, options));
  return 'done';
}

async function everyItem(items: AsyncIterable<unknown>, atMost = Infinity): Promise<void> {
  let read = 0;
  for await (const item of items) {
    if (item !== undefined) read += 1;
    if (read === atMost) return;
  }
}

/** How long the simulator works on a batch. */
export const BATCH_MS = 20;

export const WAYS = {
  create: (doing) => done(doing.claude.messages.create(params(doing), doing.options)),
  stream: async (doing) => {
    const stream = await doing.claude.messages.create({ ...params(doing), stream: true }, doing.options);
    return read(stream, doing);
  },
  'stream helper': (doing) => done(doing.claude.messages.stream(params(doing), doing.options).finalMessage()),
  'stream helper by events': (doing) => read(doing.claude.messages.stream(params(doing), doing.options), doing),
  'beta create': (doing) => done(doing.claude.beta.messages.create(params(doing), doing.options)),
  'beta stream': (doing) => done(doing.claude.beta.messages.stream(params(doing), doing.options).finalText()),
  'tool runner': (doing) =>
    done(doing.claude.beta.messages.toolRunner({ ...params(doing), tools: [depth] }, doing.options).runUntilDone()),
  'tool runner, streamed': async (doing) => {
    const runner = doing.claude.beta.messages.toolRunner(
      { ...params(doing), tools: [depth], stream: true },
      doing.options,
    );
    for await (const stream of runner) await read(stream, doing);
    return 'done';
  },
  'count tokens': (doing) =>
    done(doing.claude.messages.countTokens({ model: doing.model, messages: MESSAGES }, doing.options)),
  'with response': (doing) => done(doing.claude.messages.create(params(doing), doing.options).withResponse()),
  'response as JSON': async (doing) => {
    const response = await doing.claude.messages.create(params(doing), doing.options).asResponse();
    return done(response.json());
  },
  'response as text': async (doing) => {
    const response = await doing.claude.messages.create({ ...params(doing), stream: true }, doing.options).asResponse();
    return done(response.text());
  },
  'response cancelled': async (doing) => {
    const response = await doing.claude.messages.create(params(doing), doing.options).asResponse();
    await response.body?.cancel();
    return 'left';
  },
  batch: (doing) => batch(doing, false),
  'batch, cancelled': (doing) => batch(doing, true),
} satisfies Readonly<Record<string, Way>>;

export type WayName = keyof typeof WAYS;
export const WAY_NAMES = Object.keys(WAYS) as readonly WayName[];
