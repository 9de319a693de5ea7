import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { describe, it, mock } from 'node:test';
import Anthropic, { toFile } from '@anthropic-ai/sdk';
import { ConfigurationError, instrument, withAttribution, type Recorder } from 'plimsoll';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { collected, PARAMS } from '../../testing/client-workbench.ts';

/** Stands in for whatever must not get out; every place has its own, so that a find says where it came from. */
const canary = (place: string): string => `canary-${place}-6f1d`;
const CANARY = /canary-[a-z-]+-6f1d/g;

/** All that plimsoll lets out while `fn` runs: what is printed, warned of, exposed, told to recorders and thrown by it. */
async function lettingOut(fn: (claude: Anthropic) => Promise<void>, extra: readonly Recorder[] = []): Promise<string> {
  const printed: string[] = [];
  const print = (chunk: unknown): boolean => printed.push(String(chunk)) > 0;
  const out = mock.method(process.stdout, 'write', print);
  const err = mock.method(process.stderr, 'write', print);
  const warned = mock.method(process, 'emitWarning', (warning: unknown) => printed.push(inspect(warning)));
  const told: string[] = [];
  // A recorder gets model and labels as the caller named them; what it makes of them is bounded by itself.
  const asNamed = new RegExp(`${canary('model')}|${canary('label')}`, 'g');
  const tell = (...event: unknown[]): void =>
    void told.push(inspect(event, { depth: 12, showHidden: true }).replaceAll(asNamed, ''));
  const registry = new Registry();
  try {
    const sim = simulator({
      keys: [{ name: 'canary', key: `sk-ant-api03-${canary('key')}` }],
      respond: () => ({
        text: canary('answer'),
        toolUse: [{ name: 'search', input: { query: canary('tool-input') } }],
      }),
      unknownModels: 'serve',
    });
    const plain = new Anthropic({
      apiKey: `sk-ant-api03-${canary('key')}`,
      defaultHeaders: { 'x-custom': canary('header') },
      fetch: sim.fetch,
      logLevel: 'off',
    });
    const telling: Recorder = {
      started(call) {
        tell(call);
        const tellAgain = (event?: unknown): void => tell(call, event);
        return { attempted: tellAgain, firstToken: tellAgain, finished: tellAgain };
      },
    };
    const recorders = [telling, ...extra];
    await fn(instrument(plain, { registry, recorders, attribution: { feature: [] } }));
    sim.script([
      { fault: 'error', status: 400, type: 'invalid_request_error', message: `bad: ${canary('echoed-error')}` },
    ]);
    await instrument(plain, { registry, recorders })
      .messages.create(PARAMS)
      .catch(() => undefined);
  } finally {
    for (const method of [out, err, warned]) method.mock.restore();
  }
  return [await registry.metrics(), ...printed, ...told].join('\n');
}

async function everythingWithContent(claude: Anthropic): Promise<void> {
  const content = [{ role: 'user' as const, content: canary('prompt') }];
  const params = { ...PARAMS, messages: content, system: canary('system'), metadata: { user_id: canary('user-id') } };
  await claude.messages.create(params);
  for await (const event of await claude.messages.create({ ...params, stream: true })) {
    if (event.type === 'content_block_delta') break;
  }
  await claude.messages.stream(params).finalMessage();
  await claude.messages.create({ ...params, model: `sk-ant-api03-${canary('model')}` });
  await withAttribution({ feature: `sk-ant-api03-${canary('label')}` }, () => claude.messages.create(params));
  await claude.messages.countTokens({ model: PARAMS.model, messages: content });
  const file = await claude.beta.files.upload({
    file: await toFile(Buffer.from(canary('file')), `${canary('file-name')}.txt`),
  });
  await claude.beta.files.retrieveMetadata(file.id);
  const { id } = await claude.messages.batches.create({ requests: [{ custom_id: canary('custom-id'), params }] });
  await collected(await claude.messages.batches.results(id));
  await claude.get(`/v1/files/${canary('path')}`).catch(() => undefined);
  const baseURL = `https://user:${canary('url-password')}@api.example.test`;
  await claude
    .withOptions({ baseURL, maxRetries: 0 })
    .messages.create(params)
    .catch(() => undefined);
}

describe('what a caller sends and gets', () => {
  it('appears in no metric, no log line, no warning and no event', async () => {
    const out = await lettingOut(everythingWithContent);
    assert.match(out, /anthropic_requests_total\{/);
    assert.match(out, /anthropic_tokens_total\{/);
    assert.deepEqual(out.match(CANARY) ?? [], []);
  });

  it('would be found if it did: a recorder that leaks is caught', async () => {
    const leak = (): void => void process.stderr.write(`saw ${canary('leak')}`);
    const leaking: Recorder = { started: () => ({ finished: leak }) };
    const out = await lettingOut(async (claude) => void (await claude.messages.create(PARAMS)), [leaking]);
    assert.deepEqual([...new Set(out.match(CANARY))], [canary('leak')]);
  });

  it('would be found in a label, too', async () => {
    const out = await lettingOut(async (claude) => {
      await withAttribution({ feature: canary('declared-label') }, () => claude.messages.create(PARAMS));
    });
    assert.deepEqual([...new Set(out.match(CANARY))], [canary('declared-label')]);
  });

  it('is not repeated by the errors of bad options', () => {
    const client = new Anthropic({ apiKey: 'test' });
    const key = `sk-ant-api03-${canary('key')}`;
    for (const options of [
      { key },
      { labels: { [key]: 'x' } },
      { attribution: { [key]: [] } },
      { attribution: { feature: [key] } },
    ]) {
      assert.throws(
        () => instrument(client, { registry: new Registry(), ...options }),
        (error) => error instanceof ConfigurationError && !CANARY.test(inspect(error)),
        inspect(options),
      );
    }
  });
});
