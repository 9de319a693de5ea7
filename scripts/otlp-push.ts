/**
 * Pushes metrics over OTLP to a real Prometheus 3, and compares every series that it then has with the page of the same
 * registry: names, labels and values. Prometheus 3 is that of the machine, or the one that `second-opinions.ts --build`
 * built; without it, this prints `not run: … : reason`. It is a proof besides the tests, and never counted.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { asked } from '../monitoring/run/prometheus.ts';
import { started } from '../monitoring/run/servers.ts';
import { metricsHandler } from '../src/record/metrics/page.ts';
import { prometheusNames } from '../src/record/otel/prometheus-names.ts';
import { PARAMS, workbench } from '../testing/client-workbench.ts';
import { freePort } from '../testing/free-port.ts';
import { sampleKey, scraped } from '../testing/scraped.ts';
import { bin } from './go-programs.ts';

const env = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` };

/** Why there is no Prometheus that takes OTLP; `null` where there is one. */
function missing(): string | null {
  const { stdout, error } = spawnSync('prometheus', ['--version'], { env, encoding: 'utf8' });
  if (error !== undefined) return 'it is not installed';
  const [, version = 'unknown', major = ''] = /version (v?(\d+)\.\S+)/.exec(stdout) ?? [];
  // Built from its module, it does not know its version.
  return Number(major) >= 3 || version === 'unknown' ? null : `version ${version} takes no OTLP`;
}

interface Vector {
  readonly result: readonly { readonly metric: Readonly<Record<string, string>>; readonly value: [number, string] }[];
}

async function push(data: string): Promise<void> {
  const configPath = join(data, 'prometheus.yml');
  writeFileSync(configPath, 'global: { scrape_interval: 15s }\n');
  const port = await freePort();
  const flags = [`--config.file=${configPath}`, `--storage.tsdb.path=${data}/tsdb`, '--web.enable-otlp-receiver'];
  const program = spawnSync('sh', ['-c', 'command -v prometheus'], { env, encoding: 'utf8' }).stdout.trim();
  const prometheus = await started({
    program,
    args: [...flags, `--web.listen-address=127.0.0.1:${port}`],
    url: `http://127.0.0.1:${port}`,
    readyPath: '/-/ready',
  });
  try {
    const { claude, registry } = workbench();
    await claude.messages.create(PARAMS);
    const exporter = new OTLPMetricExporter({ url: `${prometheus.url}/api/v1/otlp/v1/metrics` });
    const provider = new MeterProvider({
      resource: resourceFromAttributes({ 'service.name': 'checkout', 'service.instance.id': 'a1' }),
      readers: [new PeriodicExportingMetricReader({ exporter, metricProducers: [prometheusNames({ registry })] })],
    });
    await provider.forceFlush();
    await provider.shutdown();
    const page = await metricsHandler({ registry })(new Request('http://host/metrics'));
    await compare(prometheus.url, scraped(await page.text()).samples);
  } finally {
    await prometheus.stop();
  }
}

async function compare(url: string, samples: ReadonlyMap<string, number>): Promise<void> {
  const query = '{__name__=~"(anthropic|plimsoll)_.+", job="checkout", instance="a1"}';
  const { result } = await asked<Vector>(url, '/api/v1/query', { query });
  const stored = new Map(
    result.map(({ metric: { __name__: name = '', job: _job, instance: _instance, ...labels }, value }) => [
      sampleKey(name, labels),
      Number(value[1]),
    ]),
  );
  const wrong = [
    ...[...samples].filter(([key, value]) => stored.get(key) !== value).map(([key]) => key),
    ...[...stored.keys()].filter((key) => !samples.has(key)),
  ];
  wrong.slice(0, 10).forEach((key) => console.log(`${key}: page ${samples.get(key)}, Prometheus ${stored.get(key)}`));
  console.log(`${wrong.length === 0 ? 'agrees' : 'DISAGREES'}: ${samples.size} series pushed over OTLP`);
  if (wrong.length > 0) process.exitCode = 1;
}

const reason = missing();
if (reason !== null) console.log(`not run: OTLP to Prometheus 3: ${reason}`);
else {
  const data = mkdtempSync(join(tmpdir(), 'plimsoll-otlp-'));
  await push(data).finally(() => rmSync(data, { recursive: true, force: true }));
}
