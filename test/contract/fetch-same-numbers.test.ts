/** What `instrumentFetch` measures under a client that knows nothing of it, against what `instrument` measures. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import Anthropic, { type ClientOptions } from '@anthropic-ai/sdk';
import { instrument, instrumentFetch, uninstrument, type Clock } from 'plimsoll';
import { serve } from 'plimsoll/http';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import AnthropicBefore from 'sdk-too-old';
import { CASSETTES, replay } from '../../testing/cassettes/cassettes.ts';
import { collected, PARAMS } from '../../testing/client-workbench.ts';
import { BROKEN_WAYS, respond, WAYS, type Way } from '../../testing/gateway/ways.ts';
import { KeepingRecorder } from '../../testing/keeping-recorder.ts';
import { scraped } from '../../testing/scraped.ts';

const NOW_MS = Date.UTC(2026, 10, 24);
/** No time passes, so that no duration differs. */
const clock: Clock = { epochMs: () => NOW_MS, monotonicMs: () => 0 };
const standing = { now: () => NOW_MS, sleep: () => new Promise<void>((resolve) => setImmediate(resolve)) };

interface Measured {
  readonly samples: Readonly<Record<string, number>>;
  readonly outcomes: readonly unknown[];
}

interface Measuring {
  readonly options: ClientOptions;
  readonly does: Way['does'];
  readonly calls: number;
}

async function measured({ registry, log }: { registry: Registry; log: KeepingRecorder }): Promise<Measured> {
  const { samples } = scraped(await registry.metrics());
  const outcomes = log.calls.map(({ operation, outcome, attempts, usage }) => ({
    operation,
    outcome,
    attempts,
    usage,
  }));
  return { samples: Object.fromEntries(samples), outcomes };
}

async function byClient({ options, does, calls }: Measuring): Promise<Measured> {
  const [registry, log] = [new Registry(), new KeepingRecorder()];
  await does(instrument(new Anthropic({ ...SILENT, ...options }), { registry, clock, recorders: [log] }));
  await log.finishedCalls(calls);
  return measured({ registry, log });
}

async function byFetch({ options, does, calls }: Measuring, Client = Anthropic): Promise<Measured> {
  const [registry, log] = [new Registry(), new KeepingRecorder()];
  const observed = instrumentFetch(options.fetch ?? fetch, { registry, clock, recorders: [log] });
  await does(new Client({ ...SILENT, ...options, fetch: observed }));
  uninstrument(observed);
  await log.finishedCalls(calls);
  return measured({ registry, log });
}

const SILENT = { apiKey: 'test', logLevel: 'off' } as const;

/** One way of calling, each time on an API of its own. */
async function onOwnApi(
  t: TestContext,
  { does, script = [], calls = 1 }: Way,
  by: (measuring: Measuring) => Promise<Measured>,
): Promise<Measured> {
  const sim = simulator({ clock: standing, respond, downloadableFiles: 'uploaded' });
  const api = await serve(sim.handle, { port: 0 });
  t.after(() => api.close(0));
  sim.script(script);
  return by({ options: { baseURL: api.url }, does, calls });
}

describe('every sample is the same by an instrumented fetch as by an instrumented client:', () => {
  for (const [name, way] of Object.entries({ ...WAYS, ...BROKEN_WAYS })) {
    it(name, async (t) => {
      const [client, underneath] = await Promise.all([onOwnApi(t, way, byClient), onOwnApi(t, way, byFetch)]);
      assert.deepEqual(underneath.outcomes, client.outcomes);
      assert.deepEqual(underneath.samples, client.samples);
    });
  }
});

describe('every recorded answer comes to the same samples by an instrumented fetch as by an instrumented client:', () => {
  for (const cassette of CASSETTES) {
    const { source, request, response } = cassette;
    const isStream = response.body.startsWith('event:');
    it(`${source} ${request.method} ${request.path}`, async () => {
      const does = async (claude: Anthropic): Promise<void> => {
        if (isStream) await collected(await claude.messages.create({ ...PARAMS, stream: true }));
        else await claude.messages.create(PARAMS).catch(() => undefined);
      };
      const measuring = { options: { fetch: replay(cassette), maxRetries: 0 }, does, calls: 1 };
      const [client, underneath] = [await byClient(measuring), await byFetch(measuring)];
      assert.deepEqual(underneath.outcomes, client.outcomes);
      assert.deepEqual(underneath.samples, client.samples);
    });
  }
});

describe('an SDK before 0.103 comes to the same samples over an instrumented fetch:', () => {
  const names = ['messages.create', 'messages.stream', 'a tool runner', 'two 429s and then an answer', 'a spend cap'];
  for (const name of names) {
    it(name, async (t) => {
      const way = WAYS[name];
      assert.ok(way);
      const old = (measuring: Measuring): Promise<Measured> =>
        byFetch(measuring, AnthropicBefore as unknown as typeof Anthropic);
      const quiet: Way = { ...way, does: (claude) => way.does(claude).catch(() => undefined) };
      const [client, underneath] = await Promise.all([onOwnApi(t, quiet, byClient), onOwnApi(t, quiet, old)]);
      assert.deepEqual(underneath.outcomes, client.outcomes);
      assert.deepEqual(underneath.samples, client.samples);
    });
  }
});
