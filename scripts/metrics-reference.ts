/** Writes the page `docs/metrics.md` from the catalogue and the closed sets of its labels. */
import { CATALOGUE } from '../src/record/metrics/catalogue.ts';
import { SECTIONS, type MetricDeclaration, type Section } from '../src/record/metrics/metric.ts';
import { STOP_REASONS } from '../src/record/metrics/store.ts';
import { LIMIT_DIMENSIONS } from '../src/limiter.ts';
import { COST_KINDS, TOKEN_KINDS } from '../src/vocabulary.ts';
import {
  BATCH_RESULT_MEANINGS,
  BILLING_MEANINGS,
  BUDGET_MODE_MEANINGS,
  CACHE_MISS_MEANINGS,
  CATEGORY_MEANINGS,
  CAUSE_MEANINGS,
  CHOOSER_MEANINGS,
  CONFIGURATION_LOAD_MEANINGS,
  DOUBT_MEANINGS,
  DENIAL_MEANINGS,
  GATEWAY_REFUSAL_MEANINGS,
  OUTCOME_MEANINGS,
  READ_OUTCOME_MEANINGS,
  REASON_MEANINGS,
  REDIS_OUTAGE_MEANINGS,
  REDIS_STORE_MEANINGS,
  FAILOVER_REASON_MEANINGS,
  FAILOVER_WAY_MEANINGS,
  KEY_STATE_MEANINGS,
  RESEND_CAUSE_MEANINGS,
  SCOPE_MEANINGS,
  STAGE_MEANINGS,
  PACE_CAUSE_MEANINGS,
  TURN_END_MEANINGS,
} from './label-meanings.ts';

const INTRODUCTION = `# Metrics

<!-- Generated from src/record/metrics/catalogue.ts by \`npm run generate\`. -->

Names, labels and units are public: a rename is a breaking change. All families are in the registry from the start.
A family has no samples until something in this process feeds it.

- ⊕ also has the labels that you declare in \`attribution\`. Histograms never have them. The recording rules add these
  counters up over such labels once a minute, so that alerts and dashboards do not read each of their series.
- ◇ starts at zero for each configured model and key, and for other models when they are first seen. \`increase()\` of a
  counter that first appears with the value 7 is 0, so without this the first burst after a deploy would be invisible.
- ⊕ counters show \`outcome="ok"\`, \`kind="input"\` and \`kind="output"\` at zero when the first call with their labels
  starts. Other outcomes and kinds appear with a value, which the recording rules count and \`increase()\` does not.
- A value that is not known is absent: there is no zero and no placeholder.
- \`model\` is the canonical id of the model that answered, or of the requested one if there was no response.
  \`operation\` is \`messages.create\`, \`messages.stream\`, \`messages.count_tokens\` and so on, or \`other\`.
  \`key\` is the alias of an API key, never the key.
- Label values are bounded. Declared and known values always have a series. Of other values, the first 50 models, the
  first 100 values of each attribution label, and the first 2,000 combinations of several labels get one. The rest counts
  as \`other\`, and in \`plimsoll_label_values_dropped_total\`.
- *Workers* says how the values of several cluster workers combine: on the page of \`plimsoll gateway --workers\`, and by
  prom-client's \`AggregatorRegistry\`.
`;

const TITLES: Readonly<Record<Section, string>> = {
  calls: 'Calls: one per SDK call, however many attempts it takes',
  attempts: 'Attempts: one per HTTP request',
  tokens: 'Tokens and cost',
  routes: 'Routes',
  rate_limits: 'Rate limits, from response headers',
  pace: 'Pace: calls that wait for room in the rate limits',
  budgets: 'Budgets',
  tier: 'Tier',
  bill: "Bill: what the organization's reports say",
  gateway: 'Gateway',
  plimsoll: 'plimsoll itself',
};

const NOTES: Readonly<Record<Section, string>> = {
  calls:
    meanings('outcome', OUTCOME_MEANINGS) +
    values('stop_reason', [...STOP_REASONS, 'other']) +
    meanings('category', CATEGORY_MEANINGS, 'of a refusal') +
    meanings('billing', BILLING_MEANINGS, 'of a refusal') +
    meanings('reason', CACHE_MISS_MEANINGS, 'of a cache miss'),
  attempts:
    meanings('reason', REASON_MEANINGS, 'of a 429') +
    meanings('scope', SCOPE_MEANINGS) +
    '- `reason` of a retry: the outcome of the previous attempt.\n' +
    meanings('reason', DENIAL_MEANINGS, 'of a retry that was denied') +
    meanings('by', CHOOSER_MEANINGS, 'of a fallback'),
  tokens:
    values('kind', TOKEN_KINDS) +
    values('kind', COST_KINDS.filter(isNoTokenKind), 'of a cost, in addition') +
    meanings('result', BATCH_RESULT_MEANINGS) +
    '- `error` of a batch result: the outcome of a call with the same error; empty if it did not error.\n' +
    meanings('doubt', DOUBT_MEANINGS),
  routes: `${values('decision', ['filled', 'warned', 'clamped', 'rejected'])}- Responses cut off at max_tokens, by route: \`anthropic_stop_reasons_total{stop_reason="max_tokens"}\`.\n`,
  rate_limits: `${values('dimension', LIMIT_DIMENSIONS)}- The server sends the same figures to every replica: aggregate with \`min\` or \`max\`, never with \`sum\`.\n`,
  pace:
    meanings('end', TURN_END_MEANINGS) + meanings('cause', PACE_CAUSE_MEANINGS) + '- `lane`: `interactive`, `batch`.\n',
  budgets:
    `${meanings('mode', BUDGET_MODE_MEANINGS)}` +
    '- Correct for one shared ledger and for one ledger per replica: `sum by (budget) (max by (budget, ledger_id) (anthropic_budget_spent_usd))`.\n',
  tier: '',
  bill:
    meanings('cause', CAUSE_MEANINGS) +
    meanings('outcome', READ_OUTCOME_MEANINGS, 'of a reading') +
    '- `window`: `yesterday`, `last_7_days`, `month`; in UTC, complete days only.\n' +
    '- Every replica shows what one of them read: aggregate with `max`, never with `sum` over replicas.\n',
  gateway: `${meanings('reason', GATEWAY_REFUSAL_MEANINGS)}${meanings('cause', RESEND_CAUSE_MEANINGS)}${meanings('store', REDIS_STORE_MEANINGS)}${meanings('cause', REDIS_OUTAGE_MEANINGS, 'of a Redis that is away')}${meanings('outcome', CONFIGURATION_LOAD_MEANINGS, 'of a configuration that was read again')}${meanings('reason', FAILOVER_REASON_MEANINGS, 'of a failover')}${meanings('way', FAILOVER_WAY_MEANINGS)}${meanings('state', KEY_STATE_MEANINGS)}- A request that a guard or a budget refuses counts as a call with the outcome \`blocked\`.\n`,
  plimsoll: meanings('stage', STAGE_MEANINGS),
};

/** The whole page. */
export function metricsReference(): string {
  return [INTRODUCTION, ...SECTIONS.map(sectionText), bucketsText()].join('\n');
}

function isNoTokenKind(kind: string): boolean {
  return !(TOKEN_KINDS as readonly string[]).includes(kind);
}

function sectionText(section: Section): string {
  const metrics = declared().filter((metric) => metric.section === section);
  const notes = NOTES[section];
  const table = [
    '| name | type | labels | workers | meaning |',
    '| --- | --- | --- | --- | --- |',
    ...metrics.map(row),
  ];
  return `## ${TITLES[section]}\n\n${table.join('\n')}\n${notes === '' ? '' : `\n${notes}`}`;
}

function row({ name, type, labels, aggregator, help, attributed, bornAtZero }: MetricDeclaration): string {
  const marks = `${attributed ? ' ⊕' : ''}${bornAtZero ? ' ◇' : ''}`;
  return `| \`${name}\`${marks} | ${type} | ${labels.join(', ')} | ${aggregator} | ${help} |`;
}

function bucketsText(): string {
  const histograms = declared().filter(({ type }) => type === 'histogram');
  const rows = histograms.map(({ name, buckets = [] }) => `| \`${name}\` | ${buckets.join(', ')} |`);
  return `## Buckets\n\n| histogram | upper bounds |\n| --- | --- |\n${rows.join('\n')}\n`;
}

function declared(): readonly MetricDeclaration[] {
  return CATALOGUE;
}

function values(label: string, all: readonly string[], what = ''): string {
  return `- \`${label}\`${what === '' ? '' : ` ${what}`}: ${all.map((value) => `\`${value}\``).join(', ')}.\n`;
}

function meanings(label: string, all: Readonly<Record<string, string>>, what = ''): string {
  const lines = Object.entries(all).map(([value, meaning]) => `  - \`${value}\`: ${meaning}\n`);
  return `- \`${label}\`${what === '' ? '' : ` ${what}`}:\n${lines.join('')}`;
}
