import { adminClient, outcomeOf, type AdminAccess, type ReadOutcome } from './admin-client.ts';
import { readKeys, readWorkspaces } from './directory.ts';
import { auditedKey, type KeyFinding } from './key-audit.ts';
import { keyGroups, type KeyNames, type OrganizationKey } from './key-groups.ts';
import { readKeyUse } from './key-use.ts';

interface ReviewOptions extends AdminAccess, KeyNames {
  /** Aliases that plimsoll knows. */
  readonly aliases: readonly string[];
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

/** A key of the organization with what there is to look at. */
export interface ReviewedKey {
  readonly key: OrganizationKey;
  /** The name of its workspace, or its id; `null` for a key of all of them. */
  readonly workspace: string | null;
  /** Whole days; `null` where the list does not say when it was made. */
  readonly ageDays: number | null;
  readonly lastUsed: string | null;
  readonly findings: readonly KeyFinding[];
}

/** The keys of an organization, to be looked at once a quarter. */
export interface KeyReview {
  readonly readAtMs: number;
  /** The first day of the report that was read, which is no further back than it has to be; `null` where none was. */
  readonly usedSince: string | null;
  readonly keys: readonly ReviewedKey[];
  /** Aliases that cannot be joined with a key, each with what to do. */
  readonly doubts: readonly string[];
  /** Why use could not be read: then nobody is said to be unused. */
  readonly unread: Exclude<ReadOutcome, 'ok'> | null;
}

const DAY_MS = 86_400_000;

/** Reads the keys and when they were last used. Reads only. Throws what the SDK throws where the keys cannot be read. */
export async function reviewKeys(options: ReviewOptions): Promise<KeyReview> {
  const client = adminClient(options);
  const nowMs = options.now();
  const keys = await readKeys(client);
  const active = keys.filter(({ status }) => status === 'active').map(({ id }) => id);
  const workspaces = await readWorkspaces(client).catch(() => new Map<string, string>());
  const use = await readKeyUse(client, active, nowMs).catch((error: unknown) => outcomeOf(error));
  const isRead = typeof use !== 'string';
  const groups = keyGroups(options.aliases, keys, options);
  const hints = hintsById(options, keys);
  return {
    ...{ readAtMs: nowMs, usedSince: isRead ? use.fromDay : null, doubts: groups.doubts, unread: isRead ? null : use },
    keys: keys.map((key) => {
      const lastUsed = isRead ? (use.lastUsed.get(key.id) ?? null) : null;
      const facts = { nowMs, lastUsed, isWatched: groups.ofId(key.id) !== null, hint: hints.get(key.id) };
      return {
        ...{ key, lastUsed, workspace: key.workspaceId && (workspaces.get(key.workspaceId) || key.workspaceId) },
        ageDays: key.createdAtMs === null ? null : Math.floor((nowMs - key.createdAtMs) / DAY_MS),
        findings: auditedKey(key, isRead ? facts : { ...facts, lastUsed: undefined }),
      };
    }),
  };
}

/** Hints of the keys that aliases are used with here, by the ids that they are configured with, where no such key has it. */
function hintsById(
  { ids = {}, hints = new Map<string, string>() }: KeyNames,
  keys: readonly OrganizationKey[],
): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(ids).flatMap(([alias, named]) => {
      const hint = hints.get(alias);
      const isOneOfThem = keys.some(({ id, hint: shown }) => named.includes(id) && shown === hint);
      return hint === undefined || isOneOfThem ? [] : named.map((id) => [id, hint] as const);
    }),
  );
}
