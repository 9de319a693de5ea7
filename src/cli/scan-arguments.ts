import { parseArgs } from 'node:util';
import { BASELINE_FILE } from '../scan/baseline.ts';
import { argumentProblem } from './replies.ts';

/** What `plimsoll scan --help` teaches. */
export const USAGE = [
  'plimsoll scan [options] [PATH...]     finds Anthropic secrets; - is standard input',
  '  --staged            what is staged in git, as it would be committed',
  "  --history           all of git's history, with its messages and stashes",
  '  --install           writes a pre-commit hook that runs `plimsoll scan --staged`',
  '  --baseline FILE     secrets that are known and let be',
  `                      (${BASELINE_FILE}, where there is one)`,
  '  --write-baseline    adds what is found to the baseline and lets it be',
  '  --format FORMAT     text, json or sarif (text)',
  '',
  'Without a path, the present folder. Of a git work tree it scans what git would',
  'add; what .gitignore names is scanned when it is named: plimsoll scan dist.',
  'Looks into tar, zip, gzip, zstd, brotli and source maps, and through base64 and',
  'escapes. Binary files and placeholders are passed over. Never shows a secret.',
  'Exit code: 0 nothing found, 1 something found, 2 wrong arguments, 3 could not',
  'scan all that was asked for.',
];

const OPTIONS = {
  staged: { type: 'boolean', default: false },
  history: { type: 'boolean', default: false },
  install: { type: 'boolean', default: false },
  baseline: { type: 'string' },
  'write-baseline': { type: 'boolean', default: false },
  format: { type: 'string', default: 'text' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const FORMATS = ['text', 'json', 'sarif'] as const;
const SOURCES = ['staged', 'history', 'install'] as const;

/** What is scanned; `install` scans nothing. */
export type ScanSource = (typeof SOURCES)[number] | 'paths';

/** The arguments of `plimsoll scan`. */
export interface ScanArguments {
  readonly source: ScanSource;
  readonly paths: readonly string[];
  readonly format: (typeof FORMATS)[number];
  /** `null` where none was named. */
  readonly baseline: string | null;
  readonly writeBaseline: boolean;
}

/** What is asked for, or everything that is wrong with it. */
export function scanArguments(
  args: readonly string[],
): ScanArguments | 'help' | { readonly problems: readonly string[] } {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
    if (values.help) return 'help';
    const sources = SOURCES.filter((source) => values[source]);
    const name = values.json ? 'json' : values.format;
    const format = FORMATS.find((known) => known === name);
    const asked = [...sources.map((source) => `--${source}`), ...(positionals.length > 0 ? ['paths'] : [])];
    const problems = [
      ...(asked.length > 1 ? [`Expected one of paths, --staged, --history, --install, got ${asked.join(', ')}.`] : []),
      ...(format === undefined ? [`--format: expected one of ${FORMATS.join(', ')}, got ${name}.`] : []),
    ];
    if (format === undefined || problems.length > 0) return { problems };
    return {
      source: sources[0] ?? 'paths',
      paths: positionals.length > 0 ? positionals : ['.'],
      format,
      baseline: values.baseline ?? null,
      writeBaseline: values['write-baseline'],
    };
  } catch (error) {
    return { problems: [argumentProblem(error)] };
  }
}
