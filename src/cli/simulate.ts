import { unfit, unlisted, type Problem } from '../errors.ts';
import { usdOf } from '../figures.ts';
import { PortError } from '../http/listen.ts';
import { serve } from '../http/serve.ts';
import { TIER_NAMES, type TierName } from '../simulator/limits.ts';
import type { OtherUse } from '../simulator/admin/books.ts';
import type { Scenario } from '../simulator/scenario.ts';
import { simulator } from '../simulator/simulator.ts';
import type { Truth } from '../simulator/truth.ts';
import { wrongArguments } from './arguments.ts';
import { aborted, defineCommand, fail, print, type CommandIo } from './command.ts';

const USAGE = [
  'plimsoll simulate [options]           a fake Claude API on this machine',
  '  --port N            the port on 127.0.0.1; 0 for any free port (8788)',
  '  --tier NAME         the usage tier, for rate limits and monthly cap (scale):',
  `                      ${TIER_NAMES.join(', ')};`,
  '                      tier1 gives 429s soon: 50 requests a minute',
  '  --seed N            random seed: the same seed gives the same responses (1)',
  '  --pace NAME         instant, or natural: as slow as a small model (instant)',
  '  --past-days N       use of the last N days, at most 60, in the reports of its',
  '                      Admin API, for plimsoll organization (0)',
  '  --json              for programs: one object at the start, one at the end',
  '',
  'It accepts any key, and nothing leaves the machine. Point a client at it:',
  '  ANTHROPIC_BASE_URL=http://127.0.0.1:8788 ANTHROPIC_AUTH_TOKEN=any npm start',
  'or call it yourself:',
  '  curl http://127.0.0.1:8788/v1/messages -H "x-api-key: any" \\',
  `    -H "anthropic-version: 2023-06-01" -d '{"model":"claude-haiku-5-5",`,
  `    "max_tokens":64,"messages":[{"role":"user","content":"Ahoy"}]}'`,
  'In tests, import { simulator } from "plimsoll/simulator": it scripts faults too.',
];

const OPTIONS = {
  port: { type: 'string', default: '8788' },
  tier: { type: 'string', default: 'scale' },
  seed: { type: 'string', default: '1' },
  pace: { type: 'string', default: 'instant' },
  'past-days': { type: 'string', default: '0' },
  json: { type: 'boolean', default: false },
} as const;

/** The simulator's own figures, roughly those of a small model. */
const PACES: Readonly<Record<string, Scenario>> = {
  instant: {},
  natural: {
    latency: {
      firstByteMs: { kind: 'lognormal', median: 450, sigma: 0.4 },
      perTokenMs: { kind: 'lognormal', median: 12, sigma: 0.3 },
    },
  },
};

/** `plimsoll simulate`: serves until the signal is aborted, then reports its requests. */
export const command = defineCommand({
  name: 'simulate',
  usage: USAGE,
  options: OPTIONS,
  choices: { tier: TIER_NAMES, pace: Object.keys(PACES) },
  async run({ values }, io) {
    try {
      await simulate(asked(values), io);
      return 0;
    } catch (error) {
      if (!(error instanceof PortError)) throw error;
      return fail([error.message], io);
    }
  },
});

interface Asked {
  readonly port: number;
  readonly tier: TierName;
  readonly seed: number;
  readonly scenario: Scenario;
  readonly pastDays: number;
  readonly json: boolean;
}

interface Given {
  readonly port: string;
  readonly tier: string;
  readonly seed: string;
  readonly pace: string;
  readonly 'past-days': string;
  readonly json: boolean;
}

/** Reads the options. Throws with every problem. */
function asked({ json, ...given }: Given): Asked {
  const tier = TIER_NAMES.find((name) => name === given.tier);
  const [port, seed] = [Number(given.port), Number(given.seed)];
  const scenario = PACES[given.pace];
  const pastDays = Number(given['past-days']);
  const isPast = /^\d+$/.test(given['past-days']) && pastDays <= MOST_PAST_DAYS;
  const problems: readonly Problem[] = [
    ...(/^\d+$/.test(given.port) && port <= 65_535 ? [] : [unfit('--port', given.port, { expected: '0 to 65535' })]),
    ...(tier === undefined ? [unlisted('--tier', given.tier, TIER_NAMES)] : []),
    ...(/^-?\d+$/.test(given.seed) ? [] : [unfit('--seed', given.seed, { expected: 'a whole number' })]),
    ...(isPast ? [] : [unfit('--past-days', given['past-days'], { expected: `0 to ${MOST_PAST_DAYS}` })]),
    ...(scenario ? [] : [unlisted('--pace', given.pace, Object.keys(PACES))]),
  ];
  if (tier === undefined || scenario === undefined || problems.length > 0) throw wrongArguments(...problems);
  return { port, tier, seed, scenario, pastDays, json };
}

async function simulate({ port, tier, seed, scenario, pastDays, json }: Asked, io: CommandIo): Promise<void> {
  // A simulator that runs for days keeps totals, not requests.
  const claude = simulator({ tier, seed, scenario, keepRequests: 0, organization: { spendLimits: true } });
  for (const use of pastUse(pastDays, io.now())) claude.enterUse(use);
  const { url, close } = await serve(claude.handle, {
    port,
    portOption: '--port',
    onError: (error) => io.err(String(error)),
  });
  print(json ? [JSON.stringify({ url, tier, seed })] : greeting({ url, tier, seed }), io);
  if (pastDays > 0 && !json) {
    io.out(`Its Admin API reports the last ${pastDays} days, to any admin key:`);
    // It is no secret, and is there to be copied.
    io.reveal(`  export ANTHROPIC_ADMIN_KEY=${ANY_ADMIN_KEY}`);
  }
  await aborted(io.signal);
  await close(0);
  const account = accountOf(claude.truth);
  print([json ? JSON.stringify(account) : farewell(account)], io);
}

function greeting({ url, tier, seed }: { readonly url: string; readonly tier: string; readonly seed: number }) {
  return [
    `Simulated Claude API at ${url}, tier ${tier}, seed ${seed}. Press Ctrl-C to stop it.`,
    `  export ANTHROPIC_BASE_URL=${url} ANTHROPIC_AUTH_TOKEN=any`,
  ];
}

/** An admin key has a form of its own, and commands refuse others. */
const ANY_ADMIN_KEY = ['sk-ant', 'admin01', 'any'].join('-');

const MOST_PAST_DAYS = 60;

const DAY_MS = 86_400_000;

/** What the organization used on one of those days, each model by a key; the last one in the Console, without a key. */
const USED_A_DAY = [
  { model: 'claude-opus-5-5', input: 2_000_000, output: 300_000, key: 'any' },
  { model: 'claude-sonnet-5-5', input: 5_000_000, output: 500_000, key: 'any' },
  { model: 'claude-haiku-4-5', input: 9_000_000, output: 400_000, key: null },
] as const;

/** The use of so many days before this one. It differs by the day of the week, so that no two days in a row are alike. */
function pastUse(days: number, nowMs: number): readonly OtherUse[] {
  const today = Math.floor(nowMs / DAY_MS);
  return Array.from({ length: days }, (_, ago) => today - 1 - ago).flatMap((day) =>
    USED_A_DAY.map(({ model, input, output, key }) => {
      const tenths = 10 + (day % 7);
      const cache = { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 };
      const usage = {
        ...{ input_tokens: (input / 10) * tenths, output_tokens: (output / 10) * tenths, cache_creation: cache },
        ...{ cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
        ...({ service_tier: 'standard', inference_geo: 'not_available' } as const),
      };
      return { atMs: day * DAY_MS + 12 * 3_600_000, key, used: { model, usage } };
    }),
  );
}

interface Account {
  readonly requests: Readonly<Record<string, number>>;
  readonly billedUsd: number;
}

/** Requests by status, and what they would have cost. */
function accountOf(truth: Truth): Account {
  const nanoUsd = [...truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0);
  return { requests: Object.fromEntries(truth.statuses), billedUsd: usdOf(nanoUsd) };
}

function farewell({ requests, billedUsd }: Account): string {
  const counts = Object.entries(requests).map(([status, count]) => `${status} × ${count}`);
  return `${counts.length === 0 ? 'No requests' : `Answered ${counts.join(', ')}`}; billed ${billedUsd.toFixed(6)} USD.`;
}
