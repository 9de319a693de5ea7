import { readFileSync } from 'node:fs';
import { unreadable, type ValueProblem } from './errors.ts';
import { installed } from './installed.ts';

/** The value in a file of JSON or YAML, or why it could not be read. */
type StructuredFile = { readonly value: unknown } | { readonly problem: ValueProblem };

/** Reads the text of a file. Throws as `readFileSync` does. */
type ReadText = (path: string) => string;

export function textInFile(path: string): string {
  return readFileSync(path, 'utf8');
}

/**
 * Reads a file synchronously: YAML if its name ends in `.yaml` or `.yml`, which needs the package `yaml`, else JSON. A
 * problem quotes nothing of the text, which may be a file of secrets passed by mistake. Never throws.
 */
export function structuredFile(path: string, read: ReadText = textInFile): StructuredFile {
  let text: string;
  try {
    text = read(path).replace(/^\uFEFF/, '');
  } catch (error) {
    return { problem: unreadable(error) };
  }
  const isYaml = /\.ya?ml$/i.test(path);
  const parse = isYaml ? yaml() : JSON.parse;
  if (parse === null) {
    const advice = 'npm install yaml, or write the file as JSON';
    return { problem: { kind: 'not_installed', expected: 'the package yaml to read it', got: 'none', advice } };
  }
  try {
    return { value: parse(text) as unknown };
  } catch (error) {
    const [expected, got] = [isYaml ? 'YAML' : 'JSON', `a text that cannot be parsed${placeOf(error)}`];
    return { problem: { kind: 'unreadable', expected, got, advice: null } };
  }
}

/** The position of the error, if it is YAML's. */
function placeOf(error: unknown): string {
  const [at] = (error as { linePos?: readonly { readonly line: number; readonly col: number }[] }).linePos ?? [];
  return at === undefined ? '' : ` (line ${at.line}, column ${at.col})`;
}

/** The parser of the package `yaml`; `null` if it is not installed: only users of YAML need it. */
function yaml(): ((text: string) => unknown) | null {
  try {
    return (installed('yaml') as { readonly parse: (text: string) => unknown }).parse;
  } catch {
    // The caller reports that it is missing.
    return null;
  }
}
