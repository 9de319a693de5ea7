import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { otlpReceiver } from '../../testing/otlp-receiver.ts';
import type { OtlpReceiver, ReceivedSpan } from '../../testing/otlp-receiver.ts';
import { BARE_ENV } from '../../testing/bare-env.ts';

const root = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);

interface Said {
  readonly started: boolean;
  readonly ownSpans: number;
  readonly nanoUsd: number;
}

interface Ran {
  readonly said: Said;
  readonly receiver: OtlpReceiver;
}

/** Runs the program until it ends by itself, with a receiver for what it sends; a failure of it is a failure here. */
async function ran(
  t: TestContext,
  env: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
): Promise<Ran> {
  const receiver = await otlpReceiver();
  t.after(() => receiver.close());
  const program = join(import.meta.dirname, 'program.ts');
  const { stdout } = await run(process.execPath, ['--conditions=plimsoll-source', program, ...args], {
    cwd: root,
    env: { ...BARE_ENV, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint, ...env },
  });
  return { said: JSON.parse(stdout) as Said, receiver };
}

const TRACES = 'POST /v1/traces application/x-protobuf';
const METRICS = 'POST /v1/metrics application/x-protobuf';

const names = (spans: readonly ReceivedSpan[]): readonly string[] => spans.map(({ name }) => name).sort();

describe('startTelemetry()', () => {
  it('sends the spans as protobuf when the process has nothing left to do, and no metrics', async (t) => {
    const { said, receiver } = await ran(t);
    assert.equal(said.started, true);
    assert.deepEqual(receiver.exports, [TRACES]);
    assert.deepEqual(names(receiver.spans), ['anthropic.attempt', 'anthropic.messages.create']);
    const cost = receiver.spans
      .map(({ attributes }) => attributes['plimsoll.cost_usd'])
      .find((usd) => usd !== undefined);
    assert.equal(Math.round(Number(cost) * 1e9), said.nanoUsd);
    assert.equal(receiver.spans[0]?.resource['service.name'], 'pier');
  });

  it('sends them at shutdown, once however often it is asked', async (t) => {
    const { receiver } = await ran(t, {}, ['exit']);
    assert.deepEqual(receiver.exports, [TRACES]);
    assert.equal(receiver.spans.length, 2);
  });

  it('lets the variables of OpenTelemetry decide', async (t) => {
    const named = await ran(t, {
      OTEL_SERVICE_NAME: 'harbor',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=staging,team=sea%20side,broken',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    });
    const resource = named.receiver.spans[0]?.resource;
    assert.equal(resource?.['service.name'], 'harbor');
    assert.equal(resource['deployment.environment.name'], 'staging');
    assert.equal(resource['team'], 'sea side');
    assert.equal('broken' in resource, false);
    const json = await ran(t, { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' });
    assert.deepEqual(json.receiver.exports, ['POST /v1/traces application/json']);
    const unsampled = await ran(t, { OTEL_TRACES_SAMPLER: 'always_off' });
    assert.deepEqual(unsampled.receiver.exports, []);
  });

  it('starts nothing where OTEL_SDK_DISABLED is set', async (t) => {
    const { said, receiver } = await ran(t, { OTEL_SDK_DISABLED: 'true' });
    assert.equal(said.started, false);
    assert.deepEqual(receiver.exports, []);
  });

  it('keeps the provider that the program has already, and plimsoll uses it', async (t) => {
    const { said, receiver } = await ran(t, {}, ['own-provider']);
    assert.equal(said.started, false);
    assert.equal(said.ownSpans, 2);
    assert.deepEqual(receiver.exports, []);
  });

  for (const [how, env, args] of [
    ['by the option', {}, ['metrics']],
    ['by OTEL_METRICS_EXPORTER', { OTEL_METRICS_EXPORTER: 'otlp' }, []],
  ] as const) {
    it(`sends what otelMetrics() records when it is asked to ${how}, each figure once`, async (t) => {
      const { said, receiver } = await ran(t, env, args);
      assert.deepEqual([...receiver.exports].sort(), [METRICS, TRACES]);
      const cost = receiver.points.filter(({ name }) => name === 'plimsoll.client.cost');
      const usd = cost.reduce((sum, { value }) => sum + value, 0);
      assert.equal(Math.round(usd * 1e9), said.nanoUsd);
      assert.ok(receiver.points.every(({ name }) => /^(gen_ai|plimsoll)\.client\./.test(name)));
      const series = receiver.points.map(({ name, attributes }) => JSON.stringify([name, attributes]));
      assert.equal(new Set(series).size, series.length);
    });
  }

  for (const [protocol, type] of [
    ['http/protobuf', 'application/x-protobuf'],
    ['http/json', 'application/json'],
  ] as const) {
    it(`sends the metrics that Prometheus scrapes over ${protocol} at the end, with the resource of the spans`, async (t) => {
      const { said, receiver } = await ran(t, { OTEL_EXPORTER_OTLP_PROTOCOL: protocol }, ['names']);
      assert.deepEqual([...receiver.exports].sort(), [`POST /v1/metrics ${type}`, `POST /v1/traces ${type}`]);
      if (type === 'application/json') return;
      const cost = receiver.points.filter(({ name }) => name === 'anthropic_cost_usd_total');
      assert.equal(Math.round(cost.reduce((sum, { value }) => sum + value, 0) * 1e9), said.nanoUsd);
      const [span] = receiver.spans;
      for (const { resource } of receiver.points) assert.deepEqual(resource, span?.resource);
      assert.equal(span?.resource['service.name'], 'pier');
    });
  }

  it('sends them when it is asked to, before a platform ends the process without a word', async (t) => {
    const receiver = await otlpReceiver();
    t.after(() => receiver.close());
    const program = join(import.meta.dirname, 'program.ts');
    const env = { ...BARE_ENV, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint };
    const args = ['--conditions=plimsoll-source', program, 'names-frozen'];
    await assert.rejects(run(process.execPath, args, { cwd: root, env }), { signal: 'SIGKILL' });
    assert.deepEqual([...receiver.exports].sort(), [METRICS, TRACES]);
    assert.ok(receiver.points.some(({ name, value }) => name === 'anthropic_requests_total' && value === 1));
  });

  it('sends nothing of the command line, where keys are given to programs', async (t) => {
    const { receiver } = await ran(t, {}, ['plain', '--api-key=sk-ant-api03-canary']);
    assert.equal(receiver.spans.length, 2);
    assert.doesNotMatch(receiver.bytes().toString('latin1'), /canary|program\.ts/);
  });

  it('lets the process end normally where nothing takes the spans', async (t) => {
    const nowhere = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_EXPORTER_OTLP_TIMEOUT: '200' };
    const { said } = await ran(t, nowhere);
    assert.equal(said.started, true);
  });

  it('says in one line what to install where @opentelemetry/sdk-node is missing', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'plimsoll-otel-'));
    t.after(() => rmSync(folder, { recursive: true }));
    cpSync(join(root, 'src'), join(folder, 'src'), { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    mkdirSync(join(folder, 'node_modules', '@opentelemetry'), { recursive: true });
    for (const name of ['@opentelemetry/api', 'prom-client'])
      symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
    const script = `
      const { otelMetrics, startTelemetry } = await import('./src/otel/index.ts');
      otelMetrics();
      await startTelemetry().catch(({ code, message }) => console.log(code + '\\n' + message));
    `;
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], { cwd: folder, env: {} });
    assert.deepEqual(stdout.trim().split('\n'), [
      'PLIMSOLL_OPENTELEMETRY_SDK_MISSING',
      'startTelemetry: expected the package @opentelemetry/sdk-node, got none: run `npm install @opentelemetry/sdk-node`',
    ]);
  });
});
