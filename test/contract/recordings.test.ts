import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, type Call } from 'plimsoll';
import { Registry } from 'prom-client';
import { CASSETTES, eventsOf, replay, STREAMED, UNSTREAMED, type Cassette } from '../../testing/cassettes/cassettes.ts';
import { collected, PARAMS } from '../../testing/client-workbench.ts';

function client(cassette: Cassette): Anthropic {
  return new Anthropic({ apiKey: 'recorded', fetch: replay(cassette) });
}

function measured(cassette: Cassette): { claude: Anthropic; calls: Call[] } {
  const calls: Call[] = [];
  return {
    calls,
    claude: instrument(client(cassette), { registry: new Registry(), onCall: (call) => void calls.push(call) }),
  };
}

/** The last figures in the body, read the plain way. */
function finalUsage({ response }: Cassette): Record<string, number> {
  if (response.body.startsWith('{')) return (JSON.parse(response.body) as { usage: Record<string, number> }).usage;
  const events = eventsOf(response.body) as { message?: { usage: object }; usage?: object }[];
  const usages = events.flatMap(({ message, usage }) => [message?.usage, usage]).filter((usage) => usage !== undefined);
  const figures: Record<string, number> = {};
  for (const usage of usages) {
    for (const [name, value] of Object.entries(usage)) if (typeof value === 'number') figures[name] = value;
  }
  return figures;
}

function countedTokens(call: Call | undefined): object {
  const tokens = call?.usage?.parts[0]?.tokens;
  return {
    input: tokens?.input,
    cacheReads: tokens?.cache_read,
    cacheWrites: (tokens?.cache_write_5m ?? 0) + (tokens?.cache_write_1h ?? 0),
    output: tokens?.output,
    estimated: tokens?.output_estimated,
  };
}

function billedTokens(cassette: Cassette): object {
  const usage = finalUsage(cassette);
  return {
    input: usage['input_tokens'],
    cacheReads: usage['cache_read_input_tokens'] ?? 0,
    cacheWrites: usage['cache_creation_input_tokens'] ?? 0,
    output: usage['output_tokens'],
    estimated: 0,
  };
}

/** Every way of the SDK to read a stream, to something that can be compared. */
const STREAM_WAYS: Readonly<Record<string, (claude: Anthropic) => Promise<unknown>>> = {
  'create({ stream: true })': async (claude) => collected(await claude.messages.create({ ...PARAMS, stream: true })),
  'beta create({ stream: true })': async (claude) =>
    collected(await claude.beta.messages.create({ ...PARAMS, stream: true })),
  'messages.stream().finalMessage()': (claude) => claude.messages.stream(PARAMS).finalMessage(),
  'beta.messages.stream().finalMessage()': (claude) => claude.beta.messages.stream(PARAMS).finalMessage(),
  'withResponse()': async (claude) => {
    const { data, response, request_id } = await claude.messages.create({ ...PARAMS, stream: true }).withResponse();
    return { events: await collected(data), status: response.status, headers: [...response.headers], request_id };
  },
  'asResponse().text()': async (claude) => {
    const response = await claude.messages.create({ ...PARAMS, stream: true }).asResponse();
    return response.text();
  },
  'asResponse().body.getReader()': async (claude) => {
    const { body } = await claude.messages.create({ ...PARAMS, stream: true }).asResponse();
    const reader = body?.getReader();
    let text = '';
    for (let read = await reader?.read(); read?.done === false; read = await reader?.read()) {
      text += Buffer.from(read.value as Uint8Array).toString('latin1');
    }
    return text;
  },
  'asResponse().clone()': async (claude) => {
    const response = await claude.messages.create({ ...PARAMS, stream: true }).asResponse();
    const copy = response.clone();
    return Promise.all([response.text(), copy.text()]);
  },
  'Stream.tee()': async (claude) => {
    const [left, right] = (await claude.messages.create({ ...PARAMS, stream: true })).tee();
    return Promise.all([collected(left), collected(right)]);
  },
  'Stream.toReadableStream()': async (claude) => {
    const stream = (await claude.messages.create({ ...PARAMS, stream: true })).toReadableStream();
    return collected(stream as AsyncIterable<Uint8Array>);
  },
};

const JSON_WAYS: Readonly<Record<string, (claude: Anthropic) => Promise<unknown>>> = {
  'messages.create()': (claude) => claude.messages.create(PARAMS),
  'beta.messages.create()': (claude) => claude.beta.messages.create(PARAMS),
  'withResponse()': async (claude) => {
    const { data, response, request_id } = await claude.messages.create(PARAMS).withResponse();
    return { data, status: response.status, headers: [...response.headers], request_id };
  },
  'asResponse().text()': async (claude) => (await claude.messages.create(PARAMS).asResponse()).text(),
  'asResponse().json()': async (claude) => (await claude.messages.create(PARAMS).asResponse()).json(),
  'asResponse().arrayBuffer()': async (claude) =>
    Buffer.from(await (await claude.messages.create(PARAMS).asResponse()).arrayBuffer()).toString('latin1'),
  'asResponse().clone().json() besides json()': async (claude) => {
    const response = await claude.messages.create(PARAMS).asResponse();
    const copy = response.clone();
    return Promise.all([response.json(), copy.json()]);
  },
};

function sameEitherWay(cassettes: readonly Cassette[], ways: typeof STREAM_WAYS): void {
  for (const [way, read] of Object.entries(ways)) {
    it(`returns what the undecorated SDK returns and counts the body's own figures: ${way}`, async () => {
      for (const cassette of cassettes) {
        const { claude, calls } = measured(cassette);
        assert.deepEqual(await read(claude), await read(client(cassette)), cassette.source);
        assert.equal(calls.length, 1, cassette.source);
        assert.equal(calls[0]?.outcome, 'ok', cassette.source);
        assert.deepEqual(countedTokens(calls[0]), billedTokens(cassette), cassette.source);
      }
    });
  }
}

describe('every recorded stream', () => sameEitherWay(STREAMED, STREAM_WAYS));
describe('every recorded JSON answer', () => sameEitherWay(UNSTREAMED, JSON_WAYS));

it('replays all recordings there are', () => {
  assert.equal(STREAMED.length + UNSTREAMED.length, CASSETTES.length);
});
