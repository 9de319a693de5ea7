import { check } from '../check/check.ts';
import type { Cause, CheckReport, Step } from '../check/report.ts';
import { usd } from '../check/steps.ts';
import { sentenceOf } from '../errors.ts';
import { defineCommand, print, wrapped, type CommandIo } from './command.ts';

const USAGE = [
  'plimsoll check [options]              can this machine call the Claude API?',
  '  --base-url URL      another API: a gateway, or plimsoll simulate',
  '                      (ANTHROPIC_BASE_URL)',
  '  --model ID          the model to call (ANTHROPIC_DEFAULT_MODEL)',
  '  --timeout MS        how long a step may take (ANTHROPIC_TIMEOUT_MS)',
  '  --json              for programs: one object',
  '',
  'Goes through the steps of a call and stops at the first that fails:',
  'configuration, DNS, connection, TLS, credentials, model, and a prompt of a few',
  'tokens, which is billed. Then shows the tier that the rate limits imply, and',
  'checks the clock. Names the likely cause and what to do next. Retries nothing.',
  'Reads the variables of .env.example: export them, or use node --env-file=.env.',
  'Exit code: 0 calls can be made, 2 wrong arguments, 3 configuration or kind of',
  'key, 4 network, 5 the key is refused, 6 model, 7 billing or spend limit,',
  '8 try again later, 1 anything else.',
];

const OPTIONS = {
  'base-url': { type: 'string' },
  model: { type: 'string' },
  timeout: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

/** The exit code for each cause of a failure. */
export const EXIT_CODES: Readonly<Record<Cause, number>> = {
  no_key: 3,
  wrong_key: 3,
  configuration: 3,
  dns: 4,
  connection_refused: 4,
  connection_broken: 4,
  unreachable: 4,
  certificate: 4,
  no_tls: 4,
  proxy: 4,
  timeout: 4,
  unauthorized: 5,
  forbidden: 5,
  model_unknown: 6,
  model_retired: 6,
  billing: 7,
  spend_limit: 7,
  rate_limited: 8,
  overloaded: 8,
  server_error: 8,
  unexpected: 1,
};

/** `plimsoll check`. */
export const command = defineCommand({
  name: 'check',
  usage: USAGE,
  options: OPTIONS,
  async run({ values: asked }, io) {
    const clock = { epochMs: () => io.now(), monotonicMs: () => performance.now() };
    const onStep = asked.json ? undefined : (step: Step) => print(stepLines(step), io);
    const report = await check({ env: environmentOf(asked, io), clock, ...(onStep && { onStep }) });
    print(asked.json ? [JSON.stringify(report, null, 2)] : verdictLines(report), io);
    return report.diagnosis === null ? 0 : EXIT_CODES[report.diagnosis.cause];
  },
});

interface Asked {
  readonly 'base-url'?: string | undefined;
  readonly model?: string | undefined;
  readonly timeout?: string | undefined;
}

/** Returns the environment, with the options in place of their variables. */
function environmentOf(asked: Asked, io: CommandIo): CommandIo['env'] {
  return {
    ...io.env,
    ...(asked['base-url'] !== undefined && { ANTHROPIC_BASE_URL: asked['base-url'] }),
    ...(asked.model !== undefined && { ANTHROPIC_DEFAULT_MODEL: asked.model }),
    ...(asked.timeout !== undefined && { ANTHROPIC_TIMEOUT_MS: asked.timeout }),
  };
}

const WIDTH = 80;

const SIGNS = { ok: 'ok', warned: 'warn', failed: 'FAIL', skipped: 'skip' } as const;

/** Shows a step when it ends. */
function stepLines({ name, status, durationMs, text }: Step): readonly string[] {
  const begin = `${SIGNS[status].padEnd(6)}${name.padEnd(15)}${`${durationMs} ms`.padStart(8)}  `;
  return wrapped(text, WIDTH - begin.length).map(
    (line, index) => (index === 0 ? begin : ' '.repeat(begin.length)) + line,
  );
}

/** The lines after the steps: the notices, or the cause and what to do. */
function verdictLines({ diagnosis, notices, model, baseUrl, costNanoUsd }: CheckReport): readonly string[] {
  // Notices do not matter while calls fail.
  if (diagnosis !== null)
    return ['', ...labeled('Likely cause', diagnosis.text), ...labeled('Do next', diagnosis.next)];
  return [
    '',
    ...wrapped(`${model} answers at ${baseUrl}.`, WIDTH),
    ...(costNanoUsd === null ? [] : [`This check cost ${usd(costNanoUsd)}.`]),
    ...notices.flatMap((notice) => labeled('Notice', sentenceOf(notice))),
  ];
}

function labeled(label: string, text: string): readonly string[] {
  const begin = `${label}:`.padEnd(14);
  const lines = text.split('\n').flatMap((paragraph) => wrapped(paragraph, WIDTH - begin.length));
  return lines.map((line, index) => (index === 0 ? begin : ' '.repeat(begin.length)) + line);
}
