/** Writes the page `docs/dashboards.md` from the dashboards: what each panel answers, and what to do. */
import { DASHBOARDS } from '../monitoring/dashboards/dashboards.ts';
import type { Dashboard, Row } from '../monitoring/dashboards/panel.ts';

const INTRODUCTION = `# Dashboards

<!-- Generated from monitoring/dashboards by \`npm run generate\`. -->

What each panel answers, as its help says in Grafana. [monitoring.md](monitoring.md) says how to get them, and which rules they
need. All of them

- can be narrowed to clusters, namespaces, jobs, models and keys, and lead to each other with what is chosen and with the time range;
- mark alerts while they fire (red), and versions of your service that come up (blue): see \`serviceVersion\` in
  [configuration.md](configuration.md);
- show single figures for the whole time range, unless their help names another, and times in UTC.

Where **Cost by** can be chosen, it lists the attribution labels by which cost is recorded: \`route\`, unless
\`plimsoll dashboards export --attribution\` names others, such as \`client,owner\` for a gateway.
`;

/** The text of `docs/dashboards.md`. */
export function dashboardsReference(): string {
  return `${[INTRODUCTION, ...DASHBOARDS.map(dashboardSection)].join('\n')}`;
}

function dashboardSection({ name, title, description, rows }: Dashboard): string {
  const heading = title.replace('Claude API: ', '').replace(/^./, (first) => first.toUpperCase());
  const picture = `![The dashboard ${heading} on a simulated bad day](pictures/${name}.png)`;
  return `## ${heading}\n\n${description}\n\n${picture}\n\n${rows.map(rowTable).join('\n')}`;
}

function rowTable({ title, panels }: Row): string {
  const lines = panels.map((panel) => `| ${panel.title.replace(/\$(\w+)/g, '*$1*')} | ${panel.description} |`);
  return [`| ${title} | |`, '| --- | --- |', ...lines, ''].join('\n');
}
