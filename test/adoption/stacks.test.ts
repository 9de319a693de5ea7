/** The table of stacks in the README: each line of code, run with the real package, measures what the API billed. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { createAnthropic, type AnthropicProvider } from '@ai-sdk/anthropic';
import Anthropic from '@anthropic-ai/sdk';
import { ChatAnthropic } from '@langchain/anthropic';
import { generateText, isStepCount, streamText, tool } from 'ai';
import { instrument, instrumentFetch, uninstrument, type Call } from 'plimsoll';
import { budgets, isBudgetExceeded } from 'plimsoll/budget';
import { serve } from 'plimsoll/http';
import { simulator, type Fault, type Simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import AnthropicBefore from 'sdk-too-old';
import { z } from 'zod';
import { collected, PARAMS, total } from '../../testing/client-workbench.ts';
import { respond } from '../../testing/gateway/ways.ts';
import { madeByLine, STACKS } from '../../testing/stacks.ts';

/** An SDK of its own, which LangChain brings. */
const OfLangChain = (
  createRequire(createRequire(import.meta.url).resolve('@langchain/anthropic'))('@anthropic-ai/sdk') as {
    readonly default: typeof Anthropic;
  }
).default;

const MODEL = PARAMS.model;

let sim: Simulator;
let api: Awaited<ReturnType<typeof serve>>;
before(async () => {
  sim = simulator({ respond });
  api = await serve(sim.handle, { port: 0 });
  process.env['ANTHROPIC_BASE_URL'] = api.url;
  process.env['ANTHROPIC_API_KEY'] = 'test';
});
after(async () => {
  delete process.env['ANTHROPIC_BASE_URL'];
  delete process.env['ANTHROPIC_API_KEY'];
  await api.close(0);
});

/** Runs a line of the table, with the packages that it names, and then what a program does with its value. */
class Stack {
  readonly registry = new Registry();
  readonly calls: Call[] = [];
  readonly #fetches: object[] = [];
  readonly #billed = sim.truth.requests.length;
  readonly #options = { registry: this.registry, onCall: (call: Call) => void this.calls.push(call) };

  made(line: string, scope: Readonly<Record<string, unknown>> = {}): unknown {
    return madeByLine(line, {
      instrument: (client: Anthropic) => instrument(client, this.#options),
      instrumentFetch: (given: typeof fetch) => {
        const observed = instrumentFetch(given, this.#options);
        this.#fetches.push(observed);
        return observed;
      },
      ...scope,
    });
  }

  /** What the metrics say is what the API billed: calls, tokens of the answers and attempts. */
  async isBilled(calls: number, attempts = calls): Promise<void> {
    for (const each of this.#fetches) uninstrument(each);
    while (this.calls.length < calls) await new Promise((resolve) => setImmediate(resolve));
    const requests = sim.truth.requests.slice(this.#billed);
    const tokens = requests.flatMap(({ billed }) => billed.map((part) => part.tokens.input + part.tokens.output));
    assert.equal(requests.length, attempts);
    assert.equal(await total(this.registry, 'anthropic_requests_total'), calls);
    assert.equal(await total(this.registry, 'anthropic_attempts_total'), attempts);
    assert.equal(
      await total(this.registry, 'anthropic_tokens_total'),
      tokens.reduce((sum, each) => sum + each, 0),
    );
    assert.ok((await total(this.registry, 'anthropic_cost_usd_total')) > 0);
    assert.equal(await total(this.registry, 'plimsoll_errors_total'), 0);
  }
}

const LIMIT: Fault = { fault: 'requests_limit', headers: { 'retry-after-ms': '1', 'retry-after': '0' } };

/** What a program does with a client of the SDK's, of whichever version. */
async function asksTwice(claude: Anthropic): Promise<void> {
  sim.script([LIMIT]);
  await claude.messages.create(PARAMS);
  await collected(await claude.messages.create({ ...PARAMS, stream: true }));
}

describe('the README’s line measures what the API bills:', () => {
  it('the SDK', async () => {
    const stack = new Stack();
    await asksTwice(stack.made('`@anthropic-ai/sdk` from 0.103', { Anthropic }) as Anthropic);
    await stack.isBilled(2, 3);
  });

  it('the SDK before 0.103', async () => {
    const stack = new Stack();
    await asksTwice(stack.made('`@anthropic-ai/sdk` before 0.103', { Anthropic: AnthropicBefore, fetch }) as Anthropic);
    await stack.isBilled(2, 3);
  });

  it('the AI SDK, with text, streams, tools and its retries', async () => {
    const stack = new Stack();
    const claude = stack.made('Vercel AI SDK', { createAnthropic: ofApi, fetch }) as AnthropicProvider;
    const model = claude(MODEL);
    sim.script([LIMIT, LIMIT]);
    const { text } = await generateText({ model, prompt: 'Ahoy?' });
    assert.notEqual(text, '');
    const streamed = streamText({ model, prompt: 'Ahoy?' });
    assert.notEqual(await streamed.text, '');
    const depth = tool({
      description: 'how deep the water is',
      inputSchema: z.object({ at: z.string() }),
      execute: () => '4 fathoms',
    });
    const used = await generateText({ model, prompt: 'How deep?', tools: { depth }, stopWhen: isStepCount(2) });
    assert.equal(used.text, 'Four fathoms.');
    await stack.isBilled(4, 6);
    assert.deepEqual(
      stack.calls.map(({ operation, attempts }) => [operation, attempts]),
      [
        ['messages.create', 3],
        ['messages.stream', 1],
        ['messages.create', 1],
        ['messages.create', 1],
      ],
    );
  });

  for (const [name, Client] of Object.entries({ 'the SDK of its own': OfLangChain, 'the newest SDK': Anthropic })) {
    it(`LangChain, with ${name}`, async () => {
      const stack = new Stack();
      const scope = { ChatAnthropic: Chat, Anthropic: Client, model: MODEL };
      const chat = stack.made('LangChain', scope) as ChatAnthropic;
      sim.script([LIMIT]);
      assert.notEqual((await chat.invoke('Ahoy?')).text, '');
      await collected(await chat.stream('Ahoy?'));
      // LangChain sends again by itself, and the SDK's client takes it for another call.
      await stack.isBilled(3);
    });
  }

  it('a fetch of the program’s own', async (t) => {
    const stack = new Stack();
    const plain = globalThis.fetch;
    t.after(() => (globalThis.fetch = plain));
    stack.made('your own `fetch`');
    const headers = { 'x-api-key': 'test', 'anthropic-version': '2023-06-01', 'content-type': 'application/json' };
    const init = { method: 'POST', headers, body: JSON.stringify(PARAMS) };
    sim.script([LIMIT]);
    for (const status of [429, 200]) {
      const response = await fetch(`${api.url}/v1/messages`, init);
      assert.equal(response.status, status);
      await response.json();
    }
    await stack.isBilled(1, 2);
  });
});

/** Sends what the line makes to the simulated API. */
const ofApi: typeof createAnthropic = (options) =>
  createAnthropic({ ...options, apiKey: 'test', baseURL: `${api.url}/v1` });

/** LangChain's class, with a key and a short answer. */
function Chat(fields: object): ChatAnthropic {
  return new ChatAnthropic({ ...fields, apiKey: 'test', maxTokens: 64 });
}

const spent = () => budgets({ definitions: [{ name: 'all', period: 'day', usd: 0.000_001, mode: 'block' }] });

describe('a budget that is spent', () => {
  it('reaches a program of the AI SDK as its own error, at once', async () => {
    const observed = instrumentFetch(fetch, { registry: new Registry(), budgets: spent() });
    const model = ofApi({ fetch: observed })(MODEL);
    const sent = sim.truth.requests.length;
    await assert.rejects(generateText({ model, prompt: 'Ahoy?' }), (error) => isBudgetExceeded(error));
    assert.equal(sim.truth.requests.length, sent);
  });

  it('reaches a program of LangChain as its own error, at once where it is told not to try again', async () => {
    const options = { registry: new Registry(), budgets: spent() };
    let asked = 0;
    const chat = Chat({
      model: MODEL,
      createClient: (given: object) => instrument(new Anthropic(given), options),
      onFailedAttempt(error: unknown) {
        asked += 1;
        if (isBudgetExceeded(error)) throw error;
      },
    });
    await assert.rejects(chat.invoke('Ahoy?'), (error) => isBudgetExceeded(error));
    assert.equal(asked, 1);
  });
});

it('the table has no line of code that is not run here', () => {
  // Their packages are large: scripts/other-stacks.ts runs them.
  const elsewhere = ['Mastra', 'Claude Agent SDK'];
  const run = [
    '`@anthropic-ai/sdk` from 0.103',
    '`@anthropic-ai/sdk` before 0.103',
    'Vercel AI SDK',
    'LangChain',
    'your own `fetch`',
  ];
  const known = [...run, ...elsewhere, 'another language'];
  assert.deepEqual(
    STACKS.filter(({ stack }) => !known.some((each) => stack.startsWith(each))),
    [],
  );
  assert.equal(STACKS.length, known.length);
});
