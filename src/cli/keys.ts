import { keyAlias, keyEnvironment, type KeyAlias } from '../keys/alias.ts';
import { phraseOf, unfit, type ValueProblem } from '../errors.ts';
import { redacted } from '../keys/secrets.ts';
import { wrongArguments } from './arguments.ts';
import { textOf } from '../environment/credential.ts';
import { READ_ADVICE, outcomeOf } from '../organization/admin-client.ts';
import { reviewKeys, type KeyReview } from '../organization/key-review.ts';
import { defineCommand, fail, print, printable, wrapped, type CommandIo } from './command.ts';
import { reviewJson, reviewLines } from './keys-review.ts';
import { adminKeyOf, hintsOf, idsIn, namesAdminKey } from './organization-access.ts';
import type { Sample } from '../advice/samples.ts';
import { metricsPage } from './metrics-page.ts';

const USAGE = [
  'plimsoll keys [options]           are the keys well named, and are they used?',
  '  --alias NAME        the alias of a key; several with commas, or by repeating',
  '                      the option (PLIMSOLL_KEY)',
  '  --metrics PLACE     the metrics of a running service: a URL, a file, or - for',
  '                      standard input. Shows what each key was used for',
  '  --key ALIAS=ID      the id of the key behind an alias; may be repeated',
  '  --base-url URL      another API, such as a simulator (ANTHROPIC_BASE_URL)',
  '  --json              for programs: one object',
  '',
  'An alias should read env-service-role, such as prod-checkout-api, and fit',
  'ANTHROPIC_ENV. A key without calls was not used since the service started:',
  'revoke it, or find out why. A metrics page covers only its own process.',
  'With an admin key in ANTHROPIC_ADMIN_KEY, or in the file that',
  'ANTHROPIC_ADMIN_KEY_FILE names, all keys of the organization are a list to',
  'tick, once a quarter: their age, their last day with use, and what to do. It',
  'reads only.',
  'Exit code: 0 all is well, 1 there is something to do about a key, or the metrics',
  'or the organization could not be read, 2 wrong arguments.',
];

const OPTIONS = {
  alias: { type: 'string', multiple: true },
  metrics: { type: 'string' },
  key: { type: 'string', multiple: true },
  'base-url': { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

/** `plimsoll keys`. */
export const command = defineCommand({
  name: 'keys',
  usage: USAGE,
  options: OPTIONS,
  async run({ values: { alias = [], metrics, key = [], 'base-url': baseUrl, json } }, io) {
    const anthropicEnv = io.env['ANTHROPIC_ENV']?.trim() || null;
    if (anthropicEnv !== null && keyEnvironment(anthropicEnv) === null)
      throw wrongArguments(unfit('ANTHROPIC_ENV', anthropicEnv, { expected: 'dev, test, ci, staging, demo or prod' }));
    const ids = idsIn(key);
    const aliases = aliasesOf([...alias, io.env['PLIMSOLL_KEY'] ?? '']);
    const isReviewed = namesAdminKey(io.env);
    if (aliases.length === 0 && metrics === undefined && !isReviewed) {
      const advice = 'pass --alias or --metrics, or set PLIMSOLL_KEY or ANTHROPIC_ADMIN_KEY';
      throw wrongArguments(unfit('--alias', undefined, { expected: 'the alias of a key', advice }));
    }
    const samples = metrics === undefined ? null : await metricsPage(metrics, io);
    const known = [...new Set([...Object.keys(ids), ...aliases])];
    const review = isReviewed ? await reviewed({ ids, aliases: known, baseUrl }, io) : null;
    return printAccounts({ aliases, anthropicEnv, samples, review }, json, io);
  },
});

function aliasesOf(lists: readonly string[]): readonly string[] {
  const aliases = lists.flatMap((list) => list.split(','));
  return aliases.map((alias) => alias.trim()).filter((alias) => alias !== '');
}

interface Asked {
  readonly ids: Readonly<Record<string, readonly string[]>>;
  readonly aliases: readonly string[];
  readonly baseUrl: string | undefined;
}

/** The keys of the organization, or the sentence that says why they cannot be read. */
async function reviewed({ ids, aliases, baseUrl }: Asked, io: CommandIo): Promise<KeyReview | string> {
  const adminKey = adminKeyOf(io.env);
  const where = baseUrl ?? (textOf(io.env, 'ANTHROPIC_BASE_URL') || undefined);
  const names = { ids, hints: hintsOf(io.env), aliases };
  const access = { adminKey, baseUrl: where, signal: io.signal };
  return reviewKeys({ ...names, ...access, now: () => io.now() }).catch((error: unknown) => {
    if (io.signal.aborted) return 'The reading was stopped.';
    return `The organization's keys cannot be read: ${READ_ADVICE[outcomeOf(error)]}.`;
  });
}

interface Shown extends KeyQuestion {
  readonly review: KeyReview | string | null;
}

function printAccounts({ review, ...question }: Shown, json: boolean, io: CommandIo): number {
  const keys = keyAccounts(question);
  const sinceMs = question.samples === null ? null : countedSinceMs(question.samples);
  const isRead = review !== null && typeof review !== 'string';
  const organization = isRead ? reviewJson(review) : null;
  if (json) print([JSON.stringify({ sinceMs, keys, organization }, null, 2)], io);
  else
    print(
      [...keyLines(keys, sinceMs), ...(isRead ? [...(keys.length > 0 ? [''] : []), ...reviewLines(review)] : [])],
      io,
    );
  if (typeof review === 'string') return fail(wrapped(review, 78), io);
  const isInOrder = !isRead || review.keys.every(({ findings }) => findings.length === 0);
  return isInOrder && keys.every(({ problems }) => problems.length === 0) ? 0 : 1;
}

/** The use of one key according to a `/metrics` page, since its process started. */
interface KeyUse {
  /** Finished calls, including refused ones. */
  readonly calls: number;
  /** Results of batches that were read: their tokens and cost are not those of a call. */
  readonly batchResults: number;
  readonly tokens: number;
  /** Estimated, as in the counter. */
  readonly costUsd: number;
  /** Calls and batch results that are not in the cost, because they have no price. */
  readonly unpricedCalls: number;
  /** The time of the last rate-limit headers, which the page keeps for one hour; `null` if it has none. */
  readonly lastSeenAtMs: number | null;
}

/** One key of the configuration or of the page. */
interface KeyAccount extends KeyAlias {
  /** Whether its environment matches ANTHROPIC_ENV, or it names none; `null` if ANTHROPIC_ENV is not set. */
  readonly fits: boolean | null;
  /** Every problem of the key; empty if there is none. */
  readonly problems: readonly ValueProblem[];
  /** `null` if no page was read. */
  readonly use: KeyUse | null;
}

/** The keys to show, and the page with their use. */
interface KeyQuestion {
  readonly aliases: readonly string[];
  /** The value of ANTHROPIC_ENV; `null` if it is not set. */
  readonly anthropicEnv: string | null;
  /** `null` if no page was read. */
  readonly samples: readonly Sample[] | null;
}

/** The value of the label `key` without an alias. */
const NO_ALIAS = 'default';

const UNNAMED: ValueProblem = {
  kind: 'missing',
  expected: 'calls that name their key',
  got: 'none',
  advice: 'set PLIMSOLL_KEY, or the option key',
};

/** The named keys, and those with calls on the page, each judged and with its use. */
function keyAccounts({ aliases, anthropicEnv, samples }: KeyQuestion): readonly KeyAccount[] {
  const seen = samples === null ? [] : keysIn(samples);
  return [...new Set([...aliases, ...seen])].map((alias) => {
    const judged = keyAlias(alias);
    const wanted = anthropicEnv === null ? null : keyEnvironment(anthropicEnv);
    const fits = wanted === null ? null : judged.environment === null || judged.environment === wanted;
    const misplaced: ValueProblem = {
      kind: 'conflict',
      expected: `a key of ${wanted}, which ANTHROPIC_ENV names`,
      got: `one of ${judged.environment}`,
      advice: `use the key of ${wanted}`,
    };
    const unnamed = alias === NO_ALIAS ? UNNAMED : judged.problem;
    const problems = [unnamed, fits === false ? misplaced : null].filter((problem) => problem !== null);
    return { ...judged, alias: redacted(alias), fits, problems, use: samples === null ? null : useOf(alias, samples) };
  });
}

/** The time when the page started to count; `null` if it does not say. */
function countedSinceMs(samples: readonly Sample[]): number | null {
  const starts = samples.filter(({ name }) => name === 'process_start_time_seconds').map(({ value }) => value * 1_000);
  return starts.length === 0 ? null : Math.min(...starts);
}

function keysIn(samples: readonly Sample[]): readonly string[] {
  const keyed = samples.filter(({ name, labels }) => name.startsWith('anthropic_') && labels['key'] !== undefined);
  return [...new Set(keyed.map(({ labels }) => labels['key'] ?? ''))].sort();
}

function useOf(alias: string, samples: readonly Sample[]): KeyUse {
  const of = (name: string): readonly number[] =>
    samples.filter((sample) => sample.name === name && sample.labels['key'] === alias).map(({ value }) => value);
  const sum = (name: string): number => of(name).reduce((total, value) => total + value, 0);
  const seen = of('anthropic_ratelimit_observed_timestamp_seconds');
  return {
    calls: sum('anthropic_requests_total'),
    batchResults: sum('anthropic_batch_results_total'),
    tokens: sum('anthropic_tokens_total'),
    costUsd: sum('anthropic_cost_usd_total'),
    unpricedCalls: sum('anthropic_unpriced_requests_total'),
    lastSeenAtMs: seen.length === 0 ? null : Math.max(...seen) * 1_000,
  };
}

/** Shows the keys to people: two or more lines each, and the unused ones at the end. */
function keyLines(keys: readonly KeyAccount[], sinceMs: number | null): readonly string[] {
  const unused = keys.filter(({ use }) => use !== null && !isUsed(use));
  const since = sinceMs === null ? 'since it started' : `since ${instant(sinceMs)}`;
  return [
    ...keys.flatMap(accountLines),
    ...(keys.some(({ use }) => use !== null) ? ['', `These counts are of one process, ${since}.`] : []),
    ...(unused.length === 0 ? [] : ['Not used in that time:', ...unused.map(({ alias }) => `  ${printable(alias)}`)]),
  ];
}

function accountLines({ alias, environment, service, role, problems, use }: KeyAccount): readonly string[] {
  const reading = [environment, service, role].map((part) => part ?? '?').join(' / ');
  return [
    `${problems.length === 0 ? 'ok   ' : 'BAD  '} ${printable(alias)}`,
    `      ${printable(reading)}`,
    ...problems.flatMap((problem) => wrapped(phraseOf(problem), 74).map((line) => `      ${line}`)),
    ...(use === null ? [] : useLines(use).map((line) => `      ${line}`)),
  ];
}

function isUsed({ calls, batchResults }: KeyUse): boolean {
  return calls + batchResults > 0;
}

function useLines(use: KeyUse): readonly string[] {
  const { calls, batchResults, tokens, costUsd, unpricedCalls, lastSeenAtMs } = use;
  if (!isUsed(use)) return ['no calls'];
  const results = batchResults === 0 ? '' : `, ${counted(batchResults, 'batch result')}`;
  const unpriced = batchResults === 0 ? counted(unpricedCalls, 'unpriced call') : `${unpricedCalls} unpriced of these`;
  const cost = `${costUsd.toFixed(6)} USD${unpricedCalls === 0 ? '' : `, without ${unpriced}`}`;
  return [
    ...wrapped(`${counted(calls, 'call')}${results}, ${counted(tokens, 'token')}, ${cost}`, 74),
    ...(lastSeenAtMs === null ? [] : [`last response at ${instant(lastSeenAtMs)}`]),
  ];
}

function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function instant(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
