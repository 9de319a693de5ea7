import type { Decoration } from './decorations.ts';
import { compared } from './fuzz.ts';
import { mutated, type Mutant } from './mutants.ts';
import type { Plan } from './plan.ts';
import type { Servers } from './server.ts';

export interface Hunt {
  readonly plans: Iterable<Plan>;
  /** The decoration without the mistake. */
  readonly right: Decoration;
  readonly servers: Servers;
}

/** After how many sequences a mutant was found, and by which plan; `null` where it was not. */
export type Found = { readonly sequences: number; readonly plan: Plan } | null;

/** Looks for the first plan that shows the mistake where it must show, and shows nothing without the mistake. */
export async function hunt(mutant: Mutant, { plans, right, servers }: Hunt): Promise<Found> {
  const wrong = mutated(right, mutant);
  let sequences = 0;
  for (const plan of plans) {
    sequences++;
    const { differences } = await compared(plan, wrong, servers);
    if (!differences.some(({ channel }) => channel.replace(/ \d+$/, '') === mutant.seenIn)) continue;
    const { verdict } = await compared(plan, right, servers);
    if (verdict === 'equal') return { sequences, plan };
  }
  return null;
}
