/** What the recorder of spans relies on in the SDK and in its tracing, which are no public promises. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import type Anthropic from '@anthropic-ai/sdk';
import type { Span } from '@opentelemetry/api';
import type { Call, CallRecorder, Recorder } from '../../../src/vocabulary.ts';
import { PARAMS, workbench } from '../../../testing/client-workbench.ts';
import type { WorkbenchOptions } from '../../../testing/client-workbench.ts';
import { tracing } from '../../../testing/tracing.ts';

const streamed = { ...PARAMS, stream: true as const };

/** Whether the SDK's span was open at each event of a call. */
class SpanWatch implements Recorder {
  readonly events: string[] = [];
  readonly spans = new Set<unknown>();

  started(call: Call): CallRecorder {
    this.#note('started', call);
    return { usageKnown: () => this.#note('usageKnown', call), finished: () => this.#note('finished', call) };
  }

  #note(event: string, { sdkSpan }: Call): void {
    this.spans.add(sdkSpan);
    this.events.push(`${event}, ${(sdkSpan as Span | undefined)?.isRecording() === true ? 'open' : 'not open'}`);
  }
}

async function watched(
  t: TestContext,
  does: (claude: Anthropic) => Promise<unknown>,
  options: WorkbenchOptions = {},
): Promise<SpanWatch> {
  await tracing(t);
  const watch = new SpanWatch();
  const bench = workbench({ ...options, instrument: { recorders: [watch] } });
  await does(bench.claude).catch(() => undefined); // what is asked here is when, not what
  while (watch.events.length < 2) await new Promise((resolve) => setImmediate(resolve));
  return watch;
}

describe("the SDK's span of a call", () => {
  it('is the same for all attempts, is found in the options, and is open until an answer has been parsed', async (t) => {
    const { events, spans } = await watched(t, (claude) => claude.messages.create(PARAMS));
    assert.deepEqual(events, ['started, open', 'usageKnown, open', 'finished, open']);
    assert.equal(spans.size, 1);
  });

  it('is open until a refusal has been read', async (t) => {
    const unknown = { ...PARAMS, model: 'claude-unheard-of' };
    const { events } = await watched(t, (claude) => claude.messages.create(unknown));
    assert.deepEqual(events, ['started, open', 'finished, open']);
  });

  it('is over before a body is given up by break', async (t) => {
    const { events } = await watched(t, async (claude) => {
      for await (const event of await claude.messages.create(streamed)) if (event.type === 'message_start') break;
    });
    assert.deepEqual(events, ['started, open', 'usageKnown, open', 'usageKnown, not open', 'finished, not open']);
  });

  it('is over before the body of a raw response is read', async (t) => {
    const { events } = await watched(t, async (claude) => (await claude.messages.create(PARAMS).asResponse()).json());
    assert.deepEqual(events, ['started, open', 'usageKnown, not open', 'finished, not open']);
  });

  it('is not there where its tracing is off', async (t) => {
    const client = { openTelemetry: false } as const;
    const { spans } = await watched(t, (claude) => claude.messages.create(PARAMS), { client });
    assert.deepEqual([...spans], [undefined]);
  });

  it('is not there for a request by its path', async (t) => {
    const { spans } = await watched(t, (claude) => claude.post('/v1/messages', { body: PARAMS }));
    assert.deepEqual([...spans], [undefined]);
  });
});
