import { systemClock, type Clock } from '../clock.ts';
import { environmentReport, type Configuration, type EnvironmentReport } from '../environment/environment.ts';
import { redacted } from '../keys/secrets.ts';
import { models } from '../routing/models.ts';
import { addresses, api, connection, endpointOf, handshake, type Answer, type Api, type Endpoint } from './api.ts';
import { configurationFailure, networkFailure } from './failures.ts';
import { CheckFailure, type CheckReport, type Diagnosis, type Step, type StepName, type StepStatus } from './report.ts';
import { clockStep, credentialsStep, modelStep, promptStep, tierStep } from './steps.ts';

/** The address of the API if none is set. */
const DEFAULT_BASE_URL = 'https://api.anthropic.com';

/** The environment to check, and the clock. */
interface CheckOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  /** Called with each step when it ends. */
  readonly onStep?: (step: Step) => void;
}

/** The displayed result of a step. */
interface Seen {
  readonly status?: StepStatus;
  readonly text: string;
}

/**
 * Checks that a Claude API can be called with this environment, step by step, up to the first step that fails. It sends
 * one prompt, which is billed. Reports failures and never throws them; the report contains no secret.
 */
export async function check({
  env,
  clock = systemClock,
  onStep = () => undefined,
}: CheckOptions): Promise<CheckReport> {
  const visit = new Visit(clock, onStep);
  const report = environmentReport(env, clock.epochMs());
  const { configuration, problems, notices } = report;
  const model = models(env).default;
  try {
    await visit.step('configuration', () => configured(report, env));
    if (configuration !== null) await calls(visit, { configuration, env, clock, model });
  } catch (error) {
    if (!(error instanceof CheckFailure)) throw error;
    visit.diagnosis = error.diagnosis;
  }
  const { steps, diagnosis, tier, costNanoUsd, skewMs } = visit;
  const clockSkewSeconds = skewMs === null ? null : Math.trunc(skewMs / 1_000);
  const found = { problems, notices, tier, clockSkewSeconds, costNanoUsd };
  return { ok: diagnosis === null, baseUrl: shownUrl(env), model, steps, diagnosis, ...found };
}

/** Shows the base URL without a password. */
function shownUrl(env: CheckOptions['env']): string {
  const url = URL.parse(env['ANTHROPIC_BASE_URL']?.trim() || DEFAULT_BASE_URL);
  return url === null ? '' : redacted(`${url.protocol}//${url.host}${url.pathname.replace(/(?<!\/)\/+$/, '')}`);
}

async function configured({ configuration, problems }: EnvironmentReport, env: CheckOptions['env']): Promise<Seen> {
  if (configuration === null) throw configurationFailure(problems, env);
  return { text: `${configuration.credential.variable} is set, sent as Authorization: Bearer` };
}

interface Calls {
  readonly configuration: Configuration;
  readonly env: CheckOptions['env'];
  readonly clock: Clock;
  readonly model: string;
}

async function calls(visit: Visit, { configuration, env, clock, model }: Calls): Promise<void> {
  const baseUrl = configuration.baseUrl ?? DEFAULT_BASE_URL;
  const endpoint = endpointOf(baseUrl, env, configuration.timeoutMs);
  await networkSteps(visit, endpoint);
  const server = visit.watched(api({ configuration, baseUrl, asked: { ...endpoint, host: endpoint.apiHost }, clock }));
  try {
    const list = await visit.step('credentials', () => credentialsStep(server, model));
    await visit.step('model', () => modelStep(server, { model, list: list.models, nowMs: clock.epochMs() }));
    const prompted = await visit.step('prompt', () => promptStep(server, { model, configuration, clock }));
    visit.costNanoUsd = prompted.costNanoUsd;
    const { tier } = await visit.step('tier', async () => tierStep(prompted, clock.epochMs()));
    visit.tier = tier;
  } finally {
    const { skewMs } = visit;
    if (skewMs !== null) await visit.step('clock', async () => clockStep(skewMs));
  }
}

async function networkSteps(visit: Visit, endpoint: Endpoint): Promise<void> {
  const through = endpoint.proxy === null ? '' : ' (the proxy)';
  const network = async (name: StepName, look: () => Promise<string>): Promise<void> => {
    await visit.step(name, async () => {
      try {
        return { text: await look() };
      } catch (error) {
        throw networkFailure(error, endpoint);
      }
    });
  };
  await network('dns', async () => {
    const [first, ...more] = await addresses(endpoint);
    const name = `${endpoint.hostname}${through}`;
    if (first === endpoint.hostname) return `${name}: an IP address, no lookup needed`;
    return `${name}: ${first}${more.length === 0 ? '' : ` and ${more.length} more`}`;
  });
  await network('connection', async () => {
    await connection(endpoint);
    return `port ${endpoint.port} is open`;
  });
  if (endpoint.tls) await network('tls', () => handshake(endpoint));
}

/** A check in progress: the steps taken so far, and their results. */
class Visit {
  readonly steps: Step[] = [];
  diagnosis: Diagnosis | null = null;
  tier: string | null = null;
  costNanoUsd: number | null = null;
  skewMs: number | null = null;
  readonly #clock: Clock;
  readonly #onStep: (step: Step) => void;

  constructor(clock: Clock, onStep: (step: Step) => void) {
    this.#clock = clock;
    this.#onStep = onStep;
  }

  /** Takes a step, and returns its result or throws its failure. */
  async step<T extends Seen>(name: StepName, take: () => Promise<T>): Promise<T> {
    const startedMs = this.#clock.monotonicMs();
    const end = (status: StepStatus, text: string): void => {
      const step = { name, status, durationMs: Math.round(this.#clock.monotonicMs() - startedMs), text };
      this.steps.push(step);
      this.#onStep(step);
    };
    try {
      const seen = await take();
      end(seen.status ?? 'ok', seen.text);
      return seen;
    } catch (error) {
      if (error instanceof CheckFailure) end('failed', error.message);
      throw error;
    }
  }

  /** Wraps the API to record the clock of its last response. */
  watched(server: Api): Api {
    return {
      ...server,
      ask: async (path, body): Promise<Answer> => {
        const answer = await server.ask(path, body);
        this.skewMs = answer.clockSkewMs ?? this.skewMs;
        return answer;
      },
    };
  }
}
