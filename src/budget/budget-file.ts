import { ConfigurationError } from '../configuration-error.ts';
import { structuredFile } from '../structured-file.ts';
import type { Budget } from './budget.ts';
import { budgetsOf } from './definition.ts';

/**
 * The budgets of a file: `budgets`, a list of definitions as `budgets()` takes them, in JSON, or in YAML where its name
 * ends in `.yaml` or `.yml` and the package `yaml` is installed. Reads it at once. Throws a `ConfigurationError`
 * (`PLIMSOLL_BUDGETS_INVALID`) with every problem and its place.
 */
export function loadBudgets(path: string): readonly Budget[] {
  const read = structuredFile(path);
  if ('problem' in read) throw invalid(path, read.problem);
  const file = read.value;
  const isObject = typeof file === 'object' && file !== null && !Array.isArray(file);
  if (!isObject) throw invalid(path, 'expected an object with the field budgets, got something else');
  const others = Object.keys(file).filter((name) => name !== 'budgets');
  if (others.length > 0) throw invalid(path, `expected the field budgets and no other, got ${others.length} others`);
  return budgetsOf((file as { budgets?: unknown }).budgets, path);
}

function invalid(path: string, problem: string): ConfigurationError {
  return new ConfigurationError('PLIMSOLL_BUDGETS_INVALID', [`${path}: ${problem}`]);
}
