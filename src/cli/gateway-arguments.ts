import { parseArgs } from 'node:util';
import { argumentProblem } from './replies.ts';

/** What `plimsoll gateway --help` teaches. */
export const USAGE = [
  'plimsoll gateway [options]            a proxy for the Claude API with the key',
  '  --config FILE       the configuration, YAML or JSON: docs/gateway.md has it;',
  '                      without it, the environment alone',
  '  --host ADDRESS      where it listens, whatever the configuration says',
  '  --port N            the same (8787); 0 for any that is free',
  '  --metrics-port N    where Prometheus reads the metrics (9464)',
  '  --json              for programs: the start is one object, as each request is',
  'plimsoll gateway token create|list|revoke    tokens for clients: see --help',
  '',
  'The key is for this process alone (ANTHROPIC_API_KEY does as well, and the name',
  'of either with _FILE behind it names a file that has the key):',
  '  ANTHROPIC_AUTH_TOKEN=sk-ant-… plimsoll gateway',
  'Clients, in shells of their own, have a token of the gateway instead:',
  '  export ANTHROPIC_BASE_URL=http://127.0.0.1:8787',
  '  export ANTHROPIC_AUTH_TOKEN=$(plimsoll gateway token create default)',
  'Each request is a line of JSON on stdout, without content, keys and tokens.',
  'Ends on SIGTERM and SIGINT, when what is under way has ended or is late.',
];

const OPTIONS = {
  config: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  'metrics-port': { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** The arguments of `plimsoll gateway`; `null` where the configuration is to say. */
export interface GatewayArguments {
  readonly config: string | null;
  readonly host: string | null;
  readonly port: number | null;
  readonly metricsPort: number | null;
  readonly json: boolean;
}

/** What is asked for, or everything that is wrong with it. */
export function gatewayArguments(
  args: readonly string[],
): GatewayArguments | 'help' | { readonly problems: readonly string[] } {
  try {
    const { values } = parseArgs({ args: [...args], options: OPTIONS });
    if (values.help) return 'help';
    const { config = null, host = null, port, 'metrics-port': metricsPort, json } = values;
    const problems = [
      ...(isPort(port) ? [] : [`--port: expected 0 to 65535, got ${port}.`]),
      ...(isPort(metricsPort) ? [] : [`--metrics-port: expected 0 to 65535, got ${metricsPort}.`]),
    ];
    if (problems.length > 0) return { problems };
    return { config, host, port: numberOf(port), metricsPort: numberOf(metricsPort), json };
  } catch (error) {
    return { problems: [argumentProblem(error)] };
  }
}

function isPort(text: string | undefined): boolean {
  return text === undefined || (/^\d{1,5}$/.test(text) && Number(text) <= 65_535);
}

function numberOf(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}
