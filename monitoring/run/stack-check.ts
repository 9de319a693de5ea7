import { until } from './servers.ts';

interface Targets {
  readonly activeTargets: readonly { readonly labels: { readonly job: string }; readonly health: string }[];
}

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly name: string; readonly health: string }[] }[];
}

interface Alertmanagers {
  readonly activeAlertmanagers: readonly object[];
}

/** Groups are evaluated once a minute at the most, each somewhere in its interval. */
const WITHIN_MS = 180_000;

/** The result of a stack check. */
interface StackCheck {
  /** Rules that Prometheus evaluates without an error. */
  readonly rules: number;
  /** Status of a runbook's page on the demo. */
  readonly runbookStatus: number;
}

/**
 * Waits until Prometheus scrapes the demo, knows an Alertmanager and has evaluated every rule. Throws where a rule fails, or
 * after three minutes.
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
  const isDone = isScraped && activeAlertmanagers.length > 0 && rules.every(({ health }) => health === 'ok');
  return isDone && rules.length > 0 ? rules.length : null;
}
