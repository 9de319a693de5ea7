import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type Anthropic from '@anthropic-ai/sdk';
import type { ClientOptions } from '@anthropic-ai/sdk';
import { respond, WAYS, type Way } from '../../testing/gateway/ways.ts';
import { gatewayBench, REAL_KEY, type GatewayBench } from '../../testing/gateway/workbench.ts';

const NOW_MS = Date.UTC(2026, 10, 24);
const standing = { now: () => NOW_MS, sleep: () => new Promise<void>((resolve) => setImmediate(resolve)) };
const SIMULATED = {
  keys: [{ name: 'real', key: REAL_KEY }],
  clock: standing,
  respond,
  downloadableFiles: 'uploaded',
} as const;

/** Of one connection alone, or of the length in which an address differs; and when it was sent. */
const NOT_COMPARED: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'date',
]);

interface Answer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  body: string;
}

/** A `fetch` that keeps what came, byte for byte, as it hands it on. */
function keeping(answers: Answer[]): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    const headers = [...response.headers].filter(([name]) => !NOT_COMPARED.has(name));
    const answer = { status: response.status, headers, body: '' };
    if (!response.url.startsWith('data:')) answers.push(answer);
    if (response.body === null) return response;
    const seen = new TransformStream<Uint8Array, Uint8Array>({
      transform(bytes, controller) {
        answer.body += Buffer.from(bytes).toString('latin1');
        controller.enqueue(bytes);
      },
    });
    const { status, headers: all } = response;
    return new Response(response.body.pipeThrough(seen), { status, headers: all });
  };
}

type Client = (options: ClientOptions) => Anthropic;

async function told(
  t: TestContext,
  { does, script = [] }: Way,
  {
    by = 'listener',
    side,
  }: {
    readonly by?: 'listener' | 'handle';
    readonly side: (bench: GatewayBench) => { readonly client: Client; readonly url: string };
  },
): Promise<{ readonly result: unknown; readonly answers: unknown }> {
  const bench = await gatewayBench({ simulator: SIMULATED, by });
  t.after(() => bench.close());
  bench.sim.script(script);
  const answers: Answer[] = [];
  const { client, url } = side(bench);
  const result = await does(client({ fetch: keeping(answers) }));
  return JSON.parse(JSON.stringify({ result, answers }).replaceAll(url, 'http://where-it-was-called')) as {
    result: unknown;
    answers: unknown;
  };
}

const DIRECT = { side: ({ direct: client, apiUrl: url }: GatewayBench) => ({ client, url }) };
const PROXIED = { side: ({ claude: client, url }: GatewayBench) => ({ client, url }) };

for (const by of ['listener', 'handle'] as const) {
  describe(`what the SDK gets by the ${by} of a gateway is what it gets of the API, byte for byte:`, () => {
    for (const [name, way] of Object.entries(WAYS)) {
      it(name, async (t) => {
        assert.deepEqual(await told(t, way, { ...PROXIED, by }), await told(t, way, DIRECT));
      });
    }
  });
}
