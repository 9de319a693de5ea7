import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { parse } from 'yaml';
import { configurationInFile } from '../../src/gateway/configuration/file.ts';
import { newKey } from '../../testing/examples/gateway.ts';
import { root } from '../../testing/examples/programs.ts';

const key = newKey();

test('a gateway accepts the configuration of its page without a notice', (t) => {
  const page = readFileSync(join(root, 'docs', 'gateway.md'), 'utf8');
  const [, text = ''] = /```yaml\n(keys:[^]*?)```/.exec(page) ?? [];
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-page-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'gateway.yaml');
  writeFileSync(file, text);
  const configuration = configurationInFile(file, { SHOP_KEY: key, WEB_KEY: key });
  assert.deepEqual([...configuration.clients.keys()], ['checkout', 'website']);
  assert.deepEqual(configuration.notices, []);
});

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
}

interface Service {
  readonly environment: Readonly<Record<string, string>>;
  readonly ports: readonly string[];
  readonly stop_grace_period: string;
  readonly healthcheck: { readonly test: readonly string[] };
}

test('the gateway of the compose file listens where its ports lead, and is given the time that it drains for', () => {
  const compose = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true }) as Compose;
  const { gateway } = compose.services;
  assert.ok(gateway !== undefined);
  const env = { ...gateway.environment, ANTHROPIC_AUTH_TOKEN: key };
  const { listen, metrics, limits, ledger, tokens, notices } = configurationInFile(
    join(root, 'deploy', 'compose-gateway.yaml'),
    env,
  );
  assert.deepEqual(
    gateway.ports.map((port) => port.split(':').at(-1)),
    [String(listen.port), String(metrics.port)],
  );
  assert.deepEqual([listen.host, metrics.host], ['0.0.0.0', '0.0.0.0']);
  assert.ok(gateway.healthcheck.test.join(' ').includes(`127.0.0.1:${listen.port}/healthz`));
  assert.ok(Number.parseInt(gateway.stop_grace_period) > limits.drainSeconds);
  assert.deepEqual([ledger?.kind, tokens.kind, notices], ['redis', 'redis', []]);
});
