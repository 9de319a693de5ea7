import type { GatewayConfiguration } from '../gateway/configuration/gateway-configuration.ts';
import { ledgerAt, type Place } from '../gateway/configuration/places.ts';
import type { RunningGateway } from './gateway-start.ts';
import { wrapped } from './wrapped.ts';

const INDENT = 10;
const COLUMNS = 80;

/** What a gateway says of itself when it listens, for people; no line is wider than 80 characters but for a long name. */
export function greeting(configuration: GatewayConfiguration, { url, metricsUrl }: RunningGateway): readonly string[] {
  const { baseUrl, keys, clients } = configuration;
  return [
    `Gateway at ${url}, to ${baseUrl}. Ctrl-C ends it.`,
    ...row('metrics', metricsUrl),
    ...row('keys', [...keys.keys()].join(', ')),
    ...row('clients', [...clients.keys()].join(', ')),
    ...row('ledger', ledgerName(configuration)),
    ...row('tokens', placeName(configuration.tokens)),
    ...row('replicas', sharing(configuration)),
  ];
}

/** The same for programs, as one line. */
export function greetingJson(
  configuration: GatewayConfiguration,
  { url, metricsUrl }: RunningGateway,
  nowMs: number,
): string {
  const { baseUrl, keys, clients, tokens } = configuration;
  return JSON.stringify({
    ...{ time: new Date(nowMs).toISOString(), level: 'info', event: 'listening', url, metricsUrl, baseUrl },
    keys: [...keys.keys()],
    clients: [...clients.keys()],
    ledger: ledgerName(configuration),
    tokens: placeName(tokens),
    replicas: sharing(configuration),
  });
}

function ledgerName({ ledger, budgets }: GatewayConfiguration): string {
  if (budgets.length === 0) return 'none: there are no budgets';
  return ledger === null ? 'memory: budgets begin anew at every start' : placeName(ledger);
}

/** Without what a URL may hold besides the host. */
function placeName(place: Place): string {
  return ledgerAt(place).shown;
}

function sharing({ tokens, ledger, budgets }: GatewayConfiguration): string {
  const sharesBudgets = ledger?.kind === 'redis' || budgets.length === 0;
  if (tokens.kind === 'redis' && sharesBudgets) return 'share tokens, rate limits and budgets';
  if (tokens.kind === 'redis') return 'share tokens and rate limits; each holds to budgets by itself';
  const besides = ledger?.kind === 'redis' ? ', but the budgets' : '';
  return `share nothing${besides}: run one, or keep tokens and ledger in Redis`;
}

function row(name: string, text: string): readonly string[] {
  return wrapped(text, COLUMNS - INDENT).map((line, index) =>
    `${(index === 0 ? `  ${name}` : '').padEnd(INDENT)}  ${line}`.trimEnd(),
  );
}
