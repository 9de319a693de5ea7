import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { growthLabels } from '../../src/rules/growth.ts';
import { cacheLabels } from '../../src/rules/recording-cache.ts';
import { ruleFiles } from '../../src/rules/rule-files.ts';
import { DEFAULT_SETTINGS } from '../../src/rules/settings.ts';
import { COST_KINDS, OUTCOMES, RATE_LIMIT_REASONS, SPEND_SCOPES, TOKEN_KINDS } from '../../src/vocabulary.ts';
import { CATALOGUE } from '../../src/record/metrics/catalogue.ts';

/** A fleet by its size; its figures grow evenly and mean nothing, for all that is measured is what reading them costs. */
export interface FleetSize {
  readonly pods: number;
  readonly routes: number;
  readonly models: number;
  /** How much growth there is: three days for the longest window, but for those of budgets. */
  readonly hours: number;
}

const SCRAPE_SECONDS = 15;
/** The longest window over what processes export, and a minute more. */
const SCRAPED_SECONDS = 360;
/** How far rules look back for what they recorded of a process. */
const SUMS_SECONDS = 7_200;

type Labels = Readonly<Record<string, string>>;
type Values = Readonly<Record<string, readonly string[]>>;

const names = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

/** The values of each label of the catalogue. What is a closed set is there as a whole. */
function valuesOf({ models }: FleetSize): Values {
  return {
    model: names('model', models),
    operation: ['messages.create'],
    key: ['prod-shop-api'],
    kind: TOKEN_KINDS,
    outcome: ['ok', 'rate_limited', 'overloaded'],
    status: ['200', '400', '429', '500', '529', 'timeout', 'connection_error', 'cancelled'],
    reason: RATE_LIMIT_REASONS,
    scope: SPEND_SCOPES,
    stop_reason: ['end_turn', 'max_tokens', 'tool_use'],
    model_class: names('class', Math.ceil(models / 2)),
    dimension: ['requests', 'input_tokens', 'output_tokens'],
    budget: ['all', 'team'],
    period: ['month'],
    decision: ['allowed', 'blocked'],
    organization: ['default'],
    ledger_id: ['shared'],
    ledger: ['redis'],
    stage: ['scrape'],
    label: ['route'],
    client: [''],
    category: ['cyber'],
    billing: ['free'],
    tier: ['Start'],
    next_tier: ['Build'],
    source: ['headers'],
    version: ['1'],
    rate: ['standard'],
  };
}

const OF_METRIC: Readonly<Record<string, Values>> = {
  anthropic_cost_usd_total: { kind: COST_KINDS },
  anthropic_retries_total: { reason: OUTCOMES.slice(1, 7) },
  anthropic_budget_spend_usd_total: { scope: ['all'] },
  anthropic_budget_limit_usd: { scope: ['all'] },
  anthropic_budget_spent_usd: { scope: ['all'] },
  anthropic_budget_reserved_usd: { scope: ['all'] },
  anthropic_budget_period_start_timestamp_seconds: { scope: ['all'] },
  anthropic_budget_period_end_timestamp_seconds: { scope: ['all'] },
};

function combined(labels: readonly string[], values: Values): readonly Labels[] {
  return labels.reduce<readonly Labels[]>(
    (all, label) => all.flatMap((each) => (values[label] ?? ['']).map((value) => ({ ...each, [label]: value }))),
    [{}],
  );
}

interface Sampled {
  readonly name: string;
  readonly labels: Labels;
}

/** Metrics that a rule reads: the others, a fifth of a pod's series, cost a query nothing. No panel reads one that no rule does. */
const READ = (() => {
  const expressions = ruleFiles().flatMap(({ groups }) => groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)));
  const text = expressions.join('\n');
  return CATALOGUE.filter(({ name }) => text.includes(name));
})();

/** Every series of one pod that is read. */
function podSeries(size: FleetSize, pod: string): readonly Sampled[] {
  const values = valuesOf(size);
  const target = { job: 'shop', namespace: 'prod', instance: `${pod}:9464`, pod };
  return READ.flatMap((metric) => {
    const own = { ...values, ...OF_METRIC[metric.name], route: names('route', size.routes) };
    const labels = 'attributed' in metric ? [...metric.labels, 'route'] : metric.labels;
    const all = combined(labels, own).map((each) => ({ name: metric.name, labels: { ...target, ...each } }));
    if (metric.type !== 'histogram') return all;
    const bounds = [...metric.buckets.map(String), '+Inf'];
    return all.flatMap(({ name, labels: of }) => [
      ...bounds.map((le) => ({ name: `${name}_bucket`, labels: { ...of, le } })),
      { name: `${name}_sum`, labels: of },
      { name: `${name}_count`, labels: of },
    ]);
  });
}

/** What the rules have recorded: sums of each process, and growth without it. */
function recordedSeries(size: FleetSize, isSum: boolean): readonly Sampled[] {
  const values = {
    ...valuesOf(size),
    instance: names('pod', size.pods).map((pod) => `${pod}:9464`),
    route: names('route', size.routes),
  };
  return [...growthLabels(DEFAULT_SETTINGS)].flatMap(([name, labels]) => {
    if (labels.includes('instance') !== isSum) return [];
    const metric = name.split(':')[isSum ? 2 : 1] ?? '';
    const own =
      metric === 'cost_usd' ? { kind: COST_KINDS } : metric === 'retries' ? { reason: OUTCOMES.slice(1, 7) } : {};
    const le = { le: ['0.9', '+Inf'] };
    return combined(labels, { ...values, ...own, ...le })
      .map((each) => ({ name, labels: { job: 'shop', namespace: 'prod', ...each } }))
      .filter((each) => !isZero(each));
  });
}

/** What the rules have recorded of the cache: increases by model and route. */
function cacheSeries(size: FleetSize): readonly Sampled[] {
  const kind = TOKEN_KINDS.filter((each) => !each.startsWith('output'));
  const values = { ...valuesOf(size), kind, route: names('route', size.routes) };
  return [...cacheLabels(DEFAULT_SETTINGS)].flatMap(([name, labels]) =>
    combined(labels, values).map((each) => ({ name, labels: { job: 'shop', namespace: 'prod', ...each } })),
  );
}

function line({ name, labels }: Sampled): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return `${name}{${pairs.join(',')}}`;
}

const RARE = { reason: 'requests', scope: 'tier', status: '200', decision: 'allowed' } as const;

/** Most reasons never happen, and are shown as zero. */
function isZero({ labels }: Sampled): boolean {
  return Object.entries(RARE).some(
    ([label, usual]) => label in labels && labels[label] !== usual && !('budget' in labels && label === 'scope'),
  );
}

interface Spell {
  readonly path: string;
  readonly series: Iterable<Sampled>;
  readonly atSeconds: number;
  readonly lengthSeconds: number;
  readonly stepSeconds: number;
}

async function written({ path, series, atSeconds, lengthSeconds, stepSeconds }: Spell): Promise<string> {
  const out = createWriteStream(path);
  for (const each of series) {
    const start = line(each);
    const isTime = /timestamp|start_time/.test(each.name);
    let text = '';
    for (let at = atSeconds - lengthSeconds, step = 0; at <= atSeconds; at += stepSeconds, step += 1) {
      text += `${start} ${isTime ? atSeconds - 86_400 : isZero(each) ? 0 : step + 1} ${at}\n`;
    }
    if (!out.write(text)) await once(out, 'drain');
  }
  out.end('# EOF\n');
  await once(out, 'close');
  return path;
}

function* fleetSeries(size: FleetSize): Iterable<Sampled> {
  for (const pod of names('pod', size.pods)) yield* podSeries(size, pod);
}

/** Writes what a Prometheus that scrapes the fleet has, as OpenMetrics: one file for each kind of series. */
export async function writeFleet(folder: string, size: FleetSize, atSeconds: number): Promise<readonly string[]> {
  return [
    await written({
      path: `${folder}/scraped.txt`,
      series: fleetSeries(size),
      atSeconds,
      lengthSeconds: SCRAPED_SECONDS,
      stepSeconds: SCRAPE_SECONDS,
    }),
    await written({
      path: `${folder}/sums.txt`,
      series: recordedSeries(size, true),
      atSeconds: atSeconds - 30,
      lengthSeconds: SUMS_SECONDS,
      stepSeconds: 60,
    }),
    await written({
      path: `${folder}/growth.txt`,
      series: recordedSeries({ ...size, pods: 1 }, false),
      atSeconds: atSeconds - 30,
      lengthSeconds: size.hours * 3_600,
      stepSeconds: 60,
    }),
    await written({
      path: `${folder}/cache.txt`,
      series: cacheSeries(size),
      atSeconds: atSeconds - 30,
      lengthSeconds: size.hours * 3_600,
      stepSeconds: 300,
    }),
  ];
}
