import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ruleFiles } from '../../src/rules/rule-files.ts';
import { backfilled } from '../history/backfill.ts';
import { writeFleet, type FleetSize } from '../history/fleet.ts';
import { asked } from '../run/prometheus.ts';
import { everyQuery, type Query } from './every-query.ts';
import { grafanaValues, interpolated } from './variables.ts';
import { secondsOf } from '../../src/rules/promql.ts';

/** What one query reads and takes. */
export interface QueryCost {
  readonly name: string;
  readonly samples: number;
  /** `NaN` where it was not asked. */
  readonly cpuSeconds: number;
}

/** A group of rules, and how often it is evaluated. */
export interface RuleCost extends QueryCost {
  readonly everySeconds: number;
}

export interface FleetCost {
  readonly rules: readonly RuleCost[];
  /** Queries of panels, at the default range of their dashboard. */
  readonly panels: readonly QueryCost[];
}

interface FleetCostOptions {
  readonly prometheus: string;
  readonly promtool: string;
  readonly size: FleetSize;
  /** Times that each query is asked, for what it takes: their mean. Default: once, and what it takes is not asked. */
  readonly times?: number;
}

/** Between two blocks of Prometheus: a sample in the next would be read from a file of gigabytes once more. */
const AT = Date.UTC(2026, 10, 24, 11, 58) / 1_000;

/** Default ranges of the dashboards, in seconds. */
const RANGES: Readonly<Record<string, number>> = {
  ...{ overview: 21_600, budget: 86_400, tier: 86_400, calls: 21_600 },
  bill: 604_800,
};

/** Asks every rule and every panel of a Prometheus that has a fleet's series, and says what each read and took. */
export async function fleetCost({ size, times, ...programs }: FleetCostOptions): Promise<FleetCost> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-fleet-'));
  try {
    const files = await writeFleet(folder, size, AT);
    const running = await backfilled({ ...programs, files });
    try {
      const rules: RuleCost[] = [];
      for (const { interval, rules: ofGroup } of ruleFiles().flatMap(({ groups }) => groups)) {
        for (const rule of ofGroup) {
          const name = 'record' in rule ? rule.record : rule.alert;
          const cost = await measured(
            running.url,
            { name, path: '/api/v1/query', parameters: { query: rule.expr, time: String(AT) } },
            times,
          );
          rules.push({ ...cost, everySeconds: secondsOf(interval) });
        }
      }
      const panels: QueryCost[] = [];
      for (const query of everyQuery().filter(({ kind }) => kind === 'panel')) {
        panels.push(await measured(running.url, panelRequest(query), times));
      }
      return { rules, panels };
    } finally {
      await running.stop();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Asked {
  readonly name: string;
  readonly path: string;
  readonly parameters: Readonly<Record<string, string>>;
}

function panelRequest({ name, expr, instant }: Query): Asked {
  const range = RANGES[name.split('/')[0] ?? ''] ?? 21_600;
  const step = range > 21_600 ? 120 : 60;
  const every = Object.fromEntries(['job', 'cluster', 'namespace', 'model', 'key'].map((label) => [label, '.*']));
  const query = interpolated(expr, {
    ...grafanaValues(range, step),
    ...every,
    what_if: 'model-0',
    attribution: 'route',
  });
  if (instant) return { name, path: '/api/v1/query', parameters: { query, time: String(AT) } };
  const span = { start: String(AT - range), end: String(AT), step: String(step) };
  return { name, path: '/api/v1/query_range', parameters: { query, ...span } };
}

interface Answer {
  readonly stats: { readonly samples: { readonly totalQueryableSamples: number } };
}

/** Asks several times between two readings: the clock of processors ticks every 10 ms. What the readings take is left out. */
async function measured(url: string, query: Asked, times: number | undefined): Promise<QueryCost> {
  const { name } = query;
  if (times === undefined) return { name, samples: await samplesOf(url, query), cpuSeconds: NaN };
  const first = await cpuOf(url);
  const before = await cpuOf(url);
  let samples = 0;
  for (let time = 0; time < times; time += 1) samples = await samplesOf(url, query);
  const used = (await cpuOf(url)) - before - (before - first);
  return { name, samples, cpuSeconds: Math.max(used, 0) / times };
}

async function samplesOf(url: string, { path, parameters }: Asked): Promise<number> {
  const { stats } = await asked<Answer>(url, path, { ...parameters, stats: 'all' });
  return stats.samples.totalQueryableSamples;
}

/** What Prometheus has used of processors since it started, by itself. */
async function cpuOf(url: string): Promise<number> {
  const page = await (await fetch(`${url}/metrics`)).text();
  return Number(/^process_cpu_seconds_total (\S+)$/m.exec(page)?.[1] ?? NaN);
}
