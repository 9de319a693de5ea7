import { periodName, scopeName, type Budget } from '../budget/budget.ts';
import { sharedBudgets, type BudgetStatus, type BudgetsStatus } from '../budget/budgets.ts';
import { loadBudgets } from '../budget/definition.ts';
import type { Ledger } from '../budget/ledger.ts';
import { unknownModel } from '../environment/models.ts';
import { ledgerPlace, type LedgerPlace } from '../environment/ledger-place.ts';
import { ConfigurationError, unfit, type Problem } from '../errors.ts';
import { usdOf } from '../figures.ts';
import { defaultPrices, loadPrices } from '../pricing/prices.ts';
import { wrongArguments } from './arguments.ts';
import { defineCommand, fail, print, wrapped, type CommandIo } from './command.ts';

const USAGE = [
  'plimsoll budgets [options]            shows what is spent, reserved and forecast',
  '  --budgets FILE      the budgets, JSON or YAML (PLIMSOLL_BUDGETS)',
  '  --ledger PLACE      where spend is kept: the path of an SQLite file or the URL',
  '                      of a Redis (PLIMSOLL_LEDGER)',
  "  --config FILE       a gateway's configuration instead: its budgets, those of",
  '                      its clients, and its ledger unless --ledger is given',
  '  --json              for programs',
];

const OPTIONS = {
  budgets: { type: 'string' },
  ledger: { type: 'string' },
  config: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

/** No call waits here, so there is time to connect. */
const DEADLINE_MS = 5_000;

/** `plimsoll budgets`. Changes nothing. */
export const command = defineCommand({
  name: 'budgets',
  usage: USAGE,
  options: OPTIONS,
  async run({ values }, io) {
    const { budgets, ledger, shown } = await spendingOf(values, io);
    modelNotices(budgets, io).forEach((line) => io.err(line));
    const status = await statusOf(budgets, ledger, io);
    if (!status.ledger.up) return fail([`The ledger does not respond: ${shown}.`], io);
    return print(values.json ? [budgetsJson(status, io.now())] : statusLines(status, shown, io), io);
  },
});

/** A budget of a misspelled model counts nothing, and nobody would know why. */
function modelNotices(budgets: readonly Budget[], io: CommandIo): readonly string[] {
  const path = io.env['PLIMSOLL_PRICES'] ?? '';
  const prices = path === '' ? defaultPrices() : loadPrices(path);
  return budgets.flatMap(({ name, scope }) => {
    const text = scope.kind === 'model' ? unknownModel(scope.model, prices) : null;
    return text === null ? [] : wrapped(`${name}: ${text}`, 80);
  });
}

interface Asked {
  readonly budgets?: string | undefined;
  readonly ledger?: string | undefined;
  readonly config?: string | undefined;
}

interface Spending {
  readonly budgets: readonly Budget[];
  readonly ledger: Ledger;
  /** The ledger's place without a password. */
  readonly shown: string;
}

/** Opens the budgets and the ledger that the arguments name. Throws with every problem. */
async function spendingOf({ budgets, ledger, config }: Asked, io: CommandIo): Promise<Spending> {
  if (config !== undefined && budgets !== undefined) {
    const [expected, got] = ['--budgets or --config', 'both'];
    throw wrongArguments({ kind: 'conflict', field: '--config', expected, got, advice: 'leave one out' });
  }
  if (config !== undefined) return gatewaySpending(config, ledger, io);
  const file = budgets ?? io.env['PLIMSOLL_BUDGETS'];
  const named = ledger ?? io.env['PLIMSOLL_LEDGER'];
  if (!file || !named)
    throw wrongArguments(
      ...(file ? [] : [missing('--budgets', 'a file of budgets', NO_BUDGETS)]),
      ...(named ? [] : [missing('--ledger', 'a ledger', 'pass --ledger PLACE, or set PLIMSOLL_LEDGER')]),
    );
  return spendingIn(file, named);
}

const NO_BUDGETS = "pass --budgets FILE or a gateway's --config FILE, or set PLIMSOLL_BUDGETS";

function missing(field: string, expected: string, advice: string): Problem {
  return unfit(field, undefined, { expected, advice });
}

/** Reads both, so that every problem of both is said at once. */
async function spendingIn(file: string, named: string): Promise<Spending> {
  const [budgets, place] = [tried(() => budgetsIn(file)), tried(() => openedPlace(placeOf(named)))];
  if (!(budgets instanceof ConfigurationError) && !(place instanceof ConfigurationError)) return { budgets, ...place };
  if (!(place instanceof ConfigurationError)) await place.ledger.close();
  const failed = [budgets, place].filter((each) => each instanceof ConfigurationError);
  const problems = failed.flatMap((error) => error.problems);
  throw new ConfigurationError(failed[0]?.code ?? LEDGER_INVALID, problems);
}

function openedPlace(place: LedgerPlace): Omit<Spending, 'budgets'> {
  return { ledger: place.open({ open: 'existing' }), shown: place.shown };
}

function tried<Result>(act: () => Result): Result | ConfigurationError {
  try {
    return act();
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
}

/** Reads budgets from a file, which may be a gateway's configuration with more fields. */
function budgetsIn(file: string): readonly Budget[] {
  try {
    return loadBudgets(file);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    const advice = 'if it is a gateway configuration, pass it as --config FILE';
    const problems = error.problems.map((problem) =>
      problem.kind === 'unknown_field' && problem.field === file ? { ...problem, advice } : problem,
    );
    throw new ConfigurationError(error.code, problems);
  }
}

function placeOf(ledger: string): LedgerPlace {
  const place = ledgerPlace(ledger);
  if ('problem' in place) throw new ConfigurationError(LEDGER_INVALID, [{ field: '--ledger', ...place.problem }]);
  return place;
}

const LEDGER_INVALID = 'PLIMSOLL_LEDGER_INVALID';

const IN_MEMORY: Problem = {
  kind: 'missing',
  field: 'ledger',
  expected: 'a ledger that other processes can read',
  got: 'none in the configuration',
  advice:
    'the gateway keeps its spend in memory, and its metrics show it. Or add ledger: { sqlite: ' +
    'plimsoll-ledger.db } to the file, and restart the gateway',
};

async function gatewaySpending(config: string, ledger: string | undefined, io: CommandIo): Promise<Spending> {
  // Loaded here, because a file of budgets needs no gateway code.
  const { spendingInFile } = await import('../gateway/configuration/file.ts');
  const { ledgerAt } = await import('../gateway/configuration/places.ts');
  const { budgets, ledger: place } = spendingInFile(config, io.env);
  if (budgets.length === 0)
    throw wrongArguments(missing('--config', 'a configuration with budgets', 'see docs/gateway.md'));
  if (ledger !== undefined) return { budgets, ...openedPlace(placeOf(ledger)) };
  if (place === null) throw new ConfigurationError(LEDGER_INVALID, [IN_MEMORY]);
  return { budgets, ...openedPlace(ledgerAt(place)) };
}

async function statusOf(budgets: readonly Budget[], ledger: Ledger, io: CommandIo): Promise<BudgetsStatus> {
  const clock = { epochMs: () => io.now(), monotonicMs: () => performance.now() };
  const held = sharedBudgets(budgets, { ledger, clock, deadlineMs: DEADLINE_MS });
  try {
    return await held.refresh();
  } finally {
    await held.close();
  }
}

function statusLines(status: BudgetsStatus, ledger: string, io: CommandIo): readonly string[] {
  const columns = Math.min(80, io.columns);
  const at = new Date(io.now()).toISOString().slice(0, 16).replace('T', ' ');
  return [`Budgets on ${at} UTC, ledger ${ledger}`, ...budgetLines(status, columns), '', LEGEND];
}

const INDENT = '  ';

const NAME_WIDTH = 24;

const PERIOD_WIDTH = 14;

/** Shows budgets to people: three lines each, none wider than `columns`, with a bar from 0 to the limit. */
function budgetLines({ budgets }: BudgetsStatus, columns: number): readonly string[] {
  return budgets.flatMap((status) => ['', headLine(status.budget, columns), barLine(status, columns), endLine(status)]);
}

/** Explains the marks of the bars. */
const LEGEND = '█ spent  ▓ reserved for calls in progress  ░ forecast for the end of the period';

function headLine({ name, period, mode, scope }: Budget, columns: number): string {
  const columnsOf = [
    fitted(name, NAME_WIDTH).padEnd(NAME_WIDTH),
    periodName(period).padEnd(PERIOD_WIDTH),
    mode.padEnd(9),
    scopeName(scope),
  ];
  return fitted(columnsOf.join(' '), columns);
}

function barLine({ budget, balance, forecast }: BudgetStatus, columns: number): string {
  const limitUsd = usdOf(budget.limitNanoUsd);
  const spentUsd = usdOf(balance?.spentNanoUsd ?? 0n);
  const amounts = ` ${percent(spentUsd / limitUsd)}  ${usd(spentUsd)} of ${usd(limitUsd)}`;
  const width = Math.max(10, columns - INDENT.length - 2 - amounts.length);
  const marks = [
    ['█', spentUsd],
    ['▓', spentUsd + usdOf(balance?.reservedNanoUsd ?? 0n)],
    ['░', forecast?.expectedUsd ?? 0],
  ] as const;
  let bar = '';
  for (const [mark, reachedUsd] of marks) {
    const cells = Math.round(Math.min(1, reachedUsd / limitUsd) * width);
    bar += mark.repeat(Math.max(0, cells - bar.length));
  }
  return `${INDENT}[${bar.padEnd(width, '·')}]${amounts}`;
}

function endLine({ budget, balance, forecast, endMs }: BudgetStatus): string {
  const isRolling = budget.period.kind === 'rolling';
  const held =
    balance !== null && balance.reservedNanoUsd > 0n ? [`${usd(usdOf(balance.reservedNanoUsd))} reserved`] : [];
  // Days and months end at midnight, UTC.
  const until = isRolling ? 'for one window from now' : `by ${minute(endMs).slice(0, '2026-12-01'.length)}`;
  const unknown = (balance?.spentNanoUsd ?? 0n) > 0n ? 'too early to forecast' : 'nothing spent yet';
  const expected = forecast === null ? [unknown] : [`${usd(forecast.expectedUsd)} forecast ${until}`];
  const runsOutAtMs = forecast?.runsOutAtMs ?? null;
  const isOver = balance !== null && balance.spentNanoUsd >= budget.limitNanoUsd;
  const end = isOver ? ['used up'] : runsOutAtMs === null ? [] : [`runs out ${minute(runsOutAtMs)}`];
  return INDENT + [...held, ...expected, ...end].join(', ');
}

/** Shows budgets to programs: amounts in US dollars, times as ISO 8601, `null` for what is unknown. */
function budgetsJson({ ledger, budgets }: BudgetsStatus, atMs: number): string {
  return JSON.stringify({ at: iso(atMs), ledger, budgets: budgets.map(json) }, null, 2);
}

function json({ budget, balance, forecast, startMs, endMs }: BudgetStatus): unknown {
  const limitUsd = usdOf(budget.limitNanoUsd);
  const runsOutAtMs = forecast?.runsOutAtMs ?? null;
  return {
    budget: budget.name,
    scope: scopeName(budget.scope),
    period: periodName(budget.period),
    mode: budget.mode,
    periodStart: iso(startMs),
    periodEnd: iso(endMs),
    limitUsd,
    spentUsd: balance && usdOf(balance.spentNanoUsd),
    reservedUsd: balance && usdOf(balance.reservedNanoUsd),
    usedRatio: balance && usdOf(balance.spentNanoUsd) / limitUsd,
    burnUsdPerHour: forecast && forecast.burnUsdPerHour,
    forecastUsd: forecast && forecast.expectedUsd,
    runsOutAt: runsOutAtMs === null ? null : iso(runsOutAtMs),
  };
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}

/** `2026-11-30 14:05`, in UTC. */
function minute(atMs: number): string {
  return iso(atMs).slice(0, 16).replace('T', ' ');
}

function usd(amount: number): string {
  return `$${amount.toFixed(amount < 1 && amount > 0 ? 4 : 2)}`;
}

function percent(part: number): string {
  return `${Math.round(part * 100)}%`.padStart(5);
}

function fitted(line: string, columns: number): string {
  const trimmed = line.trimEnd();
  return trimmed.length <= columns ? trimmed : `${trimmed.slice(0, columns - 1)}…`;
}
