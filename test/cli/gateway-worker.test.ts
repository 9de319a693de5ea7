import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { startFields } from '../../src/cli/gateway-reload.ts';
import type { StartedGateway } from '../../src/cli/gateway-start.ts';
import { serveAsWorker } from '../../src/cli/gateway-worker.ts';
import { WorkerChannel } from '../../src/cli/worker-channel.ts';
import type { FileTexts } from '../../src/gateway/configuration/files.ts';
import { configurationInEnvironment } from '../../src/gateway/configuration/environment.ts';
import { keptIo } from '../../testing/kept-io.ts';

test('a worker that is told to read its configuration again while it starts does so when it has', async (t) => {
  const env = {
    ANTHROPIC_API_KEY: ['sk-ant', 'api03', `${randomBytes(70).toString('base64url').slice(0, 93)}AA`].join('-'),
  };
  const configuration = configurationInEnvironment(env, import.meta.dirname);
  const supervisor = new WorkerChannel((message) => void process.emit('message', message, undefined), {
    ready: () => undefined,
    ended: () => null,
    files: () => ({ prices: null }),
  });
  const [send, disconnect] = [process.send, process.disconnect];
  process.send = (message: unknown) => {
    supervisor.receive(message);
    return true;
  };
  process.disconnect = () => undefined;
  t.after(() => {
    process.removeAllListeners('message');
    Object.assign(process, { send, disconnect });
  });
  const applied: unknown[] = [];
  const running: StartedGateway = {
    ...{ url: '', metricsUrl: '' },
    reload: (next) => applied.push(next),
    counted: () => undefined,
    close: () => Promise.resolve(),
    replaced: () => Promise.resolve(),
  };
  let begin = (_running: StartedGateway): void => undefined;
  const start = (): Promise<StartedGateway> => new Promise((resolve) => (begin = resolve));
  const seat = { number: 1, ledgerId: 'ledgers', startFields: startFields(configuration) };
  const texts: unknown[] = [];
  const read = (given: FileTexts): typeof configuration => {
    texts.push(given);
    return configuration;
  };
  const served = serveAsWorker(seat, { read, start }, keptIo().io);
  const problem = supervisor.ask('reload', { prices: 'later' });
  // It asks for the texts before it starts.
  await new Promise((resolve) => setImmediate(resolve));
  begin(running);
  assert.equal(await problem, null);
  assert.deepEqual(applied, [configuration]);
  assert.deepEqual(texts, [{ prices: null }, { prices: 'later' }]);
  supervisor.tell('stop');
  await served;
});
