import { mayHoldSecret, unfit, type Problem } from '../errors.ts';
import type { LimitDimension } from '../limiter.ts';
import classTable from './model-classes.json' with { type: 'json' };
import table from './tiers.json' with { type: 'json' };

/** The dimensions whose limits are published by tier; other dimensions have limits too. */
export const PUBLISHED_DIMENSIONS = [
  'requests',
  'input_tokens',
  'output_tokens',
] as const satisfies readonly LimitDimension[];

/** What the published limits of a tier count. */
export type PublishedDimension = (typeof PUBLISHED_DIMENSIONS)[number];

/** The limits of one model class, in units per minute. */
type ClassLimits = Readonly<Record<PublishedDimension, number>>;

/** A usage tier as it was published. */
export interface Tier {
  readonly name: string;
  /** Spend in a calendar month (UTC) above which the API refuses; `null` if there is no cap or none is published. */
  readonly monthlyCapUsd: number | null;
  /** There is no cap, as published. */
  readonly uncapped: boolean;
  /** Total credit purchases to reach it; `null` if no threshold is published. */
  readonly creditPurchaseUsd: number | null;
  /** By model class; classes without published limits are absent. */
  readonly limits: ReadonlyMap<string, ClassLimits>;
}

/** All tiers that were in force together. */
export interface TierScheme {
  /** Lowest first. */
  readonly tiers: readonly Tier[];
  /** The rule by which an organization moves up a tier. */
  readonly advancement: string;
  /** The source of the figures, with its date. */
  readonly source: string;
}

interface Period {
  readonly from: string | null;
  readonly until: string | null;
}

type ListedScheme = (typeof table.schemes)[number];

type ListedTier = ListedScheme['tiers'][number];

/** Returns the tiers in force at a time, with their caps at that time. */
export function tierScheme(atMs: number): TierScheme {
  const listed = table.schemes.find((scheme) => holds(scheme, atMs));
  if (listed === undefined) throw new RangeError('the table of tiers has a gap in its dates');
  const { advancement, source } = listed;
  return { advancement, source, tiers: listed.tiers.map((tier: ListedTier) => tierAt(tier, atMs)) };
}

/** Finds a tier by its name, in upper or lower case; `null` if the scheme has none of that name. */
export function tierNamed({ tiers }: TierScheme, name: string): Tier | null {
  const wanted = name.trim().toLowerCase();
  return tiers.find((tier) => tier.name.toLowerCase() === wanted) ?? null;
}

/** The tier above; `null` for the highest. */
export function tierAbove({ tiers }: TierScheme, tier: Tier): Tier | null {
  return tiers[tiers.findIndex(({ name }) => name === tier.name) + 1] ?? null;
}

/** Every tier of every scheme with the tier above it, `null` for the highest; old schemes first. */
export const TIER_STEPS: readonly { readonly tier: string; readonly next: string | null }[] = table.schemes.flatMap(
  ({ tiers }) => tiers.map(({ name }, index) => ({ tier: name, next: tiers[index + 1]?.name ?? null })),
);

function tierAt({ name, creditPurchaseUsd, uncapped, monthlyCaps, limits }: ListedTier, atMs: number): Tier {
  const cap = (monthlyCaps as readonly (Period & { readonly usd: number })[]).find((period) => holds(period, atMs));
  return {
    name,
    creditPurchaseUsd,
    uncapped,
    monthlyCapUsd: cap?.usd ?? null,
    limits: new Map(limits.flatMap(({ classes, ...perMinute }) => classes.map((group) => [group, perMinute] as const))),
  };
}

function holds({ from, until }: Period, atMs: number): boolean {
  return (from === null || dayMs(from) <= atMs) && (until === null || atMs < dayMs(until));
}

function dayMs(day: string): number {
  return Date.parse(`${day}T00:00:00Z`);
}

const classes: ReadonlyMap<string, string> = new Map(
  classTable.classes.flatMap((group) => group.models.map((model) => [model, group.class] as const)),
);

/**
 * Returns the class of models that share one rate limit with this model, given by its canonical id. An unknown model is
 * a class of its own, under its id.
 */
export function modelClass(model: string): string {
  return classes.get(model) ?? model;
}

/** The tier of `instrument()`. All fields are optional. */
export interface TierOption {
  /** `Evaluation`, `Start`, `Build`, `Scale` or `Custom`. Default: inferred from the limits in the response headers. */
  readonly name?: string;
  /** Alias of the organization that the key belongs to, for the label `organization`. Default: `default`. */
  readonly organization?: string;
}

const LONGEST_ALIAS = 64;

/** Checks the option at a time, since tiers have dates. Returns its problems. */
export function tierProblems(option: unknown, atMs: number): readonly Problem[] {
  if (option === undefined) return [];
  if (typeof option !== 'object' || option === null) {
    const wanted = { expected: "an object such as { name: 'Build' }", advice: 'put the name into `name`' };
    return [{ ...unfit('tier', option, wanted), got: typeof option }];
  }
  const { name, organization } = option as Record<keyof TierOption, unknown>;
  return [...nameProblems(name, atMs), ...organizationProblems(organization)];
}

function nameProblems(name: unknown, atMs: number): readonly Problem[] {
  if (name === undefined) return [];
  const scheme = tierScheme(atMs);
  if (typeof name === 'string' && tierNamed(scheme, name) !== null) return [];
  const known = scheme.tiers.map((tier) => tier.name).join(', ');
  const wanted = { expected: `one of ${known}`, advice: 'see the Limits page of the Console, or leave it out' };
  return [{ ...unfit('tier.name', name, wanted), got: shown(name) }];
}

function organizationProblems(organization: unknown): readonly Problem[] {
  if (organization === undefined) return [];
  const wrong = (advice: string): readonly Problem[] => [
    {
      kind: 'invalid',
      field: 'tier.organization',
      expected: 'an alias of your own',
      got: shown(organization),
      advice,
    },
  ];
  if (typeof organization !== 'string') return wrong('pass a name');
  const isAlias =
    /^[\w.-]+$/.test(organization) && organization.length <= LONGEST_ALIAS && !mayHoldSecret(organization);
  return isAlias ? [] : wrong(`use up to ${LONGEST_ALIAS} letters, digits, ".", "_" and "-", and no key`);
}

/** Shows only what is short and a plain word, so never a secret. */
function shown(value: unknown): string {
  if (typeof value !== 'string') return typeof value;
  return /^[\w .-]{0,20}$/.test(value) && !/sk-/i.test(value) && !mayHoldSecret(value)
    ? `"${value}"`
    : `${value.length} characters`;
}
