import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { parse } from 'yaml';
import { CATALOGUE } from '../src/record/catalogue.ts';
import { tool } from './tools.ts';

const root = join(import.meta.dirname, '..');
const promtool = tool('promtool');

interface Panel {
  readonly title: string;
  readonly targets: ReadonlyArray<{ readonly expr: string }>;
}

const panels = readdirSync(join(root, 'dashboards')).flatMap((file) => {
  const text = readFileSync(join(root, 'dashboards', file), 'utf8');
  return (JSON.parse(text) as { readonly panels: readonly Panel[] }).panels;
});

test('prometheus.yml is a configuration that Prometheus accepts', { skip: promtool.skip }, () => {
  const { status, stdout, stderr } = spawnSync(promtool.path, ['check', 'config', join(root, 'prometheus.yml')], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, `${stdout}${stderr}`);
});

test('every file that the compose stack mounts from the repository is there', () => {
  const { services } = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8')) as {
    readonly services: Readonly<Record<string, { readonly image?: string; readonly volumes?: readonly string[] }>>;
  };
  const mounts = Object.values(services).flatMap(({ volumes = [] }) =>
    volumes.filter((volume) => /^\.\//.test(volume)),
  );
  assert.notEqual(mounts.length, 0);
  const lost = mounts.map((volume) => volume.split(':')[0] ?? '').filter((path) => !existsSync(join(root, path)));
  assert.deepEqual(lost, []);
});

test('every panel asks for metrics that the catalogue has', () => {
  assert.notEqual(panels.length, 0);
  const known = new Set<string>(CATALOGUE.map(({ name }) => name));
  for (const { title, targets } of panels) {
    for (const { expr } of targets) {
      const names = expr.match(/\b(anthropic|plimsoll)_\w+/g) ?? [];
      assert.notEqual(names.length, 0, `${title} asks for nothing of ours`);
      const strangers = names.filter(
        (name) => !known.has(name) && !known.has(name.replace(/_(bucket|sum|count)$/, '')),
      );
      assert.deepEqual(strangers, [], title);
    }
  }
});
