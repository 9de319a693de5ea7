import type { Finding } from './secret-scanner.ts';

/** A secret that is let be, with the place where it was first seen, for those who read the file. */
interface KnownSecret {
  readonly fingerprint: string;
  readonly kind?: string;
  readonly path?: string;
  readonly line?: number;
}

/** Secrets that somebody has looked at and let be, by fingerprint: revoked ones, say. */
export type Baseline = ReadonlyMap<string, KnownSecret>;

/** Where it is looked for if nobody says where. */
export const BASELINE_FILE = '.plimsoll-baseline.json';

/** Reads a baseline; `null` for a text that is none. */
export function parsedBaseline(text: string): Baseline | null {
  try {
    const { known } = JSON.parse(text) as { readonly known?: unknown };
    if (Array.isArray(known) && known.every(isKnownSecret)) return new Map(known.map((one) => [one.fingerprint, one]));
  } catch {
    // No baseline, as any other file that is none.
  }
  return null;
}

function isKnownSecret(one: unknown): one is KnownSecret {
  return typeof (one as { readonly fingerprint?: unknown } | null)?.fingerprint === 'string';
}

/** A baseline of all these, and of what one knew before. It holds no secret. */
export function baselineText(findings: readonly Finding[], before: Baseline = new Map()): string {
  const found = findings.map(
    ({ fingerprint, kind, path, line }) => [fingerprint, { fingerprint, kind, path, line }] as const,
  );
  const known = new Map<string, KnownSecret>([...found, ...before]);
  const sorted = [...known.values()].sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
  return `${JSON.stringify({ version: 1, known: sorted }, null, 2)}\n`;
}
