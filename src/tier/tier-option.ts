import { mayHoldSecret } from '../secret-mark.ts';
import { tierNamed, tierScheme } from './tiers.ts';

/** What a program may say of its tier. Nothing is needed. */
export interface TierOption {
  /** `Evaluation`, `Start`, `Build`, `Scale` or `Custom`. Default: inferred from the limits in the response headers. */
  readonly name?: string;
  /** Alias of the organisation that the key belongs to, for the label `organization`. Default: `default`. */
  readonly organization?: string;
}

const LONGEST_ALIAS = 64;

/** What is wrong with the option, each with what to do; at that time, since tiers have dates. */
export function tierProblems(option: unknown, atMs: number): readonly string[] {
  if (option === undefined) return [];
  if (typeof option !== 'object' || option === null) {
    return [`tier: expected an object such as { name: 'Build' }, got ${typeof option}: put the name into \`name\``];
  }
  const { name, organization } = option as Record<keyof TierOption, unknown>;
  return [...nameProblems(name, atMs), ...organizationProblems(organization)];
}

function nameProblems(name: unknown, atMs: number): readonly string[] {
  if (name === undefined) return [];
  const scheme = tierScheme(atMs);
  if (typeof name === 'string' && tierNamed(scheme, name) !== null) return [];
  const known = scheme.tiers.map((tier) => tier.name).join(', ');
  return [
    `tier.name: expected one of ${known}, got ${shown(name)}: see the Limits page of the Console, or leave it out`,
  ];
}

function organizationProblems(organization: unknown): readonly string[] {
  if (organization === undefined) return [];
  const expected = 'tier.organization: expected an alias of your own';
  if (typeof organization !== 'string') return [`${expected}, got ${typeof organization}: pass a name`];
  const isAlias =
    /^[\w.-]+$/.test(organization) && organization.length <= LONGEST_ALIAS && !mayHoldSecret(organization);
  if (isAlias) return [];
  return [
    `${expected}, got ${shown(organization)}: use up to ${LONGEST_ALIAS} letters, digits, ".", "_" and "-", and no key`,
  ];
}

/** Never a secret: only what is short and a plain word is shown. */
function shown(value: unknown): string {
  if (typeof value !== 'string') return typeof value;
  return /^[\w .-]{0,20}$/.test(value) && !/sk-/i.test(value) && !mayHoldSecret(value)
    ? `"${value}"`
    : `${value.length} characters`;
}
