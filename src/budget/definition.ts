import { ConfigurationError, gotName, inside, mayHoldSecret, unfit, unknownField, type Problem } from '../errors.ts';
import { nanoUsdOf } from '../figures.ts';
import { structuredFile } from '../structured-file.ts';
import {
  BUDGET_MODES,
  ON_LEDGER_DOWN,
  type Budget,
  type BudgetMode,
  type OnLedgerDown,
  type Period,
  type Scope,
} from './budget.ts';

/**
 * The calls that a budget counts: all of them, or those with a key (by its alias), a model, or an attribution label.
 */
export type ScopeDefinition =
  'all' | { readonly key: string } | { readonly model: string } | { readonly label: string; readonly value: string };

/** Days and months follow the calendar in UTC. A rolling window is from one minute to 366 days long. */
export type PeriodDefinition = 'day' | 'month' | { readonly rollingHours: number } | { readonly rollingMs: number };

/** A budget as a user writes it, in code or in a file. */
export interface BudgetDefinition {
  /**
   * Up to 64 letters, digits, `.`, `_` and `-`. Name and period identify the account in the ledger: spend carries over as
   * long as both stay the same.
   */
  readonly name: string;
  /**
   * The calls that count: `all`, the default; `{ key }`, an alias; `{ model }`, any id that the price table knows;
   * `{ label, value }`, an attribution label.
   */
  readonly scope?: ScopeDefinition;
  /** `day` or `month` in UTC, or a rolling window, `{ rollingHours }` or `{ rollingMs }`. */
  readonly period: PeriodDefinition;
  /** US dollars, exact: a number or a decimal text, up to nine digits on either side of the point. */
  readonly usd: number | string;
  /** `observe` measures; `warn`, the default, also counts calls that exceed the budget; `block` refuses them. */
  readonly mode?: BudgetMode;
  /** Shares of the amount at which `onThreshold` is called, once in each period. Default: 0.5, 0.8 and 1. */
  readonly thresholds?: readonly number[];
  /** Only in mode `block`: whether to refuse a call whose model has no price. Default there: `block`, else `allow`. */
  readonly onUnknownPrice?: 'allow' | 'block';
  /**
   * Only in mode `block`, while the ledger does not answer: `closed` refuses calls, `open` lets them through, `bounded` lets
   * as many through as fit into what the ledger last said was left, at most 5% of the amount for each process. Default:
   * `bounded`, in a gateway `closed`.
   */
  readonly onLedgerDown?: OnLedgerDown;
}

const DEFAULT_THRESHOLDS = [0.5, 0.8, 1] as const;

/**
 * Reads budgets from a list of definitions, of any parsed value. Throws a `ConfigurationError`
 * (`PLIMSOLL_BUDGETS_INVALID`) with all problems at once, each with its place; `from` names the file, if there is one.
 */
export function budgetsOf(definitions: unknown, from?: string): readonly Budget[] {
  const problems: Problem[] = [];
  const budgets = listed(definitions, problems);
  if (problems.length === 0) return budgets;
  throw new ConfigurationError('PLIMSOLL_BUDGETS_INVALID', from === undefined ? problems : inside(from, problems));
}

/**
 * Reads budgets from a file at once: its field `budgets` is a list of definitions as `budgets()` takes them. The file is
 * JSON, or YAML if its name ends in `.yaml` or `.yml` and the package `yaml` is installed. Throws a
 * `ConfigurationError` (`PLIMSOLL_BUDGETS_INVALID`) with every problem and its place.
 */
export function loadBudgets(path: string): readonly Budget[] {
  const read = structuredFile(path);
  const problem = 'problem' in read ? { field: path, ...read.problem } : fileProblem(read.value, path);
  if (problem !== null) throw new ConfigurationError('PLIMSOLL_BUDGETS_INVALID', [problem]);
  return budgetsOf(('value' in read ? (read.value as { budgets?: unknown }) : {}).budgets, path);
}

function fileProblem(value: unknown, path: string): Problem | null {
  const file = object(value);
  if (file === null) return unfit(path, value, { expected: 'an object with the field budgets' });
  const others = Object.keys(file).filter((name) => name !== 'budgets').length;
  if (others === 0) return null;
  const got = others === 1 ? 'another one' : `${others} others`;
  return { kind: 'unknown_field', field: path, expected: 'the field budgets and no other', got, advice: null };
}

function listed(definitions: unknown, problems: Problem[]): readonly Budget[] {
  if (!Array.isArray(definitions) || definitions.length === 0) {
    problems.push(unfit('budgets', definitions, { expected: 'a list of budgets', advice: 'give at least one' }));
    return [];
  }
  const budgets = definitions.map((definition: unknown, position) =>
    budget(definition, `budgets[${position}]`, problems),
  );
  const names = budgets.map(({ name }) => name);
  names.forEach((name, position) => {
    const first = names.indexOf(name);
    if (name === '' || first === position) return;
    problems.push({
      kind: 'conflict',
      field: `budgets[${position}].name`,
      expected: 'a unique name',
      got: `the name of budgets[${first}]`,
      advice: 'rename one',
    });
  });
  return budgets;
}

const FIELDS = ['name', 'scope', 'period', 'usd', 'mode', 'thresholds', 'onUnknownPrice', 'onLedgerDown'];

function budget(definition: unknown, place: string, problems: Problem[]): Budget {
  const fields = object(definition);
  if (fields === null) problems.push(unfit(place, definition, { expected: 'a budget with name, period and usd' }));
  const read = new Reader(fields ?? {}, place, fields === null ? [] : problems);
  read.refuseOthers(FIELDS);
  const mode = read.choice('mode', BUDGET_MODES) ?? 'warn';
  const onUnknownPrice = read.choice('onUnknownPrice', ['allow', 'block'] as const);
  const onLedgerDown = read.choice('onLedgerDown', ON_LEDGER_DOWN);
  const advice = 'set mode: block, or leave this out';
  if (mode !== 'block' && onUnknownPrice === 'block')
    read.problem('onUnknownPrice', 'allow outside mode block', advice);
  if (mode !== 'block' && (onLedgerDown ?? 'open') !== 'open')
    read.problem('onLedgerDown', 'open outside mode block', advice);
  return {
    name: read.name(),
    scope: scope(read),
    period: period(read),
    limitNanoUsd: amount(read),
    mode,
    thresholds: thresholds(read),
    onUnknownPrice: onUnknownPrice ?? (mode === 'block' ? 'block' : 'allow'),
    onLedgerDown: onLedgerDown ?? null,
  };
}

const SCOPE_ADVICE = 'use all, { key }, { model } or { label, value }';

function scope(read: Reader): Scope {
  const given = read.value('scope') ?? 'all';
  if (given === 'all') return { kind: 'all' };
  const fields = Object.keys(object(given) ?? {})
    .sort()
    .join(' ');
  const inner = read.within('scope');
  if (fields === 'key') return { kind: 'key', key: inner.text('key') };
  if (fields === 'model') return { kind: 'model', model: inner.text('model') };
  if (fields === 'label value') return { kind: 'label', label: inner.text('label'), value: inner.text('value') };
  read.problem('scope', 'one scope', SCOPE_ADVICE);
  return { kind: 'all' };
}

const HOUR_MS = 3_600_000;

const SHORTEST_WINDOW_MS = 60_000;

const LONGEST_WINDOW_MS = 366 * 24 * HOUR_MS;

function period(read: Reader): Period {
  const given = read.value('period');
  if (given === 'day' || given === 'month') return { kind: given };
  const window = object(given);
  const [field = '', ...others] = Object.keys(window ?? {});
  const unitMs = field === 'rollingHours' ? HOUR_MS : field === 'rollingMs' ? 1 : Number.NaN;
  const lengthMs = Math.round(Number(window?.[field]) * unitMs);
  if (others.length === 0 && lengthMs >= SHORTEST_WINDOW_MS && lengthMs <= LONGEST_WINDOW_MS) {
    return { kind: 'rolling', lengthMs };
  }
  read.problem('period', 'day, month, { rollingHours } or { rollingMs }', 'a window is a minute to 366 days long');
  return { kind: 'day' };
}

function amount(read: Reader): bigint {
  const nanoUsd = nanoUsdOf(read.value('usd'));
  if (nanoUsd !== null && nanoUsd > 0n) return nanoUsd;
  read.problem('usd', 'an amount above 0 of at most 9 digits on either side of the point', 'write dollars, as 25.50');
  return 1n;
}

const MOST_THRESHOLDS = 20;

const HIGHEST_THRESHOLD = 10;

function thresholds(read: Reader): readonly number[] {
  const given = read.value('thresholds') ?? DEFAULT_THRESHOLDS;
  const parts: readonly unknown[] = Array.isArray(given) ? given : [];
  const fit = parts.filter((part): part is number => typeof part === 'number' && part > 0 && part <= HIGHEST_THRESHOLD);
  if (Array.isArray(given) && fit.length === parts.length && fit.length <= MOST_THRESHOLDS) {
    return [...new Set(fit)].sort((a, b) => a - b);
  }
  read.problem('thresholds', 'a list of shares of the amount', 'write 0.8 for 80%');
  return [];
}

const LONGEST_NAME = 64;

/** Reads the fields of one object, and adds a problem for each that is wrong. */
class Reader {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #place: string;
  readonly #problems: Problem[];

  constructor(fields: Readonly<Record<string, unknown>>, place: string, problems: Problem[]) {
    this.#fields = fields;
    this.#place = place;
    this.#problems = problems;
  }

  value(name: string): unknown {
    return this.#fields[name] ?? undefined;
  }

  problem(name: string, expected: string, advice: string): void {
    this.#problems.push(unfit(`${this.#place}.${name}`, this.#fields[name], { expected, advice }));
  }

  within(name: string): Reader {
    return new Reader(object(this.#fields[name]) ?? {}, `${this.#place}.${name}`, this.#problems);
  }

  /** Reports unknown fields: otherwise a misspelled field would be ignored silently. */
  refuseOthers(known: readonly string[]): void {
    for (const name of Object.keys(this.#fields)) {
      if (!known.includes(name)) this.#problems.push(unknownField(`${this.#place}.${gotName(name)}`, known));
    }
  }

  choice<Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    const value = this.value(name);
    const found = choices.find((choice) => choice === value);
    if (value !== undefined && found === undefined)
      this.problem(name, `one of ${choices.join(', ')}`, 'use one of them');
    return found;
  }

  name(): string {
    const value = this.value('name');
    if (typeof value === 'string' && /^[\w.-]+$/.test(value) && value.length <= LONGEST_NAME) return value;
    this.problem('name', `up to ${LONGEST_NAME} letters, digits, ".", "_" and "-"`, 'name the budget');
    return '';
  }

  text(name: string): string {
    const value = this.value(name);
    // The name becomes a label value.
    if (
      typeof value === 'string' &&
      value !== '' &&
      value.length <= 100 &&
      !/\p{Cc}/u.test(value) &&
      !mayHoldSecret(value)
    )
      return value;
    this.problem(name, 'a text of up to 100 characters', 'put quotes around a number');
    return '';
  }
}

function object(value: unknown): Readonly<Record<string, unknown>> | null {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as Readonly<Record<string, unknown>>) : null;
}
