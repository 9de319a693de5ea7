import type { Plan } from './plan.ts';

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** So many plans are tried at most. */
const MOST_TRIES = 250;

/**
 * The smallest plan that can be had from `plan` by deleting parts of it, one after the other, while it still
 * `differs`. Every field of a plan may be left out, so what remains is a plan.
 */
export async function shrink(plan: Plan, differs: (smaller: Plan) => Promise<boolean>): Promise<Plan> {
  let smallest = plan as unknown as Json;
  let tries = 0;
  for (let shrunk = true; shrunk;) {
    shrunk = false;
    for (const smaller of withoutAPart(smallest)) {
      if (++tries > MOST_TRIES) return smallest as unknown as Plan;
      if (!isPlan(smaller) || !(await differs(smaller))) continue;
      smallest = smaller;
      shrunk = true;
      break;
    }
  }
  return smallest as unknown as Plan;
}

function isPlan(value: unknown): value is Plan {
  return typeof value === 'object' && value !== null && 'calls' in value;
}

/** Each value that `value` is with one of its parts deleted: the large parts first, then the parts of parts. */
function* withoutAPart(value: Json): Generator<Json> {
  if (isList(value)) {
    for (const at of value.keys()) yield value.toSpliced(at, 1);
    for (const [at, part] of value.entries()) for (const smaller of withoutAPart(part)) yield value.with(at, smaller);
  } else if (typeof value === 'object' && value !== null) {
    for (const name of Object.keys(value)) {
      yield Object.fromEntries(Object.entries(value).filter(([each]) => each !== name));
    }
    for (const [name, part] of Object.entries(value)) {
      for (const smaller of withoutAPart(part)) yield { ...value, [name]: smaller };
    }
  }
}

const isList = (value: Json): value is readonly Json[] => Array.isArray(value);
