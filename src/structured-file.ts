import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { unreadable } from './errors.ts';

/** What a file of JSON or YAML says, or why it could not be read, as the second half of a sentence. */
export type StructuredFile = { readonly value: unknown } | { readonly problem: string };

/**
 * Reads a file at once: YAML where its name ends in `.yaml` or `.yml`, which needs the package `yaml`, else JSON. A
 * problem quotes nothing of the text, which may be a file of secrets given by mistake. Never throws.
 */
export function structuredFile(path: string): StructuredFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    return { problem: `expected to read the file, got ${unreadable(error)}` };
  }
  const isYaml = /\.ya?ml$/i.test(path);
  const parse = isYaml ? yaml() : JSON.parse;
  if (parse === null) {
    return { problem: 'expected the package yaml to read it, got none: npm install yaml, or write the file as JSON' };
  }
  try {
    return { value: parse(text) as unknown };
  } catch (error) {
    return { problem: `expected ${isYaml ? 'YAML' : 'JSON'}, got a text that is not${placeOf(error)}` };
  }
}

/** YAML errors say where they are. */
function placeOf(error: unknown): string {
  const [at] = (error as { linePos?: readonly { readonly line: number; readonly col: number }[] }).linePos ?? [];
  return at === undefined ? '' : ` (line ${at.line}, column ${at.col})`;
}

/** Only who writes YAML needs the package; `null` where there is none. */
function yaml(): ((text: string) => unknown) | null {
  try {
    return (createRequire(import.meta.url)('yaml') as { readonly parse: (text: string) => unknown }).parse;
  } catch {
    // Who asked says that it is missing.
    return null;
  }
}
