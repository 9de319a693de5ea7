import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { parse } from 'yaml';

const root = join(import.meta.dirname, '..', '..');
const text = (path: string): string => readFileSync(join(root, path), 'utf8');

/** The fields that a program knows: `null` stands for a value that is not looked into. */
interface Fields {
  readonly [name: string]: Fields | null;
}

const names = (list: string): Fields => Object.fromEntries(list.split(/\s+/).map((name) => [name, null]));

interface Checked {
  /** The version that the compose file runs, for which the fields were read. Another version: read them again. */
  readonly image: string;
  readonly fields: Fields;
}

/** Where the fields come from: docs/deployment.md, "How the configurations are checked". */
const KNOWN: Readonly<Record<string, Checked>> = {
  'deploy/tempo/tempo.yaml': {
    image: 'grafana/tempo:3.0.3',
    fields: {
      ...names(
        `target auth_enabled multitenancy_enabled shutdown_delay stream_over_http_enabled http_api_prefix
        enable_go_runtime_metrics span_profiling memory internal_server metrics_generator_client live_store_client querier
        query_frontend metrics_generator ingest block_builder overrides memberlist cache backend_scheduler
        backend_scheduler_client live_store`,
      ),
      server: names('http_listen_address http_listen_port grpc_listen_address grpc_listen_port log_format log_level'),
      distributor: {
        ...names(
          'ring override_ring_key log_received_spans log_discarded_spans metric_received_spans forwarders usage',
        ),
        ...names('kafka_config retry_after_on_resource_exhausted max_attribute_bytes artificial_delay'),
        receivers: { otlp: { protocols: { http: names('endpoint'), grpc: names('endpoint') } } },
      },
      storage: {
        trace: {
          ...names('pool block search backend gcs s3 azure cache background_cache memcached redis blocklist_poll'),
          wal: names('path ingestion_time_range_slack'),
          local: names('path'),
        },
      },
      backend_worker: {
        ...names('backend_scheduler_addr backoff override_ring_key ring finish_on_shutdown_timeout'),
        compaction: names(
          `compaction_window max_compaction_objects max_block_bytes block_retention compacted_block_retention
          retention_concurrency max_time_per_tenant compaction_cycle`,
        ),
      },
      usage_report: names('reporting_enabled backoff'),
    },
  },
  'deploy/grafana/provisioning/datasources/plimsoll.yaml': {
    image: 'grafana/grafana:13.2.3',
    fields: {
      ...names('apiVersion deleteDatasources'),
      datasources: {
        ...names('orgId orgName version name type access url user database basicAuth basicAuthUser withCredentials'),
        ...names('isDefault correlations secureJsonData editable uid'),
        jsonData: {
          ...names('httpMethod timeInterval prometheusType prometheusVersion implementation'),
          exemplarTraceIdDestinations: names('name url urlDisplayLabel datasourceUid'),
        },
      },
    },
  },
  'deploy/grafana/provisioning/dashboards/plimsoll.yaml': {
    image: 'grafana/grafana:13.2.3',
    fields: {
      apiVersion: null,
      providers: {
        ...names('name orgId type folder folderUid disableDeletion updateIntervalSeconds allowUiUpdates editable'),
        options: names('path foldersFromFilesStructure'),
      },
    },
  },
  'deploy/alertmanager/alertmanager.yml': {
    image: 'prom/alertmanager:v0.34.1',
    fields: {
      ...names('global templates mute_time_intervals time_intervals tracing event_recorder'),
      route: {
        ...names('receiver group_by matchers continue group_wait group_interval repeat_interval'),
        routes: names('receiver group_by matchers continue group_wait group_interval repeat_interval routes'),
      },
      receivers: names('name webhook_configs email_configs slack_configs pagerduty_configs opsgenie_configs'),
      inhibit_rules: names('name source_matchers target_matchers equal'),
    },
  },
};

/** The paths of fields that are not known. */
function unknown(value: unknown, fields: Fields | null, path = ''): readonly string[] {
  if (fields === null || typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((item) => unknown(item, fields, `${path}[]`));
  return Object.entries(value).flatMap(([name, item]) => {
    const inner = fields[name];
    return inner === undefined ? [`${path}.${name}`] : unknown(item, inner, `${path}.${name}`);
  });
}

for (const [path, { image, fields }] of Object.entries(KNOWN)) {
  test(`${path} has only fields that ${image} knows`, () => {
    assert.ok(text('docker-compose.yml').includes(`image: ${image}@sha256:`), `the compose file runs no ${image}`);
    assert.deepEqual(unknown(parse(text(path)), fields), []);
    assert.deepEqual(unknown({ compactor: {} }, fields), ['.compactor'], 'Tempo 3 has none, and parses strictly');
    assert.ok(text('docs/deployment.md').includes(`\`${path}\``), 'docs/deployment.md says how it was checked');
  });
}

test('the compose file needs no newer Docker than 20.10: no health check has a start_interval', () => {
  assert.doesNotMatch(text('docker-compose.yml'), /start_interval/);
});

interface Destination {
  readonly name: string;
  readonly url?: string;
  readonly datasourceUid?: string;
}

test('an exemplar leads a viewer to its trace on a dashboard, and an editor to Explore', () => {
  const { datasources } = parse(text('deploy/grafana/provisioning/datasources/plimsoll.yaml')) as {
    readonly datasources: readonly {
      readonly uid: string;
      readonly type: string;
      readonly jsonData?: { readonly exemplarTraceIdDestinations?: readonly Destination[] };
    }[];
  };
  const trace = JSON.parse(text('deploy/grafana/dashboards/trace.json')) as {
    readonly uid: string;
    readonly templating: { readonly list: readonly { readonly name: string }[] };
    readonly panels: readonly {
      readonly type: string;
      readonly datasource: object;
      readonly targets: readonly { readonly query: string }[];
    }[];
  };
  const [viewer, editor, ...more] = datasources.flatMap(({ jsonData }) => jsonData?.exemplarTraceIdDestinations ?? []);
  assert.deepEqual(more, []);
  assert.equal(editor?.datasourceUid, 'tempo');
  // The name is the label of the exemplar, as `/metrics` has it. Grafana's provisioning reads $$ as $.
  assert.deepEqual([viewer?.name, editor?.name], ['trace_id', 'trace_id']);
  assert.equal(viewer?.url, `/d/${trace.uid}?var-${trace.templating.list[0]?.name ?? ''}=$\${__value.raw}`);
  assert.deepEqual(
    trace.panels.map(({ type, datasource, targets }) => [type, datasource, targets.map(({ query }) => query)]),
    [['traces', { type: 'tempo', uid: 'tempo' }, ['$trace']]],
  );
});
