import { setImmediate as turn } from 'node:timers/promises';
import { differences, kindOf, type Difference } from './compare.ts';
import { contains } from './contain.ts';
import { PLAIN, type Decoration } from './decorations.ts';
import { drawPlan } from './draw.ts';
import { knownDifference } from './known.ts';
import type { Plan } from './plan.ts';
import { Random } from './random.ts';
import { run } from './run.ts';
import type { Servers } from './server.ts';
import { shrink } from './shrink.ts';

export type Verdict = 'equal' | 'different' | 'known' | 'noisy';

/** A sequence, run plain and decorated. */
export interface Comparison {
  readonly plan: Plan;
  readonly verdict: Verdict;
  readonly differences: readonly Difference[];
}

/** A call is late now and then on a busy machine; one that waits for something is late each time. */
const PACE_ROUNDS = 5;

/**
 * Runs a plan plain and decorated. A difference counts when it comes again, and when two plain runs share what it is
 * about; where they do not, the comparison is `noisy` and proves nothing. One in pace alone has to come in every round.
 */
export async function compared(plan: Plan, decoration: Decoration, servers: Servers): Promise<Comparison> {
  let comparison = await comparedOnce(plan, decoration, servers);
  for (let round = 1; round < PACE_ROUNDS && isOfPaceAlone(comparison); round++) {
    comparison = await comparedOnce(plan, decoration, servers);
  }
  return comparison;
}

function isOfPaceAlone({ verdict, differences }: Comparison): boolean {
  return verdict !== 'equal' && differences.every(({ what }) => what === 'pace');
}

async function comparedOnce(plan: Plan, decoration: Decoration, servers: Servers): Promise<Comparison> {
  const plain = await run(plan, PLAIN, servers);
  const found = differences(plain, await run(plan, decoration, servers));
  if (found.length === 0) return { plan, verdict: 'equal', differences: [] };
  const again = await run(plan, PLAIN, servers);
  const noise = differences(plain, again);
  if (noise.length > 0) return { plan, verdict: 'noisy', differences: noise };
  const kinds = new Set(found.map(kindOf));
  const repeated = differences(again, await run(plan, decoration, servers));
  const lasting = repeated.filter((difference) => kinds.has(kindOf(difference)));
  if (lasting.length === 0) return { plan, verdict: 'noisy', differences: found };
  return { plan, verdict: lasting.every(knownDifference) ? 'known' : 'different', differences: lasting };
}

/** The smallest plan that differs in one way, and how many sequences contain it. */
export interface Finding {
  readonly kind: string;
  readonly verdict: Verdict;
  readonly sequences: number;
  readonly plan: Plan;
  readonly difference: Difference;
}

export interface FuzzReport {
  readonly counts: Readonly<Record<Verdict, number>>;
  readonly findings: readonly Finding[];
}

export interface Comparing {
  readonly plans: Iterable<Plan>;
  readonly decoration: Decoration;
  readonly servers: Servers;
}

export interface FuzzOptions extends Comparing {
  /** Called after each sequence with how many have run. */
  readonly progress?: (sequences: number) => void;
}

/** The plans of a seed. The same plan comes at the same place whatever became of those before it. */
export function* plansOf(seed: number, sequences: number): Generator<Plan> {
  for (let at = 0; at < sequences; at++) yield drawPlan(new Random(Math.imul(seed, 0x9e3779b1) + at));
}

/** Compares all plans, one after the other, and shrinks none. */
export async function* comparisons({ plans, decoration, servers }: Comparing): AsyncGenerator<Comparison> {
  for (const plan of plans) {
    yield await compared(plan, decoration, servers);
    await turn();
  }
}

/**
 * Compares all plans. One that differs is counted with the smallest plan that it contains, if one of those found so far
 * explains it; otherwise it is shrunk and becomes a finding of its own.
 */
export async function fuzz({ plans, decoration, servers, progress }: FuzzOptions): Promise<FuzzReport> {
  const counts: Record<Verdict, number> = { equal: 0, different: 0, known: 0, noisy: 0 };
  const findings: Finding[] = [];
  let sequences = 0;
  for await (const { plan, verdict, differences } of comparisons({ plans, decoration, servers })) {
    counts[verdict]++;
    const [difference] = differences;
    if (difference !== undefined && !isExplained(findings, plan, verdict)) {
      const found = { kind: kindOf(difference), verdict, sequences: 1, plan, difference };
      const shrunk = verdict === 'noisy' ? found : await smallest(found, decoration, servers);
      if (!isExplained(findings, shrunk.plan, verdict)) findings.push(shrunk);
    }
    progress?.(++sequences);
  }
  return { counts, findings: findings.sort((a, b) => b.sequences - a.sequences) };
}

/** Counts a plan with the finding that explains it. */
function isExplained(findings: Finding[], plan: Plan, verdict: Verdict): boolean {
  const at = findings.findIndex((finding) => finding.verdict === verdict && contains(plan, finding.plan));
  const finding = findings[at];
  if (finding === undefined) return false;
  findings[at] = { ...finding, sequences: finding.sequences + 1 };
  return true;
}

async function smallest(finding: Finding, decoration: Decoration, servers: Servers): Promise<Finding> {
  let { difference } = finding;
  const plan = await shrink(finding.plan, async (smaller) => {
    const { verdict, differences } = await compared(smaller, decoration, servers);
    const same = verdict === finding.verdict && differences.find((each) => kindOf(each) === finding.kind);
    if (same) difference = same;
    return Boolean(same);
  });
  return { ...finding, plan, difference };
}
