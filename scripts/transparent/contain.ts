import type { CallPlan, Plan } from './plan.ts';

/**
 * Does `plan` do all that `part` does, and more? What differs in the part then differs in the plan for the same reason:
 * one cause is found once, however it shows.
 */
export function contains(plan: Plan, part: Plan): boolean {
  return fieldsContain(plan.client ?? {}, part.client ?? {}) && fieldsContain(plan, { ...part, client: {} });
}

/** Kinds of operations that take the same way through the SDK. */
const FAMILIES: readonly (readonly CallPlan['operation'][])[] = [
  ['create', 'parse', 'beta-create', 'count-tokens', 'batch-create', 'model', 'get', 'post', 'upload', undefined],
  ['create-stream', 'beta-create-stream'],
  ['stream', 'beta-stream'],
  ['runner', 'runner-stream'],
];

function valueContains(name: string, value: unknown, part: unknown): boolean {
  if (Array.isArray(part)) return listContains(value, part as unknown[]);
  if (typeof part === 'object' && part !== null) return fieldsContain(value ?? {}, part);
  if (name === 'operation')
    return FAMILIES.some((family) => [value, part].every((each) => isOf(family, each))) || value === part;
  if (name === 'status') return isRefusal(value) === isRefusal(part);
  return value === part;
}

const isOf = (family: readonly unknown[], value: unknown): boolean => family.includes(value);
const isRefusal = (status: unknown): boolean => typeof status === 'number' && status >= 400;

function fieldsContain(value: object, part: object): boolean {
  return Object.entries(part).every(([name, each]) => valueContains(name, Reflect.get(value, name), each));
}

/** The elements of `parts` are in `list`, in their order. */
function listContains(list: unknown, parts: readonly unknown[]): boolean {
  let at = 0;
  const elements: readonly unknown[] = Array.isArray(list) ? (list as unknown[]) : [];
  return parts.every((part) => {
    while (at < elements.length && !valueContains('', elements[at], part)) at++;
    return at++ < elements.length;
  });
}
