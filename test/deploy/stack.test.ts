import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { parse } from 'yaml';
import { ALERTS, promtool } from '../../testing/promtool.ts';
import { tool } from '../../testing/tools.ts';

const root = join(import.meta.dirname, '..', '..');
const amtool = tool('amtool');
const text = (path: string): string => readFileSync(join(root, path), 'utf8');
const yaml = <Shape>(path: string): Shape => parse(text(path), { merge: true }) as Shape;

const accepted = (program: string, args: readonly string[]): string => {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: root, encoding: 'utf8' });
  assert.equal(status, 0, `${stdout}${stderr}`);
  return stdout;
};

interface Service {
  readonly image: string;
  readonly build?: string;
  readonly user?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly networks: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: object;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly privileged?: boolean;
  readonly deploy?: { readonly resources: { readonly limits: { readonly memory?: string } } };
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, object>>;
  readonly networks: Readonly<Record<string, object>>;
}

const compose = yaml<Compose>('docker-compose.yml');
const services = Object.entries(compose.services);

test('prometheus.yml and its rules are what Prometheus accepts', { skip: promtool.skip }, () => {
  const printed = accepted(promtool.path, ['check', 'config', '--lint=all', '--lint-fatal', 'prometheus.yml']);
  assert.match(printed, /7 rule files found/);
});

test('Alertmanager accepts its configuration', { skip: amtool.skip }, () => {
  accepted(amtool.path, ['check-config', 'deploy/alertmanager/alertmanager.yml']);
});

test('every alert goes to the receiver of its severity', { skip: amtool.skip }, () => {
  const config = '--config.file=deploy/alertmanager/alertmanager.yml';
  for (const [severity, receiver] of [
    ['page', 'pages'],
    ['ticket', 'tickets'],
  ] as const) {
    const found = accepted(amtool.path, ['config', 'routes', 'test', config, `severity=${severity}`, 'alertname=Any']);
    assert.equal(found.trim(), receiver);
  }
  assert.deepEqual([...new Set(ALERTS.map(({ labels }) => labels['severity']))].sort(), ['page', 'ticket']);
});

interface Inhibition {
  readonly source_matchers: readonly string[];
  readonly target_matchers: readonly string[];
}

/** Names of alerts that the matchers match by name; a set of matchers without a name matches none. */
const matched = (matchers: readonly string[]) => {
  const [, pattern = 'nothing'] = /^alertname=~?"(.*)"$/.exec(matchers[0] ?? '') ?? [];
  return ALERTS.filter(({ alert }) => new RegExp(`^(?:${pattern})$`).test(alert));
};

test('an inhibition names alerts that exist, never itself, and silences a page only by a page', () => {
  const { inhibit_rules } = yaml<{ readonly inhibit_rules: readonly Inhibition[] }>(
    'deploy/alertmanager/alertmanager.yml',
  );
  assert.ok(inhibit_rules.length > 5);
  for (const { source_matchers, target_matchers } of inhibit_rules) {
    const sources = matched(source_matchers);
    const onlyTickets = target_matchers.includes('severity="ticket"');
    const targets = matched(target_matchers).filter(({ labels }) => !onlyTickets || labels['severity'] === 'ticket');
    assert.ok(sources.length > 0 && targets.length > 0, `${source_matchers.join()} ${target_matchers.join()}`);
    assert.ok(!targets.some((target) => sources.includes(target)), `${source_matchers.join()} silences itself`);
    for (const target of targets.filter(({ labels }) => labels['severity'] === 'page')) {
      assert.ok(
        sources.every(({ labels }) => labels['severity'] === 'page'),
        `a ticket silences ${target.alert}`,
      );
    }
  }
});

test('the compose file keeps to the Compose specification', () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/.bin/dclint'), '-c', 'deploy/dclint.yaml', 'docker-compose.yml'],
    { cwd: root, encoding: 'utf8' },
  );
  assert.equal(status, 0, stdout + stderr);
});

test('every path that a service mounts from the repository is there, read-only, and every volume is declared', () => {
  const mounts = services.flatMap(([, { volumes = [] }]) => volumes);
  assert.ok(mounts.some((mount) => mount.startsWith('./')));
  for (const mount of mounts) {
    const [from = '', , mode] = mount.split(':');
    if (!from.startsWith('./')) assert.ok(from in compose.volumes, from);
    else assert.ok(existsSync(join(root, from)) && mode === 'ro', mount);
  }
});

test('images are pinned by tag and digest, or built here', () => {
  for (const [name, { image, build }] of services) {
    assert.ok(build === '.' || /^[\w./-]+:v?\d[\w.-]*@sha256:[0-9a-f]{64}$/.test(image), `${name}: ${image}`);
  }
  for (const [, image = ''] of text('Dockerfile').matchAll(/^FROM (\S+)/gm))
    assert.match(image, /:24\S*@sha256:[0-9a-f]{64}$/);
});

test('ports are published on loopback only, and by services with a way out', () => {
  for (const [name, { ports = [], networks }] of services) {
    assert.ok(
      ports.every((port) => port.startsWith('127.0.0.1:')),
      name,
    );
    assert.ok(ports.length === 0 || networks.includes('outside'), name);
    assert.ok(
      networks.every((network) => network in compose.networks),
      name,
    );
  }
  assert.deepEqual(compose.networks['inside'], { internal: true });
});

test('no service has more rights than it needs: a user, no capabilities, nothing to write to, a memory limit', () => {
  for (const [name, service] of services) {
    assert.notEqual(service.user, undefined, name);
    assert.doesNotMatch(service.user ?? '', /^(0|root)/, name);
    assert.deepEqual(service.cap_drop, ['ALL'], name);
    assert.equal(service.read_only, true, name);
    assert.equal(service.privileged, undefined, name);
    assert.notEqual(service.deploy?.resources.limits.memory, undefined, name);
  }
  assert.doesNotMatch(text('docker-compose.yml'), /docker\.sock|sk-ant-/);
});

test('what waits for a healthy service waits for one that exists and checks its health', () => {
  for (const [name, { depends_on = {} }] of services) {
    for (const [other, { condition }] of Object.entries(depends_on)) {
      assert.ok(other in compose.services, `${name} waits for ${other}`);
      if (condition === 'service_healthy') assert.notEqual(compose.services[other]?.healthcheck, undefined, other);
    }
  }
  const unchecked = services.filter(([, { healthcheck }]) => healthcheck === undefined).map(([name]) => name);
  assert.deepEqual(unchecked, ['tempo'], 'whose image has nothing to check with');
});

test('nothing has to be set for the stack to start, and what can be set is in .env.example', () => {
  const variables = [...text('docker-compose.yml').matchAll(/\$\{(\w+)(:-|:\?|-|\?)?/g)];
  assert.notEqual(variables.length, 0);
  for (const [, name = '', operator] of variables) {
    assert.equal(operator, ':-', `${name} has no default`);
    assert.match(text('.env.example'), new RegExp(`^#? ?${name}=`, 'm'));
  }
});

interface DataSource {
  readonly uid: string;
  readonly url: string;
  readonly jsonData?: {
    readonly timeInterval?: string;
    readonly exemplarTraceIdDestinations?: readonly { readonly datasourceUid?: string }[];
  };
}

test('Grafana knows the scrape interval, services that exist, and where exemplars lead', () => {
  const { datasources } = yaml<{ readonly datasources: readonly DataSource[] }>(
    'deploy/grafana/provisioning/datasources/plimsoll.yaml',
  );
  const { global } = yaml<{ readonly global: { readonly scrape_interval: string } }>('prometheus.yml');
  const uids = datasources.map(({ uid }) => uid);
  for (const { url } of datasources) assert.ok(new URL(url).hostname in compose.services, url);
  const prometheus = datasources.find(({ uid }) => uid === 'prometheus');
  assert.equal(prometheus?.jsonData?.timeInterval, global.scrape_interval);
  const sources = (prometheus?.jsonData?.exemplarTraceIdDestinations ?? []).flatMap((each) => each.datasourceUid ?? []);
  assert.ok(sources.length > 0 && sources.every((uid) => uids.includes(uid)));
});

test('the dashboards are where Grafana looks for them', () => {
  const { providers } = yaml<{ readonly providers: readonly { readonly options: { readonly path: string } }[] }>(
    'deploy/grafana/provisioning/dashboards/plimsoll.yaml',
  );
  const [path = '', ofTheStack = ''] = providers.map(({ options }) => options.path);
  const mounts = compose.services['grafana']?.volumes ?? [];
  assert.ok(mounts.includes(`./dashboards:${path}:ro`));
  assert.ok(mounts.includes(`./deploy/grafana/dashboards:${ofTheStack}:ro`));
  const home = compose.services['grafana']?.environment?.['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH'] ?? '';
  assert.ok(existsSync(join(root, home.replace(path, 'dashboards'))));
});

test('the targets of the compose stack have the names of those beside it, and lead to services', () => {
  assert.deepEqual(readdirSync(join(root, 'deploy/compose-targets')), readdirSync(join(root, 'deploy/targets')));
  for (const file of readdirSync(join(root, 'deploy/compose-targets'))) {
    const groups = yaml<readonly { readonly targets: readonly string[] }[]>(`deploy/compose-targets/${file}`);
    for (const target of groups.flatMap(({ targets }) => targets))
      assert.ok((target.split(':')[0] ?? '') in compose.services, target);
    assert.match(text('prometheus.yml'), new RegExp(`deploy/targets/${file}`));
  }
});

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string }>>;
}

test('the image has what the demo imports, in the versions that the tests run on, and no tools of ours', () => {
  const { dependencies } = JSON.parse(text('deploy/demo/package.json')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const here = (JSON.parse(text('package-lock.json')) as Lock).packages;
  const there = (JSON.parse(text('deploy/demo/package-lock.json')) as Lock).packages;
  for (const [name, version] of Object.entries(dependencies)) {
    assert.equal(here[`node_modules/${name}`]?.version, version, name);
    assert.equal(there[`node_modules/${name}`]?.version, version, name);
  }
  assert.ok(
    !Object.keys(there).some((path) =>
      /node_modules\/(typescript|eslint|prettier|fast-check|playwright-core)$/.test(path),
    ),
  );
  const dockerfile = text('Dockerfile');
  assert.match(dockerfile, /^USER node$/m);
  assert.match(dockerfile, /^HEALTHCHECK /m);
  for (const [, from = ''] of dockerfile.matchAll(/^COPY (?!--from)(\S+)/gm)) {
    assert.ok(existsSync(join(root, from)), from);
    const top = from.split('/')[0] ?? '';
    assert.match(text('.dockerignore'), new RegExp(`^!${top.replace('.', '\\.')}$`, 'm'));
  }
});
