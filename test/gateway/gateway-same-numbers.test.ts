import assert from 'node:assert/strict';
import { after, describe, it, type TestContext } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, type Clock } from 'plimsoll';
import { serve } from 'plimsoll/http';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { CASSETTES, type Cassette } from '../../testing/cassettes/cassettes.ts';
import { collected, PARAMS } from '../../testing/client-workbench.ts';
import { KeepingRecorder } from '../../testing/keeping-recorder.ts';
import { scraped } from '../../testing/scraped.ts';
import { BROKEN_WAYS, respond, WAYS, type Way } from '../../testing/gateway/ways.ts';
import { ALIAS, gatewayBench, listening, REAL_KEY } from '../../testing/gateway/workbench.ts';

const NOW_MS = Date.UTC(2026, 10, 24);
/** No time passes, so that no duration differs. */
const clock: Clock = { epochMs: () => NOW_MS, monotonicMs: () => 0 };
const standing = { now: () => NOW_MS, sleep: () => new Promise<void>((resolve) => setImmediate(resolve)) };
const SIMULATED = {
  keys: [{ name: 'real', key: REAL_KEY }],
  clock: standing,
  respond,
  downloadableFiles: 'uploaded',
} as const;

/** Every sample but those of the gateway itself. */
async function samplesOf(registry: Registry): Promise<Readonly<Record<string, number>>> {
  const { samples } = scraped(await registry.metrics());
  return Object.fromEntries([...samples].filter(([name]) => !name.startsWith('plimsoll_gateway_')));
}

interface Measured {
  readonly samples: Readonly<Record<string, number>>;
  readonly outcomes: readonly unknown[];
}

async function byDecorator(t: TestContext, { does, script = [], calls = 1 }: Way): Promise<Measured> {
  const sim = simulator(SIMULATED);
  const api = await serve(sim.handle, { port: 0 });
  t.after(() => api.close(0));
  const [registry, log] = [new Registry(), new KeepingRecorder()];
  const plain = new Anthropic({ apiKey: REAL_KEY, baseURL: api.url, logLevel: 'off' });
  sim.script(script);
  await does(instrument(plain, { registry, clock, key: ALIAS, recorders: [log] }));
  await log.finishedCalls(calls);
  return { samples: await samplesOf(registry), outcomes: outcomesOf(log) };
}

async function byGateway(t: TestContext, { does, script = [], calls = 1 }: Way): Promise<Measured> {
  const bench = await gatewayBench({ simulator: SIMULATED, gateway: { clock } });
  t.after(() => bench.close());
  bench.sim.script(script);
  await does(bench.claude());
  await bench.gateway.close();
  await bench.log.finishedCalls(calls);
  return { samples: await samplesOf(bench.registry), outcomes: outcomesOf(bench.log) };
}

/** What the calls came to, in an order that does not depend on which is told of first. */
function outcomesOf({ calls }: KeepingRecorder): readonly unknown[] {
  return calls.map(({ operation, outcome, attempts, usage }) => ({ operation, outcome, attempts, usage }));
}

describe('every sample is the same by the gateway as by the instrumented client:', () => {
  for (const [name, way] of Object.entries({ ...WAYS, ...BROKEN_WAYS })) {
    it(name, async (t) => {
      const [decorated, proxied] = await Promise.all([byDecorator(t, way), byGateway(t, way)]);
      assert.deepEqual(proxied.outcomes, decorated.outcomes);
      assert.deepEqual(proxied.samples, decorated.samples);
    });
  }
});

describe('every recorded answer comes to the same samples by the gateway as by the instrumented client:', () => {
  let current: Cassette | null = null;
  const api = listening((incoming, outgoing) => {
    incoming.resume();
    if (current === null) return void outgoing.destroy();
    const { status, headers, body } = current.response;
    const type = body.startsWith('{') ? 'application/json' : 'text/event-stream';
    outgoing.writeHead(status, { 'content-type': type, ...headers });
    outgoing.end(body);
  });
  after(async () => (await api).close());

  for (const cassette of CASSETTES) {
    const { source, request, response } = cassette;
    const isStream = response.body.startsWith('event:');
    const isMessages = request.path.startsWith('/v1/messages');
    it(
      `${source} ${request.method} ${request.path}`,
      { skip: isMessages ? false : 'not of the Messages API' },
      async (t) => {
        current = cassette;
        const { url } = await api;
        const way = async (claude: Anthropic): Promise<void> => {
          if (isStream) await collected(await claude.messages.create({ ...PARAMS, stream: true }));
          else await claude.messages.create(PARAMS).catch(() => undefined);
        };
        const direct = { registry: new Registry(), log: new KeepingRecorder() };
        const plain = new Anthropic({ apiKey: REAL_KEY, baseURL: url, maxRetries: 0, logLevel: 'off' });
        await way(instrument(plain, { registry: direct.registry, clock, key: ALIAS, recorders: [direct.log] }));
        await direct.log.finishedCalls(1);
        const bench = await gatewayBench({ gateway: { clock, baseUrl: url } });
        t.after(() => bench.close());
        await way(bench.claude({ maxRetries: 0 }));
        await bench.gateway.close();
        await bench.log.finishedCalls(1);
        assert.deepEqual(outcomesOf(bench.log), outcomesOf(direct.log));
        assert.deepEqual(await samplesOf(bench.registry), await samplesOf(direct.registry));
      },
    );
  }
});
