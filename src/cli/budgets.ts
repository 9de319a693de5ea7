import { parseArgs } from 'node:util';
import { loadBudgets } from '../budget/budget-file.ts';
import type { Budget } from '../budget/budget.ts';
import { sharedBudgets, type BudgetsStatus } from '../budget/budgets.ts';
import type { Ledger } from '../budget/ledger.ts';
import { ConfigurationError } from '../configuration-error.ts';
import { ledgerPlace, type LedgerPlace } from '../environment/ledger-place.ts';
import { budgetLines, budgetsJson, LEGEND } from './budget-table.ts';
import type { Command, CommandIo } from './command.ts';
import { argumentProblem, failed, refused, shown } from './replies.ts';

const USAGE = [
  'plimsoll budgets [options]            what is spent, held and expected',
  '  --budgets FILE      the budgets, JSON or YAML; else PLIMSOLL_BUDGETS names it',
  '  --ledger PLACE      where spend is kept: the path of an SQLite file, or the',
  '                      URL of a Redis; else PLIMSOLL_LEDGER names it',
  '  --config FILE       of a gateway: its budgets and those of its clients, with',
  '                      the ledger that FILE names, unless --ledger does',
  '  --json              for programs',
];

const OPTIONS = {
  budgets: { type: 'string' },
  ledger: { type: 'string' },
  config: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** Nobody's call waits here: time enough to connect. */
const DEADLINE_MS = 5_000;

/** `plimsoll budgets`. Reads; changes nothing. */
export const command: Command = {
  name: 'budgets',
  summary: 'budgets with what is spent of them, what is held, and where it is going',
  async run(args, io) {
    const values = parsed(args);
    if (typeof values === 'string') return refused([values], USAGE, io);
    if (values.help) return shown(USAGE, io);
    try {
      const spending = await spendingOf(values, io);
      if (typeof spending === 'string') return refused([spending], USAGE, io);
      const { budgets, place } = spending;
      if (typeof place === 'string') return failed([`ledger: ${place}`], io);
      const status = await statusOf(budgets, place.open({ open: 'existing' }), io);
      if (!status.ledger.up) return failed([`The ledger does not answer: ${place.shown}.`], io);
      return shown(values.json ? [budgetsJson(status, io.now())] : linesOf(status, place, io), io);
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      const isOfGateway = error.problems.some((problem) => problem.includes('the field budgets and no other'));
      return failed([...error.problems, ...(isOfGateway ? [OF_A_GATEWAY] : [])], io);
    }
  },
};

const OF_A_GATEWAY = 'If the file is the configuration of a gateway, it is --config FILE.';

interface Asked {
  readonly budgets?: string | undefined;
  readonly ledger?: string | undefined;
  readonly config?: string | undefined;
}

interface Spending {
  readonly budgets: readonly Budget[];
  /** Or what is wrong with what was named. */
  readonly place: LedgerPlace | string;
}

/** What is asked for, or what is missing of it. */
async function spendingOf({ budgets, ledger, config }: Asked, io: CommandIo): Promise<Spending | string> {
  if (config !== undefined && budgets !== undefined) return 'Expected --budgets or --config, got both.';
  if (config !== undefined) return gatewaySpending(config, ledger, io);
  const file = budgets ?? io.env['PLIMSOLL_BUDGETS'];
  const named = ledger ?? io.env['PLIMSOLL_LEDGER'];
  if (!file) return 'Expected the budgets, got none: --budgets FILE, PLIMSOLL_BUDGETS, or --config FILE of a gateway.';
  if (!named) return 'Expected a ledger, got none: --ledger PLACE, or PLIMSOLL_LEDGER.';
  return { budgets: loadBudgets(file), place: ledgerPlace(named) };
}

const IN_MEMORY =
  'expected a place that others can read, got none in the configuration: the gateway keeps its spend in its own memory. ' +
  'Its metrics show it; or write ledger: { sqlite: plimsoll-ledger.db } into the file, and start it anew';

async function gatewaySpending(config: string, ledger: string | undefined, io: CommandIo): Promise<Spending | string> {
  // Loaded here: who asks for a file of budgets needs nothing of a gateway.
  const { spendingInFile } = await import('../gateway/configuration/file.ts');
  const { ledgerAt } = await import('../gateway/configuration/places.ts');
  const { budgets, ledger: place } = spendingInFile(config, io.env);
  if (budgets.length === 0) return 'Expected budgets in the configuration, got none: docs/gateway.md shows some.';
  if (ledger !== undefined) return { budgets, place: ledgerPlace(ledger) };
  return { budgets, place: place === null ? IN_MEMORY : ledgerAt(place) };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    return argumentProblem(error);
  }
}

async function statusOf(budgets: readonly Budget[], ledger: Ledger, io: CommandIo): Promise<BudgetsStatus> {
  const clock = { epochMs: () => io.now(), monotonicMs: () => performance.now() };
  const held = sharedBudgets(budgets, { ledger, clock, deadlineMs: DEADLINE_MS });
  try {
    return await held.refreshed();
  } finally {
    await held.close();
  }
}

function linesOf(status: BudgetsStatus, { shown: ledger }: LedgerPlace, io: CommandIo): readonly string[] {
  const columns = Math.min(80, io.columns);
  const at = new Date(io.now()).toISOString().slice(0, 16).replace('T', ' ');
  return [`Budgets on ${at} UTC, ledger ${ledger}`, ...budgetLines(status, columns), '', LEGEND];
}
