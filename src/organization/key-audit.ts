import { keyAlias } from '../keys/alias.ts';
import type { OrganizationKey } from './key-groups.ts';

/** What there is to look at in a key: a closed set. */
export type KeyFinding =
  'expired' | 'expires_soon' | 'old' | 'unused' | 'badly_named' | 'not_watched' | 'no_workspace' | 'other_hint';

/** What is known of a key besides its entry in the organization's list. */
interface KeyFacts {
  readonly nowMs: number;
  /** The last UTC day on which the report has use of it; `null` for none as far as it was read, `undefined` where it was not. */
  readonly lastUsed: string | null | undefined;
  /** plimsoll has an alias for it. */
  readonly isWatched: boolean;
  /** The hint of the key that its alias is used with here, where that is known. */
  readonly hint?: string | undefined;
}

const DAY_MS = 86_400_000;

/** A key that ends within so many days is replaced now. */
const SOON_DAYS = 30;

/** A key is replaced at least once a year. */
const OLD_DAYS = 365;

/** What there is to look at in a key that can be used; only its end for one that cannot. */
export function auditedKey(
  key: OrganizationKey,
  { nowMs, lastUsed, isWatched, hint }: KeyFacts,
): readonly KeyFinding[] {
  if (key.status === 'expired') return ['expired'];
  if (key.status !== 'active') return [];
  const { expiresAtMs, createdAtMs } = key;
  return [
    ...(expiresAtMs !== null && expiresAtMs - nowMs <= SOON_DAYS * DAY_MS ? (['expires_soon'] as const) : []),
    ...(createdAtMs !== null && nowMs - createdAtMs >= OLD_DAYS * DAY_MS ? (['old'] as const) : []),
    ...(lastUsed === null ? (['unused'] as const) : []),
    ...(keyAlias(key.name).wellNamed ? [] : (['badly_named'] as const)),
    ...(isWatched ? [] : (['not_watched'] as const)),
    ...(key.workspaceId === null ? (['no_workspace'] as const) : []),
    ...(hint === undefined || key.hint === null || key.hint === hint ? [] : (['other_hint'] as const)),
  ];
}

/** The part of a key that the organization's list shows of it: `sk-ant-api03-R2D...igAA`. */
export function hintOf(secret: string): string | null {
  const prefix = /^sk-ant-[a-z0-9]+-/.exec(secret)?.[0];
  return prefix === undefined ? null : `${secret.slice(0, prefix.length + 3)}...${secret.slice(-4)}`;
}
