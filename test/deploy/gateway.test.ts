import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { parse } from 'yaml';
import { tool } from '../../testing/tools.ts';

const root = join(import.meta.dirname, '..', '..');
const text = (path: string): string => readFileSync(join(root, path), 'utf8');
const systemdAnalyze = tool('systemd-analyze');
const caddy = tool('caddy');

const UNIT = 'deploy/systemd/plimsoll-gateway.service';
const unit = text(UNIT);
/** The values of a directive of the unit. */
const directive = (name: string): readonly string[] =>
  [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value = '']) => value);

test('systemd accepts the unit, and calls it well enough confined', { skip: systemdAnalyze.skip }, () => {
  const verified = spawnSync(systemdAnalyze.path, ['verify', UNIT], { cwd: root, encoding: 'utf8' });
  assert.deepEqual([verified.status, verified.stderr], [0, '']);
  const args = ['security', '--offline=yes', '--no-pager', '--threshold=20', UNIT];
  const judged = spawnSync(systemdAnalyze.path, args, { cwd: root, encoding: 'utf8' });
  assert.equal(judged.status, 0, judged.stdout);
});

interface Limits {
  readonly limits: { readonly drainSeconds: number; readonly lameDuckSeconds: number };
}

const { limits } = parse(text('deploy/gateway.yaml')) as Limits;

test('systemd waits longer for the gateway to end than the gateway drains', () => {
  assert.ok(Number(directive('TimeoutStopSec')[0]) > limits.drainSeconds + limits.lameDuckSeconds);
  assert.deepEqual(directive('KillSignal'), ['SIGTERM']);
  assert.deepEqual(directive('DynamicUser'), ['yes']);
});

interface Service {
  readonly stop_grace_period?: string;
  readonly image: string;
  readonly user?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
}

const compose = parse(text('deploy/replicas/compose.yaml'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
};

test('the stack of two replicas keeps to the Compose specification, with nothing that can write or is not pinned', () => {
  const dclint = [join(root, 'node_modules/.bin/dclint'), '-c', 'deploy/dclint.yaml', 'deploy/replicas/compose.yaml'];
  const { status, stdout, stderr } = spawnSync(process.execPath, dclint, { cwd: root, encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
  for (const [name, { image, user = 'root', read_only, cap_drop }] of Object.entries(compose.services)) {
    assert.match(image, /^(plimsoll-gateway:local|[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64})$/, name);
    assert.ok(read_only === true && !/^(0|root)/.test(user), name);
    assert.deepEqual(cap_drop, ['ALL'], name);
  }
});

test('Docker waits longer for a replica to end than it drains, and Caddy knows before it drains', () => {
  const { limits: replica } = parse(text('deploy/replicas/gateway.yaml')) as Limits;
  for (const name of ['gateway-1', 'gateway-2']) {
    const seconds = Number.parseInt(compose.services[name]?.stop_grace_period ?? '', 10);
    assert.ok(seconds > replica.drainSeconds + replica.lameDuckSeconds, name);
  }
  const [, interval, timeout] =
    /health_interval (\d+)s\s+health_timeout (\d+)s/.exec(text('deploy/replicas/Caddyfile')) ?? [];
  assert.ok(replica.lameDuckSeconds > Number(interval) + Number(timeout));
});

test('Caddy accepts its file', { skip: caddy.skip }, () => {
  const args = ['validate', '--adapter', 'caddyfile', '--config', 'deploy/replicas/Caddyfile'];
  const { status, stderr } = spawnSync(caddy.path, args, { cwd: root, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});
