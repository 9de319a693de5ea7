import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ConfigurationError } from '../configuration-error.ts';
import type { Budget } from './budget.ts';
import { budgetsOf } from './definition.ts';

/**
 * The budgets of a file: `budgets`, a list of definitions as `budgets()` takes them, in JSON, or in YAML where its name
 * ends in `.yaml` or `.yml` and the package `yaml` is installed. Reads it at once. Throws a `ConfigurationError`
 * (`PLIMSOLL_BUDGETS_INVALID`) with every problem and its place.
 */
export function loadBudgets(path: string): readonly Budget[] {
  const file = parsed(path);
  const isObject = typeof file === 'object' && file !== null && !Array.isArray(file);
  if (!isObject) throw invalid(path, 'expected an object with the field budgets, got something else');
  const others = Object.keys(file).filter((name) => name !== 'budgets');
  if (others.length > 0) throw invalid(path, `expected the field budgets and no other, got ${others.length} others`);
  return budgetsOf((file as { budgets?: unknown }).budgets, path);
}

function parsed(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'no reason given';
    throw invalid(path, `expected to read the file, got ${reason}`);
  }
  const isYaml = /\.ya?ml$/i.test(path);
  const parse = isYaml ? yaml(path).parse : JSON.parse;
  try {
    return parse(text);
  } catch (error) {
    // The parsers' own messages quote the text, which may be a file of secrets given by mistake.
    throw invalid(path, `expected ${isYaml ? 'YAML' : 'JSON'}, got a text that is not${placeOf(error)}`);
  }
}

/** YAML errors say where they are. */
function placeOf(error: unknown): string {
  const [at] = (error as { linePos?: readonly { readonly line: number; readonly col: number }[] }).linePos ?? [];
  return at === undefined ? '' : ` (line ${at.line}, column ${at.col})`;
}

interface Yaml {
  readonly parse: (text: string) => unknown;
}

/** Only who writes YAML needs the package. */
function yaml(path: string): Yaml {
  try {
    return createRequire(import.meta.url)('yaml') as Yaml;
  } catch {
    throw invalid(path, 'expected the package yaml to read it, got none: npm install yaml, or write the file as JSON');
  }
}

function invalid(path: string, problem: string): ConfigurationError {
  return new ConfigurationError('PLIMSOLL_BUDGETS_INVALID', [`${path}: ${problem}`]);
}
