import type { Finding } from './finding.ts';

/** Secrets that somebody has looked at and let be, by fingerprint: revoked ones, say. */
export type Baseline = ReadonlySet<string>;

/** Where it is looked for if nobody says where. */
export const BASELINE_FILE = '.plimsoll-baseline.json';

/** Reads a baseline; or says what is wrong with it. */
export function parsedBaseline(text: string): Baseline | { readonly problem: string } {
  try {
    const { known } = JSON.parse(text) as { readonly known?: unknown };
    if (Array.isArray(known)) {
      const fingerprints = known.map((one: unknown) => (one as { readonly fingerprint?: unknown } | null)?.fingerprint);
      if (fingerprints.every((one) => typeof one === 'string')) return new Set(fingerprints);
    }
  } catch {
    // Said below, as for any other file that is no baseline.
  }
  return { problem: 'expected what --write-baseline writes, got something else' };
}

/** A baseline of all these. It holds no secret; kind and place are for those who read it. */
export function baselineText(findings: readonly Finding[]): string {
  const known = new Map(
    findings.map(({ fingerprint, kind, path, line }) => [fingerprint, { fingerprint, kind, path, line }]),
  );
  const sorted = [...known.values()].sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
  return `${JSON.stringify({ version: 1, known: sorted }, null, 2)}\n`;
}
