import { count, limitUsd, seconds, usd } from './format.ts';
import type { Samples } from './samples.ts';

/** The addresses that the page links to. */
interface PageLinks {
  readonly serviceUrl: string;
  readonly live: boolean;
}

/** The demo's front page: plain HTML with the current figures, which reloads itself every 5 seconds. */
export function page(now: Samples, { serviceUrl, live }: PageLinks): Response {
  const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5">
<title>plimsoll demo</title>
<style>${STYLE}</style>
<main>
<h1>plimsoll demo</h1>
<p>${live ? LIVE : SIMULATED}</p>
<h2>Calls by model</h2>
${models(now)}
<h2>Rate limits</h2>
${limits(now)}
<h2>Budgets and tier</h2>
${budgets(now)}
<h2>Cost by tenant</h2>
${tenants(now)}
<h2>Where to look next</h2>
<ul>
<li><a href="/metrics">/metrics</a>: these figures and more, for Prometheus</li>
<li><code>curl -d '{"question":"When is high water?"}' -H 'content-type: application/json' ${escaped(serviceUrl)}/chat</code>
sends a question to the service; <code>/review</code> and <code>/research</code> work the same way</li>
<li><code>demo/service.ts</code>: the service as any team would write it. <code>docs/metrics.md</code>: every metric</li>
</ul>
</main>
</html>
`;
  return new Response(html, {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
      'cache-control': 'no-store',
    },
  });
}

const SIMULATED = `A small Express service calls a simulated Claude API on this machine. Nothing leaves the
machine and no money is spent: the costs are what these calls would have cost. Every two minutes, a burst of traffic at each
endpoint hits one of its rate limits, and the API is overloaded for a moment.`;
const LIVE = 'The demo made three real calls to the Claude API when it started, and none since. Costs are estimates.';

function models(now: Samples): string {
  const rows = [...now.by('model', 'anthropic_requests_total').keys()].map((model) => {
    const of = { model };
    const calls = now.total('anthropic_requests_total', of);
    const reasons = [...now.by('reason', 'anthropic_rate_limited_total', of)];
    return [
      `<code>${escaped(model)}</code>`,
      count(calls),
      `${((100 * now.total('anthropic_requests_total', { model, outcome: 'ok' })) / calls).toFixed(1)}%`,
      reasons.map(([reason, times]) => `${escaped(reason)} ${count(times)}`).join('<br>') || '0',
      count(now.total('anthropic_overloaded_total', of)),
      `${count(now.total('anthropic_retries_total', of))}, ${seconds(now.total('anthropic_retry_wait_seconds_total', of))}`,
      seconds(now.quantile(0.5, 'anthropic_time_to_first_token_seconds', of)),
      `${seconds(now.quantile(0.5, 'anthropic_request_duration_seconds', of))}, ${seconds(now.quantile(0.95, 'anthropic_request_duration_seconds', of))}`,
      count(now.total('anthropic_tokens_total', of)),
      usd(now.total('anthropic_cost_usd_total', of)),
    ];
  });
  const head = [
    'Model',
    'Calls',
    'Succeeded',
    '429s',
    '529s',
    'Retries, wait',
    'First token p50',
    'Duration p50, p95',
    'Tokens',
    'Cost',
  ];
  return table(head, rows);
}

function limits(now: Samples): string {
  const rows = [...now.by('model_class', 'anthropic_ratelimit_limit').keys()].flatMap((model_class) =>
    ['requests', 'input_tokens', 'output_tokens'].map((dimension) => {
      const limit = now.total('anthropic_ratelimit_limit', { model_class, dimension });
      const left = now.total('anthropic_ratelimit_remaining', { model_class, dimension });
      const meter = `<meter min="0" max="${limit}" low="${limit / 4}" optimum="${limit}" value="${left}"></meter>`;
      return [escaped(model_class), escaped(dimension), `${count(limit)} per minute`, `${meter} ${count(left)}`];
    }),
  );
  return table(['Model class', 'Limited', 'Limit', 'Remaining, last seen'], rows);
}

function budgets(now: Samples): string {
  const forecasts = now.by('budget', 'anthropic_budget_forecast_usd');
  const rows = [...now.by('budget', 'anthropic_budget_limit_usd')].map(([budget, limit]) => {
    const spent = now.total('anthropic_budget_spent_usd', { budget });
    const [period = ''] = now.by('period', 'anthropic_budget_limit_usd', { budget }).keys();
    const forecast = forecasts.get(budget);
    const expected = forecast === undefined ? 'too early to say' : usd(forecast);
    return [escaped(budget), `${limitUsd(limit)} per ${escaped(period)}`, spentOf(spent, limit), expected];
  });
  for (const [tier, known] of now.by('tier', 'anthropic_tier_info')) {
    const cap = now.total('anthropic_tier_monthly_cap_usd');
    if (known === 0 || cap === 0) continue;
    const spent = now.total('anthropic_tier_spend_usd');
    rows.push([`tier ${escaped(tier)}`, `${limitUsd(cap)} per month`, spentOf(spent, cap), '']);
  }
  return table(['Budget', 'Limit', 'Spent', 'Forecast for the period'], rows);
}

function spentOf(spent: number, limit: number): string {
  const [near, full] = [limit * 0.8, limit * 0.999];
  const meter = `<meter min="0" max="${limit}" low="${near}" high="${full}" optimum="0" value="${spent}"></meter>`;
  return `${meter} ${usd(spent)}, ${((100 * spent) / limit).toFixed(0)}%`;
}

function tenants(now: Samples): string {
  const rows = [...now.by('tenant', 'anthropic_cost_usd_total')].map(([tenant, cost]) => [
    escaped(tenant) || '(none)',
    count(now.total('anthropic_requests_total', { tenant })),
    usd(cost),
  ]);
  return table(['Tenant', 'Calls', 'Cost'], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '<p>Nothing yet.</p>';
  const line = (cell: 'th' | 'td', cells: readonly string[]): string =>
    `<tr>${cells.map((text) => `<${cell}>${text}</${cell}>`).join('')}</tr>`;
  return `<div><table>${line('th', head)}${rows.map((row) => line('td', row)).join('\n')}</table></div>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1rem; margin-top: 1.8rem; }
p { max-width: 46rem; }
div { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #8884; white-space: nowrap; }
th { font-weight: 600; }
code { font-size: .9em; }
meter { width: 8rem; vertical-align: middle; }
`;
