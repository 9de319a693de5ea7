/**
 * Compares plans in a process of its own, for tests: what ends a process or goes unhandled in it is among the things
 * compared, and a test runner takes that for a failure of its own.
 */
import { instrumented, PLAIN } from './decorations.ts';
import { comparisons, plansOf, type Comparison } from './fuzz.ts';
import { hunt, type Found } from './mutation.ts';
import { MUTANTS } from './mutants.ts';
import type { Plan } from './plan.ts';
import { warmUp } from './run.ts';
import { openServers } from './server.ts';

/** What the process is asked for: one of these, and it ends. */
export type Question =
  | { readonly about: 'plans'; readonly plans: readonly Plan[] }
  | { readonly about: 'noise' | 'seed' | 'mutants'; readonly seed: number; readonly sequences: number };

/** Its answer: all comparisons that were asked for, or each mutant's mistake and when it was found. */
export interface Answers {
  readonly comparisons: readonly Comparison[];
  readonly mutants: Readonly<Record<string, Found>>;
}

async function answers(question: Question): Promise<Answers> {
  const servers = await openServers();
  await warmUp(servers);
  const right = instrumented();
  const plans = question.about === 'plans' ? question.plans : [...plansOf(question.seed, question.sequences)];
  if (question.about === 'mutants') {
    const found: Record<string, Found> = {};
    for (const mutant of MUTANTS) found[mutant.mistake] = await hunt(mutant, { plans, right, servers });
    return { comparisons: [], mutants: found };
  }
  const decoration = question.about === 'noise' ? PLAIN : right;
  const compared: Comparison[] = [];
  for await (const comparison of comparisons({ plans, decoration, servers })) compared.push(comparison);
  return { comparisons: compared, mutants: {} };
}

process.once('message', (question: Question) => {
  void answers(question).then((answer) => process.send?.(answer, () => process.exit()));
});
