import { ConfigurationError } from '../configuration-error.ts';
import { configurationInEnvironment } from '../gateway/configuration/environment.ts';
import { configurationInFile } from '../gateway/configuration/file.ts';
import { GATEWAY_INVALID, type GatewayConfiguration } from '../gateway/configuration/gateway-configuration.ts';
import { ownAddressProblem } from '../gateway/configuration/own-address.ts';
import { PortError } from '../http/listening.ts';
import type { Command, CommandIo } from './command.ts';
import { gatewayArguments, USAGE, type GatewayArguments } from './gateway-arguments.ts';
import { greeting, greetingJson } from './gateway-greeting.ts';
import { RequestLog } from './gateway-log.ts';
import { tokenCommand } from './gateway-token.ts';
import { refused, shown } from './replies.ts';

/** `plimsoll gateway`: serves until the signal is aborted, then lets what is under way end. */
export const command: Command = {
  name: 'gateway',
  summary: 'a proxy that holds the key: own tokens in, the same metrics out',
  async run(args, io) {
    if (args[0] === 'token') return tokenCommand(args.slice(1), io);
    const asked = gatewayArguments(args);
    if (asked === 'help') return shown(USAGE, io);
    if ('problems' in asked) return refused(asked.problems, USAGE, io);
    try {
      await served(configured(asked, io), asked, io);
      return 0;
    } catch (error) {
      if (error instanceof ConfigurationError) error.problems.forEach((problem) => io.err(problem));
      else if (error instanceof PortError) io.err(error.message);
      else throw error;
      return 1;
    }
  },
};

/** What was asked for at the command line is in the place of what the configuration says. */
function configured({ config, host, port, metricsPort }: GatewayArguments, io: CommandIo): GatewayConfiguration {
  const configuration =
    config === null ? configurationInEnvironment(io.env, process.cwd()) : configurationInFile(config, io.env);
  const { listen, metrics } = configuration;
  const address = { host: host ?? listen.host, port: port ?? listen.port };
  const problem = ownAddressProblem(configuration.baseUrl, address);
  if (problem !== null) throw new ConfigurationError(GATEWAY_INVALID, [problem]);
  return {
    ...configuration,
    listen: address,
    metrics: { ...metrics, port: metricsPort ?? metrics.port },
  };
}

async function served(configuration: GatewayConfiguration, { json }: GatewayArguments, io: CommandIo): Promise<void> {
  configuration.notices.forEach((notice) => io.err(notice));
  const log = new RequestLog((line) => io.out(line));
  // Loaded here: who asks for help, or makes a token, needs no registry of metrics.
  const { startGateway } = await import('./gateway-start.ts');
  const running = await startGateway(configuration, { log, onError: (error) => io.err(errorLine(error, io.now())) });
  shown(json ? [greetingJson(configuration, running, io.now())] : greeting(configuration, running), io);
  await aborted(io.signal);
  if (!json) io.err(`Ends when what is under way has ended, in ${configuration.limits.drainSeconds} seconds at most.`);
  await running.close();
}

/** Its kind alone: what others write into their messages may be content. */
function errorLine(error: unknown, nowMs: number): string {
  const { name, code, cause } = kindOf(error);
  const because = cause === undefined ? {} : { cause: kindOf(cause).code ?? kindOf(cause).name };
  return JSON.stringify({
    time: new Date(nowMs).toISOString(),
    level: 'error',
    event: 'error',
    name,
    code,
    ...because,
  });
}

function kindOf(error: unknown): { readonly name: string; readonly code?: string; readonly cause?: unknown } {
  if (!(error instanceof Error)) return { name: typeof error };
  return { name: error.name, cause: error.cause, ...('code' in error && { code: String(error.code) }) };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
