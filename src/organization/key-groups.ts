/** A key of the organization, as its list shows it. */
export interface OrganizationKey {
  readonly id: string;
  readonly name: string;
  /** The part that the Console shows: `sk-ant-api03-R2D...igAA`; `null` where the list has none. */
  readonly hint: string | null;
  readonly status: string;
  readonly createdAtMs: number | null;
  readonly expiresAtMs: number | null;
  /** `null` for a key of the whole organization. */
  readonly workspaceId: string | null;
}

/** What the user says, and what the keys themselves tell, of which key has which alias. */
export interface KeyNames {
  /** Ids by alias, as configured: they win. */
  readonly ids?: Readonly<Record<string, readonly string[]>>;
  /** Hints by alias, of the keys that calls are sent with. */
  readonly hints?: ReadonlyMap<string, string>;
}

/** Which keys of the organization stand behind which aliases. */
export interface KeyGroups {
  /** The group of an alias; `null` where no key of the organization is known for it. */
  ofAlias(alias: string): string | null;
  /** The group of a key's id; `null` where nobody watches it. */
  ofId(id: string): string | null;
  readonly groups: readonly {
    readonly name: string;
    readonly ids: readonly string[];
    readonly aliases: readonly string[];
  }[];
  /** What cannot be told, each with what to do, for people. */
  readonly doubts: readonly string[];
}

/** Joins aliases and ids: by configuration, else by the hint of the key. What is ambiguous is one group, and listed. */
export function keyGroups(
  aliases: readonly string[],
  keys: readonly OrganizationKey[],
  names: KeyNames = {},
): KeyGroups {
  const doubts: string[] = [];
  const idsOf = new Map(aliases.map((alias) => [alias, idsOfAlias(alias, keys, { names, doubts })] as const));
  const groups = pooled([...idsOf]);
  for (const { name, aliases: own } of groups)
    if (own.length > 1)
      doubts.push(`${name}: these aliases share a key, and are compared as one. Give each program its own key.`);
  const byAlias = new Map(groups.flatMap((group) => group.aliases.map((alias) => [alias, group] as const)));
  const byId = new Map(groups.flatMap((group) => group.ids.map((id) => [id, group] as const)));
  return {
    ofAlias: (alias) => {
      const group = byAlias.get(alias);
      return group === undefined || group.ids.length === 0 ? null : group.name;
    },
    ofId: (id) => byId.get(id)?.name ?? null,
    groups,
    doubts,
  };
}

interface Search {
  readonly names: KeyNames;
  readonly doubts: string[];
}

function idsOfAlias(alias: string, keys: readonly OrganizationKey[], { names, doubts }: Search): readonly string[] {
  const configured = names.ids?.[alias];
  if (configured !== undefined) return configured;
  const hint = names.hints?.get(alias);
  const found = hint === undefined ? [] : keys.filter((key) => key.hint === hint);
  if (found.length > 1) {
    doubts.push(`${alias}: ${found.length} keys have its hint ${hint}. Write its id into the configuration.`);
    return found.map(({ id }) => id);
  }
  if (found.length === 0) {
    const [namesake] = keys.filter((key) => key.name === alias);
    const advice = namesake === undefined ? 'write its id' : `if it is ${namesake.id}, which has that name, write that`;
    doubts.push(`${alias}: no key of the organization is known for it; ${advice} into the configuration.`);
  }
  return found.map(({ id }) => id);
}

interface Group {
  readonly name: string;
  readonly ids: readonly string[];
  readonly aliases: readonly string[];
}

/** Aliases that share an id are one group. */
function pooled(entries: readonly (readonly [alias: string, ids: readonly string[]])[]): readonly Group[] {
  let groups: Group[] = [];
  for (const [alias, ids] of entries) {
    const shared = groups.filter((group) => group.ids.some((id) => ids.includes(id)));
    const aliases = [...shared.flatMap((group) => group.aliases), alias];
    const joined = {
      name: aliases.join(' + '),
      ids: [...new Set([...shared.flatMap((group) => group.ids), ...ids])],
      aliases,
    };
    groups = [...groups.filter((group) => !shared.includes(group)), joined];
  }
  return groups;
}
