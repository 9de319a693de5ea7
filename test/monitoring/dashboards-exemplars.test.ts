import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { metricsHandler } from 'plimsoll';
import { serve } from 'plimsoll/http';
import { Registry } from 'prom-client';
import { stringify } from 'yaml';
import { charts } from '../../monitoring/check/dashboard-file.ts';
import { dashboardFiles } from '../../monitoring/check/every-query.ts';
import { grafanaValues, interpolated } from '../../monitoring/check/variables.ts';
import { asked, prometheus } from '../../monitoring/run/prometheus.ts';
import { until } from '../../monitoring/run/servers.ts';
import { prometheusRecorder } from '../../src/record/prometheus.ts';
import { aCall, anAttempt, record } from '../../testing/calls.ts';
import { tool } from '../../testing/tools.ts';
import { freePort } from '../../testing/free-port.ts';

const program = tool('prometheus');
const TRACE = '0af7651916cd43dd8448eb211c80319c';

/** A registry with a streamed call that was made in a trace, now. */
function traced(): Registry {
  const registry = new Registry();
  const trace = () => ({ traceId: TRACE, spanId: 'b7ad6b7169203331', timestampSeconds: Date.now() / 1_000 });
  const recorder = prometheusRecorder({ registry, models: ['claude-haiku-4-5'], keys: ['prod-api-key'] });
  record(recorder, aCall({ firstTokenSeconds: 0.4, trace }), [anAttempt()]);
  return registry;
}

interface OfSeries {
  readonly exemplars: readonly { readonly labels: Readonly<Record<string, string>> }[];
}

/** Queries of panels that ask for exemplars, as Grafana sends them. */
const queries = dashboardFiles().flatMap((dashboard) =>
  charts(dashboard).flatMap(({ title, targets = [] }) =>
    targets
      .filter(({ exemplar }) => exemplar === true)
      .map(({ expr }) => {
        const values = {
          ...grafanaValues(3_600, 15),
          job: '.*',
          cluster: '.*',
          namespace: '.*',
          model: '.*',
          key: '.*',
        };
        return { name: `${dashboard.title}: ${title}`, query: interpolated(expr, values) };
      }),
  ),
);

test(
  'every panel with exemplars finds the trace of a call that a real Prometheus has scraped',
  {
    skip: program.skip,
  },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'plimsoll-exemplars-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const pages = await serve(metricsHandler({ registry: traced() }), { port: 0 });
    t.after(() => pages.close(0));
    const configPath = join(folder, 'prometheus.yml');
    const job = {
      job_name: 'plimsoll',
      scrape_interval: '1s',
      static_configs: [{ targets: [new URL(pages.url).host] }],
    };
    writeFileSync(configPath, stringify({ scrape_configs: [job] }));
    const { url, stop } = await prometheus({ program: program.path, configPath, port: await freePort() });
    t.after(stop);
    assert.ok(queries.length >= 3, `${queries.length} queries`);
    for (const { name, query } of queries) {
      const found = async (): Promise<readonly OfSeries[] | null> => {
        const now = Date.now() / 1_000;
        const range = { start: String(now - 600), end: String(now + 60) };
        const series = await asked<readonly OfSeries[]>(url, '/api/v1/query_exemplars', { query, ...range });
        return series.length > 0 ? series : null;
      };
      const series = await until(`exemplars of ${name}`, found, 60_000);
      assert.equal(series[0]?.exemplars[0]?.labels['trace_id'], TRACE, name);
    }
  },
);
