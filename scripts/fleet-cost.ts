/**
 * Prints what all rules and dashboards cost a Prometheus that scrapes a fleet:
 * `node --conditions=plimsoll-source scripts/fleet-cost.ts [PODS [ROUTES [MODELS]]]`. Needs Prometheus and promtool.
 */
import { fleetCost, type QueryCost } from '../monitoring/check/fleet-cost.ts';
import { tool } from '../testing/tools.ts';

const [pods = 200, routes = 20, models = 8] = process.argv.slice(2).map(Number);
const [prometheus, promtool] = [tool('prometheus'), tool('promtool')];
const size = { pods, routes, models, hours: 72 };
const { rules, panels } = await fleetCost({ prometheus: prometheus.path, promtool: promtool.path, size, times: 3 });

const sum = (costs: readonly number[]): number => costs.reduce((total, each) => total + each, 0);
const most = (costs: readonly QueryCost[]): string =>
  costs
    .toSorted((a, b) => b.cpuSeconds - a.cpuSeconds)
    .slice(0, 8)
    .map(
      ({ name, samples, cpuSeconds }) =>
        `  ${cpuSeconds.toFixed(2)} CPU s, ${(samples / 1e6).toFixed(2)} M samples  ${name}`,
    )
    .join('\n');

const aMinute = sum(rules.map(({ cpuSeconds, everySeconds }) => (cpuSeconds * 60) / everySeconds));
const lines = [
  `${pods} pods, ${routes} routes, ${models} models, every kind, scraped every 15 s`,
  `${rules.length} rules: ${aMinute.toFixed(2)} CPU s a minute; the dearest:`,
  most(rules),
  ...['overview', 'budget', 'tier', 'bill', 'calls'].map((name) => {
    const own = panels.filter((panel) => panel.name.startsWith(`${name}/`));
    return `dashboard ${name}: ${sum(own.map(({ cpuSeconds }) => cpuSeconds)).toFixed(2)} CPU s a refresh; the dearest:\n${most(own.slice()).split('\n').slice(0, 3).join('\n')}`;
  }),
  `most samples of a query: ${(Math.max(...[...rules, ...panels].map(({ samples }) => samples)) / 1e6).toFixed(2)} M`,
];
process.stdout.write(`${lines.join('\n')}\n`);
