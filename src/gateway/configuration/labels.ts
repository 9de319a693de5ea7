import type { Budget } from '../../budget/budget.ts';
import { budgetsOf } from '../../budget/definition.ts';
import { ConfigurationError, nearest, type ValueProblem } from '../../errors.ts';
import { attributionProblems } from '../../record/call-labels.ts';
import type { GatewayClient } from '../access/client.ts';
import { OWNER_LABEL } from '../access/member.ts';
import { CLIENT_LABEL, LABEL_NAME, showableAliases } from './clients.ts';
import { isObject, type Reader } from './reader.ts';

/** The clients and budgets that use labels. */
interface LabelUsers {
  readonly clients: readonly GatewayClient[];
  readonly budgets: readonly Budget[];
}

/** The labels of calls, and those that requests may set. */
interface Labels {
  readonly labelHeaders: readonly string[];
  readonly attribution: Readonly<Record<string, readonly string[]>>;
}

const VALUE = { pattern: /^[^\p{C}]{1,128}$/u, expected: 'a text of 1 to 128 characters' };

/**
 * Reads the fields `attribution` and `labelHeaders`, and adds the labels of clients. A request may not set a label that
 * a budget counts by or that a client has, because it would choose whose money it spends.
 */
export function labelsOf(read: Reader, { clients, budgets }: LabelUsers): Labels {
  const declared = declaredOf(read);
  const set = setByClients(clients);
  const counted = new Set(budgets.flatMap(({ scope }) => (scope.kind === 'label' ? [scope.label] : [])));
  const asked = read.texts('labelHeaders', LABEL_NAME) ?? [];
  const labelHeaders = asked.filter((name, position) => {
    const isSet = set.has(name) || name === OWNER_LABEL;
    const user = counted.has(name) ? 'a budget counts by it' : isSet ? 'clients have it' : null;
    if (user === null) return true;
    const expected = 'a label for requests to set';
    read.note(`labelHeaders[${position}]`, conflict(expected, `"${name}", and ${user}`, 'leave it out'));
    return false;
  });
  const attribution = { ...declared };
  for (const name of labelHeaders) attribution[name] ??= [];
  for (const [name, values] of set) attribution[name] = [...new Set([...(attribution[name] ?? []), ...values])];
  for (const name of counted) {
    if (Object.hasOwn(attribution, name)) continue;
    const expected = 'a budget label that clients have';
    read.note('budgets', conflict(expected, `"${name}"`, 'add it to clients'));
  }
  for (const [name, values] of Object.entries(attribution)) {
    const place = Object.hasOwn(declared, name) ? 'attribution' : placeIn(clients, name);
    for (const problem of attributionProblems({ [name]: values })) read.note(place, problem);
  }
  return { labelHeaders, attribution };
}

/** The field of a label that `attribution` does not declare. */
function placeIn(clients: readonly GatewayClient[], label: string): string {
  const having = clients.find(({ labels }) => Object.hasOwn(labels, label));
  if (having !== undefined) return `clients.${having.name}.labels.${label}`;
  const minting = clients.find(({ mints }) => mints?.subjectLabel === label);
  return minting === undefined ? 'labelHeaders' : `clients.${minting.name}.mints.subjectLabel`;
}

/** Reads a map of names to values, or a list of names. */
function declaredOf(read: Reader): Record<string, readonly string[]> {
  if (Array.isArray(read.value('attribution'))) {
    return Object.fromEntries((read.texts('attribution', LABEL_NAME) ?? []).map((name) => [name, []]));
  }
  const names = read.within('attribution', 'names of labels, each with a list of its values');
  return Object.fromEntries(names.names().map((name) => [name, names.texts(name, VALUE) ?? []]));
}

/** Collects the labels of clients, with their values. */
function setByClients(clients: readonly GatewayClient[]): ReadonlyMap<string, readonly string[]> {
  const set = new Map<string, string[]>();
  for (const { labels, mints, members } of clients) {
    if (members !== null) set.set(OWNER_LABEL, []);
    for (const [name, value] of Object.entries(labels)) set.set(name, [...(set.get(name) ?? []), value]);
    const subject = mints?.subjectLabel ?? null;
    if (subject !== null && !set.has(subject)) set.set(subject, []);
  }
  return set;
}

function conflict(expected: string, got: string, advice: string): ValueProblem {
  return { kind: 'conflict', expected, got, advice };
}

/** Labels that the gateway sets by itself. */
const OF_GRANTS: ReadonlySet<string> = new Set([CLIENT_LABEL, OWNER_LABEL]);

/** Reports each client whose minted subjects would replace a label that it has. */
export function noteSubjectLabels(read: Reader, clients: readonly GatewayClient[]): void {
  for (const { name, labels, mints } of clients) {
    const label = mints?.subjectLabel ?? null;
    if (label === null || (!OF_GRANTS.has(label) && !Object.hasOwn(labels, label))) continue;
    const problem = conflict('another label', 'one that the client has', 'take a label of its own');
    read.note(`clients.${name}.mints.subjectLabel`, problem);
  }
}

/** The clients and keys that budgets may name. */
interface Known {
  readonly clients: readonly string[];
  readonly aliases: readonly string[];
}

/** Reads the budgets of the field `budgets`, and of each client's `budgets`, which count only its calls. */
export function allBudgets(read: Reader, { clients, aliases }: Known): readonly Budget[] {
  const own = listOf(read, (definition) => definition);
  const ofClients = clients.map((name) => {
    const client = read.within('clients', '').within(name, '');
    return listOf(client, (definition) => ofClient(client, definition, name));
  });
  const all = [own, ...ofClients].flat();
  const names = all.map(({ name }) => name);
  for (const name of new Set(names.filter((name, position) => names.indexOf(name) !== position))) {
    // Two in one list are already reported with their places; reporting them again does no harm.
    read.note('budgets', conflict('names of their own', `${name} more than once`, 'rename one'));
  }
  for (const { name, scope } of all) {
    if (scope.kind !== 'key' || aliases.length === 0 || aliases.includes(scope.key)) continue;
    const shown = showableAliases(aliases);
    const near = nearest(scope.key, shown) ?? shown.join(' or ');
    const expected = `${name} to name a key in keys`;
    read.note('budgets', conflict(expected, 'an unknown alias', `use ${near}`));
  }
  return all;
}

function ofClient(client: Reader, definition: unknown, name: string): unknown {
  if (!isObject(definition)) return definition;
  if (definition['scope'] !== undefined) {
    const expected = 'budgets without scope, because they count the client';
    client.note('budgets', conflict(expected, 'a scope', 'leave it out'));
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
    for (const problem of error.problems) read.note(problem.field, problem);
    return [];
  }
}
