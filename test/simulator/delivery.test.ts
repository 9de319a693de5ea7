import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { simulator, type Fault, type Place } from 'plimsoll/simulator';
import { eventsOf } from '../../testing/cassettes/cassettes.ts';
import {
  ASK,
  codeOf,
  failure,
  LONG,
  STREAM,
  bench,
  post,
  settle,
  SkippingClock,
  StandingClock,
} from '../../testing/simulator-bench.ts';

/** All that a reader gets, and what the reading ends with. */
async function read(response: Response): Promise<{ readonly text: string; readonly error: Error | null }> {
  assert.ok(response.body);
  let text = '';
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response.body) text += decoder.decode(chunk as Uint8Array, { stream: true });
    return { text, error: null };
  } catch (error) {
    return { text, error: error as Error };
  }
}

describe('the connection breaks in the body', () => {
  test('a stream fails with terminated, after what came before', async () => {
    const { claude } = bench(LONG);
    claude.script([{ fault: 'body_reset', at: 5 }]);
    const { text, error } = await read(await claude.handle(post('/v1/messages', STREAM)));
    assert.equal(eventsOf(text).length, 5);
    assert.ok(error instanceof TypeError && error.message === 'terminated' && codeOf(error.cause) === 'ECONNRESET');
    assert.deepEqual([claude.truth.requests[0]?.delivery, claude.truth.requests[0]?.eventsSent], ['cut', 5]);
  });

  test('a JSON body breaks in its middle', async () => {
    const { claude } = bench(LONG);
    claude.script([{ fault: 'body_reset' }]);
    const { text, error } = await read(await claude.handle(post('/v1/messages', ASK)));
    assert.match(text, /^\{"model":"claude-haiku-5-5"/);
    assert.throws(() => JSON.parse(text) as unknown, SyntaxError);
    assert.equal(error?.message, 'terminated');
  });

  test('the SDK fails in finalMessage and in create', async () => {
    const { claude, sdk } = bench(LONG);
    claude.script([{ fault: 'body_reset' }, { fault: 'body_reset' }]);
    assert.match((await failure(sdk.messages.stream(ASK).finalMessage())).message, /terminated/);
    assert.match((await failure(sdk.messages.create(ASK))).message, /terminated/);
  });
});

describe('the body ends early', () => {
  for (const at of ['message_delta', 'message_stop', 'content_block_stop', 1, 0] satisfies readonly Place[]) {
    test(`a stream ends in front of ${at} without an error and without message_stop`, async () => {
      const { claude } = bench(LONG);
      claude.script([{ fault: 'cut_body', at }]);
      const { text, error } = await read(await claude.handle(post('/v1/messages', STREAM)));
      const types = eventsOf(text).map((event) => event['type']);
      assert.equal(error, null);
      assert.ok(!types.includes('message_stop'));
      assert.ok(typeof at === 'number' ? types.length === at : !types.includes(at));
      assert.equal(claude.truth.requests[0]?.delivery, 'cut');
    });
  }

  test('the SDK has no message, and half a JSON document', async () => {
    const { claude, sdk } = bench(LONG);
    claude.script([{ fault: 'cut_body' }, { fault: 'cut_body' }]);
    assert.match((await failure(sdk.messages.stream(ASK).finalMessage())).message, /without producing a Message/);
    assert.equal((await failure(sdk.messages.create(ASK))).name, 'SyntaxError');
  });

  test('a place that never comes is the last event', async () => {
    const { claude } = bench(LONG);
    claude.script([{ fault: 'cut_body', at: 1_000 }]);
    const { text } = await read(await claude.handle(post('/v1/messages', STREAM)));
    assert.equal(eventsOf(text).at(-1)?.['type'], 'message_delta');
  });
});

describe('a stream in the way of another server', () => {
  test('has the same events for the SDK', async () => {
    const { claude, sdk } = bench(LONG);
    claude.script([
      { fault: 'none' },
      { fault: 'dialect', lineEnd: '\r', hasMark: true, isDataFirst: true, hasComments: true, contentType: null },
    ]);
    const { content, stop_reason: reason } = await sdk.messages.stream(ASK).finalMessage();
    const other = await sdk.messages.stream(ASK).finalMessage();
    assert.deepEqual(
      other.content.map(({ type }) => type),
      content.map(({ type }) => type),
    );
    assert.equal(other.stop_reason, reason);
  });

  test('is written so', async () => {
    const { claude } = bench(LONG);
    claude.script([
      { fault: 'dialect', lineEnd: '\r\n', isDataFirst: true, hasComments: true, contentType: 'text/plain' },
    ]);
    const response = await claude.handle(post('/v1/messages', STREAM));
    assert.equal(response.headers.get('content-type'), 'text/plain');
    assert.match(
      (await read(response)).text,
      /^: keep-alive\r\n\r\ndata: \{[^\r\n]*\}\r\nevent: message_start\r\n\r\n: keep-alive/,
    );
  });
});

describe('a 200 whose body is an error', () => {
  test('is billed nothing, and goes to the caller as a message', async () => {
    const { claude, sdk } = bench(LONG);
    claude.script([{ fault: 'error_body', type: 'api_error' }]);
    assert.equal((await sdk.messages.create(ASK)).type, 'error');
    const [request] = claude.truth.requests;
    assert.deepEqual([request?.status, request?.errorType, request?.billed], [200, 'api_error', []]);
  });
});

describe('an error event inside a stream', () => {
  test('the SDK throws its type without a status and does not try again', async () => {
    const { claude, sdk } = bench(LONG, { maxRetries: 2 });
    claude.script([{ fault: 'error_event', type: 'api_error', at: 'content_block_delta' }]);
    const error = await failure(sdk.messages.stream(ASK).finalMessage());
    assert.ok(error instanceof Anthropic.APIError);
    assert.deepEqual([error.status, error.type], [undefined, 'api_error']);
    assert.equal(claude.truth.requests.length, 1);
    assert.equal(claude.truth.requests[0]?.status, 200);
  });

  test('it is the last event, with the id of the request', async () => {
    const { claude } = bench(LONG);
    claude.script([{ fault: 'error_event' }]);
    const response = await claude.handle(post('/v1/messages', STREAM));
    const { text, error } = await read(response);
    assert.equal(error, null);
    assert.match(text, /\n\nevent: error\ndata: \{[^\n]*\}\n\n$/);
    assert.deepEqual(eventsOf(text).at(-1), {
      type: 'error',
      error: { type: 'overloaded_error', message: 'Overloaded' },
      request_id: response.headers.get('request-id'),
    });
  });

  test('a stream that is refused anyway has no error event, and truth does not say so', async () => {
    const { claude, sdk } = bench();
    claude.script([{ fault: 'error_event' }]);
    assert.equal((await failure(sdk.messages.create({ ...STREAM, model: 'claude-typo' }))).name, 'NotFoundError');
    assert.equal(claude.truth.requests[0]?.fault, null);
  });

  test('a request that is no stream is refused with it', async () => {
    const { claude, sdk } = bench();
    claude.script([{ fault: 'error_event' }, { fault: 'error_event', type: 'timeout_error' }]);
    assert.equal((await failure(sdk.messages.create(ASK))).name, 'OverloadedError');
    assert.equal((await failure(sdk.messages.create(ASK))).name, 'GatewayTimeoutError');
  });
});

describe('JSON that is not JSON', () => {
  test('the SDK cannot parse an answer, nor an event', async () => {
    const { claude, sdk } = bench(LONG);
    claude.script([{ fault: 'malformed_json' }, { fault: 'malformed_json' }]);
    assert.equal((await failure(sdk.messages.create(ASK))).name, 'SyntaxError');
    assert.match((await failure(sdk.messages.stream(ASK).finalMessage())).message, /JSON/);
    assert.deepEqual(
      claude.truth.requests.map(({ status }) => status),
      [200, 200],
    );
  });

  test('only the event at the place is garbled', async () => {
    const { claude } = bench(LONG);
    claude.script([{ fault: 'malformed_json', at: 'message_delta' }]);
    const { text } = await read(await claude.handle(post('/v1/messages', STREAM)));
    const spoilt = text
      .trimEnd()
      .split('\n\n')
      .filter((event) => {
        try {
          JSON.parse(event.slice(event.indexOf('{')));
          return false;
        } catch {
          return true;
        }
      });
    assert.equal(spoilt.length, 1);
    assert.match(spoilt[0] ?? '', /^event: message_delta\n/);
  });

  test('a usage in it was not delivered', async () => {
    const { claude } = bench(LONG);
    claude.script([{ fault: 'malformed_json' }, { fault: 'malformed_json', at: 'message_delta' }]);
    await read(await claude.handle(post('/v1/messages', ASK)));
    await read(await claude.handle(post('/v1/messages', STREAM)));
    assert.deepEqual(
      claude.truth.requests.map(({ usageReported }) => usageReported),
      ['none', 'start'],
    );
    assert.equal(claude.truth.totals('reported').size, 0);
    assert.equal(claude.truth.totals().get(ASK.model)?.tokens.output, 200);
  });
});

describe('time', () => {
  test('a slow first byte holds the head back for that long', async () => {
    const clock = new StandingClock();
    const { claude } = bench({ clock });
    claude.script([{ fault: 'slow_first_byte', delayMs: 5_000 }]);
    let answered = false;
    const response = claude.handle(post('/v1/messages', ASK)).finally(() => {
      answered = true;
    });
    await settle();
    clock.advance(4_999);
    await settle();
    assert.equal(answered, false);
    clock.advance(1);
    assert.equal((await response).status, 200);
  });

  test('a stalled body stops at its place for that long and goes on', async () => {
    const clock = new StandingClock();
    const { claude } = bench({ ...LONG, clock });
    claude.script([{ fault: 'stalled_body', at: 4, stallMs: 60_000 }]);
    const whole = read(await claude.handle(post('/v1/messages', STREAM)));
    await settle();
    assert.equal(claude.truth.requests[0]?.eventsSent, 4);
    assert.equal(clock.nextWakeMs, 60_000);
    clock.advance(60_000);
    assert.equal(eventsOf((await whole).text).at(-1)?.['type'], 'message_stop');
  });

  test('a body that stalls forever ends when its reader leaves', async () => {
    const { claude, sdk } = bench(LONG);
    claude.script([{ fault: 'stalled_body' }]);
    const stream = sdk.messages.stream(ASK);
    const failed = failure(stream.finalMessage());
    await settle();
    assert.equal(claude.truth.requests[0]?.delivery, 'unread');
    stream.abort();
    assert.equal((await failed).name, 'APIUserAbortError');
    assert.equal(claude.truth.requests[0]?.delivery, 'cancelled');
  });

  test('a stalled JSON body stops in its middle', async () => {
    const clock = new StandingClock();
    const { claude, sdk } = bench({ ...LONG, clock });
    claude.script([{ fault: 'stalled_body', stallMs: 10 }]);
    // The SDK reads a body only when it is asked for the message.
    const message = sdk.messages.create(ASK).then((answered) => answered);
    await settle();
    assert.equal(clock.nextWakeMs, 10);
    clock.advance(10);
    assert.equal((await message).usage.output_tokens, 100);
  });

  test('the SDK times out while a first byte is slow, and tries again', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { claude, sdk } = bench({}, { timeout: 1_000, maxRetries: 0 });
    claude.script([{ fault: 'slow_first_byte', delayMs: 60_000 }]);
    const failed = failure(sdk.messages.create(ASK));
    await settle();
    t.mock.timers.tick(1_000);
    assert.equal((await failed).name, 'APIConnectionTimeoutError');
    assert.deepEqual([claude.truth.requests[0]?.status, claude.truth.requests[0]?.delivery], [null, 'cancelled']);
  });

  test('latencies are taken: first byte, then each token; JSON waits for all of them', async () => {
    const clock = new SkippingClock();
    const latency = {
      firstByteMs: { kind: 'constant', value: 500 },
      perTokenMs: { kind: 'constant', value: 10 },
    } as const;
    const claude = simulator({ ...LONG, clock, scenario: { latency } });
    await (await claude.handle(post('/v1/messages', ASK))).text();
    assert.deepEqual(clock.slept, [1_500]);
    clock.slept.length = 0;
    await (await claude.handle(post('/v1/messages', STREAM))).text();
    assert.equal(clock.slept[0], 500);
    assert.equal(
      clock.slept.slice(1).reduce((sum, ms) => sum + ms, 0),
      1_000,
    );
    const [json, stream] = claude.truth.requests;
    assert.equal((json?.endedAtMs ?? 0) - (json?.startedAtMs ?? 0), 1_500);
    assert.equal((stream?.endedAtMs ?? 0) - (stream?.startedAtMs ?? 0), 1_500);
  });

  test('nothing sleeps where no latency is set', async () => {
    const clock = new SkippingClock();
    const claude = simulator({ clock });
    await (await claude.handle(post('/v1/messages', STREAM))).text();
    assert.deepEqual(clock.slept, []);
  });
});

describe('a scenario', () => {
  const mix = [
    { probability: 0.2, fault: { fault: 'overloaded' } },
    { probability: 0.1, fault: { fault: 'connection_reset' } },
    { probability: 0.1, fault: { fault: 'cut_body' } },
  ] satisfies readonly { probability: number; fault: Fault }[];

  async function story(seed: number, faults = mix as readonly { probability: number; fault: Fault }[]) {
    const claude = simulator({ seed, clock: new StandingClock(), scenario: { faults } });
    const texts: string[] = [];
    for (let call = 0; call < 300; call += 1) {
      try {
        texts.push((await read(await claude.handle(post('/v1/messages', STREAM)))).text);
      } catch {
        texts.push('broken');
      }
    }
    return { texts, faults: claude.truth.requests.map(({ fault }) => fault), counts: claude.truth.faults };
  }

  test('the same seed and the same requests give the same run, to the byte', async () => {
    assert.deepEqual((await story(42)).texts, (await story(42)).texts);
  });

  test('another seed gives another run', async () => {
    assert.notDeepEqual((await story(1)).faults, (await story(2)).faults);
  });

  test('each fault comes about as often as it is said to', async () => {
    const { counts } = await story(7);
    for (const { probability, fault } of mix) {
      const expected = probability * 300;
      const count = counts.get(fault.fault) ?? 0;
      assert.ok(
        count > expected * 0.5 && count < expected * 1.5,
        `${fault.fault}: ${count}, expected about ${expected}`,
      );
    }
  });

  test('changing one probability does not move where the others strike', async () => {
    const strikes = (faults: readonly (string | null)[]) =>
      faults.flatMap((fault, at) => (fault === 'overloaded' ? [at] : []));
    const more = [mix[0], { probability: 0.5, fault: { fault: 'connection_reset' } as const }, mix[2]].filter(
      (x) => x !== undefined,
    );
    assert.deepEqual(strikes((await story(3)).faults), strikes((await story(3, more)).faults));
  });

  test('how far one body is read does not change another request', async () => {
    const claude = [1, 2].map(() => simulator({ seed: 5, clock: new StandingClock() }));
    const [left, right] = claude;
    assert.ok(left && right);
    await (await left.handle(post('/v1/messages', STREAM))).text();
    await right.handle(post('/v1/messages', STREAM));
    const second = await Promise.all(
      [left, right].map(async (each) => (await each.handle(post('/v1/messages', STREAM))).text()),
    );
    assert.equal(second[0], second[1]);
  });
});

describe('a reader that leaves', () => {
  test('breaking out of the SDK stream stops the generation at once', async () => {
    const { claude, sdk } = bench(LONG);
    let events = 0;
    for await (const event of await sdk.messages.create(STREAM)) {
      if (event.type === 'content_block_delta') events += 1;
      if (events === 3) break;
    }
    await settle();
    const [request] = claude.truth.requests;
    assert.equal(request?.delivery, 'cancelled');
    // message_start, content_block_start, ping and three deltas; the SDK has not asked for more.
    assert.equal(request?.eventsSent, 6);
  });

  test('cancelling a body ends it, in the middle of a wait too', async () => {
    const { claude } = bench(LONG);
    claude.script([{ fault: 'stalled_body', at: 1 }]);
    const { body } = await claude.handle(post('/v1/messages', STREAM));
    const reader = body?.getReader();
    await reader?.read();
    const stalled = reader?.read();
    await reader?.cancel();
    assert.equal((await stalled)?.done, true);
    assert.equal(claude.truth.requests[0]?.delivery, 'cancelled');
  });

  test('an abort before the request is a rejection with its reason, and no request', async () => {
    const { claude } = bench();
    const reason = new Error('changed my mind');
    assert.equal(
      await failure(claude.fetch('https://api.anthropic.com/v1/models', { signal: AbortSignal.abort(reason) })),
      reason,
    );
    assert.equal(claude.truth.requests.length, 0);
  });

  test('an abort while the head is awaited rejects with its reason and is not billed', async () => {
    const { claude } = bench(LONG);
    claude.script([{ fault: 'slow_first_byte', delayMs: 1_000 }]);
    const leave = new AbortController();
    const { url, method, headers } = post('/v1/messages', ASK);
    const failed = failure(claude.fetch(url, { method, headers, body: JSON.stringify(ASK), signal: leave.signal }));
    await settle();
    leave.abort(new Error('gone'));
    assert.equal((await failed).message, 'gone');
    const [request] = claude.truth.requests;
    assert.deepEqual([request?.status, request?.delivery, request?.billed], [null, 'cancelled', []]);
  });

  test('an abort in the body fails the reading with its reason', async () => {
    const { claude } = bench(LONG);
    const leave = new AbortController();
    const { url, method, headers } = post('/v1/messages', STREAM);
    const response = await claude.fetch(url, { method, headers, body: JSON.stringify(STREAM), signal: leave.signal });
    const reader = response.body?.getReader();
    await reader?.read();
    leave.abort();
    assert.equal((await failure(reader?.read() ?? Promise.resolve())).name, 'AbortError');
    assert.equal(claude.truth.requests[0]?.delivery, 'cancelled');
  });

  test('an abort after the end changes nothing', async () => {
    const { claude } = bench(LONG);
    const leave = new AbortController();
    const { url, method, headers } = post('/v1/messages', STREAM);
    const response = await claude.fetch(url, { method, headers, body: JSON.stringify(STREAM), signal: leave.signal });
    await response.text();
    leave.abort();
    assert.equal(claude.truth.requests[0]?.delivery, 'complete');
  });

  test('a body that nobody reads stays open, and nothing of a stream is generated', async () => {
    const { claude } = bench(LONG);
    await claude.handle(post('/v1/messages', STREAM));
    await settle();
    assert.deepEqual([claude.truth.requests[0]?.delivery, claude.truth.requests[0]?.eventsSent], ['unread', 0]);
    assert.equal(claude.truth.open, 1);
  });

  test('a reader with a buffer of its own gets the whole body and its end', async () => {
    const { claude } = bench(LONG);
    const { body } = await claude.handle(post('/v1/messages', ASK));
    const reader = body?.getReader({ mode: 'byob' });
    assert.ok(reader);
    let text = '';
    for (let ended = false; !ended;) {
      const { value, done } = await reader.read(new Uint8Array(64));
      text += Buffer.from(value ?? []).toString();
      ended = done;
    }
    assert.equal((JSON.parse(text) as { type: string }).type, 'message');
  });
});
