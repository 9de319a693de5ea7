import type { Finding, FuzzReport, Verdict } from './fuzz.ts';
import { knownDifference } from './known.ts';
import type { Mutant } from './mutants.ts';
import type { Found } from './mutation.ts';

const LONGEST = 300;

/** The report as text: each kind of difference with its smallest plan, then the counts. */
export function printed({ counts, findings }: FuzzReport): string {
  const of = (verdict: Verdict): readonly string[] =>
    findings.filter((finding) => finding.verdict === verdict).map((finding) => printedFinding(finding));
  return [
    ...of('known'),
    ...of('noisy'),
    ...of('different'),
    ...(counts.known > 0 ? [`${counts.known} differ in known ways only`] : []),
    ...(counts.noisy > 0 ? [`${counts.noisy} noisy: not the same when they are run again`] : []),
    `${counts.equal} equal, ${counts.different} different`,
  ].join('\n');
}

function printedFinding({ kind, verdict, sequences, plan, difference }: Finding): string {
  const reason = knownDifference(difference)?.reason;
  return [
    `${verdict.toUpperCase()}  ${kind}  (${sequences} ${sequences === 1 ? 'sequence' : 'sequences'})`,
    ...(reason === undefined ? [] : [`  because    ${reason}`]),
    `  where      ${difference.channel}, ${difference.what}`,
    `  plain      ${clipped(difference.plain)}`,
    `  decorated  ${clipped(difference.decorated)}`,
    `  again      npm run fuzz:transparent -- --plan '${JSON.stringify(plan).replaceAll("'", String.raw`\u0027`)}'`,
    '',
  ].join('\n');
}

function clipped(text: string | null): string {
  if (text === null) return '(nothing)';
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}

export function printedMutant({ mistake }: Mutant, found: Found): string {
  if (found === null) return `MISSED  a decorator that ${mistake}`;
  return `found after ${found.sequences}  a decorator that ${mistake}: ${JSON.stringify(found.plan)}`;
}
