import { DASHBOARDS } from '../monitoring/dashboards/dashboards.ts';
import { dashboardText } from '../monitoring/dashboards/grafana-dashboard.ts';
import { ruleFiles } from '../src/rules/rule-files.ts';
import { ruleFileText } from '../src/rules/rule.ts';
import { adviceReference } from './advice-reference.ts';
import { consolePage } from './console-page.ts';
import { runbookPages } from './runbook-pages.ts';
import { dashboardsReference } from './dashboards-reference.ts';
import { dependencyTable, DEVELOPMENT_REASONS, PEER_REASONS } from './dependencies-reference.ts';
import { exitCodes } from './exit-codes.ts';
import { fieldTable } from './field-table.ts';
import { gatewayEndpoints, gatewayRefusals } from './gateway-tables.ts';
import { jsonReference } from './json-reference.ts';
import { metricsReference } from './metrics-reference.ts';
import { PROBLEM_MEANINGS } from './label-meanings.ts';
import { outputEstimates } from './output-estimates.ts';
import { environmentReference, gatewayReference } from './settings-reference.ts';
import { spanAttributes } from './span-attributes.ts';
import { spanTree } from './span-tree.ts';

/** A file made from code: `text` gives the whole file, the same each time, and never reads the file itself. */
export interface Generated {
  /** From the top of the repository. */
  readonly path: string;
  readonly text: () => string | Promise<string>;
}

const rules: readonly Generated[] = ruleFiles().map(({ name, groups }) => ({
  path: `alerts/${name}.yml`,
  text: () => ruleFileText(groups),
}));

const dashboards: readonly Generated[] = DASHBOARDS.map((dashboard) => ({
  path: `dashboards/${dashboard.name}.json`,
  text: () => dashboardText(dashboard),
}));

/** Every generated file of the repository. Add a line here; `npm run generate` writes it, CI fails when it is stale. */
export const GENERATED: readonly Generated[] = [
  { path: 'docs/dashboards.md', text: dashboardsReference },
  { path: 'docs/json.md', text: jsonReference },
  { path: 'docs/environment.md', text: environmentReference },
  { path: 'docs/gateway-settings.md', text: gatewayReference },
  { path: 'docs/metrics.md', text: metricsReference },
  { path: 'docs/output-estimates.md', text: outputEstimates },
  { path: 'src/console/page.json', text: consolePage },
  { path: 'src/console/runbooks.json', text: runbookPages },
  ...rules,
  ...dashboards,
];

/** A part of a page that is otherwise written by hand: it stands between `<!-- NAME: made by … -->` and `<!-- /NAME -->`. */
export interface GeneratedPart extends Generated {
  readonly name: string;
}

/** Every generated part of a page, written and checked like the generated files. */
export const GENERATED_PARTS: readonly GeneratedPart[] = [
  { path: 'docs/tiers.md', name: 'advice', text: adviceReference },
  { path: 'docs/check.md', name: 'exit-codes', text: exitCodes },
  { path: 'docs/dependencies.md', name: 'peers', text: () => dependencyTable(PEER_REASONS) },
  { path: 'docs/dependencies.md', name: 'development', text: () => dependencyTable(DEVELOPMENT_REASONS) },
  { path: 'docs/budgets.md', name: 'fields', text: () => fieldTable('src/budget/definition.ts', 'BudgetDefinition') },
  {
    path: 'docs/configuration.md',
    name: 'options',
    text: () => fieldTable('src/client/options.ts', 'InstrumentOptions'),
  },
  { path: 'docs/gateway.md', name: 'endpoints', text: gatewayEndpoints },
  { path: 'docs/gateway.md', name: 'mint', text: () => fieldTable('src/gateway/access/mint.ts', 'MintBody') },
  { path: 'docs/gateway-operations.md', name: 'refusals', text: gatewayRefusals },
  { path: 'docs/opentelemetry.md', name: 'attributes', text: spanAttributes },
  { path: 'docs/opentelemetry.md', name: 'spans', text: spanTree },
  { path: 'docs/troubleshooting.md', name: 'kinds', text: problemKinds },
];

function problemKinds(): string {
  const rows = Object.entries(PROBLEM_MEANINGS).map(([kind, meaning]) => `| \`${kind}\` | ${meaning} |`);
  return ['| `kind` | what is wrong |', '| --- | --- |', ...rows].join('\n');
}
