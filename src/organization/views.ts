import type { Difference, Line } from './difference.ts';
import type { ExactUsd } from './exact-usd.ts';
import type { OrganizationReport } from './organization.ts';

/** What amounts are summed by. */
export const VIEWS = ['key', 'workspace', 'model', 'day'] as const;

export type View = (typeof VIEWS)[number];

/** The amounts of one key, workspace, model or day. */
export interface ViewRow {
  readonly name: string;
  readonly recorded: ExactUsd;
  readonly listed: ExactUsd;
  readonly billed: ExactUsd;
}

/** Who is called what in the organization. */
export type Names = Pick<OrganizationReport, 'groups' | 'keys' | 'workspaces'>;

/** The amounts of complete days by a view, the largest first; days in their order. */
export function viewRows({ lines, closedDays }: Difference, view: View, names: Names): readonly ViewRow[] {
  const closed = new Set(closedDays);
  const rows = new Map<string, ViewRow>();
  for (const line of lines) {
    if (!closed.has(line.day)) continue;
    const name = NAME_IN[view](line, names);
    const { recorded, listed, billed } = rows.get(name) ?? { recorded: 0n, listed: 0n, billed: 0n };
    rows.set(name, {
      name,
      recorded: recorded + line.recorded,
      listed: listed + line.listed,
      billed: billed + line.billed,
    });
  }
  const largest = ({ listed, recorded }: ViewRow): ExactUsd => (listed > recorded ? listed : recorded);
  const used = [...rows.values()].filter((row) => row.recorded !== 0n || row.listed !== 0n || row.billed !== 0n);
  return used.sort((a, b) => (view === 'day' ? (a.name < b.name ? -1 : 1) : largest(b) > largest(a) ? 1 : -1));
}

const NAME_IN: Readonly<Record<View, (line: Line, names: Names) => string>> = {
  key: ({ key }, names) => keyName(key, names),
  workspace: (line, names) => workspaceName(line, names),
  model: ({ model }) => model ?? 'no model',
  day: ({ day }) => day,
};

/** What a key is called by people: aliases as they are, and others by the name in the Console and their id. */
export function keyName(key: string | null, { keys }: Names): string {
  if (key === null) return 'no key';
  const known = keys.find(({ id }) => id === key);
  return known === undefined || known.name === '' ? key : `${known.name} (${key})`;
}

/** The workspace of what was used; the report says which key it was, and the list of keys where that is at home. */
function workspaceName({ key, keyId }: Line, { groups, keys, workspaces }: Names): string {
  if (key === null) return 'no key';
  const ids = keyId === null ? (groups.groups.find(({ name }) => name === key)?.ids ?? []) : [keyId];
  const homes = ids.map((id) => keys.find((each) => each.id === id)?.workspaceId);
  const known = [...new Set(homes.map((id) => (id === null ? 'all workspaces' : id)))].filter((id) => id !== undefined);
  if (known.length === 0) return 'not known';
  return known.map((id) => workspaces.get(id) || id).join(' + ');
}
