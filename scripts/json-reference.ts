/** Writes the page `docs/json.md` from the contract of `--json`. */
import { JSON_CONTRACTS, JSON_UNITS, type JsonContract } from './json-contract.ts';

const INTRODUCTION = `# \`--json\`: what programs read

<!-- Generated from scripts/json-contract.ts by \`npm run generate\`. -->

This page lists every field that a command prints with \`--json\`, with its type and unit. In the tables, \`a[]\` is each element of a
list, \`a.*\` each name of an object, and \`{a,b}\` both names.

**What stays.** A field that is listed here keeps its name, its type and its unit until the next minor version. Fields may be added at
any time, and so may members of a set such as causes: read what you know, and ignore the rest. A field without a value is \`null\`, not
absent, unless its line says so. No field has a secret in it.

**Exit codes** are those without \`--json\`: 0 done, 1 failed or found something, 2 wrong arguments. \`check\` has one for
[each cause](check.md#when-it-fails), and \`scan\` has 3 for a scan that is not complete. Errors and warnings go to standard error;
standard output then has the object, or nothing.
`;

/** The text of `docs/json.md`. */
export function jsonReference(): string {
  return [INTRODUCTION, unitTable(), ...JSON_CONTRACTS.map(section)].join('\n');
}

function unitTable(): string {
  const rows = Object.entries(JSON_UNITS).map(([unit, meaning]) => `| ${unit} | ${meaning} |`);
  return table('| type | what it is |', rows);
}

function section({ command, introduction, fields }: JsonContract): string {
  const rows = fields.map(([path, unit, meaning]) => `| \`${path}\` | ${unit} | ${meaning} |`);
  return `## \`plimsoll ${command}\`\n\n${introduction}\n\n${table('| field | type | meaning |', rows)}`;
}

function table(head: string, rows: readonly string[]): string {
  return [head, head.replace(/[^|]+/g, ' --- '), ...rows, ''].join('\n');
}
