import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { toFile } from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import type { MessagesRequest, Reply } from 'plimsoll/simulator';
import { STREAMED, UNSTREAMED } from '../../testing/cassettes/cassettes.ts';
import { collectUntil } from '../../testing/collect-until.ts';
import { collected, PARAMS, total, workbench, type Workbench } from '../../testing/client-workbench.ts';

/** Calls a tool at the first turn and answers at the second. */
function usesTool({ body }: MessagesRequest): Reply {
  const turns = body.messages.length;
  return turns === 1 ? { text: '', toolUse: [{ name: 'depth', input: { at: 'harbor' } }] } : { text: 'Four fathoms.' };
}

const depth = betaTool({
  name: 'depth',
  description: 'how deep the water is',
  inputSchema: { type: 'object', properties: { at: { type: 'string' } } },
  run: () => '4 fathoms',
});

interface Way {
  readonly does: (bench: Workbench) => Promise<unknown>;
  /** Operation of each call that it makes. */
  readonly operations: readonly string[];
}

const BATCH = { requests: [{ custom_id: 'a', params: PARAMS }] };

const WAYS: Readonly<Record<string, Way>> = {
  'messages.create': { does: ({ claude }) => claude.messages.create(PARAMS), operations: ['messages.create'] },
  'messages.create, streamed': {
    does: async ({ claude }) => collected(await claude.messages.create({ ...PARAMS, stream: true })),
    operations: ['messages.stream'],
  },
  'messages.stream': {
    does: ({ claude }) => claude.messages.stream(PARAMS).finalText(),
    operations: ['messages.stream'],
  },
  'messages.stream, by events': {
    does: ({ claude }) =>
      new Promise((resolve, reject) => {
        claude.messages
          .stream(PARAMS)
          .on('text', () => undefined)
          .on('end', () => resolve(null))
          .on('error', reject);
      }),
    operations: ['messages.stream'],
  },
  withResponse: {
    does: ({ claude }) => claude.messages.create(PARAMS).withResponse(),
    operations: ['messages.create'],
  },
  asResponse: {
    does: async ({ claude }) => (await claude.messages.create(PARAMS).asResponse()).json(),
    operations: ['messages.create'],
  },
  'beta.messages.create': {
    does: ({ claude }) => claude.beta.messages.create(PARAMS),
    operations: ['messages.create'],
  },
  'beta.messages.stream': {
    does: ({ claude }) => claude.beta.messages.stream(PARAMS).finalMessage(),
    operations: ['messages.stream'],
  },
  'beta.messages.toolRunner': {
    does: ({ claude }) => claude.beta.messages.toolRunner({ ...PARAMS, tools: [depth] }).runUntilDone(),
    operations: ['messages.create', 'messages.create'],
  },
  'beta.messages.toolRunner, streamed': {
    does: async ({ claude }) => {
      for await (const stream of claude.beta.messages.toolRunner({ ...PARAMS, tools: [depth], stream: true }))
        await collected(stream);
    },
    operations: ['messages.stream', 'messages.stream'],
  },
  'messages.countTokens': {
    does: ({ claude }) => claude.messages.countTokens({ model: PARAMS.model, messages: PARAMS.messages }),
    operations: ['messages.count_tokens'],
  },
  'batches, from creation to results': {
    does: async ({ claude }) => {
      const { id } = await claude.messages.batches.create(BATCH);
      await claude.messages.batches.retrieve(id);
      await collected(await claude.messages.batches.results(id));
    },
    operations: [
      'messages.batches.create',
      'messages.batches.retrieve',
      // The SDK asks for the batch to learn where its results are.
      'messages.batches.retrieve',
      'messages.batches.results',
    ],
  },
  'models.list': {
    does: async ({ claude }) => collected(claude.models.list()),
    operations: ['models.list', 'models.list'],
  },
  'models.retrieve': { does: ({ claude }) => claude.models.retrieve(PARAMS.model), operations: ['models.retrieve'] },
  'files, up and down': {
    does: async ({ claude }) => {
      const { id } = await claude.beta.files.upload({ file: await toFile(Buffer.from('log'), 'log.txt') });
      await claude.beta.files.retrieveMetadata(id);
      await (await claude.beta.files.download(id)).text();
      await claude.beta.files.delete(id);
    },
    operations: ['files.upload', 'files.retrieve_metadata', 'files.download', 'files.delete'],
  },
  'a path that is not known': {
    does: ({ claude }) => claude.get('/v1/unheard_of/id_123').catch(() => null),
    operations: ['other'],
  },
};

function waysBench(): Workbench {
  return workbench({
    simulator: {
      respond: (request) => ('tools' in request.body ? usesTool(request) : { text: 'Ahoy.' }),
      downloadableFiles: 'uploaded',
    },
  });
}

describe('every way of calling the SDK', () => {
  for (const [name, { does, operations }] of Object.entries(WAYS)) {
    it(`is counted as its own operation: ${name}`, async () => {
      const bench = waysBench();
      await does(bench);
      await bench.log.finishedCalls(operations.length);
      assert.deepEqual(
        bench.log.calls.map(({ operation }) => operation),
        operations,
      );
      const outcomes = new Set(bench.log.calls.map(({ outcome }) => outcome));
      assert.deepEqual([...outcomes], [operations[0] === 'other' ? 'not_found' : 'ok']);
      assert.equal(await total(bench.registry, 'anthropic_requests_total'), operations.length);
      assert.equal(await total(bench.registry, 'anthropic_requests_in_flight'), 0);
      assert.equal(await total(bench.registry, 'plimsoll_errors_total'), 0);
      const billed = bench.sim.truth.requests.flatMap(({ billed: parts }) => parts).length;
      if (!name.startsWith('batches'))
        assert.equal(bench.log.calls.filter(({ usage }) => usage !== null).length, billed);
    });
  }
});

describe('a stream that is left by break', () => {
  it('closes the upstream at once and counts once, with the input known and the output estimated', async () => {
    const bench = workbench({ simulator: { respond: () => ({ text: 'word '.repeat(200) }) } });
    let events = 0;
    for await (const event of await bench.claude.messages.create({ ...PARAMS, max_tokens: 4096, stream: true })) {
      if (event.type === 'content_block_delta' && ++events === 3) break;
    }
    await bench.log.finishedCalls(1);
    const [request] = bench.sim.truth.requests;
    assert.equal(request?.delivery, 'cancelled');
    const [call] = bench.log.calls;
    assert.equal(call?.outcome, 'cancelled');
    const tokens = call.usage?.parts[0]?.tokens;
    assert.equal(tokens?.input, request.billed[0]?.tokens.input);
    assert.equal(tokens?.output, 0);
    assert.ok((tokens?.output_estimated ?? 0) > 0);
    assert.deepEqual(bench.log.events, ['started', 'attempted 200', 'firstToken', 'finished cancelled']);
    const sent = request.eventsSent;
    await nextTurn();
    assert.equal(bench.sim.truth.requests[0]?.eventsSent, sent, 'the server sends no more');
  });
});

describe('a body that nobody reads', () => {
  it('ends its call as abandoned when it has been collected', async () => {
    const [streamed] = STREAMED;
    const [unstreamed] = UNSTREAMED;
    const replay: typeof fetch = (_, init) => {
      const asked = JSON.parse(init?.body as string) as { stream?: boolean };
      const recording = asked.stream === true ? streamed : unstreamed;
      return Promise.resolve(
        new Response(recording?.response.body ?? '', { headers: recording?.response.headers ?? {} }),
      );
    };
    const bench = workbench({ client: { fetch: replay } });
    await (async () => {
      await bench.claude.messages.create(PARAMS).asResponse();
      await bench.claude.messages.create({ ...PARAMS, stream: true });
    })();
    assert.equal(await total(bench.registry, 'anthropic_requests_in_flight'), 2);
    await collectUntil(() => bench.log.calls.length === 2);
    assert.deepEqual(
      bench.log.calls.map(({ outcome }) => outcome),
      ['abandoned', 'abandoned'],
    );
    assert.equal(await total(bench.registry, 'anthropic_requests_in_flight'), 0);
  });
});
