import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { after, before } from 'node:test';
import * as monitoring from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import * as apps from 'kubernetes-models/apps/v1';
import * as autoscaling from 'kubernetes-models/autoscaling/v2';
import * as networking from 'kubernetes-models/networking.k8s.io/v1';
import * as policy from 'kubernetes-models/policy/v1';
import * as core from 'kubernetes-models/v1';
import { parse, parseAllDocuments } from 'yaml';
import { command } from '../../src/cli/dashboards.ts';
import { configurationInFile } from '../../src/gateway/configuration/file.ts';
import { chartSum } from '../../testing/chart-sum.ts';
import { keptIo } from '../../testing/kept-io.ts';
import { plantedSecret } from '../../testing/planted.ts';

const root = join(import.meta.dirname, '..', '..');
const kubernetes = join(root, 'deploy/kubernetes');
const text = (path: string): string => readFileSync(join(root, path), 'utf8');

interface Labels {
  readonly [name: string]: string;
}

/** An object of Kubernetes, as far as any of them has it. */
interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Labels; readonly annotations?: Labels };
}

type Model = abstract new (data: never) => { validate(): void };

/** The models of npm have the schemas of Kubernetes and of the Prometheus operator. */
const MODELS: Readonly<Record<string, object>> = {
  v1: core,
  'apps/v1': apps,
  'autoscaling/v2': autoscaling,
  'networking.k8s.io/v1': networking,
  'policy/v1': policy,
  'monitoring.coreos.com/v1': monitoring,
};

/** What the schema has to say against an object, and the fields that it did not even look at, since it knows none of them. */
function problems(object: KubeObject): readonly string[] {
  const model = (MODELS[object.apiVersion] as Readonly<Record<string, Model>> | undefined)?.[object.kind];
  if (model === undefined) return [`${object.apiVersion} ${object.kind} is not known`];
  const watch = watched(object);
  try {
    (model.prototype as { validate(): void }).validate.call(watch.object);
  } catch (error) {
    return [String(error)];
  }
  return unread(object, watch.reads);
}

/** A view of an object that notes which fields of it are read. */
function watched(object: object): { readonly object: object; readonly reads: ReadonlyMap<object, Set<string>> } {
  const reads = new Map<object, Set<string>>();
  const views = new Map<object, object>();
  const view = (value: object): object => {
    const known = views.get(value);
    if (known !== undefined) return known;
    const read = new Set<string>();
    reads.set(value, read);
    const made = new Proxy(value, {
      get(target, name) {
        read.add(String(name));
        const inner: unknown = Reflect.get(target, name);
        return typeof inner === 'object' && inner !== null ? view(inner) : inner;
      },
    });
    views.set(value, made);
    return made;
  };
  return { object: view(object), reads };
}

function unread(value: unknown, reads: ReadonlyMap<object, Set<string>>, path = ''): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]: [string, unknown]) =>
    reads.get(value)?.has(name) === true ? unread(inner, reads, `${path}.${name}`) : [`unknown field ${path}.${name}`],
  );
}

const objectsIn = (yaml: string): readonly KubeObject[] =>
  parseAllDocuments(yaml)
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null);

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-kubernetes-'));
after(() => rmSync(folder, { recursive: true }));

const rendered = objectsIn(text('deploy/kubernetes/gateway.yaml'));
const podMonitor = objectsIn(text('deploy/kubernetes/podmonitor.yaml'));
const only = <Shape extends KubeObject>(kind: string): Shape => {
  const [found, ...more] = [...rendered, ...podMonitor].filter((object) => object.kind === kind);
  assert.ok(found !== undefined && more.length === 0, kind);
  return found as Shape;
};

let exported: readonly KubeObject[] = [];
before(async () => {
  // What deploy/kubernetes/monitoring/kustomization.yaml says to write.
  const commands = text('deploy/kubernetes/monitoring/kustomization.yaml')
    .replaceAll(/\\\n# +/g, '')
    .matchAll(/^# +plimsoll dashboards (.+) --out (\S+)$/gm);
  for (const [, args = '', file = ''] of commands) {
    const { io, err } = keptIo();
    assert.equal(await command.run([...args.split(/\s+/), '--out', join(folder, file)], io), 0, err.join('\n'));
  }
  exported = readdirSync(folder).flatMap((file) => objectsIn(readFileSync(join(folder, file), 'utf8')));
});

test('what is committed was rendered from this chart, whose version is that of the package', () => {
  for (const file of ['gateway.yaml', 'podmonitor.yaml'])
    assert.match(text(`deploy/kubernetes/${file}`), new RegExp(`^# Chart: ${chartSum()}$`, 'm'), file);
  const { appVersion } = parse(text('deploy/chart/Chart.yaml')) as { readonly appVersion: string };
  const { version } = JSON.parse(text('package.json')) as { readonly version: string };
  assert.equal(appVersion, version);
});

test('Kubernetes and the Prometheus operator know every object, every field, and its type', () => {
  const kinds = [...rendered, ...podMonitor, ...exported].map(({ kind }) => kind);
  const once = ['Deployment', 'Service', 'ServiceAccount', 'PodDisruptionBudget', 'HorizontalPodAutoscaler'];
  for (const kind of [...once, 'NetworkPolicy', 'PodMonitor', 'PrometheusRule'])
    assert.equal(kinds.filter((each) => each === kind).length, 1, kind);
  assert.ok(!kinds.includes('Secret'), 'a Secret is never in a file');
  for (const object of [...rendered, ...podMonitor, ...exported])
    assert.deepEqual(problems(object), [], `${object.kind} ${object.metadata.name}`);
});

test('a misspelled field and a wrong value are found', () => {
  const monitor = structuredClone(podMonitor[0]) as KubeObject & { spec: { podMetricsEndpoints: object[] } };
  monitor.spec.podMetricsEndpoints.push({ prot: 'metrics' });
  assert.deepEqual(problems(monitor), ['unknown field .spec.podMetricsEndpoints.1.prot']);
  monitor.spec.podMetricsEndpoints = [{ port: 'metrics', interval: '15' }];
  assert.match(problems(monitor).join(), /interval must match pattern/);
});

interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: readonly object[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly securityContext: object;
  readonly readinessProbe: { readonly httpGet: object };
  readonly startupProbe: { readonly httpGet: object };
  readonly livenessProbe: { readonly httpGet: object };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
}

interface Deployment extends KubeObject {
  readonly spec: {
    readonly selector: { readonly matchLabels: Labels };
    readonly template: {
      readonly metadata: { readonly labels: Labels };
      readonly spec: {
        readonly automountServiceAccountToken: boolean;
        readonly terminationGracePeriodSeconds: number;
        readonly securityContext: object;
        readonly containers: readonly Container[];
        readonly volumes: readonly {
          readonly name: string;
          readonly secret?: object;
          readonly configMap?: { readonly name: string };
        }[];
      };
    };
  };
}

const deployment = only<Deployment>('Deployment');
const pod = deployment.spec.template.spec;
const [container] = pod.containers as readonly [Container];

test('the pod is no root, writes nothing but /tmp, and talks to no Kubernetes', () => {
  const user = { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 };
  assert.deepEqual(pod.securityContext, { ...user, seccompProfile: { type: 'RuntimeDefault' } });
  const rights = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } };
  assert.deepEqual(container.securityContext, rights);
  assert.equal(pod.automountServiceAccountToken, false);
  const writable = container.volumeMounts.filter(({ readOnly }) => readOnly !== true).map(({ mountPath }) => mountPath);
  assert.deepEqual(writable, ['/tmp']);
});

const { limits, listen, metrics } = (() => {
  const { data } = only<KubeObject & { readonly data: Labels }>('ConfigMap');
  for (const name of ['api-key', 'redis-url']) {
    writeFileSync(join(folder, name), name === 'api-key' ? plantedSecret(0) : 'redis://redis:6379');
  }
  const path = join(folder, 'gateway.conf.yaml');
  writeFileSync(path, (data['gateway.yaml'] ?? '').replaceAll('/run/secrets/plimsoll', folder));
  const configuration = configurationInFile(path, {});
  for (const each of ['api-key', 'redis-url', 'gateway.conf.yaml']) rmSync(join(folder, each));
  return configuration;
})();

test('the gateway reads its configuration, and listens where the probes and monitors look', () => {
  const ports = Object.fromEntries(container.ports.map(({ name, containerPort }) => [name, containerPort]));
  assert.deepEqual([listen.host, listen.port], ['0.0.0.0', ports['http']]);
  assert.deepEqual([metrics.host, metrics.port], ['0.0.0.0', ports['metrics']]);
  const service = only('Service').metadata.name;
  assert.deepEqual(
    metrics.names,
    ['', '.plimsoll', '.plimsoll.svc', '.plimsoll.svc.cluster.local'].map((end) => `${service}${end}`),
  );
  const { readinessProbe, startupProbe, livenessProbe } = container;
  for (const { httpGet } of [readinessProbe, startupProbe])
    assert.deepEqual(httpGet, { path: '/readyz', port: 'http' });
  assert.deepEqual(livenessProbe.httpGet, { path: '/healthz', port: 'http' });
  const config = container.args.at(-1) ?? '';
  const mount = container.volumeMounts.find(({ mountPath }) => dirname(config) === mountPath);
  const volume = pod.volumes.find(({ name }) => name === mount?.name);
  assert.equal(volume?.configMap?.name, only('ConfigMap').metadata.name);
});

test('a pod has longer to end than it serves on and drains, and serves on until the Service has noticed', () => {
  const { lameDuckSeconds, drainSeconds } = limits;
  assert.ok(lameDuckSeconds > 0);
  const most = pod.terminationGracePeriodSeconds;
  assert.ok(most > lameDuckSeconds + drainSeconds, `${most} s`);
});

test('secrets come from a Secret, as files', () => {
  assert.equal(container.env, undefined);
  const [secrets] = pod.volumes.filter(({ secret }) => secret !== undefined);
  const mount = container.volumeMounts.find(({ name }) => name === secrets?.name);
  assert.deepEqual(mount, { name: 'secrets', mountPath: '/run/secrets/plimsoll', readOnly: true });
  assert.deepEqual(secrets?.secret, { secretName: 'plimsoll-gateway', defaultMode: 0o440 });
});

test('services, budgets, monitors and policies choose the pods of the deployment, and ports that they have', () => {
  const { labels } = deployment.spec.template.metadata;
  const chosen = (selector: unknown): Labels => {
    const { matchLabels } = selector as { readonly matchLabels?: Labels };
    return matchLabels ?? (selector as Labels);
  };
  const fields = { NetworkPolicy: 'podSelector' } as Readonly<Record<string, string>>;
  for (const kind of ['Deployment', 'Service', 'PodDisruptionBudget', 'PodMonitor', 'NetworkPolicy']) {
    const { spec } = only<KubeObject & { readonly spec: Readonly<Record<string, unknown>> }>(kind);
    const selector = chosen(spec[fields[kind] ?? 'selector']);
    assert.ok(Object.keys(selector).length > 1, kind);
    for (const [name, value] of Object.entries(selector)) assert.equal(labels[name], value, `${kind} ${name}`);
    const named = [...JSON.stringify(spec).matchAll(/"(?:targetPort|port)":"(\w+)"/g)].map(([, port]) => port);
    for (const port of named)
      assert.ok(
        container.ports.some(({ name }) => name === port),
        `${kind} ${port}`,
      );
  }
  const { spec } = only<KubeObject & { readonly spec: { readonly scaleTargetRef: object } }>('HorizontalPodAutoscaler');
  assert.deepEqual(spec.scaleTargetRef, { apiVersion: 'apps/v1', kind: 'Deployment', name: deployment.metadata.name });
  assert.doesNotMatch(JSON.stringify(only('Service')), /metrics/);
});

test('the job of the monitor is that which the exported rules expect', () => {
  const { spec } = only<KubeObject & { readonly spec: { readonly jobLabel: string } }>('PodMonitor');
  const job = deployment.spec.template.metadata.labels[spec.jobLabel] ?? '';
  const rule = exported.find(({ kind }) => kind === 'PrometheusRule');
  assert.ok(JSON.stringify(rule).includes(`absent(up{job=\\"${job}\\"})`), job);
  assert.equal(rule?.metadata.labels?.['release'], 'prometheus');
  const maps = exported.filter(({ kind }) => kind === 'ConfigMap');
  assert.ok(maps.length > 3);
  for (const map of maps) {
    assert.equal(map.metadata.annotations?.['grafana_folder'], 'Plimsoll');
    assert.ok(JSON.stringify(map).length < 1_048_576, 'the most that a ConfigMap may hold');
  }
});

test('kustomize finds what its files name', () => {
  for (const [path, elsewhere] of [
    [kubernetes, kubernetes],
    [join(kubernetes, 'monitoring'), folder],
  ] as const) {
    const { kind, apiVersion, resources } = parse(readFileSync(join(path, 'kustomization.yaml'), 'utf8')) as {
      readonly kind: string;
      readonly apiVersion: string;
      readonly resources: readonly string[];
    };
    assert.deepEqual([kind, apiVersion], ['Kustomization', 'kustomize.config.k8s.io/v1beta1']);
    assert.ok(resources.length > 1);
    for (const file of resources) assert.ok(existsSync(join(elsewhere, file)), file);
  }
});
