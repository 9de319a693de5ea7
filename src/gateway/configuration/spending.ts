import type { Budget } from '../../budget/budget.ts';
import { budgetsOf } from '../../budget/definition.ts';
import { ConfigurationError } from '../../configuration-error.ts';
import { nearest } from '../../environment/nearest.ts';
import { CLIENT_LABEL } from './clients.ts';
import { isObject, type Reader } from './reader.ts';
import { showableAliases } from './showable-aliases.ts';

/** Who and what budgets may be of. */
export interface Known {
  readonly clients: readonly string[];
  readonly aliases: readonly string[];
}

/** The budgets of the field `budgets`, and of each client's `budgets`, which count its calls alone. */
export function allBudgets(read: Reader, { clients, aliases }: Known): readonly Budget[] {
  const own = listOf(read, (definition) => definition);
  const ofClients = clients.map((name) => {
    const client = read.within('clients', '').within(name, '');
    return listOf(client, (definition) => ofClient(client, definition, name));
  });
  const all = [own, ...ofClients].flat();
  const names = all.map(({ name }) => name);
  for (const name of new Set(names.filter((name, position) => names.indexOf(name) !== position))) {
    // Two in one list were named by their places already; a third time does no harm.
    read.note('budgets', `expected names of their own, got ${name} more than once: rename one`);
  }
  for (const { name, scope } of all) {
    if (scope.kind !== 'key' || aliases.length === 0 || aliases.includes(scope.key)) continue;
    const shown = showableAliases(aliases);
    const near = nearest(scope.key, shown) ?? shown.join(' or ');
    read.note('budgets', `expected ${name} to be of a key in keys, got an alias that is not there: use ${near}`);
  }
  return all;
}

function ofClient(client: Reader, definition: unknown, name: string): unknown {
  if (!isObject(definition)) return definition;
  if (definition['scope'] !== undefined) {
    client.note('budgets', 'expected budgets without scope, since they are of the client, got one with: leave it out');
  }
  return { ...definition, scope: { label: CLIENT_LABEL, value: name } };
}

function listOf(read: Reader, completed: (definition: unknown) => unknown): readonly Budget[] {
  const given = read.value('budgets');
  if (given === undefined) return [];
  try {
    return budgetsOf(Array.isArray(given) ? given.map(completed) : given);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    // Their places begin with `budgets`, at whatever depth they stand here.
    for (const problem of error.problems) {
      const [, place = 'budgets', sentence = problem] = /^(budgets\S*?): (.*)$/s.exec(problem) ?? [];
      read.note(place, sentence);
    }
    return [];
  }
}
