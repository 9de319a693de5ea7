import type { Finding } from './secret-scanner.ts';

/** A secret that is ignored, with the place where it was first found, for readers of the file. */
interface KnownSecret {
  readonly fingerprint: string;
  readonly kind?: string;
  readonly path?: string;
  readonly line?: number;
}

/** Secrets to ignore, such as revoked ones, by fingerprint. */
export type Baseline = ReadonlyMap<string, KnownSecret>;

/** The default file name of a baseline. */
export const BASELINE_FILE = '.plimsoll-baseline.json';

/** Parses a baseline; `null` if the text is not one. */
export function parseBaseline(text: string): Baseline | null {
  try {
    const { known } = JSON.parse(text) as { readonly known?: unknown };
    if (Array.isArray(known) && known.every(isKnownSecret)) return new Map(known.map((one) => [one.fingerprint, one]));
  } catch {
    // Not a baseline, like any other file.
  }
  return null;
}

function isKnownSecret(one: unknown): one is KnownSecret {
  return typeof (one as { readonly fingerprint?: unknown } | null)?.fingerprint === 'string';
}

/** The text of a baseline with these findings and those of an earlier baseline. It contains no secret. */
export function baselineText(findings: readonly Finding[], before: Baseline = new Map()): string {
  const found = findings.map(
    ({ fingerprint, kind, path, line }) => [fingerprint, { fingerprint, kind, path, line }] as const,
  );
  const known = new Map<string, KnownSecret>([...found, ...before]);
  const sorted = [...known.values()].sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
  return `${JSON.stringify({ version: 1, known: sorted }, null, 2)}\n`;
}
