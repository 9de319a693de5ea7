import { until } from './servers.ts';

interface Targets {
  readonly activeTargets: readonly { readonly labels: { readonly job: string }; readonly health: string }[];
}

interface Rule {
  readonly name: string;
  readonly query: string;
  readonly health: string;
}

interface Rules {
  /** `interval` is in seconds. */
  readonly groups: readonly { readonly interval: number; readonly rules: readonly Rule[] }[];
}

interface Alertmanagers {
  readonly activeAlertmanagers: readonly object[];
}

/** A group is evaluated somewhere in its interval. What is evaluated more rarely than this is asked for instead. */
const OFTEN_SECONDS = 60;

const WITHIN_MS = 300_000;

/** The result of a stack check. */
interface StackCheck {
  /** Rules that Prometheus evaluates without an error. */
  readonly rules: number;
  /** Status of a runbook's page on the demo. */
  readonly runbookStatus: number;
}

/**
 * Waits until Prometheus scrapes the demo, knows an Alertmanager and has evaluated every rule, those of slow groups by their
 * query. Throws where a rule fails, or after five minutes.
 */
export async function stackChecked(urls: { readonly prometheus: string; readonly demo: string }): Promise<StackCheck> {
  const ask: Ask = async (path) => {
    const response = await fetch(`${urls.prometheus}${path}`);
    return ((await response.json()) as { readonly data: never }).data;
  };
  const rules = await until('a scrape, an Alertmanager and every rule evaluated', () => evaluated(ask), WITHIN_MS);
  const { status } = await fetch(`${urls.demo}/runbooks/PlimsollRateLimited`);
  return { rules, runbookStatus: status };
}

type Ask = <Data>(path: string) => Promise<Data>;

async function evaluated(ask: Ask): Promise<number | null> {
  const { activeTargets } = await ask<Targets>('/api/v1/targets');
  const { activeAlertmanagers } = await ask<Alertmanagers>('/api/v1/alertmanagers');
  const isScraped = activeTargets.some(({ labels, health }) => labels.job === 'plimsoll' && health === 'up');
  const { groups } = await ask<Rules>('/api/v1/rules');
  const rules = groups.flatMap((group) => group.rules);
  const failing = rules.filter(({ health }) => health === 'err').map(({ name }) => name);
  if (failing.length > 0) throw new Error(`rules fail: ${failing.join(', ')}`);
  const often = groups.filter(({ interval }) => interval <= OFTEN_SECONDS).flatMap((group) => group.rules);
  const isDone = isScraped && activeAlertmanagers.length > 0 && often.every(({ health }) => health === 'ok');
  if (!isDone || often.length === 0) return null;
  for (const { name, query } of rules.filter(({ health }) => health !== 'ok')) await answered(ask, name, query);
  return rules.length;
}

async function answered(ask: Ask, name: string, query: string): Promise<void> {
  const data: object | undefined = await ask(`/api/v1/query?query=${encodeURIComponent(query)}`);
  if (data === undefined) throw new Error(`rules fail: ${name}`);
}
